"""What every scheduler does: folders, a job's files, its log lines, and the end of a job."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.files import reached
from topcook import jobsupport, pdg
from topcook.host import registered
from topcook.inprocess import Worked
from topcook.jobs import loglines, serialise
from topcook.jobs.environment import Folders, JobSettings, job_command, job_environment
from topcook.jobs.outputs import Snapshot
from topcook.parameters.evaluation import NodeParameters

from . import tempfolder

_MOST_KEPT = 16 << 20
"""Bytes, about, that one job's reports may take."""
_COST = 512


class Process(Protocol):
    """What a job runs as. ``trouble``: what went wrong with its output, in a sentence, or ''."""

    trouble: str

    def stop(self, grace: float, /) -> None: ...
    def join(self) -> None: ...


@dataclass
class Job:
    """An item that runs, or ran, as a job."""

    item: pdg.WorkItem
    settings: JobSettings
    command: list[str] | str
    environment: dict[str, str]
    log: Path
    snapshot: Snapshot
    slots: int = 1
    single: bool = False
    attempt: int = 0
    started: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    timed_out: bool = False
    cancelled: bool = False
    child: Process | None = None
    outputs: dict[str, loglines.Output] = field(default_factory=dict)
    attributes: dict[tuple[str, int], loglines.Attribute] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    kept: int = 0  # bytes, about, of the three
    failure: Failure | None = None  # as the job itself tells it
    trouble: str = ""  # with its log

    def forget(self) -> None:
        """Nothing that an earlier start of the job said counts any more."""
        for said in (self.outputs, self.attributes, self.warnings):
            said.clear()
        self.kept = 0
        self.failure = None


@dataclass(frozen=True)
class Exited:
    """A message: the job's process has ended."""

    job: Job
    code: int


@dataclass(frozen=True)
class Stop:
    """A message: end everything. A second one ends it at once."""


Message = Exited | Stop | Worked
LineHandler = Callable[[pdg.WorkItem, str], None]


