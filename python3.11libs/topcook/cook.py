"""The cook: generates work items, decides what runs, and follows it to the end."""

from __future__ import annotations

import heapq
import os
import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import pdg
from .generation import Generation
from .host import registered
from .inheritance import Inheritance
from .inprocess import Task, Worked, Worker, told
from .parameters.evaluation import NodeParameters
from .schedulers.base import Exited, Job, Message, Scheduler, Stop

_POLL_WHEN_DEFERRED = 2.0
_State = pdg.workItemState


@dataclass
class Watcher:
    """What a cook tells its surroundings. All callbacks may be replaced.

    ``started``/``ended`` are called on the cooking thread, ``line`` on a job's reader thread.
    """

    started: Callable[[Job], None] = lambda _job: None
    ended: Callable[[pdg.WorkItem], None] = lambda _item: None
    generated: Callable[[pdg.Node], None] = lambda _node: None
    line: Callable[[pdg.WorkItem, str], None] = lambda _item, _line: None
    warning: Callable[[str], None] = lambda _message: None


@dataclass(frozen=True)
class CookResult:
    """How a cook ended. ``stopped``: it was interrupted."""

    graph: pdg.Graph
    seconds: float
    stopped: bool
    errors: tuple[str, ...]

    @property
    def successful(self) -> bool:
        items = self.graph.workItems()
        return (
            not self.stopped
            and not self.errors
            and all(item.isSuccessful for item in items)
            and all(node.isGenerated for node in self.graph.nodes())
        )


