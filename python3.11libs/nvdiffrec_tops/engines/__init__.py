"""The trainers, as the cook process sees them: what a work item must say and what it will get.

How a trainer is started lives in the job process; an engine here only describes it. To add one,
write a module with an ``ENGINE`` and name it in ``nvdiffrec_contract.engines``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nvdiffrec_contract import engines
from nvdiffrec_contract.layout import Output


class EngineError(Exception):
    """No engine has this name; the message lists them."""


@dataclass(frozen=True)
class Engine:
    """One trainer.

    Attributes:
        name: as job files name it.
        label: as a menu shows it.
        default_script: the training script below the working directory; None for a module.
        needs_checkout: whether the working directory must be the trainer's own checkout.
        devices: values of ``device`` that it can be asked for.
        licence: what an artist has to know before choosing it.
        outputs: the files that a run of a configuration always makes.
    """

    name: str
    label: str
    default_script: str | None
    needs_checkout: bool
    devices: tuple[str, ...]
    licence: str
    outputs: Callable[[Mapping[str, Any]], tuple[Output, ...]]


def names() -> tuple[str, ...]:
    """The engines' names, the default first."""
    return engines.NAMES


def engine(name: str) -> Engine:
    """The engine called ``name``.

    Raises:
        EngineError: there is none.
    """
    if name not in engines.NAMES:
        near = difflib.get_close_matches(name, engines.NAMES, n=1, cutoff=0.4)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise EngineError(f"there is no engine {name!r}{hint}; engines: {', '.join(engines.NAMES)}")
    found = importlib.import_module(f"{__name__}.{name}").ENGINE
    assert isinstance(found, Engine)
    return found
