"""Following of a submission that an earlier process made, to the same end as that of a cook."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nvdiffrec_tops.hqueue.record import Submission
from topcook import pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.jobs import loglines
from topcook.jobs.environment import Folders, JobSettings
from topcook.jobs.outputs import Snapshot
from topcook.nodes.hqueuescheduler import PARAMETERS
from topcook.parameters.evaluation import NodeParameters, Surroundings
from topcook.parameters.table import ParmTable
from topcook.schedulers.base import Job, LineHandler, Message, Stop
from topcook.schedulers.farm import FarmChild

from .scheduler import FarmSetup, HQueueScheduler


class FollowScheduler(HQueueScheduler):
    """Takes up the jobs of a record."""

    def __init__(self, submission: Submission, setup: FarmSetup, *, on_line: LineHandler) -> None:
        self._recorded = submission
        around = _surroundings(submission)
        super().__init__(
            NodeParameters(PARAMETERS, "hqueuescheduler", {}, around), setup, on_line=on_line
        )

    def _prepare(self) -> Submission:
        self.folders = Folders(self._recorded.working, self._recorded.folder)
        return self._recorded

    def attach(self, item: pdg.WorkItem, facts: dict[str, Any]) -> Job:
        """Follow the job of an item."""
        item.logPath = log = Path(str(facts["log"]))
        settings = JobSettings(self.parameters, item)
        # What was there before the job is not known any more: nothing is renamed.
        job = Job(item, settings, [], {}, log, Snapshot.of([]))
        job.child = child = FarmChild(self.cancel)
        self.running.append(job)
        task = self.task(job, child, {}, facts)
        task.job = int(facts["job"])
        self.farm.attach(task)
        return job


class FollowCook(Cook):
    """A cook of which nothing is left but the ends of its jobs."""

    scheduler: FollowScheduler

    def __init__(
        self, submission: Submission, scheduler: FollowScheduler, watcher: Watcher
    ) -> None:
        """Raises KeyError, TypeError or ValueError for a damaged record."""
        self._items = _graph(submission)
        context = next(iter(self._items)).node.graph.context
        super().__init__(context, scheduler, watcher)

    def run(self) -> CookResult:
        """Wait for every job of the record."""
        begin = time.monotonic()
        for item, facts in self._items.items():
            item.setState(pdg.workItemState.Cooking)
            self.watcher.started(self.scheduler.attach(item, facts))
        while self.scheduler.running:
            self._handle(self._next_message())
        seconds = self.scheduler.seconds()
        if seconds is None:
            seconds = time.monotonic() - begin
        return CookResult(self.graph, seconds, bool(self._stops), ())

    def leave(self) -> None:
        """Stop following; the jobs go on. From any thread."""
        self.scheduler.messages.put(Stop())

    def _handle(self, message: Message | None) -> None:
        if isinstance(message, Stop):
            self._stops += 1
            self.scheduler.running.clear()
        else:
            super()._handle(message)

    def _done(self, item: pdg.WorkItem, state: pdg.workItemState) -> None:
        item.setState(state)
        self.watcher.ended(item)


def _surroundings(submission: Submission) -> Surroundings:
    scene = Path(submission.scene)
    return Surroundings({"HIP": str(scene.parent), "HIPNAME": scene.stem})


def _graph(submission: Submission) -> dict[pdg.WorkItem, dict[str, Any]]:
    """The work items of a record, in a graph of their nodes."""
    context = pdg.GraphContext(Path(submission.scene).stem)
    found: dict[pdg.WorkItem, dict[str, Any]] = {}
    around = _surroundings(submission)
    for facts in submission.items:
        name = str(facts["node"])
        node = context.graph.node(name)
        if node is None:
            parameters = NodeParameters(ParmTable([]), name, {}, around)
            node = pdg.Node(context.graph, name, pdg.nodeType.Processor, parameters, name)
            node.typeName, node.isGenerated = str(facts["type"]), True
            context.graph.addNode(node)
        item = pdg.WorkItem(node, int(facts["id"]), str(facts["name"]), static=True)
        item.index, item.label = int(facts["index"]), str(facts["label"])
        for key, values in dict(facts["attributes"]).items():
            if isinstance(values, list) and values:
                loglines.Attribute(key, 0, values).give(item)
        for path, tag in facts["expected"]:
            item.addExpectedOutputFile(str(path), str(tag))
        context.graph.register(item)
        node.addItems([item])
        found[item] = facts
    return found
