"""Conda environments and venvs: found, described, activated and created.

What is described is read from files; no process is started for it. Each name is loaded when it is
first asked for: a start of ``scripts/cook`` needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nvdiffrec_tops.environment.activation import Change
    from nvdiffrec_tops.environment.description import (
        Environment,
        EnvironmentProblem,
        describe,
        exports,
    )
    from nvdiffrec_tops.environment.discovery import active, find, known
    from nvdiffrec_tops.environment.isolation import isolated, policy

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

__all__ = [
    "Change",
    "Environment",
    "EnvironmentProblem",
    "active",
    "describe",
    "exports",
    "find",
    "isolated",
    "known",
    "policy",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
