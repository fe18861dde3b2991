"""When the preview is due, and writing it beside the training."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from diffrec.data.views import Views
from diffrec.geometry.mesh import EmptyMeshError
from diffrec.preview import model, scenefile
from diffrec.scene import Scene
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.files import replace_file

LARGEST_SHARE, LIVE_SHARE = 0.008, 0.004
"""Of the time, what taking and writing it uses at most; and what is used of that between
checkpoints, so that there is time for one after each."""
LEAST_SECONDS = 5.0
"""Between two, unless a checkpoint was written."""
LIVE_EDGE, FINAL_EDGE = 512, 1024
"""Largest textures, in texels."""


class Preview:
    """The preview of one run. Whatever goes wrong with it is a warning, never an error.

    Args:
        config: of the run.
        folder: its output folder, which exists.
        log: takes the warning.
        clock: seconds now.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._config = config
        self._folder = folder / layout.PREVIEW
        self._log = log
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._written: Future[None] | None = None
        self._corners = model.Corners()
        self._began: float | None = None
        self._since = 0.0
        self._cost = self._latest = 0.0  # seconds, of all and of the last one
        self._wanted = False
        self._broken = False

    def begin(self, training: Views, held_out: Views | None) -> None:
        """Write what the training begins with, on the thread."""
        self._pool.submit(self._guarded, lambda: self._scene_file(training, held_out))

    def after_iteration(self, scene: Scene, *, saved: bool) -> None:
        """An iteration is done: take the scene where that is due.

        `saved`: whether a checkpoint has just been written.
        """
        now = self._clock()
        if self._began is None:
            self._began = self._since = now
        self._wanted = self._wanted or saved
        if self._broken or (self._written is not None and not self._written.done()):
            return
        share = LARGEST_SHARE if self._wanted else LIVE_SHARE
        if self._cost + self._latest > share * (now - self._began):
            return
        if self._wanted or now - self._since >= LEAST_SECONDS:
            self._since, self._wanted = now, False
            self._write(scene, LIVE_EDGE)

    def end(self, scene: Scene) -> None:
        """The training is over: write the final one, and wait for it."""
        if not self._broken:
            self._write(scene, FINAL_EDGE)
        self.close()

    def close(self) -> None:
        """Wait for what is being written, and write nothing more."""
        self._broken = True
        self._pool.shutdown(wait=True)

    def _write(self, scene: Scene, largest: int) -> None:
        began = self._clock()
        found: list[model.Taken] = []

        def take() -> None:
            with contextlib.suppress(EmptyMeshError):  # then there is nothing to see at present
                found.append(model.take(scene, largest))

        self._guarded(take)
        self._latest = self._clock() - began
        self._cost += self._latest
        if found:
            self._written = self._pool.submit(self._guarded, lambda: self._put(found[0]))

    def _put(self, taken: model.Taken) -> None:
        began = time.thread_time()
        self._replace(layout.PREVIEW_MESH, model.glb(taken, self._corners))
        spent = time.thread_time() - began
        self._latest += spent
        self._cost += spent

    def _scene_file(self, training: Views, held_out: Views | None) -> None:
        self._replace(layout.PREVIEW_SCENE, scenefile.document(self._config, training, held_out))

    def _replace(self, name: str, data: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        replace_file(self._folder / name, data)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            if not self._broken:
                self._log(f"Warning: the preview for the monitor is not written: {error}")
            self._broken = True
