"""Runs work items as processes of this machine, under the local scheduler's parameters."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from topcook import pdg
from topcook.jobs.environment import JobSettings
from topcook.jobs.processes import ChildProcess
from topcook.parameters.evaluation import NodeParameters

from .base import Exited, Job, LineHandler, Scheduler


class LocalScheduler(Scheduler):
    """Slots, processes, exit codes, retries and time-outs.

    ``jobs``: slots, in place of the scheduler's. ``grace``: seconds that a job gets to save its
    work when it is stopped.
    """

    def __init__(
        self,
        parameters: NodeParameters,
        *,
        jobs: int | None = None,
        grace: float = 10.0,
        on_line: LineHandler = lambda _item, _line: None,
    ) -> None:
        super().__init__(parameters, on_line=on_line)
        self.slots = jobs or _slots(parameters)
        self._grace = grace

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

    def _launch(self, job: Job) -> None:
        seconds = self.parameters.number("local_maxtime", job.item)
        if self.parameters.toggle("local_enabletimeout") and seconds > 0:
            job.deadline = time.monotonic() + seconds
        job.slots, job.single = _needs(job.settings, self.slots)
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
                    item.addWarning(f"{reason}; retry {job.attempt} of {retries}")
                    return None, reason
                return failed, f"{reason}, after {retries} retries"
            case 3:
                return success, ""
            case _:
                return failed, reason

    def _tidy(self, job: Job) -> None:
        job.snapshot.tidy()

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
