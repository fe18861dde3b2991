"""Files that a cook without Houdini gives to jobs, in place of those that Houdini brings."""

from __future__ import annotations

import re
from pathlib import Path

_HOUDINIS = re.compile(r"\$(?:HHP|\{HHP\})/pdgjob/(\w+\.py)")


def is_houdinis(text: str) -> bool:
    """Whether a File Dependency means one of the job scripts in Houdini's installation."""
    return _HOUDINIS.fullmatch(text.strip()) is not None


def stand_in(text: str) -> Path | None:
    """The file that takes the place of such a script; None when there is none."""
    found = _HOUDINIS.fullmatch(text.strip())
    path = Path(__file__).resolve().with_name(found[1]) if found else None
    return path if path is not None and path.is_file() and path.name != "__init__.py" else None


def files(*names: str) -> tuple[Path, ...]:
    """The files of these names, and the modules that every one of them may import."""
    folder = Path(__file__).resolve().parent
    return tuple(folder / name for name in (*names, "pdgattributes.py", "pdgcmd.py", "pdgjson.py"))
