"""Conda environments and venvs: found, described, activated and created.

What is described is read from files; no process is started for it. Each name is loaded when it is
first asked for: a start of ``scripts/cook`` needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nvdiffrec_tops.environment.activation import Change as Change
    from nvdiffrec_tops.environment.description import Environment as Environment
    from nvdiffrec_tops.environment.description import EnvironmentProblem as EnvironmentProblem
    from nvdiffrec_tops.environment.description import describe as describe
    from nvdiffrec_tops.environment.description import exports as exports
    from nvdiffrec_tops.environment.discovery import active as active
    from nvdiffrec_tops.environment.discovery import find as find
    from nvdiffrec_tops.environment.discovery import known as known
    from nvdiffrec_tops.environment.isolation import isolated as isolated
    from nvdiffrec_tops.environment.isolation import policy as policy

_PLACES = {
    "Change": "activation",
    "Environment": "description",
    "EnvironmentProblem": "description",
    "describe": "description",
    "exports": "description",
    "active": "discovery",
    "find": "discovery",
    "known": "discovery",
    "isolated": "isolation",
    "policy": "isolation",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
