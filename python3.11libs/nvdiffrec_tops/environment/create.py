"""Makes a conda environment from an environment file, without conda: py-rattler solves and links.

A run that was stopped is completed by the next one: packages that are linked whole are kept.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops.environment import marker
from nvdiffrec_tops.environment.activation import activation
from nvdiffrec_tops.environment.description import Environment, EnvironmentProblem, describe
from nvdiffrec_tops.environment.isolation import isolated
from nvdiffrec_tops.environment.reading import is_folder, names_in, object_of
from nvdiffrec_tops.environment.registry import home_of, register
from nvdiffrec_tops.environment.setup.progress import Progress
from nvdiffrec_tops.environment.specification import Specification
from nvdiffrec_tops.job.engines.engine import TEMPLATES
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.process.lock import OutputLock

if TYPE_CHECKING:
    import rattler

BUILD_CONSTRAINTS = os.path.join(TEMPLATES, "build-constraints.txt")
"""What pip's isolated builds may install. A pip before 25.3 does not look at it."""
PIP_LOG = ".nvdiffrec-tops-pip.log"


def require_rattler() -> None:
    """Refuse before anything is made.

    Raises:
        EnvironmentProblem: py-rattler is not installed.
    """
    if importlib.util.find_spec("rattler") is None:
        raise EnvironmentProblem(
            "creating a conda environment needs the package py-rattler, which is not installed in "
            f"{sys.prefix}",
            f'"{sys.executable}" -m pip install py-rattler',
        )


