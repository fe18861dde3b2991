"""The environment that the trainer is started in: the artist's, less what would break it.

Houdini's Python variables make another Python load the wrong standard library, its libraries on
``LD_LIBRARY_PATH`` or ``PATH`` displace those of the training environment, and Qt plug-ins of
Houdini's build do not fit another Qt. Those are taken out by name and everything else is kept.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Names of which every variable goes. HOUDINI_MAXTHREADS and its like mean nothing outside Houdini.
DROPPED_PREFIXES = {
    "PYTHON": "it configures another Python",
    "_PYTHON_": "it configures another Python",
    "__PYVENV_LAUNCHER__": "it makes macOS start another Python",
    "HOUDINI_": "it means nothing outside Houdini",
    "QT_": "its plug-ins fit Houdini's Qt alone",
    "PIXI_": "another environment's activation set it",
}
# PYTHON is no setting of the interpreter: build scripts name an interpreter with it. The others
# keep foreign packages or encodings out of any Python; Houdini sets none of them.
KEPT_NAMES = ("PYTHON", "PYTHONNOUSERSITE", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE")
SET_ANYWAY = {
    "PYTHONUNBUFFERED": ("1", "the log must arrive line by line"),
    "PYTHONIOENCODING": ("utf-8", "the log must be UTF-8"),
}
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
    "CONDA_SHLVL",
)
# conda stacks environments: CONDA_PREFIX_1 is the one below. CONDA_BACKUP_X is X before activation.
_STACKED = re.compile(r"CONDA_PREFIX_\d+|CONDA_BACKUP_\w+")
# Files or folders that go when they lie in Houdini's installation: another OpenSSL, another Tcl.
PLACES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "TCL_LIBRARY",
    "TK_LIBRARY",
    "OPENSSL_CONF",
)
# Where Houdini says that it is installed.
INSTALLATION_NAMES = ("HFS", "ORIGINAL_HFS")
# Where the active environment says that it is.
PREFIX_NAMES = ("CONDA_PREFIX", "VIRTUAL_ENV")


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
class Decision:
    """What became of one variable: ``action`` is dropped, edited, kept or set; ``why`` in words."""

    name: str
    action: str
    why: str


@dataclass(frozen=True)
class EnvironmentReport:
    """What :func:`clean_environment` did, for the log and the result file.

    ``decisions`` has one entry for every variable there was or is. Values are never reported:
    they may be secrets.
    """

    removed: tuple[str, ...] = ()
    removed_entries: tuple[tuple[str, str], ...] = ()
    set: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def lines(self) -> list[str]:
        """One sentence per kind of change; the warnings stand apart."""
        lines = []
        if self.removed:
            lines.append("taken out of the environment: " + ", ".join(self.removed))
        lines += [f"taken out of {name}: {entry}" for name, entry in self.removed_entries]
        if self.set:
            lines.append("set in the environment: " + ", ".join(self.set))
        return lines

    def explained(self) -> list[str]:
        """One sentence for every variable, in the order of their names."""
        return [f"{item.name}: {item.action}, {item.why}" for item in self.decisions]

    def document(self) -> dict[str, Any]:
        """Plain data for JSON: what was changed, without what merely stayed."""
        document = asdict(self)
        del document["decisions"]
        return document


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
    artists: list[str] = []  # dropped, and neither Houdini's nor an environment's
    decisions = {name: Decision(name, "kept", "nothing speaks against it") for name in inherited}

    def decide(name: str, action: str, why: str) -> None:
        decisions[name] = Decision(name, action, why)

    def drop(name: str, why: str) -> None:
        del environment[name]
        removed.append(name)
        decide(name, "dropped", why)

    homes = _roots(inherited, same, INSTALLATION_NAMES)
    # The libraries of the environment that was active before are no better than Houdini's.
    others = _roots(inherited, same, PREFIX_NAMES)
    for name in inherited:
        plain = same(name)
        if plain in keep:
            decide(name, "kept", "the settings ask for it")
            continue
        why = _unwanted(plain, inherited[name], homes, windows)
        if why:
            drop(name, why)
            known = [*homes, *others, *([policy.prefix] if policy.prefix else [])]
            if plain.startswith("PYTHON") and plain not in SET_ANYWAY:
                places = _entries(plain, inherited[name], windows)
                if any(
                    place and not any(_inside(place, root, windows) for root in known)
                    for place, _ in places
                ):
                    artists.append(name)
    for name in list(environment):
        plain = same(name)
        if plain not in SEARCH_PATHS or plain in keep:
            continue
        # On PATH what stands behind the training environment does no harm, and may be wanted.
        roots = homes if plain == "PATH" else homes + others
        kept = []
        gone = []
        for entry, separator in _entries(plain, environment[name], windows):
            own = bool(policy.prefix) and _inside(entry, str(policy.prefix), windows)
            if not own and any(_inside(entry, root, windows) for root in roots):
                gone.append((name, entry))
            else:
                kept.append(entry + separator)
        if gone:
            removed_entries += gone
            decide(name, "edited", "entries of Houdini or of another environment were taken out")
            environment[name] = "".join(kept).rstrip(_separators(plain, windows))
            if not environment[name] and plain != "PATH":
                del environment[name]

    def put(name: str, value: str, why: str) -> None:
        for other in [other for other in environment if same(other) == same(name)]:
            del environment[other]
            decisions.pop(other, None)
        environment[name] = value
        changed.append(name)
        decide(name, "set", why)

    if policy.prefix:
        join = ntpath.join if windows else posixpath.join
        folders = [join(policy.prefix, *parts) for parts in _executable_folders(policy, windows)]
        path = next((name for name in environment if same(name) == "PATH"), "PATH")
        present = environment.get(path, "")
        separator = ";" if windows else ":"
        active = "the training environment is active"
        put(path, separator.join(folders + ([present] if present else [])), active)
        if policy.kind == "conda":
            put("CONDA_PREFIX", policy.prefix, active)
            named = (ntpath if windows else posixpath).basename(policy.prefix.rstrip("/\\"))
            put("CONDA_DEFAULT_ENV", named, active)
        elif policy.kind == "venv":
            put("VIRTUAL_ENV", policy.prefix, active)
    # Lines must arrive as they are printed, and as UTF-8 whatever the machine's locale.
    for name, (value, why) in SET_ANYWAY.items():
        put(name, value, why)
    for name in policy.unset:
        for other in [other for other in environment if same(other) == same(name)]:
            drop(other, "the settings unset it")
    for name, value in policy.set.items():
        put(name, value, "the settings set it")
    told = [name for name in artists if name not in policy.set and name not in policy.unset]
    report = EnvironmentReport(
        tuple(sorted(set(removed))),
        tuple(removed_entries),
        tuple(dict.fromkeys(changed)),
        (*_warnings(environment, same), *(_taken_out(name) for name in told)),
        tuple(decisions[name] for name in sorted(decisions)),
    )
    return environment, report


def _roots(inherited: Mapping[str, str], same: Any, names: tuple[str, ...]) -> list[str]:
    """The folders that variables name; a root folder would take everything with it."""
    roots = [inherited[name] for name in inherited if same(name) in names]
    return [root for root in roots if root.strip().strip("/\\")]


def _unwanted(plain: str, value: str, homes: list[str], windows: bool) -> str | None:
    """Why a variable is not passed on; None when it is."""
    if plain in KEPT_NAMES:
        return None
    for prefix, why in DROPPED_PREFIXES.items():
        if plain.startswith(prefix):
            return why
    if plain in ACTIVATION or _STACKED.fullmatch(plain):
        return "another environment's activation set it"
    if plain in PLACES and any(_inside(value, root, windows) for root in homes):
        return "it names a file of Houdini's installation"
    return None


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


def _taken_out(name: str) -> str:
    return (
        f"{name} is taken out of the environment of the training, as it configures another Python; "
        "set it on the environment node (or with --env) where the training needs it"
    )


def _warnings(environment: Mapping[str, str], same: Any) -> list[str]:
    world = next((value for name, value in environment.items() if same(name) == "WORLD_SIZE"), "")
    if world.strip().isdigit() and int(world) > 1:
        return [
            f"WORLD_SIZE is {world} in the environment of the job. A work item trains in one "
            "process, on one graphics card"
        ]
    return []
