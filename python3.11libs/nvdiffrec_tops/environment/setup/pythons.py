"""Finds a Python that an environment can be made with, and the one that Houdini brings."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.reading import is_file, names_in
from nvdiffrec_tops.job.environment import EnvironmentPolicy, clean_environment

OLDEST = (3, 11)
PREFERRED = ((3, 11), (3, 12), (3, 13))
"""What the trainer's packages are tested with; a newer one is taken where there is none of them."""

_PLAIN = re.compile(r"(python|pypy)[\d.]*w?(\.exe)?", re.IGNORECASE)
_PROBE_SECONDS = 30
# In a venv the interpreter that it was made from: a venv of a venv would need both.
_PROBE = """
import json, sys
import ensurepip, ssl, venv
base = getattr(sys, "_base_executable", "") or sys.executable
print(json.dumps([list(sys.version_info[:2]), base]))
"""


class Python(NamedTuple):
    """An interpreter that can make venvs, and its version."""

    path: str
    version: tuple[int, ...]


def find(environ: Mapping[str, str], avoid: str = "", platform: str = sys.platform) -> Python:
    """The best Python for the trainer; ``PYTHON`` in ``environ`` names one that comes first.

    Args:
        environ: where PATH and the folders of usual installations are looked up.
        avoid: a folder none of whose interpreters is taken: it may be cleared.
        platform: as ``sys.platform``.

    Raises:
        EnvironmentProblem: there is none; the cure says how to get one.
    """
    found: list[Python] = []
    seen: set[str] = set()
    for path in candidates(environ, platform):
        real = os.path.normcase(os.path.realpath(path))
        if real in seen or (avoid and _inside(path, avoid)):
            continue
        seen.add(real)
        python = probe(path, environ)
        if python is None or python.version < OLDEST or (avoid and _inside(python.path, avoid)):
            continue
        if python.version in PREFERRED or path == environ.get("PYTHON"):
            return python
        found.append(python)
    if found:
        return min(found, key=lambda one: one.version)
    wanted = ".".join(map(str, OLDEST))
    raise EnvironmentProblem(
        f"no Python {wanted} or newer with the venv module was found",
        {
            "win32": "install Python 3.12 from python.org/downloads; for this user is enough",
            "darwin": "install Python 3.12 from python.org/downloads",
        }.get(platform, "on Debian: apt-get install python3 python3-venv")
        + "; or name an interpreter in the environment variable PYTHON",
    )


def probe(path: str, environ: Mapping[str, str]) -> Python | None:
    """What an interpreter says of itself; None when it does not start or cannot make venvs."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            env=bare(environ),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        version, base = json.loads(done.stdout.decode("utf-8", "replace"))
        return Python(str(base) if is_file(str(base)) else path, tuple(map(int, version)))
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        return None


def bare(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for an interpreter that has no environment yet: Houdini's are left out."""
    return clean_environment(environ, EnvironmentPolicy())[0]


def candidates(environ: Mapping[str, str], platform: str = sys.platform) -> Iterator[str]:
    """Paths of interpreters, the best first; they may be missing, old or broken."""
    if environ.get("PYTHON", "").strip():
        named = environ["PYTHON"].strip()
        yield shutil.which(named, path=environ.get("PATH")) or named
    search = environ.get("PATH", "")
    for major, minor in PREFERRED:
        program = shutil.which(f"python{major}.{minor}", path=search)
        if program:
            yield program
    if platform == "win32":
        yield from _of_windows(environ)
    else:
        home = environ.get("HOME") or os.path.expanduser("~")
        for major, minor in PREFERRED:
            numbered = f"python{major}.{minor}"
            for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", f"{home}/.local/bin"):
                yield os.path.join(folder, numbered)
            versions = f"/Library/Frameworks/Python.framework/Versions/{major}.{minor}/bin"
            yield os.path.join(versions, numbered)
    for name in ("python3", "python"):
        program = shutil.which(name, path=search)
        if program:
            yield program
    if _PLAIN.fullmatch(os.path.basename(sys.executable or "")):
        yield sys.executable
    # An environment of Houdini's own Python breaks when that Houdini is removed: late.
    yield from of_houdini(environ, platform)
    yield from _of_uv(environ)