def default_prefix(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Where an environment of a name is made: conda's own folder for a user's environments."""
    given = os.environ if environ is None else environ
    return os.path.join(home_of(given, os.name == "nt"), ".conda", "envs", name)


def create(
    specification: Specification,
    prefix: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    cache: str | None = None,
    update: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Environment:
    """The environment that ``specification`` describes, made in the folder ``prefix``.

    One that is there and complete is returned as it is, unless ``update`` is set. ``cache`` keeps
    downloaded packages; by default rattler's own folder.

    Raises:
        EnvironmentProblem: it cannot be made; the message says what stands in the way.
    """
    require_rattler()
    progress = progress or Progress()
    given = dict(os.environ if environ is None else environ)
    folder = _claimed(os.fsdecode(os.fspath(prefix)))
    try:
        with OutputLock(folder) as lock:
            return _create(specification, folder, progress, cache, update, given, lock)
    except JobError as error:
        raise EnvironmentProblem(
            f"the environment {folder} is not free: {error.failure.cause}",
            "wait until the other program is done with it",
        ) from None
    except OSError as error:
        raise EnvironmentProblem(
            f"the environment {folder} cannot be written: {error.strerror or error}",
            "choose another folder with --prefix",
        ) from None


def _claimed(prefix: str) -> str:
    """The absolute folder, marked as ours; one with anybody else's content is refused."""
    if not prefix.strip() or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", prefix):
        raise EnvironmentProblem(
            f"this is no folder for an environment: {prefix!r}", "give a plain path"
        )
    folder = os.path.abspath(os.path.expanduser(prefix))
    if os.path.lexists(folder) and not is_folder(folder):
        raise EnvironmentProblem(f"this is a file, not a folder: {folder}", "choose another folder")
    if marker.read_marker(folder) is not None:
        return folder
    if names_in(folder):
        raise EnvironmentProblem(
            f"the folder holds something that was not made by env create: {folder}",
            "choose an empty or a new folder with --prefix",
        )
    try:
        os.makedirs(folder, exist_ok=True)
        marker.write_marker(folder, {"state": "incomplete"})
    except OSError as error:
        raise EnvironmentProblem(
            f"the folder for the environment cannot be made: {folder}: {error.strerror or error}",
            "choose another folder with --prefix",
        ) from None
    return folder


def _create(
    specification: Specification,
    folder: str,
    progress: Progress,
    cache: str | None,
    update: bool,
    environ: dict[str, str],
    lock: OutputLock,
) -> Environment:
    wanted = specification.document()
    present = marker.read_marker(folder) or {}
    complete = present.get("state") == "complete" and present.get("specification") == wanted
    if complete and not update:
        try:
            return describe(folder, environ=environ)
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(
                f"the environment was complete, but something in it is gone: {problem}",
                f'remove it and make it anew: nvdiffrec-tops env remove "{folder}"',
            ) from None
    document = {"source": specification.source, "specification": wanted}
    marker.write_marker(folder, {"state": "incomplete", **document})
    records = _conda_part(specification, folder, progress, cache, lock)
    _write_variables(folder, specification)
    environment = describe(folder, environ=environ)
    if specification.pip:
        _pip_part(specification, environment, progress, environ, lock)
    register(folder, environ)
    packages = sorted(str(record.url) for record in records)
    marker.write_marker(folder, {"state": "complete", **document, "packages": packages})
    return environment


def _conda_part(
    specification: Specification,
    folder: str,
    progress: Progress,
    cache: str | None,
    lock: OutputLock,
) -> list[rattler.RepoDataRecord]:
    import rattler
    from rattler.exceptions import SolverError

    specs = [_requirement(text, specification) for text in specification.conda]

    async def run() -> list[rattler.RepoDataRecord]:
        progress.step("solving")
        gateway = rattler.Gateway(cache_dir=Path(cache) / "repodata") if cache else None
        overrides = rattler.VirtualPackageOverrides.from_env()
        records = await rattler.solve(
            sources=[rattler.Channel(_channel(name)) for name in specification.channels],
            specs=specs,
            gateway=gateway,
            virtual_packages=rattler.VirtualPackage.detect(overrides),
        )
        progress.step("installing", len(records))
        # Post-link scripts are foreign code that nobody asked for: they are not run.
        await rattler.install(
            records,
            folder,
            cache_dir=Path(cache) / "packages" if cache else None,
            execute_link_scripts=False,
            reporter=_Reporter(progress, lock),
        )
        return list(records)

    try:
        return asyncio.run(run())
    except SolverError as error:
        text = str(error).strip()
        cure = "correct the environment file, or its channels"
        if "__cuda" in text:
            cure = (
                "install the NVIDIA driver; for a machine that has none, set CONDA_OVERRIDE_CUDA "
                "to the CUDA version of the machine that will train, such as 12.8"
            )
        raise EnvironmentProblem(
            f"no set of packages satisfies {specification.source}: {text}", cure
        ) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise
    except EnvironmentProblem:
        raise
    except Exception as error:  # rattler's exceptions have no common base
        said = [line.removeprefix("Caused by: ") for line in str(error).splitlines()]
        reason = ": ".join(
            dict.fromkeys((said or [type(error).__name__])[:: max(1, len(said) - 1)])
        )
        raise EnvironmentProblem(
            f"the environment {folder} could not be completed: {reason}",
            "check the network and the disk; the same command goes on where this one ended",
        ) from None


def _requirement(text: str, specification: Specification) -> rattler.MatchSpec:
    import rattler

    try:
        return rattler.MatchSpec(text)
    except Exception as error:  # rattler's exceptions have no common base
        raise EnvironmentProblem(
            f"the dependency {text!r} of the environment file {specification.source} is not "
            f"understood: {error}",
            "write a package and a version, such as python=3.11",
        ) from None


def _channel(name: str) -> str:
    return Path(name).as_uri() if os.path.isabs(name) else name


class _Reporter:
    """Counts the packages that are linked; rattler calls what it finds of its protocol."""

    def __init__(self, progress: Progress, lock: OutputLock) -> None:
        self._progress = progress
        self._lock = lock

    def on_transaction_operation_complete(self, _operation: int) -> None:
        self._progress.advance()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        self._lock.touch()
        return lambda *_: 0


def _write_variables(folder: str, specification: Specification) -> None:
    """What conda's activation sets, where conda keeps it."""
    if not specification.variables:
        return
    path = os.path.join(folder, "conda-meta", "state")
    present = object_of(path).get("env_vars")
    variables = dict(present) if isinstance(present, dict) else {}
    document = {"version": 1, "env_vars": variables | dict(specification.variables)}
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.replace(path + ".tmp", path)


def _pip_part(
    specification: Specification,
    environment: Environment,
    progress: Progress,
    environ: Mapping[str, str],
    lock: OutputLock,
) -> None:
    clean, _ = isolated(environ, environment)
    clean, _ = isolated(environ, environment, change=activation(environment, clean))
    if not re.search(r"\s", BUILD_CONSTRAINTS):  # where pip would see several paths
        clean.setdefault("PIP_BUILD_CONSTRAINT", BUILD_CONSTRAINTS)
    options = specification.pip_options
    sources = specification.pip_sources
    plain = [item for item in specification.pip if item not in (*sources, *options)]
    if plain:
        progress.step("installing with pip")
        _pip(environment, [*options, *plain], (), clean, progress, lock)
    if sources:
        progress.step("building with pip")
        # An extension is built against the torch that is installed, not one of the build's own.
        _pip(environment, [*options, *sources], ("--no-build-isolation",), clean, progress, lock)


def _pip(
    environment: Environment,
    requirements: Sequence[str],
    options: Sequence[str],
    environ: Mapping[str, str],
    progress: Progress,
    lock: OutputLock,
) -> None:
    log = os.path.join(environment.prefix, PIP_LOG)
    last = ""
    with tempfile.TemporaryDirectory(prefix="requirements-") as scratch:
        listed = os.path.join(scratch, "requirements.txt")
        with open(listed, "w", encoding="utf-8") as file:
            file.writelines(item + "\n" for item in requirements)
        command = [environment.python, "-m", "pip", "install", "--no-input",
                   "--disable-pip-version-check", *options, "-r", listed]  # fmt: skip
        with (
            open(log, "a", encoding="utf-8") as record,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=environment.prefix,
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    record.write(line)
                    progress.line(line.rstrip())
                    lock.touch()
                    if line.lower().startswith("error"):
                        last = line.strip()
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        raise EnvironmentProblem(
            f"pip could not install the packages of {environment.prefix}: "
            f"{last or f'exit status {process.returncode}'}",
            f"see {log}; the same command goes on where this one ended",
        )
