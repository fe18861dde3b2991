"""conda's environment files (YAML): channels, conda packages, and a part for pip."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvdiffrec_tops.environment import piprequirements, yamltext
from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.reading import text_of
from nvdiffrec_tops.environment.yamltext import Number, short
from nvdiffrec_tops.job import engines

KEYS = ("name", "channels", "dependencies", "prefix", "variables")
LARGEST = 1 << 20
_LONGEST_NUMBER = 100
_LONGEST_VALUE = 32_000  # Windows takes no longer variable

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)
# A package, perhaps of a named channel, then a version: what conda and pip may be asked for.
_CONDA = re.compile(r"(?:[\w.:/+-]+::)?[A-Za-z0-9_][\w.-]*[^\x00-\x1f\x7f]*")
# As ``conda env export`` writes it: name=version=build, with one sign each.
_BUILD = re.compile(r"([\w.-]+==?[^=<>!~\s\[]+)=[^=<>!~\s\[]+")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Anaconda's own channels, whose terms ask larger companies for a licence.
_DEFAULTS = re.compile(
    r"defaults|main|(?:https?://repo\.(?:anaconda|continuum)\.(?:com|io)/)?pkgs/\w+/?|anaconda"
)
CONDA_FORGE = "conda-forge"


@dataclass(frozen=True)
class Specification:
    """An environment file's content.

    ``conda`` and ``pip`` are requirements as those tools read them; ``variables`` are set when the
    environment is activated. ``source`` is the file. ``warnings`` tell what is not as it is written
    there.
    """

    source: str
    name: str
    channels: tuple[str, ...]
    conda: tuple[str, ...]
    pip: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def pip_sources(self) -> tuple[str, ...]:
        """What pip builds from a repository, perhaps against packages installed before."""
        return tuple(item for item in self.pip if piprequirements.is_source(item))

    @property
    def pip_options(self) -> tuple[str, ...]:
        """Where pip looks for packages."""
        return tuple(item for item in self.pip if piprequirements.is_option(item))

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

    if re.search(r"^@EXPLICIT\s*$", text, re.MULTILINE):
        raise EnvironmentProblem(
            f"{source} lists conda's packages for one platform (conda list --explicit), it is no "
            "environment file",
            "write one with: conda env export --no-builds > environment.yml",
        )
    try:
        document = yamltext.plain(text)
    except yamltext.YamlProblem as problem:
        place = f", line {problem.line}" if problem.line else ""
        raise EnvironmentProblem(
            f"the environment file {source}{place} is no YAML: {problem}"
            if problem.line or "alias" not in str(problem)
            else f"the environment file {source} is refused: {problem}",
            "correct the file",
        ) from None
    if isinstance(document, str) and re.match(r"[\w.-]+(\[.*\])?\s*[=<>~!]=", document):
        raise EnvironmentProblem(
            f"{source} holds requirements for pip, it is no environment file",
            "write an environment file beside it, with the dependencies: python=3.10, pip, and "
            f"{{pip: [-r {os.path.basename(source)}]}}",
        )
    if not isinstance(document, dict):
        raise wrong("the whole", "is not a list of settings such as dependencies")
    warnings = []
    unknown = [short(key) for key in document if key not in KEYS]
    if unknown:
        names = ", ".join(unknown[:8]) + (", ..." if len(unknown) > 8 else "")
        if "dependencies" not in document:
            raise wrong("the setting dependencies", f"is missing; not known: {names}")
        warnings.append(f"{source}: passed over, as conda does, for want of a meaning: {names}")
    name = document.get("name") or Path(source).stem
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong(f"the name {short(name)}", "is not letters, digits and . _ + -")
    channels, replaced = _channels(document.get("channels") or [], source, wrong)
    gone: list[str] = []
    conda, pip = _dependencies(document.get("dependencies"), source, wrong, gone)
    if gone:
        warnings.append(
            f"{', '.join(gone[:8])}{', ...' if len(gone) > 8 else ''}: installed from a folder of "
            "another machine, which is not there; the newest versions of the package index are "
            "taken"
        )
    if replaced:
        warnings.append(
            f"the channel {', '.join(replaced)} of {source} is Anaconda's, whose terms ask larger "
            f"companies for a licence; {CONDA_FORGE} is used in its place"
        )
        conda, builds = _without_builds(conda)
        if builds:
            warnings.append(
                f"the build strings of {len(builds)} packages, {short(builds[0])} for example, "
                "belong to that channel and are left out; the versions stay"
            )
    variables = document.get("variables") or {}
    if not isinstance(variables, dict):
        raise wrong("the setting variables", "is not a list of NAME: VALUE")
    for key, value in variables.items():
        if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
            raise wrong(f"the variable {short(key)}", "has no valid name")
        if isinstance(value, Number) and len(value) > _LONGEST_NUMBER:
            raise wrong(f"the variable {key}", f"is a number of {len(value)} characters")
        if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST_VALUE:
            raise wrong(f"the variable {key}", "is not a text")
    return Specification(
        source=source,
        name=str(name),
        channels=tuple(channels),
        conda=tuple(conda),
        pip=tuple(pip),
        variables=tuple((key, str(value)) for key, value in variables.items()),
        warnings=tuple(warnings),
    )


def _channels(value: object, source: str, wrong: Any) -> tuple[list[str], list[str]]:
    """The channels, and those of Anaconda for which conda-forge stands now."""
    channels: list[str] = []
    replaced = []
    for entry in _listed(value, "channels", wrong):
        if entry == "nodefaults":
            continue
        if _DEFAULTS.fullmatch(entry):
            replaced.append(entry)
            entry = CONDA_FORGE
        if not re.fullmatch(r"[^\s\x00-\x1f\x7f]+(?: [^\x00-\x1f]*)?", entry):
            raise wrong(f"the channel {short(entry)}", "is not supported; use conda-forge")
        if entry.startswith(("./", "../", ".\\", "..\\")):
            entry = os.path.normpath(os.path.join(os.path.dirname(source), entry))
        if entry not in channels:
            channels.append(entry)
    return channels or [CONDA_FORGE], replaced


def _without_builds(conda: list[str]) -> tuple[list[str], list[str]]:
    """Packages as ``name=version``, and the entries that had a build besides."""
    kept, with_builds = [], []
    for entry in conda:
        match = _BUILD.fullmatch(entry)
        if match:
            with_builds.append(entry)
        kept.append(match[1] if match else entry)
    return kept, with_builds


def _listed(value: object, where: str, wrong: Any) -> list[str]:
    if not isinstance(value, list):
        raise wrong(f"the setting {where}", "is not a list")
    for entry in value:
        if not isinstance(entry, str) or isinstance(entry, Number) or not entry.strip():
            raise wrong(f"the entry {short(entry)} of {where}", "is not a text")
    return [entry.strip() for entry in value]


def _dependencies(
    value: object, source: str, wrong: Any, gone: list[str]
) -> tuple[list[str], list[str]]:
    if not isinstance(value, list) or not value:
        raise wrong("the setting dependencies", "is not a list of packages")
    conda: list[str] = []
    listed: list[str] = []
    for entry in value:
        if isinstance(entry, dict) and set(entry) == {"pip"}:
            # conda writes an empty part where pip has installed nothing.
            listed += _listed(entry["pip"] or [], "pip", wrong)
        elif (
            isinstance(entry, str)
            and not isinstance(entry, Number)
            and _CONDA.fullmatch(entry.strip())
        ):
            conda.append(entry.strip())
        else:
            raise wrong(f"the dependency {short(entry)}", "is neither a package nor a list for pip")
    try:
        pip = piprequirements.resolved(listed, source, gone)
    except piprequirements.RequirementProblem as problem:
        raise wrong(problem.where, str(problem)) from None
    names = {re.split(r"[\s=<>!~\[(]", item.rsplit("::", 1)[-1])[0].lower() for item in conda}
    if "python" not in names:
        raise wrong("the setting dependencies", "does not name python")
    if pip and "pip" not in names:
        conda.append("pip")
    return conda, pip