class Cook:
    """One cook of a graph with a scheduler. ``force`` ignores outputs that exist already."""

    def __init__(
        self,
        context: pdg.GraphContext,
        scheduler: Scheduler,
        watcher: Watcher,
        *,
        force: bool = False,
    ) -> None:
        self.context, self.graph = context, context.graph
        self.scheduler, self.watcher, self.force = scheduler, watcher, force
        self.generation = Generation(self.graph, self._admit, watcher.generated)
        self._ready: list[tuple[int, int, pdg.WorkItem]] = []
        self._missing: dict[int, int] = {}
        self._open: Counter[str] = Counter()
        self._wrote: set[int] = set()
        self._stops = 0
        self.worker = Worker(scheduler.messages.put)
        self._inheritance = Inheritance()
        self._announced: set[str] = set()

    def request_stop(self) -> None:
        """Ask the cook to end every process and return; safe to call from any thread."""
        self.context.canceling = True
        self.scheduler.messages.put(Stop())

    def run(self) -> CookResult:
        """Generate and cook everything. Raises CookError when static generation fails."""
        begin = time.monotonic()
        self._emit(pdg.EventType.CookStart)
        self.context.cooking = True
        try:
            for node in self.graph.nodes():
                self.scheduler.copy_dependencies(node)
            self.generation.static()
            self.generation.dynamic()
            while True:
                self._start_ready()
                working = self.scheduler.running or self.worker.busy
                if not working and not (self._ready and not self._stops):
                    break
                self._handle(self._next_message())
        except BaseException:
            self._kill_everything()
            raise
        finally:
            self.worker.end()
            self.context.cooking = False
            self._emit(pdg.EventType.CookComplete)
            self.context.waitAllEvents()
        result = CookResult(
            self.graph,
            time.monotonic() - begin,
            bool(self._stops),
            tuple(error for node in self.graph.nodes() for error in node.cookErrors),
        )
        self.scheduler.finish(keep_logs=not result.successful)
        return result

    def _emit(self, kind: pdg.EventType, node: pdg.Node | None = None) -> None:
        self.context.emit(pdg.Event(kind, node=node, context=self.context))

    def _kill_everything(self) -> None:
        self.worker.stop()
        self.scheduler.stop_all(at_once=True)
        for job in list(self.scheduler.running):
            if job.child:
                job.child.join()
            job.snapshot.discard()

    # -- waiting for dependencies -----------------------------------------------------------
    def _admit(self, items: list[pdg.WorkItem]) -> None:
        """Take generated items in: ready at once, or waiting for their dependencies."""
        for item in items:
            self._open[item.node.name] += 1
            missing = sum(not _satisfied(item, one) for one in item.dependencies)
            self._missing[item.id] = missing
            if missing:
                item.setState(_State.Waiting)
            else:
                self._push(item)

    def _push(self, item: pdg.WorkItem) -> None:
        heapq.heappush(self._ready, (-item.priority, item.id, item))

    def _done(self, item: pdg.WorkItem, state: pdg.workItemState) -> None:
        item.setState(state)
        self._inheritance.ended(item)
        node = item.node
        self._open[node.name] -= 1
        last = self._open[node.name] == 0
        if last and node.isGenerated and not node.hasCooked:
            node.hasCooked = True
            self._emit(pdg.EventType.NodeCooked, node)
        self.watcher.ended(item)
        for dependent in item.dependents:
            if dependent.id in self._missing and _satisfied(dependent, item):
                self._missing[dependent.id] -= 1
                if self._missing[dependent.id] == 0:
                    self._push(dependent)
        if not self._stops:
            self.generation.cooked(item)
            if last:
                self.generation.dynamic()

    # -- starting ---------------------------------------------------------------------------
    def _start_ready(self) -> None:
        deferred: list[pdg.WorkItem] = []
        while self._ready and not self._stops:
            _priority, _id, item = heapq.heappop(self._ready)
            try:
                if not self._begin(item):
                    deferred.append(item)
            except pdg.CookError as error:
                item.failure = str(error)
                self._done(item, _State.CookedFail)
        for item in deferred:
            self._push(item)

    def _begin(self, item: pdg.WorkItem) -> bool:
        """Cook an item, or start its process; False when it has to wait for a free slot."""
        node = item.node
        if not node.hasStarted:
            node.hasStarted = True
            self._emit(pdg.EventType.NodeFirstCook, node)
        if item.isPartition:
            node.callbacks.onFillPartition(item, True)
            self._inherit_wrote(item)
            self._done(item, _State.CookedSuccess)
            return True
        if item.isInProcess and not _scheduled(item):
            self._inherit_wrote(item)
            self._done(item, _State.CookedSuccess)
            return True
        self._inheritance.begins(item)
        task = _prepared(item)
        if self._cached(item):
            for file in item.expectedOutputFiles:
                item.addOutputFile(file.path, file.tag, own=file.owned)
            self._done(item, _State.CookedCache)
            return True
        if item.isInProcess:
            item.setState(_State.Cooking)
            if task is not None:
                self.worker.start(item, task)
                return True
            begin = time.monotonic()
            outcome = _in_process(item)
            item.cookDuration = time.monotonic() - begin
            failed = outcome is pdg.result.Failure
            if item.outputFiles:
                self._wrote.add(item.id)
            self._done(item, _State.CookedFail if failed else _State.CookedSuccess)
            return True
        if not item.hasCommand or item.isNoGenerate or not _scheduled(item):
            self._inherit_wrote(item)
            self._done(item, _State.CookedSuccess)
            return True
        return self._start_process(item)

    def _start_process(self, item: pdg.WorkItem) -> bool:
        if not self.scheduler.has_room(item):
            if not self.scheduler.running:
                self._warn_once("waiting for the Minimum Available Memory of the scheduler")
            return False
        if item.shouldRunInShell:
            self._warn_once(
                f"{item.node.path} has Run Command in System Shell turned on: its command is "
                "interpreted by the shell"
            )
        item.setState(_State.Scheduled)
        job = self.scheduler.start(item)
        item.setState(_State.Cooking)
        self.watcher.started(job)
        return True

    def _warn_once(self, message: str) -> None:
        if message not in self._announced:
            self._announced.add(message)
            self.watcher.warning(message)

    def _inherit_wrote(self, item: pdg.WorkItem) -> None:
        if any(one.id in self._wrote for one in item.dependencies):
            self._wrote.add(item.id)

    def _cached(self, item: pdg.WorkItem) -> bool:
        """Whether the item's expected outputs stand in for its cook, under its Cache Mode."""
        expected = item.expectedOutputFiles
        if not expected:
            return False
        parameters = item.node.parameters
        mode = pdg.cacheMode.Automatic
        if isinstance(parameters, NodeParameters) and parameters.has("pdg_cachemode"):
            mode = pdg.cacheMode(parameters.menu("pdg_cachemode", item))
        if self.force and mode is not pdg.cacheMode.AlwaysRead:
            return False
        if mode is pdg.cacheMode.AlwaysWrite:
            return False
        keeper = registered().keeper
        wrong = _missing(expected) or keeper.fault(file.path for file in expected)
        if wrong and mode is pdg.cacheMode.AlwaysRead:
            raise pdg.CookError(f"the Cache Mode is Read Files and {wrong}")
        if wrong and any(keeper.answered_for(file.path) for file in expected):
            self._warn_once(f"{item.name}: its job is asked again: {wrong}")
        stale = mode is pdg.cacheMode.Automatic and any(
            one.id in self._wrote for one in item.dependencies
        )
        if wrong or stale:
            return False
        keeper.tidy(file.path for file in expected)
        return True

    # -- messages ---------------------------------------------------------------------------
    def _next_message(self) -> Message | None:
        waits = [self.scheduler.next_deadline()]
        if self._ready and not self.scheduler.running and not self.worker.busy:
            waits.append(_POLL_WHEN_DEFERRED)
        limits = [one for one in waits if one is not None]
        try:
            return self.scheduler.messages.get(timeout=min(limits) if limits else None)
        except queue.Empty:
            return None

    def _handle(self, message: Message | None) -> None:
        if isinstance(message, Stop):
            self._stops += 1
            self.context.canceling = True
            self.worker.stop()
            self.scheduler.stop_all(at_once=self._stops > 1)
        elif isinstance(message, Worked):
            self.worker.received()
            self._worked(message)
        elif isinstance(message, Exited):
            item = message.job.item
            state = self.scheduler.exited(message)
            if state is not None:
                if state is _State.CookedSuccess and item.outputFiles:
                    self._wrote.add(item.id)
                self._done(item, state)
            elif self._stops:
                self.scheduler.stop_all()
        self.scheduler.stop_overdue()

    def _worked(self, message: Worked) -> None:
        """Put what an in-process item made on it."""
        item, outcome = message.item, message.outcome
        item.cookDuration = message.seconds
        if outcome is not None:
            outcome.give(item)
            if outcome.files and outcome.wrote:
                self._wrote.add(item.id)
            else:
                self._inherit_wrote(item)
            self._done(item, _State.CookedSuccess)
        elif message.failure:
            item.failure = message.failure
            self._done(item, _State.CookedFail)
        else:
            self._done(item, _State.CookedCancel)


def _missing(files: Sequence[pdg.File]) -> str | None:
    return next(
        (f"{one.path} does not exist" for one in files if not os.path.exists(one.path)), None
    )


def _satisfied(item: pdg.WorkItem, dependency: pdg.WorkItem) -> bool:
    return dependency.isSuccessful or (item.ignoresFailures and dependency.isCooked)


def _prepared(item: pdg.WorkItem) -> Task | None:
    with told():
        task: Task | None = item.node.callbacks.prepareTask(item)
    return task


def _in_process(item: pdg.WorkItem) -> pdg.result:
    with told():
        outcome = item.node.callbacks.onCookTask(item)
    return pdg.result.Success if outcome is None else pdg.result(outcome)


def _scheduled(item: pdg.WorkItem) -> bool:
    """Schedule When: an expression that gives 0 marks the item as cooked without running it."""
    parameters = item.node.parameters
    if not parameters.has("pdg_useschedulewhen") or not parameters.toggle(
        "pdg_useschedulewhen", item
    ):
        return True
    return parameters.integer("pdg_schedulewhen", item) != 0
