"""Which connected parts of a surface the pictures speak for.

A surface that is trained from pictures is left with shards in places where no picture objects to
them. A part stays when the pictures would miss it: where it alone covers pixels of the object.
What nobody sees goes, and so does a small part that covers next to nothing by itself, or one that
covers mostly background. However thin a part is, such as a table's leg that ends in the air, the
pictures miss it, and it stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from diffrec.data.views import RandomViews, ViewBatch, Views
from diffrec.geometry.mesh import Mesh, triangle_normals
from diffrec.ops.rasterize import rasterize
from nvdiffrec_contract.wording import counted

__all__ = ["Part", "Removal", "supported"]

FINER, COARSE = 2, 512
"""Pixels of pictures below this size are looked at in as many rows and columns, so that none of a
thin part is overlooked."""
PHOTOGRAPHS, DRAWN = 128, 48
"""Views that are looked at: of photographs at most, and of those that are drawn anew."""
SMALL = 0.01
"""A part of less than this share of the area is a shard when the pictures do not miss it."""
MISSED = 0.03
"""They miss a part that covers the object by itself in this share of its pixels; in the same share
it has to cover background to be none of the object."""
GREY = 0.2
"""Coverage of a pixel from which on the object is there: a thin part never covers a whole one."""
FEW = 16
"""Pixels of all views together: what is missed in fewer is a speck."""
SLACK = 1
"""Pixels by which masks and cameras may be wrong: a thin part may lie beside its place by them."""
_AT_ONCE = 8
_PIXELS = 1 << 22  # of the views that are looked at at once
_LISTED = 20


@dataclass(frozen=True)
class Part:
    """A connected part and what the pictures say of it, in pixels of all views.

    Attributes:
        faces: its triangles.
        area: share of the whole surface.
        seen: where it is what the camera sees.
        missed: where it alone covers the object.
        outside: where it alone covers background.
    """

    faces: int
    area: float
    seen: int
    missed: int
    outside: int

    @property
    def reason(self) -> str | None:
        """Why it goes, as the rest of a sentence; None where it stays."""
        if self.seen == 0:
            return "no view sees it"
        if self.outside > max(self.missed, MISSED * self.seen):
            return "it lies over the background"
        if self.area < SMALL and self.missed < max(FEW, MISSED * self.seen):
            return "no view misses it"
        return None


@dataclass(frozen=True)
class Removal:
    """A surface without what nothing speaks for, and what that was."""

    mesh: Mesh
    removed: tuple[Part, ...]

    def lines(self) -> Iterator[str]:
        """For the log."""
        if not self.removed:
            return
        faces = sum(part.faces for part in self.removed)
        count = counted(len(self.removed), "component")
        yield f"Removed {count} ({faces} faces) that no picture speaks for:"
        for part in self.removed[:_LISTED]:
            yield (
                f"    {part.faces} faces, {100 * part.area:.2f}% of the area: {part.reason} "
                f"(seen in {part.seen} pixels, alone over the object in {part.missed}, "
                f"over the background in {part.outside})"
            )
        if len(self.removed) > _LISTED:
            yield f"    and {len(self.removed) - _LISTED} more"


@torch.no_grad()
def supported(mesh: Mesh, views: Views) -> Removal:
    """The mesh without parts that the views do not speak for.

    Its positions, triangles and normals alone; a mesh of one part is returned as it is. `views`:
    those that it was trained with; ones that are drawn at random go on as if none had been drawn.
    """
    from diffrec.charting.ids import chart_ids  # Numba takes a moment to load

    labels = chart_ids(mesh.triangles.cpu().numpy())
    count = int(labels.max(initial=0)) + 1
    if count < 2:
        return Removal(mesh, ())
    area = triangle_normals(mesh.positions, mesh.triangles).norm(dim=1).double().cpu().numpy()
    area = np.nan_to_num(area, posinf=0.0)
    share = np.bincount(labels, area) / max(float(area.sum()), 1e-300)
    faces = np.bincount(labels)
    largest = int(np.argmax(share))
    is_small = share < SMALL
    is_small[largest] = False
    body = np.arange(count) == largest
    layers = [np.ones_like(body), body, ~body & ~is_small, is_small]
    part = torch.from_numpy(labels).to(mesh.triangles.device)
    seen, missed, outside = (torch.zeros(count, dtype=torch.int64) for _ in range(3))
    for batch in _looks(views):
        assert batch.image is not None
        finer = FINER if max(batch.image.shape[1:3]) < COARSE else 1
        near = max_pool2d(batch.image[..., 3], 2 * SLACK + 1, stride=1, padding=SLACK)
        inside = near > GREY
        inside = inside.repeat_interleave(finer, 1).repeat_interleave(finer, 2)
        shown = [_shown(mesh, part, one, batch, inside) for one in layers]
        seen += _counted(shown[0][shown[0] >= 0], count)
        under = shown[1] >= 0
        for layer in shown[2:]:
            alone = (layer >= 0) & ~under
            missed += _counted(layer[alone & inside], count)
            outside += _counted(layer[alone & ~inside], count)
            under = under | (layer >= 0)
    parts = [
        Part(int(faces[k]), float(share[k]), int(seen[k]), int(missed[k]), int(outside[k]))
        for k in range(count)
    ]
    goes = np.array([k != largest and parts[k].reason is not None for k in range(count)])
    if not goes.any():
        return Removal(mesh, ())
    removed = sorted((parts[k] for k in np.flatnonzero(goes)), key=lambda one: -one.area)
    return Removal(_only(mesh, torch.from_numpy(~goes).to(part.device)[part]), tuple(removed))


def _looks(views: Views) -> Iterator[ViewBatch]:
    """Batches of the views that are looked at."""
    drawn = isinstance(views, RandomViews)
    count = DRAWN if drawn else min(len(views), PHOTOGRAPHS)
    chosen = [i * len(views) // count for i in range(count)]
    state = views.generator.get_state() if isinstance(views, RandomViews) else None
    at_once = max(1, min(_AT_ONCE, _PIXELS // (views.resolution[0] * views.resolution[1])))
    for begin in range(0, count, at_once):
        yield views.batch(chosen[begin : begin + at_once])
    if isinstance(views, RandomViews) and state is not None:
        views.generator.set_state(state)


def _shown(
    mesh: Mesh, part: Tensor, layer: NDArray[np.bool_], batch: ViewBatch, like: Tensor
) -> Tensor:
    """The part that is seen in each pixel of a layer of parts, [B, H, W]; -1 for none."""
    rows = torch.nonzero(torch.from_numpy(layer).to(part.device)[part])[:, 0]
    if len(rows) == 0:
        return torch.full(like.shape, -1, dtype=torch.int64, device=part.device)
    homogeneous = pad(mesh.positions, (0, 1), value=1.0)
    clip = homogeneous @ batch.clip_from_world.transpose(1, 2)
    resolution = (int(like.shape[1]), int(like.shape[2]))
    seen = rasterize(clip, mesh.triangles[rows], resolution).triangle.long()
    return torch.where(seen >= 0, part[rows][seen.clamp_min(0)], -1)


def _counted(parts: Tensor, count: int) -> Tensor:
    return torch.bincount(parts, minlength=count).cpu()


def _only(mesh: Mesh, kept: Tensor) -> Mesh:
    """The triangles [F] that are kept, with the vertices that they have."""
    used, triangles = torch.unique(mesh.triangles[kept], return_inverse=True)
    positions = mesh.positions[used]
    return Mesh(positions, triangles).with_normals()
