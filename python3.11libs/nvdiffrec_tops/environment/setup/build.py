"""Makes or completes a venv with the trainer's packages in a folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nvdiffrec_contract.failure import EXIT_BUSY
from nvdiffrec_tops.environment import marker
from nvdiffrec_tops.environment.description import Environment, EnvironmentProblem, describe
from nvdiffrec_tops.environment.isolation import isolated
from nvdiffrec_tops.environment.layout import layout
from nvdiffrec_tops.environment.reading import is_file, is_folder, names_in, text_of
from nvdiffrec_tops.environment.setup import packages, progress, pythons
from nvdiffrec_tops.environment.setup.healing import heal, is_whole
from nvdiffrec_tops.environment.setup.progress import Progress, Recorded
from nvdiffrec_tops.environment.setup.readiness import COMPLETE, Plan, is_complete
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.process.lock import NAME as LOCK
from nvdiffrec_tops.job.process.lock import OutputLock

LOG = ".nvdiffrec-tops-pip.log"
MAKING, INSTALLING = "making", "incomplete"
"""States of the marker before it is complete: no whole venv yet; not all of its packages."""
_OURS = {marker.NAME, progress.NAME, LOG, LOCK}
# The deepest file of torch below a venv's folder has some 150 characters; Windows allows 260.
LONGEST_ON_WINDOWS = 105
_POLL = 0.3

Examine = Callable[[str], "tuple[str, str]"]
"""Asked about an environment's folder: a sentence about it, and all that was found."""


def build(
    folder: str,
    plan: Plan,
    *,
    shown: Progress | None = None,
    environ: Mapping[str, str] | None = None,
    wait: bool = False,
    ours: bool = False,
    examine: Examine | None = None,
) -> Environment:
    """The environment in ``folder``, made, completed or repaired.

    Args:
        folder: an absolute path; new, empty, or begun by an earlier run.
        plan: what it is to hold.
        shown: told how far it is.
        environ: this process's variables by default.
        wait: wait for another process that makes it; otherwise that is refused.
        ours: the folder is the project's own ``.venv``, whoever made it.
        examine: asked at the end what is wrong with what was made.

    Raises:
        EnvironmentProblem: it cannot be made; the message says what stands in the way. The next
            run goes on where this one ended.
    """
    given = dict(os.environ if environ is None else environ)
    folder = claimed(folder, ours=ours)
    record = Recorded(folder, 6 if examine else 5, shown, os.path.join(folder, LOG))
    try:
        with _locked(folder, wait) as lock:
            try:
                if is_complete(folder, plan):
                    environment = describe(folder, environ=given)
                else:
                    environment = _build(folder, plan, record, given, lock)
                message, details = f"The environment is complete: {folder}", ""
                if examine is not None:
                    record.step("Examining the environment")
                    found, details = examine(folder)
                    message = f"{message}. {found}"
                record.end(progress.DONE, message, details=details)
                return environment
            except EnvironmentProblem as problem:
                record.end(progress.FAILED, str(problem), problem.cure)
                raise
            except OSError as error:
                unwritable = EnvironmentProblem(
                    f"the environment {folder} cannot be written: {error.strerror or error}",
                    "make room on the disk or correct the folder's permissions, then start again",
                )
                record.end(progress.FAILED, str(unwritable), unwritable.cure)
                raise unwritable from None
    except JobError as error:
        raise EnvironmentProblem(
            f"the environment {folder} is being made by another program: {error.failure.cause}",
            "wait until it is done",
        ) from None


@contextlib.contextmanager
def _locked(folder: str, wait: bool) -> Iterator[OutputLock]:
    waiting = False
    while True:
        lock = OutputLock(folder)
        try:
            lock.__enter__()
            break
        except JobError as error:
            if not wait or error.failure.exit_code != EXIT_BUSY:
                raise
            if not waiting:
                waiting = True
                title = "Waiting for the set-up that another program has begun"
                print(title, file=sys.stderr, flush=True)
            time.sleep(_POLL)
    try:
        yield lock
    finally:
        lock.__exit__(None, None, None)


