"""GGX and cosine filters of an environment cube map, as cheap linear operators.

The lobe of a rough reflection, with the view along the normal (Karis 2013), depends on the angle
alone and has a heavy tail; a sum of Gaussians whose widths double fits it well. So the pyramid of
2 x 2 averages is blurred once per level by one small Gaussian, and the filtered chain for every
roughness is a weighted sum of those levels, gathered from coarse to fine. Each step is a sparse
matrix with a few entries per texel; its transpose is the gradient.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffrec.ops import cubemap, neighbours
from diffrec.ops.average_pool import average_pool
from diffrec.ops.backends import Operation
from diffrec.ops.cubemap.lobes import ggx_lobe
from diffrec.ops.cubemap.widefilter import WideFilter
from diffrec.ops.sparse import Rows, SparseMap

_operation = Operation(__name__)

SMALLEST = 16  # edge of the coarsest level of the chain
_COARSEST_BLUR = 4  # edge of the coarsest blurred level
_WIDTH = 0.9  # standard deviation of the blur, in mean texel angles
_WIDE = 0.45  # lobes of more roughness are filtered exactly, from the coarsest level of the chain
_CUT = 2.6  # the blur ends at so many standard deviations


def roughness_of_levels(count: int) -> list[float]:
    """0.08 to 0.5 evenly over the levels but the last, 1.0 for the last."""
    if count == 1:
        return [1.0]
    steps = max(count - 2, 1)
    return [0.08 + (0.5 - 0.08) * level / steps for level in range(count - 1)] + [1.0]


def level_of_roughness(roughness: Tensor, count: int, lowest: float = 0.08) -> Tensor:
    """The fractional level of the chain that holds a roughness (any shape), differentiable."""
    if count == 1:
        return torch.zeros_like(roughness)
    clamped = roughness.clamp(max(lowest, 0.08), 1.0)
    steps = max(count - 2, 1)
    below = (clamped - 0.08) / (0.5 - 0.08) * steps
    above = (clamped - 0.5) / 0.5 + steps
    return torch.where(clamped < 0.5, below.clamp(max=steps), above).clamp(max=count - 1)


def pyramid(base: Tensor, smallest: int) -> list[Tensor]:
    """The cube map and its averages, down to an edge of `smallest`."""
    levels = [base]
    while levels[-1].shape[1] > smallest:
        levels.append(average_pool(levels[-1]))
    return levels


class CubeFilter:
    """The filters for one base size, built once and kept per device."""

    def __init__(self, size: int, device: torch.device) -> None:
        self._size = size
        self._kernels: Any = None
        self._sizes = [size]
        while self._sizes[-1] > SMALLEST:
            self._sizes.append(self._sizes[-1] // 2)
        blurred = [size]
        while blurred[-1] > _COARSEST_BLUR:
            blurred.append(blurred[-1] // 2)
        self._blurred = blurred
        blur = {s: _gaussian(s, device) for s in blurred[1:]}
        raised = {s: _upsampling(s, device) for s in blurred[:-1]}
        self.roughness = roughness_of_levels(len(self._sizes))
        self._weights = [
            _mixture(roughness, self._sizes[level], blurred[level + 1 :])
            for level, roughness in enumerate(self.roughness)
            if roughness <= _WIDE
        ]
        last = self._sizes[-1]
        levels = zip(self._sizes, self.roughness, strict=True)
        wide: list[tuple[int, float | None]] = [(s, r) for s, r in levels if r > _WIDE]
        self._wide = WideFilter(last, [*wide, (last, None)], device)
        kernels = _operation.kernels(torch.empty(0, device=device))
        if kernels is not None:
            self._kernels = kernels.DeviceFilter(
                self._sizes, blurred, self._weights, blur, raised, self._wide, device
            )
            return
        self._blur = {s: SparseMap(rows, device) for s, rows in blur.items()}
        self._raise = {s: SparseMap(rows, device) for s, rows in raised.items()}

    @staticmethod
    def of(base: Tensor) -> CubeFilter:
        """The filter of cube maps like this one [6, R, R, C]; built on first use."""
        return _cached(base.shape[1], str(base.device), _operation.kernels(base))

    def packed(self, base: Tensor) -> tuple[Tensor | None, list[Tensor], Tensor]:
        """The levels in one array [texels of all, 3] where they are made so, then as `__call__`."""
        if self._kernels is None or base.shape[3] != 3 or base.dtype != torch.float32:
            return None, *self(base)
        packed, irradiance = _Filtered.apply(  # type: ignore[no-untyped-call]
            base, self._kernels
        )
        starts = self._kernels.starts
        levels = [
            packed[starts[number] : starts[number + 1]].view(6, size, size, 3)
            for number, size in enumerate(self._sizes)
        ]
        last = self._sizes[-1]
        return packed, levels, irradiance.view(6, last, last, 3)

    def __call__(self, base: Tensor) -> tuple[list[Tensor], Tensor]:
        """GGX levels [6, R, R, C], [6, R / 2, R / 2, C] … and irradiance over pi [6, 16, 16, C]."""
        if self._kernels is not None and base.shape[3] == 3 and base.dtype == torch.float32:
            _packed, levels, irradiance = self.packed(base)
            return levels, irradiance
        channels = base.shape[3]
        averages = pyramid(base, _COARSEST_BLUR)
        flat = {a.shape[1]: a.reshape(-1, channels) for a in averages}
        blurred = {s: self._blur[s](flat[s]) for s in self._blurred[1:]}
        result = []
        for level, weights in enumerate(self._weights):
            own, *shares = weights
            size = self._sizes[level]
            total: Tensor | None = None
            for s, share in zip(
                reversed(self._blurred[level + 1 :]), reversed(shares), strict=True
            ):
                raised = None if total is None else self._raise[s](total)
                if share == 0 and raised is None:
                    continue
                term = blurred[s] * share
                total = term if raised is None else raised + term
            value = flat[size] * own
            if total is not None:
                value = value + self._raise[size](total)
            result.append(value.reshape(6, size, size, channels))
        last = self._sizes[-1]
        *wide, irradiance = self._wide(flat[last])
        for texels in wide:
            size = self._sizes[len(result)]
            result.append(texels.reshape(6, size, size, channels))
        return result, irradiance.reshape(6, last, last, channels)


class _Filtered(torch.autograd.Function):
    """The packed levels [texels, 3] and the irradiance [6 R^2, 3] by kernels."""

    @staticmethod
    def forward(ctx: Any, base: Tensor, kernels: Any) -> tuple[Tensor, Tensor]:
        ctx.kernels, ctx.shape = kernels, base.shape
        packed, irradiance = kernels.forward(base.detach().contiguous())
        return packed, irradiance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, packed: Tensor, irradiance: Tensor) -> tuple[Tensor, None]:
        gradient = ctx.kernels.backward(packed.contiguous(), irradiance.contiguous())
        return gradient.reshape(ctx.shape), None


@functools.lru_cache(maxsize=4)
def _cached(size: int, device: str, _kernels: Any) -> CubeFilter:
    return CubeFilter(size, torch.device(device))


def _mean_angle(size: int) -> float:
    return math.pi / 2 / size


def _gaussian(size: int, device: torch.device) -> Rows:
    """A truncated Gaussian of the angle, rows adding up to one; made on the device, left there."""
    sigma = _WIDTH * _mean_angle(size)
    directions = cubemap.texel_directions(size, device=device).reshape(-1, 3)
    area = cubemap.solid_angles(size, device=device).reshape(-1).repeat(6)
    # Texels at a face's corner are narrower than the mean by 0.42.
    reach = min(size, math.ceil(_CUT * _WIDTH / 0.42))
    table = cubemap.neighbour_table(size, reach, device)
    nearest = math.cos(min(_CUT * sigma, math.pi))
    start, column = neighbours.within(directions, table, reach, nearest)
    count = len(directions)
    row = torch.repeat_interleave(torch.arange(count, device=device), start.diff())
    chord2 = (directions[row] - directions[column]).square().sum(1)
    angle = 2 * torch.asin((chord2.sqrt() * 0.5).clamp(max=1))
    value = torch.exp(-angle.square() / (2 * sigma**2)) * area[column]
    total = torch.zeros(count, device=device).index_add(0, row, value)
    return Rows(start, column, value / total[row], count)


def _upsampling(size: int, device: torch.device) -> Rows:
    """Bilinear, across edges, from an edge of size / 2 to size; left on the device, where it is
    transposed."""
    directions = cubemap.texel_directions(size, device=device).reshape(-1, 3)
    index, weight = cubemap.bilinear(directions, size // 2)
    start = torch.arange(0, index.numel() + 1, index.shape[1], device=device)
    return Rows(start, index.reshape(-1).int(), weight.reshape(-1), 6 * (size // 2) ** 2)


def _mixture(roughness: float, size: int, blurred: list[int]) -> list[float]:
    """Shares of the unblurred level and of each blurred one that make up the GGX lobe.

    Least squares over the share of the lobe's energy within an angle, which also places what a
    texel cannot resolve; no share is negative, all add up to one.
    """
    angle = torch.logspace(-4, math.log10(math.pi / 2), 2000, dtype=torch.float64)
    target = _energy(ggx_lobe(torch.cos(angle), roughness), angle)
    columns = []
    # A fetched texel is a box seen through bilinear weights: it has a width of its own.
    for s in [size, *blurred]:
        variance = _mean_angle(s) ** 2 / 12
        if s != size:
            variance += (_effective_width() * _mean_angle(s)) ** 2
            between = [b for b in blurred if b >= s]
            variance += sum(_mean_angle(b) ** 2 / 8 for b in between)
        columns.append(_energy(torch.exp(-angle.square() / (2 * variance)), angle))
    shares = _nonnegative_least_squares(torch.stack(columns, dim=1), target)
    return [float(share) for share in shares / shares.sum()]


def _effective_width() -> float:
    """The blur's standard deviation per axis after its cut, in mean texel angles."""
    cut = _CUT**2 / 2
    return _WIDTH * math.sqrt(1 - cut * math.exp(-cut) / (1 - math.exp(-cut)))


def _energy(density: Tensor, angle: Tensor) -> Tensor:
    """Share of a lobe's energy within each angle, from its density on the sphere."""
    ring = density * torch.sin(angle)
    steps = torch.diff(angle) * (ring[1:] + ring[:-1]) * 0.5
    total = torch.cat([ring[:1] * angle[:1] * 0.5, steps]).cumsum(0)
    return total / total[-1]


def _nonnegative_least_squares(matrix: Tensor, target: Tensor) -> Tensor:
    """Coordinate descent; the problem has some ten unknowns."""
    columns, goal = matrix.numpy(), target.numpy()
    gram, right = columns.T @ columns, columns.T @ goal
    solution = np.zeros(len(right))
    for _ in range(2000):
        before = solution.copy()
        for k in range(len(right)):
            slope = right[k] - gram[k] @ solution + gram[k, k] * solution[k]
            solution[k] = max(0.0, slope / gram[k, k])
        if np.abs(solution - before).max() < 1e-12:
            break
    return torch.from_numpy(solution)
