"""What activating an environment changes, as a difference of variables, without a shell prompt.

conda's activation is: the environment's folders in front of PATH, a few CONDA variables, those of
``conda-meta/state`` and ``etc/conda/env_vars.d``, then the scripts in ``etc/conda/activate.d``. The
scripts are a shell's: each runs in a bash of its own (cmd on Windows), its path an argument.
"""

from __future__ import annotations

import json
import ntpath
import os
import posixpath
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from nvdiffrec_tops.environment.description import Environment
from nvdiffrec_tops.environment.layout import Layout, layout
from nvdiffrec_tops.environment.reading import is_file, names_in, object_of

TIMEOUT = 30.0
# What the shell itself keeps, and what changes with every process.
_SHELLS_OWN = frozenset(
    {
        "_",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "PROMPT",
        "PS1",
        "BASHOPTS",
        "SHELLOPTS",
        "BASH_ENV",
        "ACTIVATION_STATUS",
    }
)
_NAME = re.compile(r"[^=\0]+")
# A script may call exit, set options or replace the arguments: the answer is written all the same.
_BASH = """
_activation_script=$1
shift
_activation_tell=("$@")
set --
_activation_end() {
    _activation_status=$?
    trap - EXIT
    "${_activation_tell[@]}" "${LC_CTYPE+=$LC_CTYPE}"
    exit $_activation_status
}
trap _activation_end EXIT
. "$_activation_script"
"""
# Python itself sets LC_CTYPE where it is missing: the shell tells whether it was there.
_DUMP = """
import json, os, sys
variables = dict(os.environ)
if sys.argv[2:]:
    variables.pop("LC_CTYPE", None)
    if sys.argv[2]:
        variables["LC_CTYPE"] = sys.argv[2][1:]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(variables, file)
"""
# What a script or an earlier activation put aside, to be put back by the deactivation.
_BACKUP = re.compile(r"(?:CONDA_BACKUP_|__CONDA_SHLVL_\d+_)(.+)")


