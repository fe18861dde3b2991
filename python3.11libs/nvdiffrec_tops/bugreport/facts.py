"""Versions of everything that takes part in a training. Nothing here is private: no paths, no names
of persons or machines."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvdiffrec_contract import VERSION
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.inspection import InspectionError
from nvdiffrec_tops.environment import EnvironmentProblem

CHECKOUT = Path(__file__).resolve().parents[3]
"""The folder of the project, where this is a checkout of it."""
SECONDS = 10.0

_HOUDINI = re.compile(r"(?:hfs|houdini\s*)(\d+\.\d+(?:\.\d+)*)", re.IGNORECASE)
_INSTALLED = ("/opt", "/Applications/Houdini", "C:/Program Files/Side Effects Software")


def gathered(environment: str | None = None) -> dict[str, Any]:
    """The facts, as plain data.

    Args:
        environment: the training environment's folder or Python; None is the active one.
    """
    context = Context(environment)
    return {
        "toolkit": toolkit(CHECKOUT),
        "python": {
            "version": platform.python_version(),
            "implementation": sys.implementation.name,
        },
        "system": system(),
        "environment": _environment(context),
        "graphics": _graphics(context),
        "houdini": houdini(os.environ),
    }


def toolkit(checkout: Path) -> dict[str, Any]:
    """The version, and of a checkout its commit and whether files differ from it."""
    found: dict[str, Any] = {"version": VERSION}
    if (checkout / ".git").exists():
        commit = _git(checkout, "rev-parse", "HEAD")
        if re.fullmatch(r"[0-9a-f]{40,64}", commit):
            found["commit"] = commit
            found["changed"] = bool(_git(checkout, "status", "--porcelain", "-uno"))
    return found


def _git(checkout: Path, *words: str) -> str:
    # No program that the checkout's own settings name is run.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(checkout), *words]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            env=environ,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def system() -> dict[str, str]:
    """The operating system."""
    found = {"name": platform.system(), "release": platform.release()}
    try:
        found["distribution"] = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        found["distribution"] = platform.version() if os.name == "nt" else platform.mac_ver()[0]
    return {**found, "machine": platform.machine()}


def _environment(context: Context) -> dict[str, Any]:
    light = context.light
    if isinstance(light, InspectionError):
        return {"problem": str(light)}
    try:
        place = context.place
    except EnvironmentProblem as problem:
        return {"problem": str(problem)}
    packages = context.facts("packages")
    distributions = packages.get("distributions", {})
    build = packages.get("torch_build", {})
    tools = context.facts("tools")
    version = context.facts("python").get("version", [])
    return {
        "kind": place.kind,
        "python": ".".join(map(str, version)),
        "packages": {
            name: one["version"] for name, one in distributions.items() if one.get("version")
        },
        "torch_cuda": build.get("cuda"),
        "torch_hip": build.get("hip"),
        "nvcc": tools.get("nvcc", {}).get("version"),
        "compiler": tools.get("compiler", {}).get("version"),
    }


def _graphics(context: Context) -> dict[str, Any]:
    driver = context.facts("driver")
    cards = [
        {
            "name": one.get("name"),
            "memory_mib": one.get("memory.total"),
            "capability": one.get("compute_cap"),
        }
        for one in driver.get("cards", [])
    ]
    return {"driver": driver.get("version") or None, "cards": cards}


def houdini(environ: Mapping[str, str]) -> dict[str, Any]:
    """The Houdini that this runs in, and those that are installed in the usual places."""
    within = environ.get("HOUDINI_VERSION") or _houdini_of(environ.get("HFS", ""))
    installed = set()
    for place in _INSTALLED:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        installed |= {_houdini_of(name) for name in names} - {""}
    return {"running": within or None, "installed": sorted(installed)}


def _houdini_of(name: str) -> str:
    match = _HOUDINI.search(name)
    return match[1] if match else ""