def claimed(folder: str, *, ours: bool = False, platform: str = sys.platform) -> str:
    """The absolute folder, there and marked; one with anybody else's content is refused.

    Raises:
        EnvironmentProblem: nothing may be made there.
    """
    if not folder.strip() or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", folder):
        raise EnvironmentProblem(
            f"this is no folder for an environment: {folder[:200]!r}", "give a plain path"
        )
    folder = os.path.abspath(os.path.expanduser(folder))
    if platform == "win32" and len(folder) > LONGEST_ON_WINDOWS and not _long_paths():
        raise EnvironmentProblem(
            f"the folder's path has {len(folder)} characters, and Windows would not open files "
            f"deep inside it: {folder}",
            f"choose a folder with at most {LONGEST_ON_WINDOWS} characters, such as "
            r"C:\envs\diffrec",
        )
    if os.path.lexists(folder) and not is_folder(folder):
        raise EnvironmentProblem(f"this is a file, not a folder: {folder}", "choose another folder")
    if marker.read_marker(folder) is not None:
        return folder
    strange = [name for name in names_in(folder) if name not in _OURS]
    if strange and not ours:
        raise EnvironmentProblem(
            f"the folder holds something that was not made here: {folder}",
            "choose an empty or a new folder",
        )
    try:
        os.makedirs(folder, exist_ok=True)
        # Whoever made the project's own one: with a pip that is whole it is only completed.
        whole = bool(strange) and _has_whole_pip(folder)
        state = {"kind": "venv", "state": INSTALLING if whole else MAKING}
        # What others have put there is never cleared.
        marker.write_marker(folder, {**state, "foreign": True} if strange else state)
    except OSError as error:
        raise EnvironmentProblem(
            f"the folder for the environment cannot be made: {folder}: {error.strerror or error}",
            "choose another folder",
        ) from None
    return folder


def _long_paths() -> bool:
    """Whether this Windows was set to open paths of any length."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import winreg

        place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:  # type: ignore[attr-defined,unused-ignore]
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1)  # type: ignore[attr-defined,unused-ignore]
    return False


def _build(
    folder: str,
    plan: Plan,
    told: Recorded,
    environ: dict[str, str],
    lock: OutputLock,
) -> Environment:
    lock_text = packages.lock_text(plan.lock)
    document = dict(marker.read_marker(folder) or {})
    document.update(kind="venv", source=plan.lock)
    if document.get("state") == MAKING or not _has_whole_pip(folder):
        _make_venv(folder, document, told, environ, lock)
    document["state"] = INSTALLING
    marker.write_marker(folder, document)
    environment = describe(folder, environ=environ)
    told.step("Looking at what is there")
    if environment.site_packages:
        heal(environment.site_packages)
    clean, _ = isolated(environ, environment)
    asked = packages.requests(
        lock_text,
        index_chosen=packages.index_is_chosen(environment.python, clean),
        cuda_index=sys.platform == "win32" and packages.has_card(environ),
        project=plan.project,
    )
    for request in asked:
        told.step(request.title, request.count)
        _pip(environment, request, clean, told, lock)
    held = document.get("plans")
    done = {"digest": plan.digest(), "record": _record(environment) if plan.project else ""}
    plans = {**(held if isinstance(held, dict) else {}), plan.name: done}
    document.update(state=COMPLETE, plans=plans)
    marker.write_marker(folder, document)
    return describe(folder, environ=environ)


def _record(environment: Environment) -> str:
    """Where pip notes that the toolkit is installed, below the environment's folder."""
    site = environment.site_packages or ""
    names = [name for name in names_in(site) if re.fullmatch(r"tops_nvdiffrec-.*-info", name)]
    return os.path.relpath(os.path.join(site, *names[-1:]), environment.prefix)


def _has_whole_pip(folder: str) -> bool:
    """Whether the venv can be completed: its Python is there, and a pip with all its files."""
    places = layout()
    python = places.interpreter(folder)
    if python is None or not is_file(os.path.join(folder, "pyvenv.cfg")):
        return False
    # A link to a Python that is gone is no interpreter; one of another version has no packages.
    site = places.site_packages(folder, places.listed_version(folder, python)) or ""
    for name in names_in(site):
        if re.fullmatch(r"pip-[\w.]+\.dist-info", name):
            return is_whole(os.path.join(site, name))
    return False


