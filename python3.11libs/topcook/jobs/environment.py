"""The environment and the command line of a job, in the local scheduler's documented order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topcook import pdg
from topcook.host import registered
from topcook.parameters.evaluation import NodeParameters


@dataclass(frozen=True)
class Folders:
    """The scheduler's folders: ``PDG_DIR``, ``PDG_TEMP`` and what lies below it."""

    working: Path
    temp: Path

    @property
    def data(self) -> Path:
        return self.temp / "data"

    @property
    def logs(self) -> Path:
        return self.temp / "logs"

    @property
    def scripts(self) -> Path:
        return self.temp / "scripts"


class JobSettings:
    """Scheduler parameters for one item: the node's own spare ones before the scheduler's."""

    def __init__(self, scheduler: NodeParameters, item: pdg.WorkItem) -> None:
        self._scheduler, self._item = scheduler, item
        self._node = item.node.parameters

    def _owner(self, name: str) -> NodeParameters:
        node = self._node
        if isinstance(node, NodeParameters) and node.isSet(name):
            return node
        return self._scheduler

    def toggle(self, name: str) -> bool:
        return self._owner(name).toggle(name, self._item)

    def integer(self, name: str) -> int:
        return self._owner(name).integer(name, self._item)

    def number(self, name: str) -> float:
        return self._owner(name).number(name, self._item)

    def menu(self, name: str) -> int:
        return self._owner(name).menu(name, self._item)

    def string(self, name: str) -> str:
        return self._owner(name).string(name, self._item)

    def knows(self, name: str) -> bool:
        """Whether the node or the scheduler has such a parameter."""
        return self._owner(name).has(name)

    def is_set(self, name: str) -> bool:
        """Whether either gives it a value of its own."""
        return self._owner(name).isSet(name)

    def pairs(self, stem: str = "local_env") -> list[tuple[str, str]]:
        """``local_envmulti``: names and values, the scheduler's first, then the node's."""
        found: list[tuple[str, str]] = []
        owners = [self._scheduler]
        if (owner := self._owner(f"{stem}multi")) is not self._scheduler:
            owners.append(owner)
        for parameters in owners:
            if not parameters.has(f"{stem}multi"):  # a scheduler of another kind
                continue
            for number in range(1, parameters.count(f"{stem}multi") + 1):
                name = parameters.string(f"{stem}name{number}", self._item)
                if name:
                    found.append((name, parameters.string(f"{stem}value{number}", self._item)))
        return found


