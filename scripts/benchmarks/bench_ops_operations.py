"""What `bench_ops.py` measures, and what an implementation must offer for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Operation:
    """`title` of its table, and what is called on either side."""

    name: str
    title: str
    ours: str
    theirs: str


OPERATIONS = (
    Operation(
        "rasterize",
        "Rasterize, without gradient",
        "`rasterize`: triangle and depth",
        "`rasterize(grad_db=False)`: triangle, depth and barycentrics",
    ),
    Operation(
        "barycentrics",
        "Rasterize, with gradient to the vertices",
        "`rasterize`, `covered_pixels` and `barycentrics`",
        "`rasterize` with the barycentrics' screen derivatives",
    ),
    Operation(
        "interpolate",
        "Interpolate one attribute of three channels",
        "`interpolate` at the covered pixels; gradient to attribute and barycentrics",
        "`interpolate`; gradient to attribute and `rast`",
    ),
    Operation(
        "texcoords",
        "Interpolate texture coordinates with their screen derivatives",
        "`interpolate` and `pixel_footprint` (no gradient through the derivatives)",
        "`interpolate(rast_db, diff_attrs='all')`",
    ),
    Operation(
        "surface",
        "From vertices to all attributes of a pixel",
        "`rasterize`, `covered_pixels` and `attributes_at_pixels`: barycentrics, position, normal, "
        "tangent, uv and mip level in one",
        "`rasterize` and four `interpolate`, one of them with screen derivatives",
    ),
    Operation(
        "texture",
        "One texture of three channels, mip-mapped, trilinear",
        "`Pyramid` built and fetched from at the covered pixels",
        "`texture(filter_mode='linear-mipmap-linear')`, which builds its mip levels",
    ),
    Operation(
        "textures",
        "Three textures of three channels each",
        "one `Pyramid` of the three, one fetch",
        "three `texture`",
    ),
    Operation(
        "antialias",
        "Antialias four channels, edges of the mesh known",
        "`antialias(topology=…)`",
        "`antialias(topology_hash=…)`",
    ),
    Operation(
        "antialias_anew",
        "Antialias, edges of the mesh found anew",
        "`edge_topology` and `antialias`",
        "`antialias`",
    ),
    Operation(
        "picture",
        "From vertices and textures to an antialiased picture",
        "surface, three textures and `composite`",
        "surface, three textures, blending over the background and `antialias`",
    ),
)


@dataclass(frozen=True)
class Work:
    """`forward()` gives what gradients come from; `inputs` are what they go to: none, no gradient.

    `forward` may be called often, `inputs` are the same each time.
    """

    forward: Callable[[], Sequence[Tensor]]
    inputs: Sequence[Tensor] = ()


class Contender(Protocol):
    """One implementation, ready for a scene.

    `backend`: of diffrec's operations, to be used meanwhile; None for that of the device.
    """

    backend: str | None

    def work(self, operation: str) -> Work:
        """An operation of `OPERATIONS` by its name; what goes before it is done already."""

    def triangles(self) -> Tensor:
        """[B, H, W], row 0 at the top: the triangle seen, -1 where none."""

    def picture(self) -> Tensor:
        """[B, H, W, 4], row 0 at the top."""


def leaf(tensor: Tensor) -> Tensor:
    """The same values as a place where a gradient may end."""
    return tensor.detach().clone().requires_grad_()


def shaded(fetched: Sequence[Tensor], normal: Tensor) -> Tensor:
    """Something cheap that every input takes part in."""
    kd, ks, bump = fetched
    return kd * ks + 0.1 * bump * normal
