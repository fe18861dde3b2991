"""The filters of `diffrec.ops.cubefilter` in Warp: one autograd node for the whole chain.

The chains of all roughnesses climb from coarse to fine together, one kernel per size: what a level
gathers from below is the same sparse matrix for each. The backward pass goes down the same way with
the transposed matrices. For CUDA; the same kernels run on the CPU.
"""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.cubemap.widefilter import WideFilter
from diffrec.ops.sparse import Rows
from diffrec.ops.warp import launch, start_warp

wp = start_warp()
wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Padded:
    """A sparse matrix on the device, for threads that take a row each: count [N], column and value
    [most, N].

    The n-th entries of all rows lie side by side, so that the threads of neighbouring rows read
    neighbouring places. Rows are filled up with zeros to a multiple of four: four entries are read
    at once, or each would wait for the one before.
    """

    count: Tensor
    column: Tensor
    value: Tensor

    @staticmethod
    def of(rows: Rows, device: torch.device) -> Padded:
        start = rows.start.to(device)
        count = start.diff()
        row = torch.repeat_interleave(torch.arange(len(count), device=device), count)
        place = torch.arange(len(row), device=device) - start[row]
        filled = -(-count // 4) * 4
        shape = (int(filled.max()), len(count))
        column = torch.zeros(shape, dtype=torch.int32, device=device)
        value = torch.zeros(shape, device=device)
        column[place, row] = rows.column.to(device=device, dtype=torch.int32)
        value[place, row] = rows.value.to(device=device, dtype=torch.float32)
        return Padded(filled.int(), column, value)

    @property
    def arrays(self) -> list[Tensor]:
        return [self.count, self.column, self.value]


@dataclass(frozen=True)
class Step:
    """What happens at one size. ``chains``: how many levels pass it on their way up; ``level``:
    whether a level ends here; ``own``: that level's share of the unblurred texels; ``shares``: of
    the blurred ones, for each chain.
    """

    size: int
    blur: Padded | None
    blur_back: Padded | None
    up: Padded | None
    up_back: Padded | None
    chains: int
    level: bool
    own: float
    shares: Tensor


class DeviceFilter:
    """The filters for one base size on one device."""

    def __init__(
        self,
        sizes: Sequence[int],
        blurred: Sequence[int],
        weights: Sequence[Sequence[float]],
        blur: Mapping[int, Rows],
        up: Mapping[int, Rows],
        wide: WideFilter,
        device: torch.device,
    ) -> None:
        """See `diffrec.ops.cubefilter.CubeFilter`, whose members these are; ``blurred`` begins with
        the base size.
        """
        self.sizes, self.wide = list(sizes), wide
        self.steps: list[Step] = []
        for place, size in enumerate(blurred):
            chains = min(place, len(weights))
            shares = [weights[level][place - level] for level in range(chains)]
            self.steps.append(
                Step(
                    size,
                    Padded.of(blur[size], device) if place else None,
                    Padded.of(blur[size].transposed(), device) if place else None,
                    Padded.of(up[size], device) if size in up else None,
                    Padded.of(up[size].transposed(), device) if size in up else None,
                    chains,
                    place < len(weights),
                    weights[place][0] if place < len(weights) else 0.0,
                    torch.tensor(shares or [0.0], device=device),
                )
            )
        rows = [6 * size * size for size in self.sizes]
        self.starts = [sum(rows[:level]) for level in range(len(rows) + 1)]
        self.first_wide = self.starts[len(weights)]

    def forward(self, base: Tensor) -> tuple[Tensor, Tensor]:
        """The levels packed [texels, 3], and irradiance [6 R^2, 3], of base [6, R, R, 3]."""
        device = base.device
        averages = [base.reshape(-1, 3)]
        for step in self.steps[1:]:
            pooled = base.new_empty((6 * step.size**2, 3))
            launch(_pool, pooled.shape[0], [averages[-1], step.size, pooled], device)
            averages.append(pooled)
        packed = base.new_empty((self.starts[-1], 3))
        below: Tensor | None = None
        arrays: list[Any]
        for place in reversed(range(len(self.steps))):
            step, mean = self.steps[place], averages[place]
            blurred = mean
            if step.blur is not None:
                blurred = torch.empty_like(mean)
                arrays = [*step.blur.arrays, mean.unsqueeze(1), blurred.unsqueeze(1)]
                launch(_product, mean.shape[0], arrays, device)
            chains = base.new_empty((mean.shape[0], max(step.chains, 1), 3))
            out = packed[self.starts[place] : self.starts[place + 1]] if step.level else mean
            empty = step.up is None or below is None
            matrix = step.up if step.up is not None else self.steps[-2].up
            assert matrix is not None
            source = chains if below is None else below
            arrays = [*matrix.arrays, source, 0 if empty else 1]
            arrays += [blurred.unsqueeze(1), mean.unsqueeze(1), step.shares, step.chains, step.own]
            arrays += [1 if step.level else 0, chains, out.unsqueeze(1)]
            lanes = step.chains + (1 if step.level else 0)
            if lanes:
                launch(_climb, mean.shape[0] * lanes, arrays, device)
            below = chains
        wide = self.wide.forward(averages[len(self.sizes) - 1])
        rest = packed[self.first_wide :]
        rest.copy_(wide[: len(rest)])
        return packed, wide[len(rest) :]

    def backward(self, packed: Tensor, irradiance: Tensor) -> Tensor:
        """The gradient of the base [6 R^2, 3]."""
        device = packed.device
        averages: list[Tensor] = []
        above: Tensor | None = None
        for place, step in enumerate(self.steps):
            rows = 6 * step.size**2
            # What the chains that pass here hand down, from the step above.
            lanes = step.chains
            chains = packed.new_empty((rows, max(lanes, 1), 3))
            if lanes:
                upper = self.steps[place - 1]
                assert upper.up_back is not None
                ended = (
                    packed[self.starts[place - 1] : self.starts[place]] if upper.level else packed
                )
                source = chains if above is None else above
                matrix = upper.up_back.arrays
                arrays = [*matrix, source, upper.chains, lanes, ended.unsqueeze(1), chains]
                launch(_descend, rows * lanes, arrays, device)
            own = packed[self.starts[place] : self.starts[place + 1]] if step.level else packed
            mean = packed.new_empty((rows, 3))
            if step.blur_back is None:
                torch.mul(own, step.own, out=mean)
            else:
                blurred = packed.new_empty((rows, 3))
                launch(_shared, rows * 3, [chains, step.shares, lanes, blurred], device)
                texels = [each.unsqueeze(1) for each in (blurred, own)]
                arrays = [*step.blur_back.arrays, *texels, step.own, mean.unsqueeze(1)]
                launch(_product_and_own, rows, [*arrays, 1 if step.level else 0], device)
            averages.append(mean)
            above = chains
        averages[len(self.sizes) - 1] += self.wide.backward(
            torch.cat([packed[self.first_wide :], irradiance])
        )
        for place in reversed(range(1, len(self.steps))):
            fine, coarse = averages[place - 1], averages[place]
            launch(_spread, fine.shape[0], [coarse, self.steps[place - 1].size, fine], device)
        return averages[0]


@wp.kernel
def _pool(fine: wp.array2d(dtype=wp.float32), size: wp.int32, coarse: wp.array2d(dtype=wp.float32)):
    i = wp.tid()
    row = i // size
    column = i - row * size
    # Faces have an even number of rows: pairs of rows never lie on two of them.
    top = 2 * row * 2 * size + 2 * column
    below = top + 2 * size
    for c in range(3):
        coarse[i, c] = 0.25 * (
            fine[top, c] + fine[top + 1, c] + (fine[below, c] + fine[below + 1, c])
        )


@wp.kernel
def _spread(
    coarse: wp.array2d(dtype=wp.float32), size: wp.int32, fine: wp.array2d(dtype=wp.float32)
):
    i = wp.tid()
    row = i // size
    column = i - row * size
    above = row // 2 * (size // 2) + column // 2
    for c in range(3):
        fine[i, c] = fine[i, c] + 0.25 * coarse[above, c]


@wp.func
def _texel(texels: wp.array3d(dtype=wp.float32), row: wp.int32, lane: wp.int32):
    return wp.vec3(texels[row, lane, 0], texels[row, lane, 1], texels[row, lane, 2])


@wp.func
def _gathered(
    count: wp.array(dtype=wp.int32),
    column: wp.array2d(dtype=wp.int32),
    value: wp.array2d(dtype=wp.float32),
    row: wp.int32,
    texels: wp.array3d(dtype=wp.float32),
    lane: wp.int32,
):
    """A row of a matrix times one lane of texels."""
    total = wp.vec3(0.0, 0.0, 0.0)
    for e in range(0, count[row], 4):
        a = value[e, row] * _texel(texels, column[e, row], lane)
        b = value[e + 1, row] * _texel(texels, column[e + 1, row], lane)
        c = value[e + 2, row] * _texel(texels, column[e + 2, row], lane)
        d = value[e + 3, row] * _texel(texels, column[e + 3, row], lane)
        total += (a + b) + (c + d)
    return total


@wp.func
def _put(texels: wp.array3d(dtype=wp.float32), row: wp.int32, lane: wp.int32, value: wp.vec3):
    for c in range(3):
        texels[row, lane, c] = value[c]


@wp.kernel
def _product(
    count: wp.array(dtype=wp.int32),
    column: wp.array2d(dtype=wp.int32),
    value: wp.array2d(dtype=wp.float32),
    texels: wp.array3d(dtype=wp.float32),
    result: wp.array3d(dtype=wp.float32),
):
    row = wp.tid()
    _put(result, row, 0, _gathered(count, column, value, row, texels, 0))


@wp.kernel
def _product_and_own(
    count: wp.array(dtype=wp.int32),
    column: wp.array2d(dtype=wp.int32),
    value: wp.array2d(dtype=wp.float32),
    texels: wp.array3d(dtype=wp.float32),
    own: wp.array3d(dtype=wp.float32),
    share: wp.float32,
    result: wp.array3d(dtype=wp.float32),
    has_own: wp.int32,
):
    row = wp.tid()
    total = _gathered(count, column, value, row, texels, 0)
    if has_own == 1:
        total += share * _texel(own, row, 0)
    _put(result, row, 0, total)


@wp.kernel
def _climb(
    entries: wp.array(dtype=wp.int32),
    column: wp.array2d(dtype=wp.int32),
    value: wp.array2d(dtype=wp.float32),
    below: wp.array3d(dtype=wp.float32),
    has_below: wp.int32,
    blurred: wp.array3d(dtype=wp.float32),
    mean: wp.array3d(dtype=wp.float32),
    shares: wp.array(dtype=wp.float32),
    count: wp.int32,
    own: wp.float32,
    has_level: wp.int32,
    chains: wp.array3d(dtype=wp.float32),
    level: wp.array3d(dtype=wp.float32),
):
    """Lane `count` is the level that ends here; the others pass."""
    thread = wp.tid()
    row = thread // (count + has_level)
    lane = thread - row * (count + has_level)
    total = wp.vec3(0.0, 0.0, 0.0)
    if has_below == 1:
        total = _gathered(entries, column, value, row, below, lane)
    if lane < count:
        _put(chains, row, lane, total + shares[lane] * _texel(blurred, row, 0))
    elif has_level == 1:
        _put(level, row, 0, total + own * _texel(mean, row, 0))


@wp.kernel
def _descend(
    entries: wp.array(dtype=wp.int32),
    column: wp.array2d(dtype=wp.int32),
    value: wp.array2d(dtype=wp.float32),
    above: wp.array3d(dtype=wp.float32),
    count: wp.int32,
    lanes: wp.int32,
    ended: wp.array3d(dtype=wp.float32),
    chains: wp.array3d(dtype=wp.float32),
):
    """Lanes below `count` come from the chains above, lane `count` from the level that ended."""
    thread = wp.tid()
    row = thread // lanes
    lane = thread - row * lanes
    total = wp.vec3(0.0, 0.0, 0.0)
    if lane < count:
        total = _gathered(entries, column, value, row, above, lane)
    else:
        total = _gathered(entries, column, value, row, ended, 0)
    _put(chains, row, lane, total)


@wp.kernel
def _shared(
    chains: wp.array3d(dtype=wp.float32),
    shares: wp.array(dtype=wp.float32),
    count: wp.int32,
    result: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    row = thread // 3
    c = thread - 3 * row
    total = wp.float32(0.0)
    for lane in range(count):
        total += shares[lane] * chains[row, lane, c]
    result[row, c] = total