def _make_venv(
    folder: str,
    document: dict[str, object],
    told: Progress,
    environ: dict[str, str],
    lock: OutputLock,
) -> None:
    """A venv with pip; what an ended run has left of one is cleared first."""
    told.step("Looking for a Python")
    python = pythons.find(environ, avoid=folder)
    version = ".".join(map(str, python.version))
    told.step(f"Creating the environment {folder} with Python {version}")
    marker.write_marker(folder, {**document, "state": MAKING, "plans": {}})
    if document.get("foreign"):
        _remove_pip(folder)
    else:
        _remove(os.path.join(folder, name) for name in names_in(folder) if name not in _OURS)
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [python.path, "-I", "-m", "venv", folder],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=pythons.bare(environ),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            pass_fds=lock.inherited(),
        )
        said.seek(0)
        lines = said.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
    if done.returncode:
        reason = next((one for one in reversed(lines) if one.strip()), f"exit {done.returncode}")
        raise EnvironmentProblem(
            f"{python.path} could not make an environment in {folder}: {reason}",
            "name another interpreter in the variable PYTHON; on Debian: apt-get install "
            "python3-venv",
        )
    document["plans"] = {}


def _remove_pip(folder: str) -> None:
    """Remove what is left of a pip; where its record is there, no other would be installed."""
    libraries = [os.path.join(folder, "Lib", "site-packages")]
    for name in names_in(os.path.join(folder, "lib")):
        libraries.append(os.path.join(folder, "lib", name, "site-packages"))
    for library in libraries:
        names = [one for one in names_in(library) if re.fullmatch(r"pip(-.*\.dist-info)?", one)]
        _remove(os.path.join(library, one) for one in names)


def _remove(paths: Iterable[str]) -> None:
    for path in list(paths):
        if is_folder(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _end_together(process: Any) -> object:
    """On Windows, what ends pip with this process for as long as it is kept."""
    if os.name != "nt":
        return None
    from nvdiffrec_tops.job.process.windows import kill_with_this_process

    return kill_with_this_process(process)


_COLLECTED = re.compile(r"\s*(?:Collecting|Obtaining|Requirement already satisfied:?) ")


def _pip(
    environment: Environment,
    request: packages.Request,
    environ: Mapping[str, str],
    told: Progress,
    lock: OutputLock,
) -> None:
    log = os.path.join(environment.prefix, LOG)
    error = ""
    with tempfile.TemporaryDirectory(prefix="requirements-") as scratch:
        command = [environment.python, "-I", "-m", "pip", "install", "--no-input",
                   "--disable-pip-version-check", "--no-color", *request.options]  # fmt: skip
        for option, text in (
            ("--requirement", request.lines),
            ("--constraint", request.constraints),
        ):
            if text:
                path = os.path.join(scratch, f"{option[2:]}.txt")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                command += [option, path]
        with (
            open(log, "a", encoding="utf-8") as record,
            subprocess.Popen(
                [*command, *request.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=environment.prefix,
                encoding="utf-8",
                errors="replace",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                # A pip whose parent was killed goes on for a while: nobody may begin meanwhile.
                pass_fds=lock.inherited(),
            ) as process,
        ):
            assert process.stdout is not None
            ended_together = _end_together(process)
            try:
                for line in process.stdout:
                    record.write(line)
                    record.flush()
                    told.line(line.rstrip())
                    lock.touch()
                    if _COLLECTED.match(line):
                        told.advance()
                    if line.lower().startswith("error") and not error:
                        error = line.strip()
            except BaseException:
                process.kill()
                raise
            finally:
                del ended_together
    if process.returncode:
        raise EnvironmentProblem(
            f"pip could not install the packages of {environment.prefix}: "
            f"{error or f'exit status {process.returncode}'}",
            f"see {log}; the next start goes on where this one ended",
        )


def last_lines(folder: str, count: int = 12) -> Sequence[str]:
    """The end of pip's record."""
    return (text_of(os.path.join(folder, LOG)) or "").splitlines()[-count:]
