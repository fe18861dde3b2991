"""What an environment is, read from its files: no process is started, nothing is assumed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nvdiffrec_tops.environment import cuda
from nvdiffrec_tops.environment.layout import (
    INTERPRETER,
    Layout,
    Version,
    conda_python,
    layout,
    numbers,
)
from nvdiffrec_tops.environment.reading import (
    changed,
    is_file,
    is_folder,
    names_in,
    settings_of,
)

CREATE = "create one with: nvdiffrec-tops env create (in Houdini: the button Create Environment)"
_PLAIN_NAMES = (".venv", "venv", "env", ".env")


class EnvironmentProblem(Exception):
    """An environment that cannot be used: one sentence that names the folder, and the cure."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


@dataclass(frozen=True)
class Environment:
    """An environment as its files describe it.

    ``prefix`` is its folder and ``python`` the interpreter's absolute path; ``kind`` is conda,
    pixi, venv, virtualenv, uv or system. ``version`` is Python's, ``site_packages`` where its
    packages lie. ``cuda_home`` is the CUDA toolkit (the environment's own before the machine's),
    with its version. What cannot be read is None.
    """

    prefix: str
    kind: str
    name: str
    python: str
    version: Version | None = None
    site_packages: str | None = None
    cuda_home: str | None = None
    cuda_version: str | None = None

    @property
    def conda(self) -> bool:
        """Whether conda's layout and activation apply."""
        return self.kind in ("conda", "pixi")


_KNOWN: dict[tuple[object, ...], Environment] = {}


