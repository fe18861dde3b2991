"""The progress pictures of a training, from the first one on, in the job's output folder.

A trainer writes them into a folder of its own, which is put in place when the training has ended.
While it runs a copy of each lies in ``progress``, numbered over both passes, so that a film can be
made of them: ``progress_000000.png``, ``progress_000001.png`` ...
"""

from __future__ import annotations

import os
import re

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import inside, read_inside

_NAME = re.compile(r"progress_(\d{6,9})\.png", re.ASCII)
_MOST_BYTES = 64 << 20


class ProgressPictures:
    """The copies of one job.

    Args:
        made: where the trainer writes its pictures.
        output: the job's output folder.
    """

    def __init__(self, made: str, output: str) -> None:
        self._made, self._output = made, output
        self._folder = os.path.join(output, layout.PROGRESS)
        self._number = 0
        self._last = ""

    def begin(self, resumed: bool) -> None:
        """A training begins, and those of the one before go; or an ended one goes on, and they
        stay. Never raises."""
        numbers = [-1]
        for name in self._names():
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            if resumed:
                numbers.append(int(match[1]))
                continue
            try:
                with inside(self._output, f"{layout.PROGRESS}/{name}") as place:
                    place.unlink()
            except OSError:
                continue
        self._number = max(numbers) + 1

    def add(self, name: str) -> str | None:
        """The trainer has written the picture of that name: the path of its copy; None where it is
        known already or cannot be copied, which is none of a training's business."""
        if name == self._last:
            return None
        self._last = name
        copy = f"{layout.PROGRESS}/progress_{self._number:06d}.png"
        try:
            data = read_inside(self._made, name, _MOST_BYTES)
            with inside(self._output, copy, make=True) as place:
                part = place.beside(f".{os.getpid()}.part")
                with open(part.open(os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
                    stream.write(data)
                part.move(place)
        except (OSError, ValueError):
            return None
        self._number += 1
        return os.path.join(self._output, *copy.split("/")).replace(os.sep, "/")

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except OSError:
            return []
