"""Submission of a whole graph at once, so that nothing has to wait for it here."""

from __future__ import annotations

from collections.abc import Sequence

from nvdiffrec_tops.hqueue.task import Task
from topcook import pdg
from topcook.cook import Cook
from topcook.schedulers.base import Exited, Job

from .scheduler import HQueueScheduler


class DetachedScheduler(HQueueScheduler):
    """Sends every item to the farm at once; the farm keeps their order.

    To the rest of the graph an item that was sent is as good as done: it has the outputs that it
    is expected to have.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.tasks: dict[int, Task] = {}

    def _after(self, item: pdg.WorkItem) -> Sequence[Task]:
        return [self.tasks[one.id] for one in above(item) if one.id in self.tasks]

    def _sent(self, item: pdg.WorkItem, task: Task) -> None:
        self.tasks[item.id] = task
        job = next(one for one in self.running if one.item is item)
        task.on_line = lambda _line: None
        task.on_exit = lambda _code, _reason: None
        self.messages.put(Exited(job, 0))

    def exited(self, message: Exited) -> pdg.workItemState | None:
        job: Job = message.job
        self.running.remove(job)
        if job.cancelled:
            return pdg.workItemState.CookedCancel
        for file in job.item.expectedOutputFiles:
            job.item.addOutputFile(file.path, file.tag, own=file.owned)
        return pdg.workItemState.CookedSuccess


class DetachedCook(Cook):
    """A cook whose items are sent, and which therefore cannot use their results."""

    def _begin(self, item: pdg.WorkItem) -> bool:
        assert isinstance(self.scheduler, DetachedScheduler)
        if item.isInProcess and not item.isPartition:
            sent = [one for one in above(item) if one.id in self.scheduler.tasks]
            if sent:
                raise pdg.CookError(
                    f"{item.node.path} works here on what {sent[0].name} makes on the farm; add "
                    "--follow, so that it can wait for it"
                )
        return super()._begin(item)


def above(item: pdg.WorkItem) -> list[pdg.WorkItem]:
    """Every item that this one depends on, near or far, each once."""
    found: dict[int, pdg.WorkItem] = {}
    waiting = list(item.dependencies)
    while waiting:
        one = waiting.pop()
        if one.id not in found:
            found[one.id] = one
            waiting += [*one.dependencies, *(one.partitionItems if one.isPartition else ())]
    return list(found.values())
