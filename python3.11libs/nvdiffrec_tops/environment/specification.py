"""conda's environment files (YAML): channels, conda packages, and a part for pip."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.reading import text_of
from nvdiffrec_tops.job import engines

KEYS = ("name", "channels", "dependencies", "prefix", "variables")
LARGEST = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)
# A package, perhaps of a named channel, then a version: what conda and pip may be asked for.
_CONDA = re.compile(r"(?:[\w.:/+-]+::)?[A-Za-z0-9_][\w.-]*[^\x00-\x1f\x7f]*")
_PIP = re.compile(r"[A-Za-z0-9][^\x00-\x1f\x7f]*")
# The options of pip that say where packages are; the others are refused.
_OPTION = re.compile(
    r"--pre|--(?:extra-index-url|index-url|find-links|trusted-host)[ =][^\s\x00-\x1f\x7f]+"
)
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SOURCE = re.compile(r"(?:[\w.\[\],-]+\s*@\s*)?(?:(?:git|hg|svn|bzr)\+)\S+", re.IGNORECASE)


@dataclass(frozen=True)
class Specification:
    """An environment file's content.

    ``conda`` and ``pip`` are requirements as those tools read them; ``variables`` are set when the
    environment is activated. ``source`` is the file.
    """

    source: str
    name: str
    channels: tuple[str, ...]
    conda: tuple[str, ...]
    pip: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def pip_sources(self) -> tuple[str, ...]:
        """What pip builds from a repository, perhaps against packages installed before."""
        return tuple(item for item in self.pip if _SOURCE.fullmatch(item))

    @property
    def pip_options(self) -> tuple[str, ...]:
        """Where pip looks for packages."""
        return tuple(item for item in self.pip if _OPTION.fullmatch(item))

    def document(self) -> dict[str, Any]:
        """Plain data: what decides whether an environment is up to date."""
        return {
            "channels": list(self.channels),
            "conda": list(self.conda),
            "pip": list(self.pip),
            "variables": dict(self.variables),
        }


def shipped(engine: str) -> Path:
    """The environment file of an engine.

    Raises:
        EnvironmentProblem: it has none.
    """
    file = engines.engine(engine).environment_file
    if not file:
        raise EnvironmentProblem(
            f"the engine {engine} comes with no environment file",
            "name one with --from FILE.yml, or make the environment as its authors say",
        )
    return Path(file).resolve()


def read_specification(path: str | os.PathLike[str]) -> Specification:
    """The content of an environment file.

    Raises:
        EnvironmentProblem: the file cannot be read, or something in it is not understood.
    """
    source = os.path.abspath(os.fsdecode(os.fspath(path)))
    text = text_of(source, LARGEST)
    if text is None:
        raise EnvironmentProblem(
            f"the environment file cannot be read: {source}",
            "give the path of a conda environment file (YAML)",
        )
    return parse_specification(text, source)


def parse_specification(text: str, source: str) -> Specification:
    """The content of an environment file's text; ``source`` is its path.

    Raises:
        EnvironmentProblem: something in it is not understood.
    """

    def wrong(where: str, what: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"{where} in the environment file {source} {what}",
            "see env-diffrec.yml among the toolkit's templates for an example",
        )

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        reason = str(getattr(error, "problem", None) or lines[0])
        raise EnvironmentProblem(
            f"the environment file {source}{place} is no YAML: {reason}", "correct the file"
        ) from None
    if not isinstance(document, dict):
        raise wrong("the whole", "is not a list of settings such as dependencies")
    for key in document:
        if key not in KEYS:
            raise wrong(f"the setting {key!r}", f"is unknown (known: {', '.join(KEYS)})")
    name = document.get("name") or Path(source).stem
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong(f"the name {name!r}", "is not letters, digits and . _ + -")
    channels = []
    for entry in _listed(document.get("channels", []), "channels", wrong):
        if entry == "nodefaults":
            continue
        if entry == "defaults" or not re.fullmatch(
            r"[^\s\x00-\x1f\x7f]+(?: [^\x00-\x1f]*)?", entry
        ):
            raise wrong(f"the channel {entry!r}", "is not supported; use conda-forge")
        if entry.startswith(("./", "../", ".\\", "..\\")):
            entry = os.path.normpath(os.path.join(os.path.dirname(source), entry))
        channels.append(entry)
    conda, pip = _dependencies(document.get("dependencies"), wrong)
    variables = document.get("variables") or {}
    if not isinstance(variables, dict):
        raise wrong("the setting variables", "is not a list of NAME: VALUE")
    for key, value in variables.items():
        if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
            raise wrong(f"the variable {key!r}", "has no valid name")
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise wrong(f"the variable {key}", "is not a text")
        if "\0" in str(value):
            raise wrong(f"the variable {key}", "is not a text")
    return Specification(
        source=source,
        name=name,
        channels=tuple(channels) or ("conda-forge",),
        conda=tuple(conda),
        pip=tuple(pip),
        variables=tuple((key, str(value)) for key, value in variables.items()),
    )


def _listed(value: object, where: str, wrong: Any) -> list[str]:
    if not isinstance(value, list):
        raise wrong(f"the setting {where}", "is not a list")
    for entry in value:
        if not isinstance(entry, str) or not entry.strip():
            raise wrong(f"the entry {entry!r} of {where}", "is not a text")
    return [entry.strip() for entry in value]


def _dependencies(value: object, wrong: Any) -> tuple[list[str], list[str]]:
    if not isinstance(value, list) or not value:
        raise wrong("the setting dependencies", "is not a list of packages")
    conda: list[str] = []
    pip: list[str] = []
    for entry in value:
        if isinstance(entry, dict) and set(entry) == {"pip"}:
            pip += _listed(entry["pip"], "pip", wrong)
        elif isinstance(entry, str) and _CONDA.fullmatch(entry.strip()):
            conda.append(entry.strip())
        else:
            raise wrong(f"the dependency {entry!r}", "is neither a package nor a list for pip")
    for entry in pip:
        if not _PIP.fullmatch(entry) and not _OPTION.fullmatch(entry):
            raise wrong(f"the pip requirement {entry!r}", "is not a package")
    names = {re.split(r"[\s=<>!~\[(]", item.rsplit("::", 1)[-1])[0].lower() for item in conda}
    if "python" not in names:
        raise wrong("the setting dependencies", "does not name python")
    if pip and "pip" not in names:
        conda.append("pip")
    return conda, pip
