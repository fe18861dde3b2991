"""Runs work items as processes of this machine, under the local scheduler's parameters."""

from __future__ import annotations

import os
import queue
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nvdiffrec_contract.failure import Failure

from ..job.outputs.result import NAME as RESULT
from . import joblines, jobsupport, pdg, serialise
from .inprocess import Worked
from .jobenvironment import Folders, JobSettings, job_command, job_environment
from .outputs import Snapshot
from .parameters import NodeParameters
from .processes import ChildProcess

_MOST_SAID = 10_000


class Process(Protocol):
    """What a job runs as."""

    def stop(self, grace: float, /) -> None: ...
    def join(self) -> None: ...


@dataclass
class Job:
    """An item that runs, or ran, as a process."""

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
    outputs: dict[str, joblines.Output] = field(default_factory=dict)
    attributes: dict[tuple[str, int], joblines.Attribute] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: Failure | None = None  # as the job itself tells it
    trouble: str = ""  # with its log

    def forget(self) -> None:
        """Nothing that an earlier start of the job said counts any more."""
        for said in (self.outputs, self.attributes, self.warnings):
            said.clear()
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


class LocalScheduler:
    """Slots, folders, processes, exit codes, retries and time-outs.

    ``messages`` receives Exited, Stop and the cook's Worked; everything else happens on the
    caller's thread, except ``on_line``, which is called on the job's reader thread.
    """

    def __init__(
        self,
        parameters: NodeParameters,
        *,
        jobs: int | None = None,
        grace: float = 10.0,
        on_line: LineHandler = lambda _item, _line: None,
    ) -> None:
        self.parameters = parameters
        self.name = parameters.path.rsplit("/", 1)[-1]
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.running: list[Job] = []
        self.folders = _folders(parameters)
        self.slots = jobs or _slots(parameters)
        self._jobs_limit = _jobs_limit(parameters)
        self._grace, self._on_line = grace, on_line
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
        serialise.write_bytes(target, source.read_bytes())
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
                path.unlink(missing_ok=True)
        for folder in (self.folders.data, self.folders.logs, self.folders.scripts):
            for empty in (folder, self.folders.temp):
                if empty.is_dir() and not any(empty.iterdir()):
                    empty.rmdir()

    # -- one item ---------------------------------------------------------------------------
    def has_room(self, item: pdg.WorkItem) -> bool:
        """True when the item may start now: slots, Limit Jobs, Single, free memory."""
        if not self.running:
            return _enough_memory(JobSettings(self.parameters, item))
        if self._jobs_limit is not None and len(self.running) >= self._jobs_limit:
            return False
        settings = JobSettings(self.parameters, item)
        slots, single = _needs(settings, self.slots)
        if single and any(job.single for job in self.running):
            return False
        if sum(job.slots for job in self.running) + slots > self.slots:
            return False
        return _enough_memory(settings)

    def start(self, item: pdg.WorkItem) -> Job:
        """Write the item's data and start its process. Raises CookError when it cannot start."""
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
            serialise.write(item, data, self.name)
            self.folders.scripts.mkdir(parents=True, exist_ok=True)
            log = self._log_path(item)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
        except OSError as error:
            raise pdg.CookError(
                f"the temp folder {self.folders.temp} cannot be written: {error}; choose another "
                f"one with --set {self.name}.tempdirmenu=2 --set {self.name}.tempdircustom=FOLDER"
            ) from None
        self._written += [data, log]
        item.logPath = log
        slots, single = _needs(settings, self.slots)
        # A failed training says why in its result file, which also lists what is still in place.
        expected = [one for one in item.expectedOutputFiles if Path(one.path).name != RESULT]
        snapshot = Snapshot.of(expected)
        job = Job(item, settings, command, environment, log, snapshot, slots, single)
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

    def _launch(self, job: Job) -> None:
        seconds = self.parameters.number("local_maxtime", job.item)
        if self.parameters.toggle("local_enabletimeout") and seconds > 0:
            job.deadline = time.monotonic() + seconds
        job.forget()
        try:
            job.child = ChildProcess(
                job.command,
                job.environment,
                job.log,
                shell=job.item.shouldRunInShell,
                window=job.settings.toggle("local_requireswindow"),
                on_line=lambda line: self._line(job, line),
                on_exit=lambda code: self.messages.put(Exited(job, code)),
            )
        except (OSError, ValueError) as error:
            first = job.command if isinstance(job.command, str) else job.command[0]
            raise pdg.CookError(f"the command cannot be started: {first}: {error}") from None

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
        match joblines.read(line, job.item.id):
            case joblines.Percent(share):
                job.item.setCookPercent(share)
            case joblines.State(text):
                job.item.setCustomState(text)
            case joblines.Output() as output if len(job.outputs) < _MOST_SAID:
                job.outputs[output.path] = output
            case joblines.Attribute() as attribute if len(job.attributes) < _MOST_SAID:
                job.attributes[attribute.name, attribute.index] = attribute
            case joblines.Warned(text) if len(job.warnings) < _MOST_SAID:
                job.warnings.append(text)
            case joblines.Failed(failure):
                job.failure = failure
        self._on_line(job.item, line)

    def exited(self, message: Exited) -> pdg.workItemState | None:
        """Decide what an ended process means; None when it was started again."""
        job, code, item = message.job, message.code, message.job.item
        item.cookDuration = time.monotonic() - job.started
        if job.log.is_file() and job.log.stat().st_size == 0:
            job.log.unlink()
            item.logPath = None
        # What counts is whether the job has put its results in place, not how it ended after that.
        committed = (code != 0 or job.cancelled or job.timed_out) and job.snapshot.committed()
        if job.cancelled and not committed:
            job.snapshot.discard()
            return self._ended(job, pdg.workItemState.CookedCancel)
        state: pdg.workItemState | None
        if committed:
            state, reason = pdg.workItemState.CookedSuccess, ""
            if code:
                how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
                item.addWarning(f"the job ended {how} after its results were in place; they count")
                if isinstance(job.child, ChildProcess):  # on a farm it is the next job's work
                    job.snapshot.tidy()
        else:
            state, reason = self._judge(job, code)
        if state is None:
            attempts = job.settings.integer("local_maximumretries")
            item.addWarning(f"{reason}; retry {job.attempt} of {attempts}")
            try:
                self._launch(job)
                return None
            except pdg.CookError as error:
                state, reason = pdg.workItemState.CookedFail, str(error)
        of_child = job.child.trouble if isinstance(job.child, ChildProcess) else ""
        for text in [*job.warnings, job.trouble, of_child]:
            if text:
                item.addWarning(text)
        for attribute in job.attributes.values():
            attribute.give(item)
        if state is pdg.workItemState.CookedFail:
            item.failure, item.told = reason, job.failure
            kept = job.snapshot.set_aside()
            if kept:
                item.addWarning(f"unfinished outputs were renamed: {', '.join(kept)}")
        else:
            self._collect(job)
        return self._ended(job, state)

    def _ended(self, job: Job, state: pdg.workItemState) -> pdg.workItemState:
        self.running.remove(job)
        return state

    def _judge(self, job: Job, code: int) -> tuple[pdg.workItemState | None, str]:
        success, failed = pdg.workItemState.CookedSuccess, pdg.workItemState.CookedFail
        item, settings = job.item, job.settings
        if job.timed_out:
            seconds = self.parameters.number("local_maxtime", item)
            reason = f"it ran longer than the Maximum Run Time of {seconds:g} s and was ended"
            if self.parameters.menu("local_handletimeout") == 1:
                item.addWarning(reason)
                return success, ""
            return failed, reason
        if code == 0:
            return success, ""
        reason = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        if not settings.toggle("local_echandleall") and code != settings.integer(
            "local_eccustomcode"
        ):
            return failed, reason
        match settings.menu("local_echandleby"):
            case 1:
                item.addWarning(f"{reason}, taken as a warning (On Task Failure)")
                return success, ""
            case 2:
                job.attempt += 1
                if settings.toggle("local_addfailcountattr"):
                    name = settings.string("local_failcountattr")
                    if name:
                        item.setIntAttrib(name, job.attempt)
                retries = settings.integer("local_maximumretries")
                if job.attempt <= retries:
                    return None, reason
                return failed, f"{reason}, after {retries} retries"
            case 3:
                return success, ""
            case _:
                return failed, reason

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
            if Path(file.path).exists():
                if file.path not in reported:
                    job.item.addOutputFile(file.path, file.tag, own=file.owned)
            else:
                job.item.addWarning(f"the expected output {file.path} was not written")

    # -- time -------------------------------------------------------------------------------
    def next_deadline(self) -> float | None:
        """Seconds until the first running item is out of time; None without time limits."""
        ends = [job.deadline for job in self.running if job.deadline is not None]
        return max(min(ends) - time.monotonic(), 0.0) if ends else None

    def stop_overdue(self) -> None:
        for job in self.running:
            if job.deadline is not None and time.monotonic() >= job.deadline and job.child:
                job.timed_out, job.deadline = True, None
                job.child.stop(self._grace)

    def stop_all(self, *, at_once: bool = False) -> None:
        """End every running process and its descendants; exits still arrive as messages."""
        for job in self.running:
            job.cancelled = True
            if job.child:
                job.child.stop(0.0 if at_once else self._grace)


def _needs(settings: JobSettings, total: int) -> tuple[int, bool]:
    slots = 1
    if settings.toggle("local_is_CPU_number_set"):
        slots = max(settings.integer("local_CPUs_to_use"), 1)
    return min(slots, total), settings.toggle("local_single")


def _enough_memory(settings: JobSettings) -> bool:
    rule = settings.menu("local_useminfreemem")
    if rule == 0:
        return True
    total, available = _memory()
    if rule == 1:
        return available >= settings.number("local_minfreemem") * 2**20
    return 100 * available >= settings.number("local_minfreemempct") * total


def _memory() -> tuple[float, float]:
    """Bytes of memory: total, available. Linux only."""
    text = Path("/proc/meminfo").read_text("ascii")
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return 1024.0 * int(fields["MemTotal"]), 1024.0 * int(fields["MemAvailable"])


def _slots(parameters: NodeParameters) -> int:
    cores = os.cpu_count() or 1
    match parameters.menu("maxprocsmenu"):
        case 0:
            slots = cores // 4
        case -1:
            slots = cores - 1
        case _:
            slots = parameters.integer("maxprocs")
            if slots < 0:
                slots += cores
    return max(slots, 1)


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