def job_environment(
    item: pdg.WorkItem,
    scheduler: NodeParameters,
    settings: JobSettings,
    folders: Folders,
    base: Mapping[str, str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """The complete environment of an item's process.

    Order: this process's environment; HOUDINI_MAXTHREADS; the item's exported attributes; PDG_*;
    the environment file and the scheduler's variables (``PATH`` is prepended); HIP and friends;
    last, the names to unset are removed.
    """
    environment = dict(base)
    if settings.toggle("local_usehoudinimaxthreads"):
        environment["HOUDINI_MAXTHREADS"] = str(settings.integer("local_houdinimaxthreads"))
    separator = os.pathsep
    for name, value in item.environment.items():
        environment[name] = value.replace("__PDG_PATHSEP__", separator)
    environment.update(_pdg_variables(item, scheduler, folders, variables))
    pairs = [*_file_pairs(scheduler, item), *settings.pairs()]
    for name, value in pairs:
        value = value.replace("__PDG_PATHSEP__", separator)
        if name.upper() == "PATH" and environment.get("PATH"):
            environment["PATH"] = value + separator + environment["PATH"]
        else:
            environment[name] = value
    for name in ("HIP", "HIPNAME"):
        if name in variables:
            environment[name] = environment[f"ORIGINAL_{name}"] = variables[name]
    if "HFS" in environment:
        environment["ORIGINAL_HFS"] = environment["HFS"]
    for name in settings.string("local_envunset").split():
        environment.pop(name, None)
    return environment


def _pdg_variables(
    item: pdg.WorkItem, scheduler: NodeParameters, folders: Folders, variables: Mapping[str, str]
) -> dict[str, str]:
    found = {
        "PDG_ITEM_NAME": item.name,
        "PDG_ITEM_ID": str(item.id),
        "PDG_ITEM_LABEL": item.label or item.name,
        "PDG_INDEX": str(item.index),
        "PDG_INDEX4": str(item.index).zfill(4),
        "PDG_ITEM_DATA_SOURCE": str(int(pdg.workItemDataSource.JSONFile)),
        "PDG_DIR": str(folders.working),
        "PDG_TEMP": str(folders.temp),
        "PDG_SHARED_TEMP": str(folders.temp),
        "PDG_SCRIPTDIR": str(folders.scripts),
        "PDG_JOBID": str(os.getpid()),
        "PDG_JOBID_VAR": "PDG_JOBID",
        # No callback server: jobs report through their standard output.
        "PDG_DISABLE_RPC": "1",
        "PDG_RPC_IGNORE_ERRORS": str(scheduler.menu("pdg_rpcignoreerrors")),
        "PDG_RPC_MAX_ERRORS": str(scheduler.integer("pdg_rpcmaxerrors")),
        "PDG_RPC_TIMEOUT": str(scheduler.integer("pdg_rpctimeout")),
        "PDG_RPC_RETRIES": str(scheduler.integer("pdg_rpcretries")),
        "PDG_RPC_MAX_BACKOFF": str(scheduler.integer("pdg_rpcbackoff")),
        "PDG_BATCH_POLL_DELAY": str(scheduler.number("pdg_rpcbatch")),
        "PDG_RELEASE_SLOT_ON_POLL": str(int(scheduler.toggle("pdg_rpcrelease"))),
    }
    if scheduler.toggle("verbose"):
        found["PDG_VERBOSE"] = "1"
    if scheduler.menu("pdg_mapmode") == 0:
        zone = {"win32": "WIN", "darwin": "MAC"}.get(sys.platform, "LINUX")
        if scheduler.toggle("pdg_usemapzone"):
            zone = scheduler.string("pdg_mapzone", item)
        found["PDG_PATHMAP_ZONE"] = zone
    return found


def _file_pairs(scheduler: NodeParameters, item: pdg.WorkItem) -> list[tuple[str, str]]:
    """NAME=VALUE lines of the environment file; empty lines and ``#`` comments are skipped."""
    text = scheduler.string("local_env_file", item)
    if not text:
        return []
    try:
        lines = Path(text).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise pdg.CookError(
            f"{scheduler.path}, parameter 'local_env_file': {text} cannot be read: {error}"
        ) from None
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip() or "\0" in line:
            raise pdg.CookError(f"{text}, line {number}: '{line[:60]}' is not NAME=VALUE")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        pairs.append((name.strip(), value))
    return pairs


def _tokens(
    item: pdg.WorkItem, scheduler: NodeParameters, folders: Folders, environment: Mapping[str, str]
) -> dict[str, str]:
    hython = environment.get("PDG_HYTHON", "hython")
    if scheduler.menu("hythonbin") == 1:
        hython = scheduler.string("hythonbincustomuniversal", item)
    return {
        "__PDG_PYTHON__": environment.get("PDG_PYTHON", sys.executable),
        "__PDG_HYTHON__": hython,
        "__PDG_ITEM_NAME__": item.name,
        "__PDG_ITEM_ID__": str(item.id),
        "__PDG_DIR__": str(folders.working),
        "__PDG_SHARED_ROOT__": str(folders.working),
        "__PDG_TEMP__": str(folders.temp),
        "__PDG_SHARED_TEMP__": str(folders.temp),
        "__PDG_SCRIPTDIR__": str(folders.scripts),
        "__PDG_RESULT_SERVER__": "",
        "__PDG_HFS__": environment.get("HFS", ""),
        "__PDG_PATHSEP__": os.pathsep,
    }


_JOB_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


def job_command(
    item: pdg.WorkItem, scheduler: NodeParameters, folders: Folders, environment: Mapping[str, str]
) -> list[str] | str:
    """The words to start, or one text for the system shell where the item asks for it.

    The command is split into words first; then the ``__PDG_...__`` tokens and the ``$`` variables
    of the job's environment are filled in, so that a folder with a space stays one word. A
    ``$NAME`` that the environment does not have stays as it is. Raises CookError.
    """
    command = item.platformCommand(pdg.curPlatform())
    tokens = _tokens(item, scheduler, folders, environment)

    def filled(text: str) -> str:
        for token, value in tokens.items():
            text = text.replace(token, value)
        return text

    if item.shouldRunInShell:
        return filled(command)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise pdg.CookError(
            f"the command cannot be split into words ({error}): {command}"
        ) from None
    words = [
        _JOB_VARIABLE.sub(
            lambda found: environment.get(found[1] or found[2], found[0]), filled(word)
        )
        for word in words
    ]
    if not words:
        raise pdg.CookError("the command is empty")
    if any("\0" in word for word in words):
        raise pdg.CookError("the command contains a null character")
    program = shutil.which(words[0], path=environment.get("PATH", os.defpath))
    if program is None:
        hint = (
            "check that the path exists and may be run"
            if "/" in words[0] or "\\" in words[0]
            else "it is in no folder of PATH"
        )
        if more := registered().missing_program(os.path.basename(words[0])):
            hint += f", or {more}"
        raise pdg.CookError(f"Could not find executable '{words[0]}': {hint}. Command: {command}")
    return [os.path.abspath(program), *words[1:]]
