"""What schedulers have in common whose jobs run on the machines of a farm."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters

from .base import Exited, Job, LineHandler, Scheduler


class FarmChild:
    """A job of the farm in the place of a child process."""

    trouble = ""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._ended = threading.Event()

    def ended(self) -> None:
        """The job's end has been told."""
        self._ended.set()

    def stop(self, _grace: float) -> None:
        """Jobs end together: a cook that stops cancels its submission."""
        self._cancel()

    def join(self) -> None:
        """Return when the job has ended."""
        self._ended.wait()


class FarmScheduler(Scheduler):
    """Jobs are the farm's; their folders, logs and results are kept here as for any scheduler.

    The farm has a queue of its own, and it starts a lost job again for itself.
    """

    def __init__(
        self,
        parameters: NodeParameters,
        *,
        on_line: LineHandler = lambda _item, _line: None,
    ) -> None:
        super().__init__(parameters, on_line=on_line)
        self._reasons: dict[int, str] = {}
        self._spans: dict[int, tuple[float | None, float | None]] = {}

    @abstractmethod
    def cancel(self) -> None:
        """End every job of this cook on the farm, without waiting for it."""

    def has_room(self, item: pdg.WorkItem) -> bool:
        """Only Limit Jobs counts."""
        return self._jobs_limit is None or len(self.running) < self._jobs_limit

    def tell_end(
        self,
        job: Job,
        child: FarmChild,
        code: int,
        reason: str = "",
        *,
        began: float | None = None,
        ended: float | None = None,
    ) -> None:
        """A job has ended on the farm; may be called from any thread.

        ``reason``: why it failed, where it has not told so itself. ``began`` and ``ended``: by its
        machine's clock, in seconds since 1970; None where that is not known.
        """
        if reason:
            self._reasons[job.item.id] = reason
        self._spans[job.item.id] = (began, ended)
        self.messages.put(Exited(job, code))
        child.ended()

    def _judge(self, job: Job, code: int) -> tuple[pdg.workItemState | None, str]:
        """What an exit code means; jobs and the farm retry for themselves."""
        if code == 0:
            return pdg.workItemState.CookedSuccess, ""
        reason = self._reasons.pop(job.item.id, "")
        if not reason:
            machine = job.item.attribValue("machine")
            reason = f"exit code {code}" + (f" on {machine}" if machine else "")
        return pdg.workItemState.CookedFail, reason

    def exited(self, message: Exited) -> pdg.workItemState | None:
        """Decide what a job's end means. Its time is the machine's, without that in the queue."""
        state = super().exited(message)
        item = message.job.item
        began, ended = self._spans.get(item.id, (None, None))
        if began is not None and ended is not None:
            item.cookDuration = max(ended - began, 0.0)
        return state

    def seconds(self) -> float | None:
        """From the first job's start to the last one's end, where both are known."""
        spans = self._spans.values()
        starts = [began for began, _ended in spans if began is not None]
        ends = [ended for _began, ended in spans if ended is not None]
        return max(max(ends) - min(starts), 0.0) if starts and ends else None

    def stop_all(self, *, at_once: bool = False) -> None:
        """Cancel the submission; the jobs' ends still arrive as messages."""
        for job in self.running:
            job.cancelled = True
        self.cancel()
