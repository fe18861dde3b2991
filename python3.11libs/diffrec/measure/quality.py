"""What the eye would say of pictures, beside their mean squared error: SSIM and FLIP."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from diffrec.losses import ssim
from diffrec.measure import metrics
from diffrec.measure.flip import flip
from nvdiffrec_contract.files import replace_file

NAME = "quality.json"


class Quality:
    """Figures of views, measured on the pictures' device, which nothing waits for until `write`."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._ssim: list[Tensor | None] = []
        self._flip: list[Tensor] = []

    def add(self, name: str, image: Tensor, reference: Tensor) -> None:
        """Measure a view: pictures [H, W, 3], sRGB in [0, 1]."""
        self._names.append(name)
        large = min(image.shape[:2]) >= ssim.WINDOW
        self._ssim.append(metrics.ssim(image, reference) if large else None)
        self._flip.append(flip(image, reference))

    def write(self, folder: Path) -> str:
        """Write quality.json; a line for the log, '' without a view."""
        ssim = [None if one is None else float(one) for one in self._ssim]
        flips: list[float | None] = [float(one) for one in self._flip]
        rows = [
            {"id": name, "ssim": a, "flip": b}
            for name, a, b in zip(self._names, ssim, flips, strict=True)
        ]
        means = {"ssim": _mean(ssim), "flip": _mean(flips)}
        document = json.dumps({**means, "views": rows}, indent=1)
        replace_file(folder / NAME, f"{document}\n".encode())
        known = [(name.upper(), mean) for name, mean in means.items() if mean is not None]
        return ", ".join(f"{name} {mean:.4f}" for name, mean in known)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
