"""Going on from the checkpoint of an earlier process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffrec.geometry.mesh import Mesh
from diffrec.runtime.ranks import Ranks
from diffrec.training import checkpoint
from diffrec.training.checkpoint import LoopState, UnusableCheckpoint
from diffrec.training.divergence import MOST_RETURNS
from nvdiffrec_contract.configuration import Config


@dataclasses.dataclass(frozen=True)
class TextureStart:
    """What the pass over textures starts from.

    textures: (height, width) of kd, ks and normal; first: MSE and PSNR of the first pass.
    """

    mesh: Mesh
    textures: tuple[tuple[int, int], ...]
    first: tuple[float, float] | None

    def plain(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        mesh = {
            field.name: value
            for field in dataclasses.fields(Mesh)
            if (value := getattr(self.mesh, field.name)) is not None
        }
        return {
            "mesh": mesh,
            "textures": [list(size) for size in self.textures],
            "first": None if self.first is None else list(self.first),
        }


class Resumption:
    """The checkpoint that a run goes on from, until the run has reached it.

    `seconds`: that the run took before.
    """

    def __init__(
        self, config: Config, path: Path, log: Callable[[str], None], ranks: Ranks
    ) -> None:
        self.seconds = 0.0
        self._config = config
        self._path = path
        self._log = log
        self._ranks = ranks
        self._found: dict[str, Any] | None = None

    @property
    def pending(self) -> bool:
        """Whether there is a checkpoint that the run has not reached yet."""
        return self._found is not None

    def read(self) -> bool:
        """Read the checkpoint; whether there is one to go on from. Says why it is of no use."""
        self._found, problem = self._ranks.of_first(self._read)
        if problem:
            self.ignore(UnusableCheckpoint(problem))
        if self._found is None:
            return False
        self.seconds = float(self._found["seconds"])
        return True

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
        """Say why the run cannot go on from the checkpoint, and forget it."""
        self._log(f"Warning: the checkpoint {self._path} {problem}; starting anew")
        self._found = None
        self.seconds = 0.0

    def textures(self, device: torch.device) -> TextureStart | None:
        """Where the pass over textures started, when the checkpoint lies in it.

        Raises:
            UnusableCheckpoint: that is not in it.
        """
        if self._found is None:
            return None
        saved: Any = self._found.get("start")
        if saved is None and self._found["pass"] == 1:
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

    def restore(self, state: LoopState, start: TextureStart | None) -> tuple[int, int]:
        """Bring a pass to where the checkpoint is; its next iteration, and its returns so far.

        Both are 0 where nothing is pending. `start`: of the pass over textures.

        Raises:
            UnusableCheckpoint: the checkpoint does not fit.
        """
        if self._found is None:
            return 0, 0
        if self._found["pass"] != state.pass_number:
            raise UnusableCheckpoint("is of another pass")
        checkpoint.restore(state, self._found)
        first = int(self._found["iteration"])
        returns = min(MOST_RETURNS, max(0, int(self._found.get("returns", 0))))
        notes = [f"{self.seconds:.0f} s so far"]
        if start is not None and start.first is not None:
            mse, psnr = start.first
            notes.append(f"pass 1: MSE {mse:1.8f}, PSNR {psnr:2.3f}")
        where = f"iteration {first} of pass {state.pass_number}"
        self._log(f"Resuming from {where} ({'; '.join(notes)})")
        self._found = None
        return first, returns