def describe(
    prefix: str | os.PathLike[str],
    *,
    platform: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Environment:
    """The environment in a folder, or that of an interpreter's path.

    ``platform`` (as ``sys.platform``) tells whose layout to expect; by default this machine's.
    ``environ`` is where CUDA_HOME, CUDA_PATH and PATH are read when the environment has no CUDA
    toolkit of its own; by default the process's.

    Raises:
        EnvironmentProblem: there is no usable environment.
    """
    places = layout(platform)
    folder, python = _located(prefix, places)
    environment = _described(folder, python, places)
    if environment.cuda_home is None:
        root = cuda.system_toolkit(os.environ if environ is None else environ, places)
        if root is not None:
            environment = replace(environment, cuda_home=root, cuda_version=cuda.version_of(root))
    return environment


def exports(environment: Environment) -> dict[str, str]:
    """CUDA_HOME, PYTHONHOME and PYTHONPATH, as the original workflow sets them.

    They make another Python's process unusable, so they belong to the training alone. A virtual
    environment has no standard library of its own: its PYTHONHOME is the Python it was made from.
    CUDA_HOME is there only where a CUDA toolkit is: a folder without a compiler would hide the
    machine's. What cannot be read is left out.
    """
    variables = {"CUDA_HOME": environment.cuda_home} if environment.cuda_home else {}
    home: str | None = environment.prefix
    if environment.kind in ("venv", "virtualenv", "uv"):
        home = settings_of(os.path.join(environment.prefix, "pyvenv.cfg")).get("home")
        if home and os.path.basename(home.rstrip("/\\")).lower() == "bin":
            home = os.path.dirname(home.rstrip("/\\"))
    if home:
        variables["PYTHONHOME"] = home
    if environment.site_packages:
        variables["PYTHONPATH"] = environment.site_packages
    return variables


def is_environment(folder: str, platform: str | None = None) -> bool:
    """Whether a folder bears an environment's mark (it may be broken all the same)."""
    marked = is_folder(os.path.join(folder, "conda-meta")) or is_file(
        os.path.join(folder, "pyvenv.cfg")
    )
    return marked and layout(platform).interpreter(folder) is not None


def _located(prefix: str | os.PathLike[str], places: Layout) -> tuple[str, str]:
    """Folder and interpreter."""
    given = os.fspath(prefix)
    path = os.fsdecode(given)
    if not path.strip():
        raise EnvironmentProblem("no environment's folder is given", CREATE)
    if "\0" in path:
        raise EnvironmentProblem(
            f"this is no environment's folder: {path!r}", "give the folder's path"
        )
    path = os.path.abspath(os.path.expanduser(path))
    if is_file(path):
        return _around(path, places), path
    if not is_folder(path):
        raise EnvironmentProblem(
            f"the environment's folder does not exist: {path}",
            f"correct MINICONDA_ENV, or {CREATE}",
        )
    python = places.interpreter(path)
    if python is None and os.path.basename(path).lower() in ("bin", "scripts"):
        parent = os.path.dirname(path)
        if is_environment(parent, places.platform):
            path, python = parent, places.interpreter(parent)
    if python is None:
        raise _without_python(path, places)
    return path, python


def _around(python: str, places: Layout) -> str:
    """The prefix of an interpreter."""
    if not INTERPRETER.fullmatch(os.path.basename(python)) or not places.executable(python):
        raise EnvironmentProblem(
            f"this file is no Python interpreter that can be run: {python}",
            "give an environment's folder, or its interpreter",
        )
    folder = os.path.dirname(python)
    inner = os.path.basename(folder).lower() in ("bin", "scripts")
    return os.path.dirname(folder) if inner else folder


def _without_python(path: str, places: Layout) -> EnvironmentProblem:
    """Says why there is no interpreter, by what there is instead."""
    inside = [".venv", "venv", os.path.join(".pixi", "envs", "default")]
    inside += [os.path.join("envs", name) for name in names_in(os.path.join(path, "envs"))]
    inside += names_in(path)[:200]
    for name in inside:
        if is_environment(os.path.join(path, name), places.platform):
            return EnvironmentProblem(
                f"the folder is no environment, but holds one: {path}",
                f"use {os.path.join(path, name)}",
            )
    for other in (Layout("linux"), Layout("win32")):
        if other.windows != places.windows and other.interpreter(path):
            system = "Windows" if other.windows else "Linux or macOS"
            return EnvironmentProblem(
                f"the environment in {path} was made on {system}",
                f"an environment serves one system: {CREATE}",
            )
    if is_folder(os.path.join(path, "conda-meta")):
        return EnvironmentProblem(
            f"the conda environment has no Python: {path}",
            f'conda install --prefix "{path}" python=3.11',
        )
    if is_file(os.path.join(path, "pyvenv.cfg")):
        home = settings_of(os.path.join(path, "pyvenv.cfg")).get("home") or "unknown"
        return EnvironmentProblem(
            f"the virtual environment's Python is gone: {path} (it was made from {home})",
            "create the environment again",
        )
    expected = os.path.join(*places.interpreter_places()[0])
    return EnvironmentProblem(
        f"there is no Python in the folder {path}",
        f"give the folder that holds {expected}",
    )


def _described(prefix: str, python: str, places: Layout) -> Environment:
    """Cached until the environment's own files change."""
    watched = (prefix, "conda-meta", "pyvenv.cfg", "bin", "lib", "Lib")
    key = (
        prefix,
        python,
        places,
        *(changed(os.path.join(prefix, name)) for name in watched),
    )
    # A package installed later changes site-packages, which only a description names.
    found = _KNOWN.get(key)
    if found is not None and changed(found.site_packages or "") == _SITES.get(key):
        return found
    found = _read(prefix, python, places)
    if len(_KNOWN) > 256:
        _KNOWN.clear()
        _SITES.clear()
    _KNOWN[key] = found
    _SITES[key] = changed(found.site_packages or "")
    return found


_SITES: dict[tuple[object, ...], int] = {}


def _read(prefix: str, python: str, places: Layout) -> Environment:
    settings = settings_of(os.path.join(prefix, "pyvenv.cfg"))
    version: Version | None = None
    recorded = None
    if is_folder(os.path.join(prefix, "conda-meta")):
        pixi = is_file(os.path.join(prefix, "conda-meta", "pixi")) or ".pixi" in prefix.split(
            os.sep
        )
        kind = "pixi" if pixi else "conda"
        version, recorded = conda_python(prefix)
    elif is_file(os.path.join(prefix, "pyvenv.cfg")):
        kind = next((name for name in ("uv", "virtualenv") if name in settings), "venv")
        version = numbers(settings.get("version_info")) or numbers(settings.get("version"))
        listed = list(places.libraries(prefix))
        if listed and version and version[:2] not in listed:
            version = listed[0]  # the Python below was replaced since
    else:
        kind = "system"
    version = version or places.listed_version(prefix, python)
    site_packages = places.site_packages(prefix, version, recorded)
    root = cuda.toolkit_of(prefix, site_packages, places) if kind != "system" else None
    return Environment(
        prefix=prefix,
        kind=kind,
        name=_name(prefix, kind, settings),
        python=python,
        version=version,
        site_packages=site_packages,
        cuda_home=root,
        cuda_version=cuda.version_of(root, prefix) if root else None,
    )


def _name(prefix: str, kind: str, settings: Mapping[str, str]) -> str:
    """The name that the environment's own tool shows in a prompt."""
    own = os.path.basename(prefix) or prefix
    if kind == "pixi":
        envs, project = os.path.dirname(prefix), os.path.dirname(os.path.dirname(prefix))
        project = os.path.dirname(project)
        # pixi's own collection of tools lies in a folder .pixi as well, of no project.
        manifests = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
        if envs.endswith(os.path.join(".pixi", "envs")) and any(
            is_file(os.path.join(project, name)) for name in manifests
        ):
            project = os.path.basename(project)
            return project if own == "default" else f"{project}:{own}"
        return own
    if kind == "conda":
        return "base" if is_folder(os.path.join(prefix, "condabin")) else own
    prompt = settings.get("prompt", "").strip("'\"() ")
    if prompt and prompt not in (".", *_PLAIN_NAMES):
        return prompt
    return os.path.basename(os.path.dirname(prefix)) or own if own in _PLAIN_NAMES else own