@dataclass(frozen=True)
class Change:
    """What to do to an environment: ``unset``, then ``set``, then folders in front of PATH.

    ``prepend_path`` has the folder that is searched first at its head. ``warnings`` name the
    scripts that failed.
    """

    set: dict[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    prepend_path: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def applied(self, environ: Mapping[str, str], *, windows: bool = False) -> dict[str, str]:
        """``environ`` with the change made; ``environ`` itself stays as it is."""

        def same(name: str) -> str:
            return name.upper() if windows else name

        gone = {same(name) for name in (*self.unset, *self.set)}
        result = {name: value for name, value in environ.items() if same(name) not in gone}
        result.update(self.set)
        if self.prepend_path:
            path = next((name for name in result if same(name) == "PATH"), "PATH")
            separator = ";" if windows else ":"
            present = [result[path]] if result.get(path) else []
            result[path] = separator.join([*self.prepend_path, *present])
        return result


def activation(
    environment: Environment,
    base_environ: Mapping[str, str],
    *,
    platform: str | None = None,
    scripts: bool = True,
    timeout: float = TIMEOUT,
) -> Change:
    """What activating ``environment`` on top of ``base_environ`` changes.

    ``scripts``: run conda's ``activate.d`` (the code of the environment's own packages), all of
    them within ``timeout`` seconds. A script that fails is named in the change's warnings; what it
    set counts all the same, as in a shell. Never raises for a broken environment.
    """
    places = layout(platform)
    if environment.kind == "system":
        return Change()
    variables: dict[str, str] = {}
    if environment.conda:
        unset = ["PYTHONHOME", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"]
        variables.update(_put_back(base_environ, unset))
        variables.update(_conda_variables(environment, base_environ, places))
    else:
        unset = ["PYTHONHOME"]
        variables["VIRTUAL_ENV"] = environment.prefix
        variables["VIRTUAL_ENV_PROMPT"] = environment.name
    folders = executable_folders(environment, places)
    change = Change(variables, _present(unset, base_environ, places), folders)
    if not environment.conda:
        return change
    warnings: list[str] = []
    for name, value in _recorded_variables(environment.prefix).items():
        present = _value(base_environ, name, places)
        if present is not None and present != value:
            change.set[f"__CONDA_SHLVL_{_level(base_environ, places)}_{name}"] = present
        change.set[name] = value
    if scripts and places == layout():
        found = activation_scripts(environment, places)
        if found:
            change, warnings = _with_scripts(
                environment, change, found, base_environ, places, timeout
            )
    return Change(change.set, change.unset, change.prepend_path, tuple(warnings))


def executable_folders(environment: Environment, places: Layout) -> tuple[str, ...]:
    """The folders that activation puts in front of PATH, the first to be searched first."""
    join = ntpath.join if places.windows else posixpath.join
    prefix = environment.prefix
    if not places.windows:
        return (join(prefix, "bin"),)
    if not environment.conda:
        return (join(prefix, "Scripts"),)
    library = join(prefix, "Library")
    inner = (join(library, "mingw-w64", "bin"), join(library, "usr", "bin"), join(library, "bin"))
    return (prefix, *inner, join(prefix, "Scripts"), join(prefix, "bin"))


def activation_scripts(environment: Environment, places: Layout) -> list[str]:
    """The environment's ``activate.d`` scripts that this platform's shell runs, in their order."""
    folder = os.path.join(environment.prefix, "etc", "conda", "activate.d")
    ending = ".bat" if places.windows else ".sh"
    paths = [os.path.join(folder, name) for name in names_in(folder) if name.endswith(ending)]
    return [path for path in paths if is_file(path)]


def _value(environ: Mapping[str, str], name: str, places: Layout) -> str | None:
    if name in environ or not places.windows:
        return environ.get(name)
    return next((value for key, value in environ.items() if key.upper() == name.upper()), None)


def _present(names: list[str], environ: Mapping[str, str], places: Layout) -> tuple[str, ...]:
    return tuple(name for name in names if _value(environ, name, places) is not None)


def _level(environ: Mapping[str, str], places: Layout) -> int:
    text = _value(environ, "CONDA_SHLVL", places) or "0"
    return int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) else 0


def _put_back(environ: Mapping[str, str], unset: list[str]) -> dict[str, str]:
    """The variables that an activation before this one put aside; it is ended by this one."""
    variables = {}
    for name, value in environ.items():
        match = _BACKUP.fullmatch(name)
        if match:
            unset.append(name)
            if value:
                variables[match[1]] = value
            else:
                unset.append(match[1])
    return variables


def _conda_variables(
    environment: Environment, environ: Mapping[str, str], places: Layout
) -> dict[str, str]:
    level = _level(environ, places)
    before = _value(environ, "CONDA_PREFIX", places)
    variables = {
        "CONDA_PREFIX": environment.prefix,
        "CONDA_DEFAULT_ENV": environment.name,
        "CONDA_PROMPT_MODIFIER": f"({environment.name}) ",
        "CONDA_SHLVL": str(level + 1),
    }
    if before and level and before != environment.prefix:
        variables[f"CONDA_PREFIX_{level}"] = before
    elif before == environment.prefix and level:
        variables["CONDA_SHLVL"] = str(level)
    return variables


def _recorded_variables(prefix: str) -> dict[str, str]:
    """``conda env config vars`` and the packages' own variables; those win that come later."""
    variables: dict[str, str] = {}
    folder = os.path.join(prefix, "etc", "conda", "env_vars.d")
    documents = [object_of(os.path.join(folder, name)) for name in names_in(folder)]
    recorded = object_of(os.path.join(prefix, "conda-meta", "state")).get("env_vars")
    documents.append(recorded if isinstance(recorded, dict) else {})
    for document in documents:
        for name, value in document.items():
            if isinstance(value, str) and _NAME.fullmatch(name) and _text(value) and _text(name):
                if value == "***unset***":
                    variables.pop(name, None)
                else:
                    variables[name] = value
    return variables


def _text(value: str) -> bool:
    """Whether a process can be given it."""
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeError:
        return False


def _with_scripts(
    environment: Environment,
    change: Change,
    scripts: list[str],
    base_environ: Mapping[str, str],
    places: Layout,
    timeout: float,
) -> tuple[Change, list[str]]:
    """``change`` and what the scripts change beyond it, with the warnings."""
    warnings: list[str] = []
    before = change.applied(base_environ, windows=places.windows)
    current = before
    deadline = time.monotonic() + timeout
    for script in scripts:
        left = deadline - time.monotonic()
        if left <= 0:
            warnings.append(f"the activation script was not run, time was up: {script}")
            continue
        after, warning = _run(environment, script, current, places, left)
        if warning:
            warnings.append(warning)
        if after is not None:
            current = after
    return _difference(change, before, current, places), warnings


def _difference(
    change: Change, before: Mapping[str, str], after: Mapping[str, str], places: Layout
) -> Change:
    variables = dict(change.set)
    unset = list(change.unset)
    separator = ";" if places.windows else ":"
    prepended = change.prepend_path
    for name, value in after.items():
        if name in _SHELLS_OWN or name.startswith("_activation_") or before.get(name) == value:
            continue
        if (name.upper() if places.windows else name) == "PATH":
            old = before.get(name, "")
            if old and value.endswith(separator + old):
                added = value[: -len(old) - 1].split(separator)
                prepended = (*(folder for folder in added if folder), *prepended)
                continue
            prepended = ()  # a script rebuilt the whole path: it is set as it is
        variables[name] = value
        unset = [other for other in unset if other != name]
    for name in before:
        if name not in after and name not in _SHELLS_OWN:
            variables.pop(name, None)
            unset.append(name)
    return Change(variables, tuple(dict.fromkeys(unset)), prepended)


def _run(
    environment: Environment,
    script: str,
    environ: Mapping[str, str],
    places: Layout,
    timeout: float,
) -> tuple[dict[str, str] | None, str | None]:
    """The environment after one script, and a warning when the script failed."""
    shell = shutil.which("cmd.exe" if places.windows else "bash", path=environ.get("PATH"))
    shell = shell or shutil.which("cmd.exe" if places.windows else "bash")
    if shell is None:
        return None, f"the activation script was not run, there is no shell: {script}"
    if places.windows and any("%" in path for path in (script, environment.python)):
        return None, f"the activation script was not run, cmd cannot take its path: {script}"
    # bash runs the file that this variable names before anything else.
    environ = {name: value for name, value in environ.items() if name != "BASH_ENV"}
    with tempfile.TemporaryDirectory(prefix="activation-") as folder:
        answer = os.path.join(folder, "environment.json")
        dump = os.path.join(folder, "dump.py")
        with open(dump, "w", encoding="utf-8") as file:
            file.write(_DUMP)
        # Isolated: the script may have set PYTHON variables that are for others.
        tell = [environment.python, "-I", "-S", dump, answer]
        if places.windows:
            command: list[str] | str = _windows_command(shell, folder, script, tell)
        else:
            command = [shell, "--noprofile", "--norc", "-c", _BASH, "activation", script, *tell]
        code, said = _started(command, environ, environment.prefix, timeout)
        after = _answered(answer)
    if code is None:
        return after, f"the activation script did not end in time: {script}"
    if code != 0 or after is None:
        last = said.strip().splitlines()[-1:] or [f"exit status {code}"]
        return after, f"the activation script failed: {script}: {last[0][:300]}"
    return after, None


def _windows_command(shell: str, folder: str, script: str, tell: list[str]) -> str:
    """A command line for cmd: the paths are arguments of a batch file, between quotes."""
    batch = os.path.join(folder, "activate.bat")
    with open(batch, "w", encoding="utf-8", newline="\r\n") as file:
        file.write('@echo off\n@call %1\n@set "ACTIVATION_STATUS=%ERRORLEVEL%"\n')
        file.write("@%2 -I -S %3 %4\n@exit /b %ACTIVATION_STATUS%\n")
    quoted = " ".join(f'"{part}"' for part in (batch, script, tell[0], tell[3], tell[4]))
    return f'"{shell}" /d /v:off /s /c "{quoted}"'


def _started(
    command: list[str] | str, environ: Mapping[str, str], folder: str, timeout: float
) -> tuple[int | None, str]:
    """Exit code (None: time was up) and what was said. The whole group ends with the time."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=folder,
            start_new_session=os.name != "nt",
        )
    except (OSError, ValueError) as error:
        return -1, str(error)
    with process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
    return process.returncode, said.decode("utf-8", "replace")


def _answered(path: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    return {name: value for name, value in document.items() if isinstance(value, str)}
