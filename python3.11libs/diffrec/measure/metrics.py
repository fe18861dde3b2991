"""Image quality figures, and the file that lists them.

Pictures are sRGB-encoded, [H, W, C], and clipped to [0, 1] before they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.losses.ssim import similarity
from diffrec.ops.backends import use_backend
from nvdiffrec_contract.files import replace_file

HEADER = "ID, MSE, PSNR"


class MetricsFileError(DiffrecError):
    """A metrics.txt that cannot be read; names the file and the line."""


def mse(image: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of two pictures of one shape, a scalar."""
    if image.shape != reference.shape:
        raise ValueError(
            f"pictures of different shapes: {list(image.shape)}, {list(reference.shape)}"
        )
    return (image.clamp(0, 1) - reference.clamp(0, 1)).square().mean()


def psnr_of_mse(error: float) -> float:
    """10 log10(1 / mse) in dB; infinite for equal pictures."""
    return math.inf if error <= 0 else -10.0 * math.log10(error)


def psnr(image: Tensor, reference: Tensor) -> float:
    """Peak signal to noise ratio in dB, of the whole frame."""
    return psnr_of_mse(float(mse(image, reference)))


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity, a scalar; 1 for equal pictures. Raises what `similarity` does."""
    if image.ndim != 3:
        raise ValueError("ssim compares two pictures [H, W, C] of one shape")
    # CUDA is quick without a kernel of its own, whose compilation a few views would not repay.
    backend = "reference" if image.is_cuda else None
    with use_backend(backend):
        return similarity(image.clamp(0, 1), reference.clamp(0, 1))


@dataclass(frozen=True)
class ViewMetrics:
    """One view's line: identifier, mean squared error, PSNR in dB."""

    id: str
    mse: float
    psnr: float


def averages(rows: Sequence[ViewMetrics]) -> tuple[float, float]:
    """Mean of the errors and mean of the PSNRs over the views. Raises ValueError without views."""
    if not rows:
        raise ValueError("no views to average")
    count = len(rows)
    return sum(row.mse for row in rows) / count, sum(row.psnr for row in rows) / count


def write_metrics(path: Path, rows: Sequence[ViewMetrics]) -> None:
    """Write metrics.txt: a header, a line per view, `AVERAGES: mse, psnr`; all or nothing."""
    mean_mse, mean_psnr = averages(rows)
    lines = [HEADER, *(f"{row.id}, {row.mse:.8f}, {row.psnr:.3f}" for row in rows)]
    lines.append(f"AVERAGES: {mean_mse:.8f}, {mean_psnr:.3f}")
    replace_file(path, ("\n".join(lines) + "\n").encode())


def read_metrics(path: Path) -> tuple[list[ViewMetrics], tuple[float, float]]:
    """The views of a metrics.txt, and its averages (mse, psnr).

    Raises MetricsFileError when the file cannot be read, is cut off or holds anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MetricsFileError(f"Cannot read {path}: {error}.") from error
    rows: list[ViewMetrics] = []
    for number, line in enumerate(lines, start=1):
        if number == 1 or not line.strip():
            continue
        try:
            if line.startswith("AVERAGES:"):
                mean_mse, mean_psnr = (float(part) for part in line[9:].split(","))
                return rows, (mean_mse, mean_psnr)
            name, error_text, psnr_text = line.split(",")
            rows.append(ViewMetrics(name.strip(), float(error_text), float(psnr_text)))
        except ValueError as error:
            raise MetricsFileError(
                f"{path}, line {number}: expected an identifier and two numbers, got {line!r}."
            ) from error
    raise MetricsFileError(f"{path} has no AVERAGES line; the validation did not finish.")
