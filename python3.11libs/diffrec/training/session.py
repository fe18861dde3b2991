"""What a training loop reports to: checkpoints, requests to end, and the guard."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.runtime.ranks import ALONE, Ranks
from diffrec.runtime.signals import Interrupted, StopRequest
from diffrec.training import checkpoint
from diffrec.training.checkpoint import LoopState, UnusableCheckpoint
from diffrec.training.divergence import MOST_RETURNS, DivergedError, Guard
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config

# Writing takes at most this share of the time; before the first one, a disk of this speed is
# assumed.
LARGEST_SHARE = 0.02
BYTES_PER_SECOND = 200e6
LOG_INTERVAL = 10  # iterations between readings of the loss
GUARD_INTERVAL = 100  # at most; and where there are no checkpoints
# Variable: 1 where the results are moved elsewhere after the run, and may be lost before they are.


@dataclasses.dataclass(frozen=True)
class TextureStart:
    """What the pass over textures starts from.

    textures: (height, width) of kd, ks and normal; first: MSE and PSNR of the first pass.
    """

    mesh: Mesh
    textures: tuple[tuple[int, int], ...]
    first: tuple[float, float] | None


class Recorder:
    """Follows the passes of one run.

    The loop calls `begin`, `after` each iteration, `failed` when an iteration had no mesh, and
    `end`. The run calls `start_of_textures` before its pass over textures, and `finished`.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        log: Callable[[str], None],
        stop: StopRequest,
        ranks: Ranks = ALONE,
    ) -> None:
        self._config = config
        self._path = folder / checkpoint.NAME
        self._log = log
        self._stop = stop
        self._ranks = ranks
        self._interval = config.diffrec.checkpoint_interval
        self._resumed: dict[str, Any] | None = None
        self._start: TextureStart | None = None  # of the pass that comes next, or is on
        self._state_start: TextureStart | None = None  # of the pass that `_state` belongs to
        self._state: LoopState | None = None
        self._damage: Callable[[], Tensor] | None = None
        self._mesh: Callable[[], Mesh] | None = None
        self._guard: Guard | None = None
        self._next = self._saved_next = 0
        self._seconds_before = 0.0
        self._began = self._saved_at = time.monotonic()
        self._cost: float | None = None

    def resume(self) -> bool:
        """Read the checkpoint; whether there is one to go on from. Says why it is of no use."""
        if not self._interval:
            return False
        self._resumed, problem = self._ranks.of_first(self._read)
        if problem:
            self.ignore(UnusableCheckpoint(problem))
        if self._resumed is None:
            return False
        self._seconds_before = float(self._resumed["seconds"])
        return True

    @property
    def resuming(self) -> bool:
        """Whether the run goes on from a checkpoint that it has not reached yet."""
        return self._resumed is not None

    def _read(self) -> tuple[dict[str, Any] | None, str]:
        """The checkpoint, and what is wrong with it."""
        try:
            found = checkpoint.read(self._path, self._config)
            if found is not None and found["pass"] == 2:
                for name in ("mesh.obj", "texture_kd.png"):
                    if not (self._path.parent / "dmtet_mesh" / name).is_file():
                        raise UnusableCheckpoint("has lost the first pass's files beside it")
        except UnusableCheckpoint as problem:
            return None, str(problem)
        return found, ""

    def ignore(self, problem: UnusableCheckpoint) -> None:
        """Say why the checkpoint is not gone on from, and forget it."""
        self._log(f"Warning: the checkpoint {self._path} {problem}; starting anew")
        self._resumed = None
        self._seconds_before = 0.0

    def textures_resumed(self, device: torch.device) -> TextureStart | None:
        """Where the pass over textures started, when the checkpoint lies in it."""
        if self._resumed is None:
            return None
        saved: Any = self._resumed.get("start")
        if saved is None and self._resumed["pass"] == 1:
            return None
        try:
            known = {field.name for field in dataclasses.fields(Mesh)}
            if not saved["mesh"].keys() <= known or not all(
                isinstance(value, Tensor) for value in saved["mesh"].values()
            ):
                raise ValueError("no mesh")
            textures = tuple((int(height), int(width)) for height, width in saved["textures"])
            first = None if saved["first"] is None else tuple(map(float, saved["first"]))
            if len(textures) != 3 or (first is not None and len(first) != 2):
                raise ValueError("no textures")
            mesh = Mesh(**saved["mesh"]).to(device)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnusableCheckpoint(f"does not fit this version ({error})") from None
        return TextureStart(mesh, textures, None if first is None else (first[0], first[1]))

    def start_of_textures(self, start: TextureStart) -> None:
        """The pass over textures comes next; its checkpoints carry what it starts from."""
        self._start = start

    def begin(
        self,
        state: LoopState,
        mesh: Callable[[], Mesh],
        damage: Callable[[], Tensor] | None,
    ) -> int:
        """A pass begins: its first iteration, 0 or where the checkpoint goes on.

        mesh: the present surface; damage: what has become of a fixed topology, see `guard`.
        Raises UnusableCheckpoint.
        """
        first, returns = 0, 0
        if self._resumed is not None:
            if self._resumed["pass"] != state.pass_number:
                raise UnusableCheckpoint("is of another pass")
            checkpoint.restore(state, self._resumed)
            first = int(self._resumed["iteration"])
            returns = min(MOST_RETURNS, max(0, int(self._resumed.get("returns", 0))))
            self._log(self._resume_line(first, state.pass_number))
            self._resumed = None
        self._state, self._mesh, self._damage = state, mesh, damage
        self._state_start = self._start
        self._next = self._saved_next = first
        self._guard = None
        if self._config.diffrec.guard and first <= self._config.iter:
            interval = min(max(self._interval, LOG_INTERVAL), GUARD_INTERVAL)
            interval = interval if self._interval else GUARD_INTERVAL
            self._guard = Guard(state, first, interval, returns)
        self._stop.hold()
        if self._due():
            self._save(quietly=True)
        return first

    def after(self, iteration: int, loss: float | None) -> int:
        """An iteration is done; the one to do next.

        `loss`: the mean image loss since the last one given, where the loop knows it.
        Raises Interrupted, with the state saved, when the run was asked to end.
        """
        self._next = iteration + 1
        stop, due = self._asked(loss is not None)
        saving = due or stop is not None
        if self._guard is not None:
            wrong: str | None = None
            if loss is not None:
                damage = None if self._damage is None else self._damage()
                wrong = self._guard.reading(iteration, loss, damage)
            wrong = wrong or self._guard.keep(self._next) or self._wrong_at_the_end()
            if wrong is None and saving:
                wrong = self._guard.finite()
            if wrong is not None:
                self._go_back(iteration, wrong)
        if saving:
            self._save(quietly=stop is None)
        if stop is not None:
            raise Interrupted(stop)
        return self._next

    def _asked(self, talk: bool) -> tuple[int | None, bool]:
        """The signal that asks to end, and whether a checkpoint is due: the same on all ranks.

        `talk`: the ranks wait for each other now anyway.
        """
        if self._ranks.count == 1:
            due = self._interval > 0 and self._next % self._interval == 0 and self._due()
            return self._stop.number, due
        if not talk:
            return None, False
        due = self._next - self._saved_next >= self._interval > 0 and self._due()
        own = [float(self._stop.number is not None), float(due and self._ranks.leads)]
        stopped, due_there = self._ranks.sums(own)
        return (self._stop.number or signal.SIGTERM) if stopped else None, due_there > 0

    def failed(self, iteration: int, error: EmptyMeshError) -> int:
        """An iteration had no mesh; the one to do next. Raises `error` where there is no way."""
        if self._guard is None or iteration == 0:
            raise error
        wrong = self._guard.finite()
        if wrong:  # the cause, where the empty mesh is only what follows
            self._go_back(iteration, wrong)
        else:
            self._go_back(iteration, "the mesh has vanished", error)
        return self._next

    def end(self) -> None:
        """The pass is over; what comes now may be interrupted at any place."""
        self._guard = None
        if self._due():
            self._save(quietly=True)
        self._stop.release()

    def interrupted(self) -> None:
        """Save what a request to end, outside a loop, would lose: the end of the last pass."""
        if not self._stop.held:
            self._save()

    def finished(self) -> None:
        """The run is done and needs no checkpoint any more, unless its starter keeps it."""
        self._state = None
        if not self._ranks.leads or os.environ.get(layout.KEEP_CHECKPOINT) == "1":
            return
        checkpoint.remove(self._path)

    def _resume_line(self, iteration: int, pass_number: int) -> str:
        notes = [f"{self._seconds_before:.0f} s so far"]
        if self._start is not None and self._start.first is not None:
            mse, psnr = self._start.first
            notes.append(f"pass 1: MSE {mse:1.8f}, PSNR {psnr:2.3f}")
        return f"Resuming from iteration {iteration} of pass {pass_number} ({'; '.join(notes)})"

    def _wrong_at_the_end(self) -> str | None:
        if self._next <= self._config.iter or self._guard is None or self._mesh is None:
            return None
        try:
            with torch.no_grad():
                self._mesh()
        except EmptyMeshError:
            return "the mesh has vanished"
        return self._guard.finished(None if self._damage is None else self._damage())

    def _go_back(self, iteration: int, wrong: str, error: EmptyMeshError | None = None) -> None:
        assert self._guard is not None and self._state is not None
        following = self._guard.go_back()
        number = self._state.pass_number
        where = f"Warning: pass {number}, iteration {iteration}: {wrong}; "
        good = self._guard.good_iteration
        if following is not None:
            self._next = following
            self._log(
                f"{where}going back to iteration {following} of pass {number} with half the "
                f"learning rates ({self._guard.returns} of {MOST_RETURNS})"
            )
        elif good == 0 and self._state_start is None:
            raise error or DivergedError(
                f"The training diverged {MOST_RETURNS + 1} times from its very beginning: {wrong}",
                "lower learning_rate, and check that the masks and cameras fit the pictures",
                field="learning_rate",
            )
        else:
            self._log(
                f"{where}{MOST_RETURNS} returns did not help, so the pass ends with the last good "
                f"state, of iteration {good}. A lower learning_rate may give a better result."
            )
            self._guard = None
            self._next = self._config.iter + 1

    def _due(self) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        least = self._config.diffrec.checkpoint_seconds
        if not self._interval or self._state is None:
            return False
        if least == 0:
            return True
        since = time.monotonic() - self._saved_at
        if since < least:
            return False
        cost = self._cost
        if cost is None:
            cost = checkpoint.size(checkpoint.captured(self._state)) / BYTES_PER_SECOND
        return since >= cost / LARGEST_SHARE

    def _save(self, *, quietly: bool = False) -> None:
        self._saved_next = self._next
        if not self._interval or self._state is None or not self._ranks.leads:
            return
        began = time.monotonic()
        start = self._state_start
        document = {
            **checkpoint.captured(self._state),
            "iteration": self._next,
            "returns": 0 if self._guard is None else self._guard.returns,
            "seconds": self._seconds_before + began - self._began,
            "start": None if start is None else _plain(start),
        }
        where = f"iteration {self._next} of pass {self._state.pass_number}"
        try:
            checkpoint.write(self._path, self._config, document)
        except OSError as error:
            self._log(f"Warning: the checkpoint {self._path} cannot be written: {error}")
        else:
            if not quietly:
                self._log(f"Saved at {where}; the same command goes on from there")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began


def _plain(start: TextureStart) -> dict[str, Any]:
    mesh = {
        field.name: value
        for field in dataclasses.fields(Mesh)
        if (value := getattr(start.mesh, field.name)) is not None
    }
    return {
        "mesh": mesh,
        "textures": [list(size) for size in start.textures],
        "first": None if start.first is None else list(start.first),
    }
