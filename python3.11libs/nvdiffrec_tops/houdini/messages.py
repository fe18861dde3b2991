"""Messages to the artist: a window where there is one, else standard output."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import hou

from nvdiffrec_tops.attributes import AttributesError
from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.houfiles import HouFileError
from nvdiffrec_tops.presets import PresetError
from nvdiffrec_tops.training import TrainingError

TITLE = "nvdiffrec"
MISTAKES = (AttributesError, EnvironmentProblem, HouFileError, PresetError, TrainingError)

_P = ParamSpec("_P")


class ToolError(Exception):
    """A tool that cannot do what it was asked for; says why and what to do."""


def tell(text: str, *, details: str = "", problem: bool = False) -> None:
    """Show a message; the interpreter's own output in a session without windows."""
    if not hou.isUIAvailable():
        print(text + (f"\n{details}" if details else ""))
        return
    severity = hou.severityType.Error if problem else hou.severityType.Message
    hou.ui.displayMessage(
        text, severity=severity, title=TITLE, details=details or None, details_expanded=True
    )


def told(function: Callable[_P, None]) -> Callable[_P, None]:
    """A tool whose mistakes are shown to the artist, without a traceback."""

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (ToolError, *MISTAKES) as error:
            cure = getattr(error, "cure", "")
            tell(". ".join(one for one in (str(error), cure) if one), problem=True)

    return run
