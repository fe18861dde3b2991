"""One run of the trainer: going on, saving, going back and ending, as the passes come to them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.runtime.ranks import ALONE, Ranks
from diffrec.runtime.signals import Interrupted, StopRequest
from diffrec.training import checkpoint
from diffrec.training.checkpoint import LoopState
from diffrec.training.divergence import Guard
from diffrec.training.passes import Pass
from diffrec.training.resumption import Resumption, TextureStart
from diffrec.training.returns import Returns
from diffrec.training.saving import Saving
from nvdiffrec_contract.configuration import Config

LOG_INTERVAL = 10  # iterations between readings of the loss
GUARD_INTERVAL = 100  # at most; and where there are no checkpoints


class Session:
    """Follows the passes of one run.

    The loop calls `begin`, `after` each iteration, `failed` when an iteration had no mesh, and
    `end`. The run calls `start_of_textures` before its pass over textures, and `finished`.
    `resumption`: the checkpoint of an earlier process.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        log: Callable[[str], None],
        stop: StopRequest,
        ranks: Ranks = ALONE,
    ) -> None:
        path = folder / checkpoint.NAME
        self.resumption = Resumption(config, path, log, ranks)
        self._saving = Saving(config, path, log, writes=ranks.leads)
        self._config = config
        self._log = log
        self._stop = stop
        self._ranks = ranks
        self._interval = config.diffrec.checkpoint_interval
        self._start: TextureStart | None = None  # of the pass that comes next, or is on
        self._state_start: TextureStart | None = None  # of the pass that `_state` belongs to
        self._state: LoopState | None = None
        self._returns: Returns | None = None
        self._next = self._saved_next = 0

    def resume(self) -> bool:
        """Read the checkpoint; whether there is one to go on from. Says why it is of no use."""
        return self._interval > 0 and self.resumption.read()

    def start_of_textures(self, start: TextureStart) -> None:
        """The pass over textures comes next; its checkpoints carry what it starts from."""
        self._start = start

    def begin(self, current: Pass, state: LoopState, mesh: Callable[[], Mesh]) -> int:
        """A pass begins: its first iteration, 0 or where the checkpoint goes on.

        `mesh`: the present surface.

        Raises:
            UnusableCheckpoint: the checkpoint does not fit.
        """
        first, returns = self.resumption.restore(state, self._start)
        self._state, self._state_start = state, self._start
        self._next = self._saved_next = first
        self._returns = None
        if self._config.diffrec.guard and first <= self._config.iter:
            interval = min(max(self._interval, LOG_INTERVAL), GUARD_INTERVAL)
            guard = Guard(state, first, interval if self._interval else GUARD_INTERVAL, returns)
            alone = self._start is None
            self._returns = Returns(guard, current, mesh, self._config.iter, self._log, alone=alone)
        self._stop.hold()
        if self._saving.due(state):
            self._save(quietly=True)
        return first

    def after(self, iteration: int, loss: float | None) -> int:
        """An iteration is done; the one to do next.

        `loss`: the mean image loss since the last one given, where the loop knows it.

        Raises:
            Interrupted: the run was asked to end; its state is saved.
        """
        self._next = iteration + 1
        stop, due = self._asked(loss is not None)
        saving = due or stop is not None
        if self._returns is not None:
            self._next = self._returns.after(iteration, loss, saving=saving)
        if saving:
            self._save(quietly=stop is None)
        if stop is not None:
            raise Interrupted(stop)
        return self._next

    @property
    def just_saved(self) -> bool:
        """Whether the iteration before the next one ended with a checkpoint."""
        return self._saved_next == self._next > 0

    def failed(self, iteration: int, error: EmptyMeshError) -> int:
        """An iteration had no mesh; the one to do next. Raises `error` where there is no way."""
        if self._returns is None:
            raise error
        self._next = self._returns.vanished(iteration, error)
        return self._next

    def end(self) -> None:
        """The pass is over; what comes now may be interrupted at any place."""
        self._returns = None
        if self._saving.due(self._state):
            self._save(quietly=True)
        self._stop.release()

    def interrupted(self) -> None:
        """Save what a request to end, outside a loop, would lose: the end of the last pass."""
        if not self._stop.held:
            self._save()

    def finished(self) -> None:
        """The run is done and needs no checkpoint any more."""
        self._state = None
        self._saving.remove()

    def _asked(self, talk: bool) -> tuple[int | None, bool]:
        """The signal that asks to end, and whether a checkpoint is due: the same on all ranks.

        `talk`: the ranks wait for each other now anyway.
        """
        if self._ranks.count == 1:
            at_interval = self._interval > 0 and self._next % self._interval == 0
            return self._stop.number, at_interval and self._saving.due(self._state)
        if not talk:
            return None, False
        at_interval = self._next - self._saved_next >= self._interval > 0
        due = at_interval and self._saving.due(self._state)
        own = [float(self._stop.number is not None), float(due and self._ranks.leads)]
        stopped, due_there = self._ranks.sums(own)
        return (self._stop.number or signal.SIGTERM) if stopped else None, due_there > 0

    def _save(self, *, quietly: bool = False) -> None:
        self._saved_next = self._next
        start = self._state_start
        self._saving.save(
            self._state,
            self._next,
            quietly=quietly,
            seconds_before=self.resumption.seconds,
            returns=0 if self._returns is None else self._returns.count,
            start=None if start is None else start.plain(),
        )
