"""Notices that a pass diverges, and keeps the last good state to go back to."""

from __future__ import annotations

import math
from statistics import median

import torch
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.training.checkpoint import LoopState

MOST_RETURNS = 3  # per pass
SLOWER = 0.5  # factor of the learning rates at each return

# A reading is the mean image loss of a log interval; the level is the median of the newest few,
# so that a single hard view neither raises an alarm nor hides one.
LEVEL_READINGS = 5
JUMP = 4.0  # level over the best level
LEAP = 12.0  # one reading over the best level
CALM = 1.5  # a state is only called good up to this level over the best
# Of a mesh whose triangles stay: see `diffrec.geometry.vertices.VertexGeometry.damage`. A healthy
# pass over the sample ends with (0.02, 1.0, 0.0). A base mesh far from the pictures changes as much
# as a crumpling one, but with a falling loss.
MOST_WAY = 1.0
MOST_AREA, MOST_TURNED = 3.0, 0.25
CALM_AREA, CALM_TURNED = 1.5, 0.12
NOT_FALLING = 1.1  # level over the best level
FALLING = 1.02


class DivergedError(DiffrecError):
    """A pass diverges from its very beginning, so there is nothing good to go back to."""

    id = "diverged"


class Guard:
    """Judges one pass by its readings, and goes back.

    Two states are kept in memory: a candidate, which becomes good when the readings after it were
    calm, and the good one before it.
    """

    def __init__(self, state: LoopState, iteration: int, interval: int, returns: int = 0) -> None:
        """`interval`: iterations between candidates; `returns`: how often it went back so far."""
        self.returns = returns
        self.good_iteration = iteration  # of the state that it last went back to
        self._state = state
        self._interval = interval
        self._readings: list[tuple[int, float]] = []
        self._start = iteration
        self._candidate = _Snapshot(state, iteration)
        self._good: _Snapshot | None = None
        self._confirmed = False

    def reading(self, iteration: int, loss: float, damage: Tensor | None) -> str | None:
        """What is wrong, as the rest of a sentence; None where nothing is.

        `loss`: mean of the image loss since the last reading; `damage`: [3].
        """
        if not math.isfinite(loss):
            return "the loss is no longer a number"
        self._readings.append((iteration, loss))
        level, best = self._levels()
        if best is not None and loss > LEAP * best:
            return f"the loss leapt from {best:.6f} to {loss:.6f}"
        if best is not None and level > JUMP * best:
            return f"the loss rose from {best:.6f} to {level:.6f}"
        wrong, calm = self._judged(damage)
        if wrong:
            return wrong
        if best is not None:
            calm = calm and max(level, loss / 2) <= CALM * best
        # All of the reading's iterations have to come after the candidate.
        before = self._readings[-2][0] if len(self._readings) > 1 else self._start - 1
        if calm and before + 1 >= self._candidate.iteration:
            self._confirmed = True
        return None

    def keep(self, iteration: int) -> str | None:
        """Make the present state the candidate where it is time for one; what is wrong with it.

        `iteration`: the next one.
        """
        due = iteration - self._candidate.iteration >= self._interval
        if not due or not self._confirmed:
            return None
        wrong = self.finite()
        if wrong:
            return wrong
        former, self._good = self._good, self._candidate
        self._candidate = former or _Snapshot(self._state, iteration)
        if former is not None:
            former.take(self._state, iteration)
        self._confirmed = False
        return None

    def finite(self) -> str | None:
        """What is wrong where something trained is not finite; waits for the device, once."""
        trained = [tensor.detach() for tensor in self._state.all_tensors()]
        norms = torch._foreach_norm(trained, math.inf)
        if bool(torch.stack([norm.float() for norm in norms]).isfinite().all()):
            return None
        return "a trained value is no longer a number"

    def finished(self, damage: Tensor | None) -> str | None:
        """What is wrong with the state that a pass ends with."""
        return self.finite() or self._judged(damage)[0]

    def go_back(self) -> int | None:
        """Restore the last good state; the iteration that comes next.

        With half the learning rates, `MOST_RETURNS` times. None when that did not help either:
        the good state is the last word then.
        """
        target = self._candidate
        if not self._confirmed and self._good is not None:
            target = self._good
            self._candidate, self._good, self._confirmed = self._good, None, True
        target.give(self._state)
        self.good_iteration = target.iteration
        self._readings = [one for one in self._readings if one[0] < target.iteration]
        self._start = target.iteration
        if self.returns >= MOST_RETURNS:
            return None
        self.returns += 1
        for optimizer in self._state.optimizers:
            optimizer.rate *= SLOWER
        return target.iteration

    def _levels(self) -> tuple[float, float | None]:
        """The level now, and the best one before it (None in the beginning)."""
        losses = [loss for _, loss in self._readings]
        level = median(losses[-LEVEL_READINGS:])
        windows = range(LEVEL_READINGS, len(losses))
        levels = [median(losses[end - LEVEL_READINGS : end]) for end in windows]
        return level, min(levels, default=None)

    def _judged(self, damage: Tensor | None) -> tuple[str | None, bool]:
        """What is wrong with a mesh, and whether it is calm."""
        if damage is None:
            return None, True
        way, area, turned = damage.tolist()
        if not all(math.isfinite(value) for value in (way, area, turned)):
            return "a vertex is no longer anywhere", False
        if way > MOST_WAY:
            return f"the mesh exploded (a vertex moved by {way:.1f} times its size)", False
        level, best = self._levels() if self._readings else (0.0, None)
        if best is not None and level > NOT_FALLING * best:
            if area > MOST_AREA:
                return f"the mesh crumpled (its area grew {area:.1f} times)", False
            if turned > MOST_TURNED:
                return f"the mesh crumpled ({turned:.0%} of its surface is turned over)", False
        falling = best is not None and level <= FALLING * best
        return None, falling or (area <= CALM_AREA and turned <= CALM_TURNED)


class _Snapshot:
    """Copies of what is trained and of the optimizers' moments, on their own device."""

    def __init__(self, state: LoopState, iteration: int) -> None:
        self.iteration = iteration
        self._kept = [tensor.detach().clone() for tensor in state.changing()]

    @torch.no_grad()
    def take(self, state: LoopState, iteration: int) -> None:
        """Become a copy of `state`, in the same memory."""
        self.iteration = iteration
        torch._foreach_copy_(self._kept, state.changing())

    @torch.no_grad()
    def give(self, state: LoopState) -> None:
        """Bring `state` back to this copy. Its tensors stay where they are."""
        torch._foreach_copy_(state.changing(), self._kept)
