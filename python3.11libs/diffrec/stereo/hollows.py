"""The hollows of a hull: what is seen to be empty, closed by a surface of least area."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.data.views import ImageViews
from diffrec.stereo.agreement import agreed, emptiness
from diffrec.stereo.photographs import taken
from diffrec.stereo.sweep import swept

MOST_CELLS = 64
"""Cells along the box's edge: hollows are looked for on a coarser lattice than a fine grid's."""
STEP = 0.75
"""Between the planes of the sweep, in cells."""
LEAST_VIEWS = 8
"""With fewer photographs hardly any point is confirmed."""
FOR_ONE = 1.0
"""What it gains to leave out a cell for each photograph that sees past it, in faces of cells."""
MOST_VOICES = 4
"""More photographs count as so many."""
UNKNOWN = 0.02
"""What it costs to leave out a cell that nothing is known of."""
SKIN = 2
"""Layers of cells below the hull's surface, which is a good guess, that cost more to leave out."""
SKIN_COST = 0.5
"""What each cell of them costs of which nothing is known."""
DEEP = 0.08
"""A hollow reaches so far below the hull's surface, as a share of the box's edge. A training finds
by itself what is shallower, and mirrors show such depths where there are none."""
_ITERATIONS = 200


@dataclass(frozen=True)
class Hollows:
    """field: [R, R, R] over the box, indexed z, y, x: positive in a hollow, negative elsewhere, up
    to 1. share: of the hull that is hollow."""

    field: Tensor
    share: float

    def at(self, place: Tensor) -> Tensor:
        """The field [P] at places [P, 3] of the box, -1 to 1."""
        return functional.grid_sample(
            self.field[None, None],
            place[None, None, None],
            padding_mode="border",
            align_corners=False,
        )[0, 0, 0, 0]


def lattice(cells: int, box: float, device: torch.device) -> Tensor:
    """The middles [R, R, R, 3] of the cells of a cube around the origin, indexed z, y, x."""
    along = ((torch.arange(cells, device=device) + 0.5) / cells - 0.5) * box
    return torch.stack(torch.meshgrid(along, along, along, indexing="ij"), dim=-1).flip(-1)


@torch.no_grad()
def hollows(views: ImageViews, hull: Tensor, box: float) -> Hollows | None:
    """The hollows of a hull [R, R, R] (negative inside) that photographs see into.

    None where they are too few or see none; the hull of a solid object, or of one without any
    pattern, has none. A hollow goes deep (`DEEP`) somewhere.

    Raises:
        DataError: a picture that is read now is broken or of another size.
    """
    cells = hull.shape[0]
    solid = hull < 0
    core = ~_grown(~solid, max(1, round(DEEP * cells)))
    if len(views) < LEAST_VIEWS or not bool(core.any()):
        return None
    photographs = taken(views, box / cells)
    depths = agreed(photographs, swept(photographs, hull, box, STEP * box / cells))
    voices = torch.zeros_like(hull)
    voices[solid] = emptiness(photographs, depths, lattice(cells, box, hull.device)[solid])
    cost = _costs(voices, solid)
    part = _around(solid)
    empty = torch.zeros_like(hull)
    empty[part] = least_area(cost[part], solid[part])
    left_out = empty > 0.5
    deep = _reached(left_out & core, left_out)
    if not bool(deep.any()):
        return None
    # Before its opening a hollow goes on, so that no film stays there.
    open_to = deep | (_grown(deep, 1) & ~solid)
    field = torch.where(open_to, (2 * empty - 1).clamp_min(0.5), (2 * empty - 1).clamp_max(-0.5))
    return Hollows(field, float(deep.sum() / solid.sum()))


def _grown(chosen: Tensor, cells: int) -> Tensor:
    """Cells [R, R, R] and all within so many of them, corner by corner."""
    size = 2 * cells + 1
    return functional.max_pool3d(chosen.float()[None, None], size, 1, cells)[0, 0] > 0


def _reached(begin: Tensor, among: Tensor) -> Tensor:
    """The cells that can be reached from some by way of others, [R, R, R] each."""
    count = -1
    while count != (count := int(begin.sum())):
        begin = _grown(begin, 1) & among
    return begin


def _costs(voices: Tensor, solid: Tensor) -> Tensor:
    """What it costs to leave a cell out, in faces of cells; below zero where it gains."""
    unknown = torch.where(_grown(~solid, SKIN), SKIN_COST, UNKNOWN)
    told = UNKNOWN - FOR_ONE * voices.clamp(-MOST_VOICES, MOST_VOICES)
    return torch.where(voices == 0, unknown, told)


def _around(solid: Tensor) -> tuple[slice, slice, slice]:
    """The part of the lattice that has all of the solid."""
    where = solid.nonzero()
    low, high = where.amin(0).tolist(), where.amax(0).tolist()
    z, y, x = (slice(a, b + 1) for a, b in zip(low, high, strict=True))
    return z, y, x


def least_area(cost: Tensor, solid: Tensor) -> Tensor:
    """The share [A, B, C] of each solid cell that is left out, 0 to 1, at the least total cost.

    Minimises the area between what stays and what is left out, plus `cost` of all that is left
    out. What lies outside the solid costs nothing, so that a hollow may be open. Convex; solved by
    primal and dual steps in turn (Chambolle and Pock 2011).
    """
    faces = [_shared(solid, axis).to(cost) for axis in range(3)]
    inside = solid.to(cost)
    empty = torch.zeros_like(cost)
    ahead = empty
    flow = [empty] * 3
    pace = 1 / 12**0.5  # 12: the largest eigenvalue of the differences
    for _ in range(_ITERATIONS):
        flow = [
            way + pace * shared * (ahead.roll(-1, axis) - ahead)
            for axis, (way, shared) in enumerate(zip(flow, faces, strict=True))
        ]
        length = torch.stack(flow).square().sum(0).sqrt().clamp_min(1)
        flow = [way / length for way in flow]
        into = -cost
        for axis, way in enumerate(flow):
            into = into + way - way.roll(1, axis)
        former, empty = empty, (empty + pace * into).clamp(0, 1) * inside
        ahead = 2 * empty - former
    return empty


def _shared(solid: Tensor, axis: int) -> Tensor:
    """Whether a cell and the next one along an axis are both solid."""
    shared = solid & solid.roll(-1, axis)
    shared.select(axis, -1).fill_(False)
    return shared
