"""What the eye would say of pictures, beside their mean squared error: SSIM and FLIP."""

from __future__ import annotations

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from diffrec import metrics, ssim
from diffrec.files import replace_file

NAME = "quality.json"


def flip(image: Tensor, reference: Tensor) -> float | None:
    """Mean FLIP (Andersson et al. 2020) of two pictures [H, W, 3], sRGB in [0, 1]; 0 for equal
    ones. At the package's default of 67 pixels per degree. None where flip-evaluator is missing.
    """
    try:
        import flip_evaluator
    except ImportError:
        return None
    arrays = [picture.detach().float().cpu().numpy() for picture in (reference, image)]
    _map, mean, _parameters = flip_evaluator.evaluate(*arrays, "LDR", applyMagma=False)
    return float(mean)


@dataclass
class Quality:
    """Figures of views, FLIP on threads of its own. Use as a context manager."""

    names: list[str] = field(default_factory=list)
    _ssim: list[Tensor | None] = field(default_factory=list)
    _flip: list[Future[float | None]] = field(default_factory=list)

    def __enter__(self) -> Quality:
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(wait=True)

    def add(self, name: str, image: Tensor, reference: Tensor) -> None:
        """Measure a view: pictures [H, W, 3], sRGB in [0, 1]."""
        self.names.append(name)
        large = min(image.shape[:2]) >= ssim.WINDOW
        self._ssim.append(metrics.ssim(image, reference) if large else None)
        self._flip.append(self._pool.submit(flip, image.cpu(), reference.cpu()))

    def write(self, folder: Path) -> str:
        """Write quality.json; a line for the log, '' when nothing could be measured."""
        ssim = [None if one is None else float(one) for one in self._ssim]
        flips = [one.result() for one in self._flip]
        rows = [
            {"id": name, "ssim": a, "flip": b}
            for name, a, b in zip(self.names, ssim, flips, strict=True)
        ]
        means = {"ssim": _mean(ssim), "flip": _mean(flips)}
        document = json.dumps({**means, "views": rows}, indent=1)
        replace_file(folder / NAME, f"{document}\n".encode())
        known = [(name.upper(), mean) for name, mean in means.items() if mean is not None]
        return ", ".join(f"{name} {mean:.4f}" for name, mean in known)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
