"""Jobs on the farm, from their submission to their end.

What has become of a job stands in the files that it keeps on the shared folder (see
``nvdiffrec_tops.job.farmstate``); they are read as long as the folder is there. The server is asked
only for what those files cannot tell: that a job was cancelled, or ended before it could write
any. So neither a restart of the server nor a broken connection ends a submission.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from nvdiffrec_tops.job.farmfile import moment
from nvdiffrec_tops.job.farmstate import DONE, STARTED, StateFolder, attempt, exit_code

from .jobspec import plain
from .problem import HQueueProblem
from .record import Submission
from .server import StatusNames, UnansweredSubmission, UnknownJob
from .task import Pace, Span, Task

_LONGEST_WAIT = 30.0
_ABANDONED = "abandoned"

Say = Callable[[str], None]


class JobServer(Protocol):
    """What is asked of an HQueue server; see :class:`nvdiffrec_tops.hqueue.server.Server`."""

    @property
    def address(self) -> str: ...
    def new_jobs(
        self, specs: Sequence[Mapping[str, Any]], parent: int | None = None
    ) -> list[int]: ...
    def job(self, job_id: int, attributes: Sequence[str] = ()) -> dict[str, Any]: ...
    def cancel(self, ids: Sequence[int]) -> None: ...
    def status_names(self) -> StatusNames: ...


class Farm:
    """Submits tasks and follows them on a thread of its own. Use as a context manager."""

    def __init__(
        self,
        server: JobServer,
        submission: Submission,
        container: Callable[[Sequence[int]], Mapping[str, Any]],
        *,
        say: Say,
        pace: Pace | None = None,
        announce: Callable[[int], None] = lambda _job: None,
    ) -> None:
        """``container(ids)``: the specification of the job that holds the others;
        ``announce(job)``: called once with its number.
        """
        self.server, self.submission = server, submission
        self._container, self._announce, self._say = container, announce, say
        self._pace = pace or Pace()
        self._pending: deque[Task] = deque()
        self._running: dict[str, Task] = {}
        self._asked: deque[str] = deque()
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._closing = False
        self._cancelling = False
        self._told_cancel = False
        self._cancelled_at = 0.0
        self._said = ""
        self._away_since: float | None = None
        self._next_try = 0.0
        self._wait = 1.0
        self._thread = threading.Thread(target=self._loop, name="farm", daemon=True)

    @property
    def state(self) -> StateFolder:
        """The jobs' state files."""
        return self.submission.state

    def __enter__(self) -> Farm:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join()

    def submit(self, task: Task) -> None:
        """Hand a task to the farm; it is sent together with others. From any thread."""
        with self._lock:
            self._pending.append(task)
        self._wake.set()

    def sent(self, seconds: float) -> bool:
        """Wait until every task is on the farm; False when that has not happened in the time."""
        with self._empty:
            return self._empty.wait_for(lambda: not self._pending, seconds)

    def attach(self, task: Task) -> None:
        """Follow a task that was submitted before."""
        with self._lock:
            self._running[task.name] = task
            self._asked.append(task.name)
        self._wake.set()

    def cancel(self) -> None:
        """End every job: by the server, and by a file that the jobs themselves look for."""
        with self._lock:
            if not self._cancelling:
                self._cancelled_at = time.monotonic()
            self._cancelling = True
        self._wake.set()

    # -- the thread -------------------------------------------------------------------------
    def _loop(self) -> None:
        while True:
            self._wake.wait(self._pace.interval if self._running or self._pending else None)
            self._wake.clear()
            with self._lock:
                idle = not self._running and not self._pending
                if self._closing and (idle or not self._cancelling):
                    self._flush_record()
                    return
            self._turn()

    def _turn(self) -> None:
        if self._cancelling:
            self._cancel()
        elif time.monotonic() >= self._next_try:
            self._try(self._send)
        self._look()
        if time.monotonic() >= self._next_try:
            self._try(self._ask)

    def _try(self, work: Callable[[], None]) -> None:
        """Speak with the server; while it is away it is asked less and less often."""
        try:
            work()
        except UnansweredSubmission as problem:
            # A job that is there twice finds its work item locked, then done.
            self._say(f"{problem}. They are submitted again: none of them runs twice")
            return
        except HQueueProblem as problem:
            if self._away_since is None:
                self._away_since = time.monotonic()
                self._say(f"{problem}. The jobs are followed by their files; trying again")
            self._next_try = time.monotonic() + self._wait
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
            return
        self._wait = 1.0
        if self._away_since is not None:
            self._away_since = None
            self._say(f"{self.server.address} answers again")

    # -- sending ----------------------------------------------------------------------------
    def _send(self) -> None:
        while True:
            with self._lock:
                tasks = self._next_batch()
            if not tasks:
                return
            specs = [
                {**task.spec, "childrenIds": [one.job for one in task.after]}
                if task.after
                else task.spec
                for task in tasks
            ]
            ids = self.server.new_jobs(specs, self.submission.container or None)
            if len(ids) != len(tasks):
                raise HQueueProblem(
                    f"the farm's server took {len(tasks)} jobs and named {len(ids)}",
                    "check the jobs in its web pages",
                )
            with self._lock:
                for task, job in zip(tasks, ids, strict=True):
                    self._pending.remove(task)
                    task.job, task.ended = job, None
                    task.submissions += 1
                    self._running[task.name] = task
                    self._asked.append(task.name)
                    self._record(task)
            if not self.submission.container:
                [self.submission.container] = self.server.new_jobs([self._container(ids)])
                self._announce(self.submission.container)
            self._flush_record()
            with self._empty:
                self._empty.notify_all()

    def _next_batch(self) -> list[Task]:
        """Tasks to be sent together; one that waits for another comes after that one."""
        chosen: list[Task] = []
        for task in list(self._pending)[: self._pace.batch]:
            if any(not one.job for one in task.after):
                break
            chosen.append(task)
        return chosen

    def _record(self, task: Task) -> None:
        task.facts.update(name=task.name, job=task.job, log=str(task.log))
        if task.job not in self.submission.jobs:
            self.submission.jobs.append(task.job)
        if task.submissions == 1:
            self.submission.items.append(task.facts)

    def _flush_record(self) -> None:
        if not self.submission.items:
            return
        try:
            self.submission.write()
        except OSError as error:
            self._say(f"{self.submission.path} cannot be written: {error.strerror or error}")

    # -- looking at files -------------------------------------------------------------------
    def _look(self) -> None:
        try:
            names = self.state.names()
        except OSError as error:
            self._say_once(f"{self.state.path} cannot be read: {error.strerror or error}")
            return
        killed = self.submission.abandoned
        for task in list(self._running.values()):
            if task.name + STARTED in names:
                self._started(task)
                task.tail(self.submission.folder)
            if task.name + DONE in names:
                self._done(task)
            elif self._cancelling:
                self._give_up(task)
            elif killed:
                self._exit(task, 1, "it was cancelled")

    def _started(self, task: Task) -> None:
        """A machine has begun; it may be another one than before."""
        name = task.name + STARTED
        seen = self.state.when(name)
        if seen is None or seen == task.seen:
            return
        if facts := self.state.read(name):
            task.seen = seen
            task.span = Span(moment(facts.get("started")))
            task.machine = task.facts["machine"] = plain(str(facts.get("host", "")))
            task.on_start(task.machine, attempt(facts) or 1)

    def _give_up(self, task: Task) -> None:
        """After a cancel: at once what had not begun, in the end also what says nothing."""
        if self._told_cancel and not task.seen:
            self._exit(task, 1, "it was cancelled before it began")
        elif time.monotonic() - self._cancelled_at > self._pace.goodbye:
            self._exit(task, 1, "it was asked to end, and has not said that it did")

    def _done(self, task: Task) -> None:
        facts = self.state.read(task.name + DONE)
        code = exit_code(facts)
        if code is None:
            return
        task.span = replace(task.span, ended=moment(facts.get("ended")))
        if host := facts.get("host"):
            task.machine = task.facts["machine"] = plain(str(host))
        task.drain(self.submission.folder)
        self._exit(task, code, "")

    def _exit(self, task: Task, code: int, reason: str) -> None:
        with self._lock:
            self._running.pop(task.name, None)
        task.on_exit(code, reason)

    # -- asking the server ------------------------------------------------------------------
    def _ask(self) -> None:
        polls = 0
        while self._asked and polls < self._pace.polls:
            name = self._asked.popleft()
            task = self._running.get(name)
            if task is None:
                continue
            self._asked.append(name)
            polls += 1
            if polls > len(self._running):
                return
            try:
                facts = self.server.job(task.job, ["status", "name"])
            except UnknownJob:
                self._lost(task)
                continue
            if facts.get("name", task.spec.get("name")) != task.spec.get("name", facts.get("name")):
                # A server that has lost its jobs counts from 1 again.
                self._lost(task)
                continue
            self._judge(task, str(facts.get("status", "")))

    def _judge(self, task: Task, status: str) -> None:
        """A job that has ended on the farm has written so, or is given time until that is seen."""
        names = self.server.status_names()
        if status == _ABANDONED or status not in names.succeeded | names.failed:
            task.ended = None
            return
        now = time.monotonic()
        if task.ended is None or task.ended[0] != status:
            task.ended = (status, now)
        if now - task.ended[1] < (self._pace.goodbye if self._cancelling else self._pace.settle):
            return
        where = f"{self.server.address}/jobs/view/{task.job}"
        if status in names.succeeded:
            reason = (
                f"HQueue says that the job has {status}, but it has left nothing in "
                f"{self.state.path}; check that the farm's machines see the shared folder under "
                f"its mapped path. Its output is at {where}"
            )
        else:
            reason = f"HQueue says: {status}. The job has not told why; its output is at {where}"
        task.drain(self.submission.folder)
        self._exit(task, 1, reason)

    def _lost(self, task: Task) -> None:
        """The server does not know the job: it was deleted, or the server has lost its state."""
        if self._cancelling or self.state.when(task.name + DONE) is not None:
            return
        if not task.spec:
            self._exit(
                task,
                1,
                f"the farm's server does not know job {task.job} any more, and it had not ended; "
                "submit the scene again, a training goes on from its last checkpoint",
            )
            return
        if task.submissions > self._pace.resubmissions:
            self._exit(task, 1, f"job {task.job} was lost by the farm's server again and again")
            return
        self._say(f"{task.name}: the farm's server does not know job {task.job} any more")
        with self._lock:
            self._running.pop(task.name, None)
            self.submission.container = 0
            self._pending.append(task)

    # -- ending -----------------------------------------------------------------------------
    def _cancel(self) -> None:
        with self._lock:
            waiting = list(self._pending)
            self._pending.clear()
        with contextlib.suppress(OSError):
            self.state.cancel()
        for task in waiting:
            task.on_exit(1, "it was not sent to the farm")
        if not self._told_cancel and time.monotonic() >= self._next_try:
            self._try(self._tell_cancel)

    def _tell_cancel(self) -> None:
        jobs = [task.job for task in self._running.values()]
        if self.submission.container:
            jobs.append(self.submission.container)
        if jobs:
            self.server.cancel(jobs)
        self._told_cancel = True

    def _say_once(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)
