"""Messages to the artist: a window where there is one, else standard output."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec

import hou

TITLE = "nvdiffrec"
_MISTAKES = (
    ("nvdiffrec_tops.attributes", "AttributesError"),
    ("nvdiffrec_tops.environment.description", "EnvironmentProblem"),
    ("nvdiffrec_tops.houdini.parameters", "ParameterError"),
    ("houfiles", "HouFileError"),
    ("nvdiffrec_tops.presets", "PresetError"),
    ("nvdiffrec_tops.training", "TrainingError"),
)
"""Where the toolkit's own mistakes are. Only a module that is loaded can have raised one."""

_P = ParamSpec("_P")


class ToolError(Exception):
    """A tool that cannot do what it was asked for; says why and what to do."""


def tell(text: str, *, details: str = "", problem: bool = False) -> None:
    """Show a message; standard output in a session without windows."""
    if not hou.isUIAvailable():
        print(text + (f"\n{details}" if details else ""))
        return
    severity = hou.severityType.Error if problem else hou.severityType.Message
    hou.ui.displayMessage(
        text,
        severity=severity,
        title=TITLE,
        details=details or None,
        details_expanded=bool(details),
    )


def told(function: Callable[_P, None]) -> Callable[_P, None]:
    """A tool whose mistakes are shown to the artist, without a traceback.

    A fault of the toolkit itself still raises: Houdini shows its traceback, to be reported.
    """

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            text = sentence(error)
            if text is None:
                raise
            tell(text, problem=True)

    return run


def sentence(error: Exception) -> str | None:
    """A mistake in the artist's words, with its cure; None for a fault of the toolkit."""
    if not isinstance(error, tuple(_mistakes())):
        return None
    cure = str(getattr(error, "cure", ""))
    parts = (str(error).rstrip(". "), cure if cure not in str(error) else "")
    return ". ".join(one for one in parts if one) or type(error).__name__


def _mistakes() -> Iterator[type[Exception]]:
    yield from (ToolError, hou.Error)
    for module, name in _MISTAKES:
        if (loaded := sys.modules.get(module)) is not None:
            yield getattr(loaded, name)