def _of_windows(environ: Mapping[str, str]) -> Iterator[str]:
    """Installations that python.org's installer and the Store have noted."""
    for major, minor in PREFERRED:
        with contextlib.suppress(ImportError, OSError):
            import winreg

            for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):  # type: ignore[attr-defined,unused-ignore]
                with contextlib.suppress(OSError):
                    key = rf"Software\Python\PythonCore\{major}.{minor}\InstallPath"
                    yield os.path.join(winreg.QueryValue(root, key), "python.exe")  # type: ignore[attr-defined,unused-ignore]
        for variable, inner in (("LOCALAPPDATA", "Programs/Python"), ("PROGRAMFILES", "")):
            if environ.get(variable):
                folder = os.path.join(environ[variable], *inner.split("/"), f"Python{major}{minor}")
                yield os.path.join(folder, "python.exe")


def _of_uv(environ: Mapping[str, str]) -> Iterator[str]:
    """A Python that uv has, or brings; where there is uv, and nothing else was found."""
    uv = shutil.which("uv", path=environ.get("PATH", ""))
    if not uv:
        return
    version = ".".join(map(str, PREFERRED[0]))
    for words in (("find",), ("install", "--quiet"), ("find",)):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [uv, "python", *words, "--no-config", version],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=600,
                env=bare(environ),
            )
            path = done.stdout.decode("utf-8", "replace").strip()
            if words == ("find",) and path:
                yield path
                return


def of_houdini(environ: Mapping[str, str], platform: str = sys.platform) -> list[str]:
    """The plain interpreters that Houdini brings; they take no licence."""
    hfs = environ.get("HFS", "").strip()
    if not hfs:
        return []
    found = []
    if platform == "win32":
        for name in sorted(names_in(hfs), reverse=True):
            if re.fullmatch(r"python3\d+", name):
                found.append(os.path.join(hfs, name, "python.exe"))
    else:
        folders = [os.path.join(hfs, "python", "bin")]
        if platform == "darwin":
            # HFS is Frameworks/Houdini.framework/Versions/NUMBER/Resources.
            frameworks = os.path.normpath(os.path.join(hfs, *[".."] * 4))
            versions = os.path.join(frameworks, "Python.framework", "Versions")
            folders += [os.path.join(versions, name, "bin") for name in names_in(versions)[::-1]]
        for folder in folders:
            names = [name for name in names_in(folder) if re.fullmatch(r"python3(\.\d+)?", name)]
            found += [os.path.join(folder, name) for name in sorted(names, reverse=True)]
    return [path for path in found if is_file(path)]


def for_background(
    environ: Mapping[str, str], executable: str = "", platform: str = sys.platform
) -> str:
    """The interpreter for a process of ours, asked inside Houdini: never ``houdini`` itself.

    ``sys.executable`` is the program that runs, which in a session with windows is Houdini. The
    plain interpreter that Houdini brings is taken, since hython takes a licence.

    Raises:
        EnvironmentProblem: there is none.
    """
    running = executable or sys.executable or ""
    if _PLAIN.fullmatch(os.path.basename(running)) and is_file(running):
        return running
    for path in of_houdini(environ, platform):
        return path
    names = ["python.exe"] if platform == "win32" else ["bin/python3", "bin/python"]
    for name in names:
        path = os.path.join(sys.base_prefix, *name.split("/"))
        if is_file(path):
            return path
    hython = os.path.join(environ.get("HFS", ""), "bin", "hython" + ".exe" * (platform == "win32"))
    if environ.get("HFS") and is_file(hython):
        return hython
    raise EnvironmentProblem(
        "Houdini's own Python was not found, which is to make the environment",
        "see that the variable HFS names Houdini's folder, or make the environment on the command "
        "line: nvdiffrec-tops env create",
    )


def _inside(path: str, folder: str) -> bool:
    path, folder = (
        os.path.normcase(os.path.abspath(path)),
        os.path.normcase(os.path.abspath(folder)),
    )
    return path.startswith(folder.rstrip(os.sep) + os.sep)