class Scheduler(ABC):
    """Prepares a job of a work item, and takes in what came of it; where it runs is the subclass's.

    ``messages`` receives Exited, Stop and the cook's Worked; everything else happens on the
    caller's thread, except ``on_line``, which is called on the job's reader thread.
    """

    def __init__(
        self,
        parameters: NodeParameters,
        *,
        on_line: LineHandler = lambda _item, _line: None,
    ) -> None:
        self.parameters = parameters
        self.name = parameters.path.rsplit("/", 1)[-1]
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.running: list[Job] = []
        self.folders = _folders(parameters)
        self._jobs_limit = _jobs_limit(parameters)
        self._on_line = on_line
        self._written: list[Path] = []

    # -- before and after a cook ------------------------------------------------------------
    def copy_dependencies(self, node: pdg.Node) -> None:
        """Copy the node's own job files and its File Dependencies into ``PDG_SCRIPTDIR``."""
        for source in node.callbacks.jobFiles:
            self._copy(source)
        parameters = node.parameters
        if not isinstance(parameters, NodeParameters) or not parameters.has("pdgnodedeps"):
            return
        for number in range(1, parameters.count("pdgnodedeps") + 1):
            source = self._dependency(parameters, f"pdgnodedep{number}")
            if source is None:
                continue
            if not source.is_file():
                raise pdg.CookError(
                    f"{node.path}, parameter 'pdgnodedep{number}': {source} does not exist"
                )
            self._copy(source)

    def _copy(self, source: Path) -> None:
        target = self.folders.scripts / source.name
        serialise.write_bytes(target, self.folders.temp, source.read_bytes())
        shutil.copymode(source, target)
        self._written.append(target)

    def _dependency(self, parameters: NodeParameters, name: str) -> Path | None:
        """The file that a parameter names; of Houdini's own, what is here in its place."""
        if not jobsupport.is_houdinis(parameters.raw(name)):
            text = parameters.string(name)
            return Path(text) if text else None
        source = jobsupport.stand_in(parameters.raw(name))
        if source is None:
            parameters.surroundings.warn(
                f"{parameters.path}: {parameters.raw(name)} belongs to Houdini and is left out; a "
                "job that imports it needs a cook with Houdini"
            )
        return source

    def finish(self, *, keep_logs: bool) -> None:
        """Delete the temp folder's files where the scene says so; only files written here go."""
        if self.parameters.menu("pdg_deletetempdir") == 0:
            return
        for path in self._written:
            if not (keep_logs and path.parent == self.folders.logs):
                with contextlib.suppress(OSError):
                    path.unlink()
        for folder in (self.folders.data, self.folders.logs, self.folders.scripts):
            for empty in (folder, self.folders.temp):
                with contextlib.suppress(OSError):  # it is not empty, or is not there
                    empty.rmdir()

    # -- one item ---------------------------------------------------------------------------
    @abstractmethod
    def has_room(self, item: pdg.WorkItem) -> bool:
        """Whether the item may start now."""

    @abstractmethod
    def _launch(self, job: Job) -> None:
        """Set a job going, again where it is a retry. Raises CookError: it cannot be."""

    @abstractmethod
    def _judge(self, job: Job, code: int) -> tuple[pdg.workItemState | None, str]:
        """What an exit code means, and why; None: the job is to be launched again."""

    def _tidy(self, job: Job) -> None:
        """Clear up after a job that was ended when its results were in place already."""
        return

    def start(self, item: pdg.WorkItem) -> Job:
        """Write the item's data and launch its job. Raises CookError when it cannot start."""
        settings = JobSettings(self.parameters, item)
        variables = self.parameters.surroundings.variables
        base = self.base_environment(settings)
        environment = job_environment(
            item, self.parameters, settings, self.folders, base, variables
        )
        command = job_command(item, self.parameters, self.folders, environment)
        suffix = ".json.gz" if self.parameters.toggle("pdg_compressworkitemdata") else ".json"
        data = self.folders.data / (item.name + suffix)
        try:
            tempfolder.claim(str(self.folders.temp))
            serialise.write(item, data, self.folders.temp, self.name)
            self.folders.scripts.mkdir(parents=True, exist_ok=True)
            log = self._log_path(item)
            with reached(log, self.folders.temp, make=True) as place:
                os.close(place.new())
        except OSError as error:
            raise pdg.CookError(
                f"the temp folder {self.folders.temp} cannot be written: {error}; choose another "
                f"one with --set {self.name}.tempdirmenu=2 --set {self.name}.tempdircustom=FOLDER"
            ) from None
        self._written += [data, log]
        item.logPath = log
        always = registered().result_names
        expected = [one for one in item.expectedOutputFiles if Path(one.path).name not in always]
        snapshot = Snapshot.of(expected)
        job = Job(item, settings, command, environment, log, snapshot)
        self.running.append(job)
        try:
            self._launch(job)
        except BaseException:
            self.running.remove(job)
            raise
        return job

    def base_environment(self, settings: JobSettings) -> Mapping[str, str]:
        """What a job's environment begins with: that of this process."""
        return os.environ

    def local_path(self, path: str) -> str:
        """A path that a job named, as this machine sees it."""
        return path

    def _log_path(self, item: pdg.WorkItem) -> Path:
        name = f"{item.name}.log"
        if self.parameters.toggle("uselogfilename"):
            given = Path(self.parameters.string("logfilename", item) or name)
            return given if given.is_absolute() else self.folders.logs / given
        return self.folders.logs / name

    def _line(self, job: Job, line: str) -> None:
        """A line of a job's log; on the thread that reads it. Never raises."""
        try:
            self._read(job, line)
        except Exception as error:  # whatever a log says, it is read to its end
            job.trouble = job.trouble or (
                f"a line of the log could not be read or shown: {type(error).__name__}: {error}"
            )

    def _read(self, job: Job, line: str) -> None:
        match loglines.read(line, job.item.id):
            case loglines.Percent(share):
                job.item.setCookPercent(share)
            case loglines.State(text):
                job.item.setCustomState(text)
            case loglines.Output() as output if self._keeps(job, line):
                job.outputs[output.path] = output
            case loglines.Attribute() as attribute if self._keeps(job, line, attribute.index):
                job.attributes[attribute.name, attribute.index] = attribute
            case loglines.Warned(text) if self._keeps(job, line):
                job.warnings.append(text)
            case loglines.Failed(failure):
                job.failure = failure
        self._on_line(job.item, line)

    def _keeps(self, job: Job, line: str, index: int = 0) -> bool:
        """Whether what a line reports is kept. A job may report anything, any number of times:
        ``index`` components of an attribute come into being at once."""
        job.kept += _COST + len(line) + _COST * index
        if job.kept > _MOST_KEPT:
            job.trouble = job.trouble or "the job reported more than can be kept; the rest is lost"
            return False
        return True

    def exited(self, message: Exited) -> pdg.workItemState | None:
        """Decide what an ended process means; None when it was started again."""
        job, code, item = message.job, message.code, message.job.item
        item.cookDuration = time.monotonic() - job.started
        with contextlib.suppress(OSError):
            if job.log.stat().st_size == 0:
                job.log.unlink()
                item.logPath = None
        # What counts is whether the job has put its results in place, not how it ended after that.
        committed = (code != 0 or job.cancelled or job.timed_out) and job.snapshot.committed()
        if job.cancelled and not committed:
            for text in job.snapshot.discard():
                item.addWarning(text)
            return self._ended(job, pdg.workItemState.CookedCancel)
        state: pdg.workItemState | None
        if committed:
            state, reason = pdg.workItemState.CookedSuccess, ""
            if code:
                how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
                item.addWarning(f"the job ended {how} after its results were in place; they count")
                self._tidy(job)
        else:
            state, reason = self._judge(job, code)
        if state is None:
            try:
                self._launch(job)
                return None
            except pdg.CookError as error:
                state, reason = pdg.workItemState.CookedFail, str(error)
        of_child = job.child.trouble if job.child else ""
        for text in [*job.warnings, job.trouble, of_child]:
            if text:
                item.addWarning(text)
        for attribute in job.attributes.values():
            attribute.give(item)
        if state is pdg.workItemState.CookedFail:
            item.failure, item.told = reason, job.failure
            for text in job.snapshot.set_aside():
                item.addWarning(text)
        else:
            self._collect(job)
        return self._ended(job, state)

    def _ended(self, job: Job, state: pdg.workItemState) -> pdg.workItemState:
        self.running.remove(job)
        return state

    def _collect(self, job: Job) -> None:
        """Outputs that the job reported, then expected files that are there."""
        for output in job.outputs.values():
            path = output.path.replace("__PDG_DIR__", str(self.folders.working))
            path = self.local_path(path)
            job.item.addOutputFile(path, output.tag, output.hash)
        if not self.parameters.toggle("pdg_checkexpectedoutputs"):
            return
        reported = {file.path for file in job.item.outputFiles}
        for file in job.item.expectedOutputFiles:
            if os.path.exists(file.path):
                if file.path not in reported:
                    job.item.addOutputFile(file.path, file.tag, own=file.owned)
            else:
                job.item.addWarning(f"the expected output {file.path} was not written")

    # -- time -------------------------------------------------------------------------------
    def next_deadline(self) -> float | None:
        """Seconds until the first running item is out of time; None without time limits."""
        return None

    def stop_overdue(self) -> None:
        """End the items that are out of time."""
        return

    @abstractmethod
    def stop_all(self, *, at_once: bool = False) -> None:
        """End every job and its descendants; exits still arrive as messages."""


def _jobs_limit(parameters: NodeParameters) -> int | None:
    if not parameters.toggle("pdg_usemaxtasks"):
        return None
    return max(parameters.integer("pdg_maxtasks"), 1)


def _folders(parameters: NodeParameters) -> Folders:
    """Evaluate the working and the temp folder; also binds ``$PDG_DIR`` and ``$PDG_TEMP``."""
    variables = parameters.surroundings.variables
    working = Path(parameters.string("pdg_workingdir") or variables.get("HIP", ".")).absolute()
    variables["PDG_DIR"] = str(working)
    match parameters.menu("tempdirmenu"):
        case 0:
            temp = working / "pdgtemp"
        case 1:
            houdini = variables.get("HOUDINI_TEMP_DIR") or tempfile.gettempdir()
            temp = Path(houdini, variables.get("HIPNAME", "untitled"), "pdgtemp")
        case _:
            temp = Path(parameters.string("tempdircustom"))
            if not temp.name:
                raise pdg.CookError(f"{parameters.path}, parameter 'tempdircustom': it is empty")
    if parameters.toggle("tempdirappendpid"):
        temp = temp / str(os.getpid())
    temp = temp.absolute()
    variables["PDG_TEMP"] = str(temp)
    return Folders(working, temp)
