"""The environment that the trainer is started in: the artist's, less what would break it.

Houdini's Python variables make another Python load the wrong standard library, its libraries on
``LD_LIBRARY_PATH`` or ``PATH`` displace those of the training environment, and Qt plug-ins of
Houdini's build do not fit another Qt. Those are taken out by name and everything else is kept.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Names of which every variable goes. HOUDINI_MAXTHREADS and its like mean nothing outside Houdini.
DROPPED_PREFIXES = ("PYTHON", "HOUDINI_", "QT_")
# Not a setting of the interpreter: build scripts name an interpreter with it.
KEPT_NAMES = ("PYTHON",)
# Search paths from which the entries inside Houdini's installation go; the others stay.
SEARCH_PATHS = (
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_INSERT_LIBRARIES",
    "PATH",
)
# Set by the activation of an environment; true only of the one being used.
ACTIVATION = (
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "CONDA_PROMPT_MODIFIER",
)
# Where Houdini says that it is installed.
INSTALLATION_NAMES = ("HFS", "ORIGINAL_HFS")


@dataclass(frozen=True)
class EnvironmentPolicy:
    """What to change beside the standard rules: part of the job file.

    ``prefix`` is the environment's folder (None: no environment, a plain interpreter); ``kind`` is
    conda, venv or None. ``set`` and ``unset`` are the artist's own changes, applied last; ``keep``
    saves variables from the rules.
    """

    prefix: str | None = None
    kind: str | None = None
    set: dict[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnvironmentReport:
    """What :func:`clean_environment` did, for the log and the result file."""

    removed: tuple[str, ...] = ()
    removed_entries: tuple[tuple[str, str], ...] = ()
    set: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One sentence per kind of change; the warnings stand apart."""
        lines = []
        if self.removed:
            lines.append("taken out of the environment: " + ", ".join(self.removed))
        lines += [f"taken out of {name}: {entry}" for name, entry in self.removed_entries]
        if self.set:
            lines.append("set in the environment: " + ", ".join(self.set))
        return lines

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def clean_environment(
    inherited: Mapping[str, str], policy: EnvironmentPolicy, *, windows: bool = os.name == "nt"
) -> tuple[dict[str, str], EnvironmentReport]:
    """The trainer's environment out of the inherited one. Pure: reads no file and no other state.

    Values that are not listed in the report are passed on unchanged.
    """

    def same(name: str) -> str:
        return name.upper() if windows else name

    keep = {same(name) for name in policy.keep}
    environment = dict(inherited)
    removed: list[str] = []
    removed_entries: list[tuple[str, str]] = []
    changed: list[str] = []
    for name in inherited:
        plain = same(name)
        if plain in keep or plain in KEPT_NAMES:
            continue
        if plain.startswith(DROPPED_PREFIXES) or plain in ACTIVATION:
            del environment[name]
            removed.append(name)
    roots = [inherited[name] for name in inherited if same(name) in INSTALLATION_NAMES]
    roots = [root for root in roots if root.strip().strip("/\\")]
    for name in list(environment):
        if same(name) not in SEARCH_PATHS or same(name) in keep:
            continue
        kept = []
        for entry, separator in _entries(same(name), environment[name], windows):
            if any(_inside(entry, root, windows) for root in roots):
                removed_entries.append((name, entry))
            else:
                kept.append(entry + separator)
        if removed_entries and removed_entries[-1][0] == name:
            environment[name] = "".join(kept).rstrip(_separators(same(name), windows))
            if not environment[name] and same(name) != "PATH":
                del environment[name]

    def put(name: str, value: str) -> None:
        for other in [other for other in environment if same(other) == same(name)]:
            del environment[other]
        environment[name] = value
        changed.append(name)

    if policy.prefix:
        join = ntpath.join if windows else posixpath.join
        folders = [join(policy.prefix, *parts) for parts in _executable_folders(policy, windows)]
        path = next((name for name in environment if same(name) == "PATH"), "PATH")
        present = environment.get(path, "")
        separator = ";" if windows else ":"
        put(path, separator.join(folders + ([present] if present else [])))
        if policy.kind == "conda":
            put("CONDA_PREFIX", policy.prefix)
            put("CONDA_DEFAULT_ENV", (ntpath if windows else posixpath).basename(policy.prefix))
        elif policy.kind == "venv":
            put("VIRTUAL_ENV", policy.prefix)
    # Lines must arrive as they are printed, and as UTF-8 whatever the machine's locale.
    put("PYTHONUNBUFFERED", "1")
    put("PYTHONIOENCODING", "utf-8")
    for name in policy.unset:
        for other in [other for other in environment if same(other) == same(name)]:
            del environment[other]
            removed.append(other)
    for name, value in policy.set.items():
        put(name, value)
    report = EnvironmentReport(
        tuple(sorted(set(removed))),
        tuple(removed_entries),
        tuple(dict.fromkeys(changed)),
        tuple(_warnings(environment, same)),
    )
    return environment, report


def _executable_folders(policy: EnvironmentPolicy, windows: bool) -> list[tuple[str, ...]]:
    if not windows:
        return [("bin",)]
    if policy.kind == "conda":
        inner = [("Library", "mingw-w64", "bin"), ("Library", "usr", "bin"), ("Library", "bin")]
        return [(), *inner, ("Scripts",)]
    return [("Scripts",)]


def _separators(name: str, windows: bool) -> str:
    if windows:
        return ";"
    return ": " if name == "LD_PRELOAD" else ":"  # ld.so takes spaces as well as colons


def _entries(name: str, value: str, windows: bool) -> list[tuple[str, str]]:
    """The entries of a search path, each with the separator that follows it."""
    entries: list[tuple[str, str]] = []
    start = 0
    separators = _separators(name, windows)
    for position, character in enumerate(value):
        if character in separators:
            entries.append((value[start:position], character))
            start = position + 1
    entries.append((value[start:], ""))
    return entries


def _inside(entry: str, root: str, windows: bool) -> bool:
    """Whether ``entry`` names ``root`` or something below it."""
    if not entry:
        return False
    module = ntpath if windows else posixpath
    inner = module.normcase(module.normpath(entry.strip('"') if windows else entry))
    outer = module.normcase(module.normpath(root))
    return bool(inner == outer or inner.startswith(outer.rstrip(module.sep) + module.sep))


def _warnings(environment: Mapping[str, str], same: Any) -> list[str]:
    world = next((value for name, value in environment.items() if same(name) == "WORLD_SIZE"), "")
    if world.strip().isdigit() and int(world) > 1:
        return [
            f"WORLD_SIZE is {world}: nvdiffrec will wait for {world} processes on several GPUs. "
            "Unset it for training on one"
        ]
    return []
