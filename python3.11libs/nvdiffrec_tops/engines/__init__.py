"""The trainers, as the cook process sees them: what a work item must say and what it will get.

How a trainer is started lives in the job process; an engine here only describes it. To add one,
write a module with an ``ENGINE`` and name it in :data:`_MODULES`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nvdiffrec_tops.job import metricstable, result

_MODULES = ("diffrec", "nvdiffrec")


class EngineError(Exception):
    """No engine has this name; the message lists them."""


@dataclass(frozen=True)
class ExpectedOutput:
    """A file that a finished run always leaves: path below the output folder, and its PDG tag."""

    path: str
    tag: str


RESULT = ExpectedOutput(result.NAME, "file/json")
"""What was made, from what, with which versions: the job process writes it, whatever trains."""

METRICS = ExpectedOutput(metricstable.NAME, "file/csv")
"""Loss and PSNR over the training: the trainer writes it, or the job process from its log."""


def figures(config: Mapping[str, Any]) -> tuple[ExpectedOutput, ...]:
    """The tables of PSNR per view that both trainers write where ``config`` validates, which it
    does unless it says otherwise. None of a configuration that is not known here (empty)."""
    if not config or not config.get("validate", True):
        return ()
    passes = ("validate",) if config.get("base_mesh") else ("validate", "dmtet_validate")
    return tuple(ExpectedOutput(f"{one}/metrics.txt", "file/text") for one in passes)


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
    outputs: Callable[[Mapping[str, Any]], tuple[ExpectedOutput, ...]]


def names() -> tuple[str, ...]:
    """The engines' names, the default first."""
    return _MODULES


def engine(name: str) -> Engine:
    """The engine called ``name``.

    Raises:
        EngineError: there is none.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, _MODULES, n=1, cutoff=0.4)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise EngineError(f"there is no engine {name!r}{hint}; engines: {', '.join(_MODULES)}")
    found = importlib.import_module(f"{__name__}.{name}").ENGINE
    assert isinstance(found, Engine)
    return found
