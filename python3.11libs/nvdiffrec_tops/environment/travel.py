"""Whether an environment starts on another machine that sees its folder under the same path.

A folder that every machine sees is not enough: a virtual environment borrows the Python that it was
made from, wherever that lies, also when it has a copy of the interpreter (``venv --copies``). One
that carries its own Python is made by ``env create``, and by conda, mamba and pixi.

The environment's Python is started with no variable of this machine and tells what it has loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nvdiffrec_tops.environment.description import EnvironmentProblem, describe

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loaded_files.py")
_SECONDS = 120.0
"""A first start from a network disk takes its time."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/System", "/Library")
_OWN = ("/usr/local", "/Library/Frameworks")
"""Folders below these that are this machine's own all the same."""


@dataclass(frozen=True)
class Needs:
    """What an environment takes from outside the folders that other machines see.

    ``base``: the folder of the Python that runs in it; ``virtual``: the environment borrows that
    one. ``elsewhere``: files that were loaded and that other machines do not have. ``system``:
    the Python is the operating system's.
    """

    folder: str
    base: str
    virtual: bool
    elsewhere: tuple[str, ...]
    system: bool

    @property
    def reason(self) -> str:
        """Why it does not start on another machine, as the end of a sentence; '' when it does."""
        if not self.elsewhere:
            return ""
        if any(_inside(one, self.base) for one in self.elsewhere):
            kind = "it is a virtual environment, and the" if self.virtual else "the"
            return f"{kind} Python that it needs is in {self.base}"
        more = len(self.elsewhere) - 1
        others = f" and {more} other file{'s' if more > 1 else ''}" if more else ""
        return f"it loads {self.elsewhere[0]}{others}"


def needs(environment: str, seen: Callable[[str], bool]) -> Needs:
    """Start an environment's Python and look at what it loads.

    Args:
        environment: its folder, or its interpreter.
        seen: whether other machines see a path, which is absolute and has no links in it.

    Raises:
        EnvironmentProblem: there is no environment, or its Python does not start.
    """
    described = describe(environment)
    answer = _asked(described.python)
    return Needs(
        folder=described.prefix,
        base=answer.base,
        virtual=answer.virtual,
        elsewhere=tuple(one for one in answer.places if not seen(one) and not of_the_system(one)),
        system=of_the_system(answer.base) and not seen(answer.base),
    )


def inside(folder: str) -> Callable[[str], bool]:
    """For ``needs``: other machines see this folder and no other."""
    root = os.path.realpath(folder)
    return lambda path: _inside(path, root)


def of_the_system(path: str) -> bool:
    """Whether a path belongs to the operating system, so that other machines have it as well."""
    if os.name == "nt":
        return _inside(path, os.environ.get("SYSTEMROOT", r"C:\Windows"))
    if any(_inside(path, folder) for folder in _OWN):
        return False
    return any(_inside(path, folder) for folder in _SYSTEM)


def _inside(path: str, folder: str) -> bool:
    whole, root = os.path.normcase(path), os.path.normcase(folder).rstrip(os.sep)
    return whole == root or whole.startswith(root + os.sep)


class _Answer(NamedTuple):
    """What ``loaded_files.py`` prints."""

    base: str
    virtual: bool
    places: list[str]


def _answer(document: dict[str, object]) -> _Answer:
    """Raises TypeError: it is something else, whatever has printed it."""
    base, virtual, places = (document.get(name) for name in _Answer._fields)
    if not isinstance(base, str) or not isinstance(virtual, bool) or not isinstance(places, list):
        raise TypeError("an answer has a folder, a switch and a list")
    return _Answer(base, virtual, [str(one) for one in places])


def _asked(python: str) -> _Answer:
    environment = {k: os.environ[k] for k in ("SYSTEMROOT", "TEMP", "TMP") if k in os.environ}
    try:
        done = subprocess.run(
            [python, "-I", "-B", "-X", "utf8", _SCRIPT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_SECONDS:.0f} seconds"
    except (OSError, ValueError) as error:
        reason = str(error)
    else:
        try:
            return _answer(json.loads(done.stdout.splitlines()[-1]))
        except (AttributeError, IndexError, RecursionError, TypeError, ValueError):
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1][:300] if said else f"exit code {done.returncode}"
    raise EnvironmentProblem(
        f"the Python of the environment does not start: {python}: {reason}",
        f'examine it: nvdiffrec-tops doctor --env "{python}"',
    )
