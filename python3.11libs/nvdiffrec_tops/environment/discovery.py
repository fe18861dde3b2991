"""The environments that this machine has: where conda, mamba, pixi and venvs keep them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from nvdiffrec_tops.environment import condarc
from nvdiffrec_tops.environment.description import (
    CREATE,
    Environment,
    EnvironmentProblem,
    describe,
    is_environment,
)
from nvdiffrec_tops.environment.layout import Layout, layout
from nvdiffrec_tops.environment.reading import names_in, text_of
from nvdiffrec_tops.environment.registry import home_of, registered

_INSTALLATIONS = (
    "miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "miniconda", "anaconda",
    "mamba", "conda", "opt/miniconda3", "opt/anaconda3", ".local/share/mamba", ".conda",
    ".mamba", "AppData/Local/miniconda3", "AppData/Local/anaconda3", "AppData/Local/miniforge3",
)  # fmt: skip
_SHARED_INSTALLATIONS = (
    "/opt/conda", "/opt/miniconda3", "/opt/anaconda3", "/opt/miniforge3", "/opt/mambaforge",
    "/opt/homebrew/Caskroom/miniconda/base", "/opt/homebrew/Caskroom/miniforge/base",
    "/usr/local/miniconda3", "/usr/local/anaconda3",
)  # fmt: skip
# Folders under the home folder of which each folder may be an environment.
_COLLECTIONS = (".virtualenvs", ".local/share/virtualenvs", ".venvs", "venvs", ".pixi/envs")
_SETTINGS = (".condarc", ".conda/.condarc", ".conda/condarc", ".config/conda/.condarc",
             ".config/conda/condarc", ".mambarc")  # fmt: skip
MOST = 500
TOOLKIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
"""The clone or the unpacked release: ``scripts/cook`` makes its ``.venv``."""


def known(
    environ: Mapping[str, str] | None = None,
    *,
    platform: str | None = None,
    folder: str | None = None,
) -> list[Environment]:
    """The environments of this machine, the active one first; plain interpreters are left out.

    ``folder`` is where ``.venv`` and ``.pixi`` are looked for as well; by default the working
    folder. They are always looked for beside the toolkit. Broken environments are
    passed over. Never raises.
    """
    places = layout(platform)
    variables = _variables(environ, places)
    found: dict[str, Environment] = {}
    for candidate in _candidates(variables, places, folder):
        if len(found) >= MOST:
            break
        if not os.path.isabs(candidate):
            continue
        try:
            if not is_environment(candidate, platform):
                continue
            identity = os.path.normcase(os.path.realpath(candidate))
            if identity not in found:
                found[identity] = describe(candidate, platform=platform, environ=variables)
        except (EnvironmentProblem, OSError, ValueError):
            continue
    return list(found.values())


def find(
    name: str,
    environ: Mapping[str, str] | None = None,
    *,
    platform: str | None = None,
    folder: str | None = None,
) -> Environment:
    """The environment of a name, or in a folder.

    Raises:
        EnvironmentProblem: there is none, or several have the name.
    """
    if not name.strip():
        raise EnvironmentProblem("no environment is named", "give a name or a folder")
    named: list[Environment] = []
    if not re.search(r"[/\\~\0]", name):
        present = known(environ, platform=platform, folder=folder)
        named = [item for item in present if item.name == name]
        if len(named) == 1:
            return named[0]
        if not named and not os.path.exists(name):
            names = sorted({item.name for item in present})
            listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise EnvironmentProblem(
                f"there is no environment named {name} (found: {listed or 'none'})",
                f"give its folder, or {CREATE}",
            )
    if named:
        folders = ", ".join(item.prefix for item in named)
        raise EnvironmentProblem(
            f"several environments are named {name}: {folders}", "give the folder of the one meant"
        )
    return describe(name, platform=platform, environ=environ)


def active(
    environ: Mapping[str, str] | None = None, *, platform: str | None = None
) -> Environment | None:
    """The environment that the shell has activated: a venv before conda's. None when there is none.

    A venv that is activated inside a conda environment is the inner one.
    """
    variables = _variables(environ, layout(platform))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = variables.get(name, "").strip()
        if prefix and os.path.isabs(prefix):
            try:
                return describe(prefix, platform=platform, environ=variables)
            except EnvironmentProblem:
                continue
    return None


def _variables(environ: Mapping[str, str] | None, places: Layout) -> dict[str, str]:
    given = os.environ if environ is None else environ
    return {name.upper() if places.windows else name: value for name, value in given.items()}


def _candidates(environ: Mapping[str, str], places: Layout, folder: str | None) -> Iterator[str]:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        yield environ.get(name, "").strip()
    home = home_of(environ, places.windows)
    yield from registered(environ, places.windows)
    for collection in _collections(environ, places, home):
        for name in names_in(collection):
            yield os.path.join(collection, name)
    for installation in _installations(environ, places, home):
        yield installation
        for name in names_in(os.path.join(installation, "envs")):
            yield os.path.join(installation, "envs", name)
    for parent in _projects(environ, folder):
        yield os.path.join(parent, ".venv")
        yield os.path.join(parent, "venv")
        for name in names_in(os.path.join(parent, ".pixi", "envs")):
            yield os.path.join(parent, ".pixi", "envs", name)


def _projects(environ: Mapping[str, str], folder: str | None) -> list[str]:
    try:
        here = os.getcwd() if folder is None else os.path.abspath(folder)
    except OSError:  # the working folder was removed
        here = ""
    named = [environ.get(name, "").strip() for name in ("TOPS_NVDIFFREC", "PIXI_PROJECT_ROOT")]
    return [project for project in [here, *named, TOOLKIT] if project]


def _installations(environ: Mapping[str, str], places: Layout, home: str) -> Iterator[str]:
    yield environ.get("MAMBA_ROOT_PREFIX", "").strip()
    yield environ.get("CONDA_ROOT", "").strip()
    for name in ("CONDA_EXE", "MAMBA_EXE", "CONDA_PYTHON_EXE"):
        program = environ.get(name, "").strip()
        if program:  # in bin, Scripts or condabin of the installation
            yield os.path.dirname(os.path.dirname(program))
    for name in _INSTALLATIONS:
        yield os.path.join(home, *name.split("/"))
    if places.windows:
        for variable in ("LOCALAPPDATA", "PROGRAMDATA", "SYSTEMDRIVE"):
            parent = environ.get(variable, "").strip()
            if parent:
                parent = parent + os.sep if parent.endswith(":") else parent
                for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba"):
                    yield os.path.join(parent, name)
    else:
        yield from _SHARED_INSTALLATIONS


def _collections(environ: Mapping[str, str], places: Layout, home: str) -> Iterator[str]:
    separator = ";" if places.windows else ":"
    for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS", "MAMBA_ENVS_DIRS"):
        yield from filter(None, map(str.strip, environ.get(name, "").split(separator)))
    yield from _configured(environ, places, home)
    if environ.get("WORKON_HOME", "").strip():
        yield environ["WORKON_HOME"].strip()
    for name in _COLLECTIONS:
        yield os.path.join(home, *name.split("/"))


def _configured(environ: Mapping[str, str], places: Layout, home: str) -> Iterator[str]:
    """``envs_dirs`` of conda's and mamba's settings."""
    files = [environ.get(name, "").strip() for name in ("CONDARC", "MAMBARC")]
    files += [os.path.join(home, *name.split("/")) for name in _SETTINGS]
    files += [os.path.join(root, ".condarc") for root in _installations(environ, places, home)]
    if not places.windows:
        files += ["/etc/conda/.condarc", "/etc/conda/condarc", "/var/lib/conda/.condarc"]
    for path in dict.fromkeys(files):
        # A relative path would be read from wherever the process happens to stand.
        text = text_of(path, 1 << 20) if os.path.isabs(path) else None
        if text is None or "envs_" not in text:
            continue
        for entry in condarc.folders(text):
            if entry.strip():
                yield _expanded(entry.strip(), environ, home)


def _expanded(path: str, environ: Mapping[str, str], home: str) -> str:
    """``~`` and ``$NAME`` as conda reads them in its settings."""
    if path == "~" or path.startswith(("~/", "~\\")):
        path = home + path[1:]

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1] or match[2] or match[3], match[0])

    return re.sub(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%", value, path)
