"""What the log and the result folder of a training say of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from diffrec.measure.metrics import MetricsFileError, read_metrics

_ITERATION = re.compile(r"iter= *(\d+),.* time=([0-9.]+) ms")
_CHARTING = re.compile(r"Texture coordinates: .*? in ([0-9.]+) s")
_FACES = re.compile(r" +writing (\d+) faces")
_MESH = re.compile(r"Mesh: (\d+) components? .*?\), .*? \(([0-9.]+)%\), ([0-9.]+)% slivers")
_MEMORY = re.compile(r"GPU memory: ([0-9.]+ GiB) at most")


@dataclass(frozen=True)
class Quality:
    """Means over the validated views; None where they were not measured."""

    psnr: float
    ssim: float | None = None
    flip: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.psnr:.2f} dB"]
        parts += ["—" if one is None else f"{one:.4f}" for one in (self.ssim, self.flip)]
        return ", ".join(parts)


def quality(folder: Path) -> Quality | None:
    """Of a validation's folder; None where there is none that was finished."""
    try:
        _rows, (_mse, psnr) = read_metrics(folder / "metrics.txt")
    except MetricsFileError:
        return None
    try:
        means = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        return Quality(psnr, means["ssim"], means["flip"])
    except (OSError, ValueError, KeyError):
        return Quality(psnr)


@dataclass
class Pass:
    """Readings of a pass: (iteration, milliseconds per iteration since the reading before)."""

    readings: list[tuple[int, float]] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Milliseconds per iteration over all but the first, which loads kernels."""
        steps = list(zip(self.readings, self.readings[1:], strict=False))
        count = sum(now[0] - before[0] for before, now in steps)
        total = sum((now[0] - before[0]) * now[1] for before, now in steps)
        return total / count if count > 0 else None

    @property
    def best(self) -> float | None:
        """Milliseconds per iteration of the best reading but the first."""
        return min((milliseconds for _, milliseconds in self.readings[1:]), default=None)

    def __str__(self) -> str:
        if self.mean is None or self.best is None:
            return "—"
        return f"{self.mean:.1f} / {self.best:.1f} ms"


@dataclass
class Record:
    """What the log of a training has said so far. Seconds are since the process was started."""

    passes: list[Pass] = field(default_factory=list)
    first_iteration: float | None = None
    charting: float | None = None
    faces: int | None = None
    mesh: str | None = None
    memory: str | None = None
    seconds: float | None = None
    last: str = ""
    complaint: str = ""

    def read(self, line: str, seconds: float) -> None:
        """A line of the log, and when it came."""
        if found := _ITERATION.search(line):
            number, milliseconds = int(found[1]), float(found[2])
            if self.first_iteration is None:
                self.first_iteration = seconds
            known = self.passes[-1].readings if self.passes else []
            # A pass that was put back to an earlier iteration goes on as the same one.
            if not known or (number < known[-1][0] and number == 0):
                self.passes.append(Pass())
            elif number <= known[-1][0]:
                del known[next(i for i, one in enumerate(known) if one[0] >= number) :]
            self.passes[-1].readings.append((number, milliseconds))
        elif found := _CHARTING.search(line):
            self.charting = float(found[1])
        elif found := _FACES.match(line):
            self.faces = int(found[1])
        elif found := _MESH.match(line):
            self.mesh = f"{found[1]}, {found[2]}%, {found[3]}%"
        elif found := _MEMORY.search(line):
            self.memory = found[1]
        if line.strip():
            self.last = line.strip()
        if line.startswith("Error: ") and not self.complaint:
            self.complaint = line.removeprefix("Error: ").strip()

    def reason(self, code: int) -> str:
        """Why the process failed, in a line."""
        text = self.complaint or self.last or "it said nothing"
        return f"failed ({code}): {text if len(text) <= 200 else text[:199] + '…'}"
