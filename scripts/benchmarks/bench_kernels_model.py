"""What the operations of an iteration have to do at least, by the sizes of the iteration.

Bytes count every array that an operation reads or writes once: a random access that is answered by
a cache costs nothing, and one that is not costs no more than the bytes it asked for. Atomic
additions are counted as the instructions that the kernels issue where every pixel takes part and
no neighbour can be added first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from diffrec.materials.field import HIDDEN, OUTPUTS
from diffrec.ops.hashgrid import HashGridLayout

FLOAT, INT, LONG = 4, 4, 8
BLUR_ENTRIES, UP_ENTRIES, ENTRY = 23, 4, INT + FLOAT  # of the sparse matrices of the light's filter
COARSEST_BLUR, COARSEST, CHAINS, SYMMETRIES = 4, 16, 4, 48
TEXTURE_CHANNELS = 9


@dataclass(frozen=True)
class Need:
    """Bytes to move; atomic additions, each of `width` floats; floating point operations."""

    bytes: float = 0.0
    atomics: float = 0.0
    width: int = 1
    flops: float = 0.0


@dataclass(frozen=True)
class Extent:
    """Sizes of an iteration.

    `frame`: samples of all views; `pixels`: rows of the list of covered ones; `views`; `light`:
    edge of a face; `trained`: floats that the optimizers keep; `grid`: of the hash grid, None in
    the second pass; `texels`: of a texture's finest level, 0 in the first; `tets`, `edges`: of the
    tetrahedra, 0 without.
    """

    views: int
    frame: int
    pixels: int
    vertices: int
    triangles: int
    light: int
    trained: int
    grid: HashGridLayout | None = None
    texels: int = 0
    tets: int = 0
    edges: int = 0

    @property
    def points(self) -> int:
        """At which the field is evaluated: the surface and beside it."""
        return 2 * self.pixels

    @property
    def texels_of_light(self) -> int:
        """Of the light's finest level."""
        return 6 * self.light**2

    @property
    def attributes(self) -> int:
        """Floats of the surface at a pixel: position, normal; tangent, uv and level of detail."""
        return 12 if self.texels else 6

    def words(self) -> str:
        """For a note."""
        found = f"{self.views} views, {self.frame:,} samples, a list of {self.pixels:,} pixels, "
        return found + f"{self.vertices:,} vertices, {self.triangles:,} triangles"


def extent(iteration: Any, views: int, frame: int) -> Extent:
    """Of a `diffrec.training.iteration.Iteration` that has worked. `frame`: its samples."""
    scene, sizes = iteration.scene, iteration.sizes
    material, geometry = scene.material, scene.geometry
    textured = hasattr(material, "kd")
    return Extent(
        views,
        frame,
        sizes.pixels,
        sizes.crossings,
        sizes.triangles,
        scene.light.base.shape[1],
        sum(one.numel() for one in scene.parameters() if one.requires_grad),
        None if textured else getattr(material, "layout", None),
        material.kd.shape[0] * material.kd.shape[1] if textured else 0,
        _rows(geometry, "_tets"),
        _rows(geometry, "_edges"),
    )


def _rows(owner: Any, name: str) -> int:
    found = getattr(owner, name, None)
    return found.shape[0] if isinstance(found, torch.Tensor) else 0


def rasterize(e: Extent) -> Need:
    """Corners of all triangles in all views; keys cleared by others, written, read; two results."""
    drawn = e.views * (3 * LONG * e.triangles + 4 * FLOAT * e.vertices)
    return Need(drawn + e.frame * (LONG + INT + FLOAT) + 2 * LONG * e.pixels)


def covered(e: Extent) -> Need:
    """A running sum and a triangle of every sample, the list."""
    return Need(2 * INT * e.frame + LONG * e.pixels)


def surface(e: Extent) -> Need:
    """Mesh once, a pixel's index and triangle, its attributes."""
    return Need(_mesh(e) + e.pixels * (LONG + INT + FLOAT * e.attributes))


def surface_back(e: Extent) -> Need:
    """The same, and a gradient per vertex; three corners of every attribute are added to."""
    added = 3 * (e.attributes - bool(e.texels)) + 3 * 3  # no level of detail; x, y, w of clip
    return Need(2 * _mesh(e) + e.pixels * (LONG + INT + FLOAT * e.attributes), added * e.pixels)


def _mesh(e: Extent) -> float:
    lists = 3 if e.texels else 1  # of corners: positions; texture coordinates, tangents
    rows = FLOAT * (e.attributes - bool(e.texels)) + 4 * FLOAT * e.views
    return 3.0 * LONG * lists * e.triangles + rows * e.vertices


def topology(e: Extent) -> Need:
    """Three keys a triangle, written, sorted in eight rounds with their order, and read."""
    keys = 3 * e.triangles
    return Need(3 * LONG * e.triangles + keys * (LONG + 8 * 4 * LONG + 2 * LONG + INT))


def hash_forward(e: Extent) -> Need:
    """Points, what they read of the table, two features per level."""
    assert e.grid is not None
    return Need(3 * FLOAT * e.points + _table(e, e.grid) + FLOAT * e.grid.channels * e.points)


def hash_points_back(e: Extent) -> Need:
    """As forward, with the points' gradient beside the points."""
    return Need(hash_forward(e).bytes + 3 * FLOAT * e.points)


def hash_fine_back(e: Extent) -> Need:
    """Hashed levels: eight corners a point, a row of two floats by one addition."""
    assert e.grid is not None
    levels = sum(not dense for dense in e.grid.dense)
    rows = sum(size for size, dense in zip(e.grid.sizes, e.grid.dense, strict=True) if not dense)
    return _hash_back(e, levels, rows, 8.0 * e.points)


def hash_coarse_back(e: Extent) -> Need:
    """Dense levels: the corners of a cell once for each run of points; a cell a run at best."""
    from diffrec.ops.hashgrid.warp import RUN

    assert e.grid is not None
    levels = sum(e.grid.dense)
    rows = sum(size for size, dense in zip(e.grid.sizes, e.grid.dense, strict=True) if dense)
    return _hash_back(e, levels, rows, 8.0 * e.points / RUN)


def _hash_back(e: Extent, levels: int, rows: int, added: float) -> Need:
    touched = 2 * FLOAT * min(float(rows), added)
    return Need((3 + 2 * levels) * FLOAT * e.points + 2 * touched, added * levels, width=2)


def _table(e: Extent, grid: HashGridLayout) -> float:
    rows = (min(float(size), 8.0 * e.points) for size in grid.sizes)
    return grid.features * FLOAT * sum(rows)


def products(e: Extent) -> Need:
    """The network's three layers forth, twice as much back; the light's dense filters."""
    flops, moved = _light_products(e)
    if e.grid is not None:
        sides = ((e.grid.channels, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, OUTPUTS))
        flops += 3 * sum(2.0 * a * b for a, b in sides) * e.points
        moved += 3 * sum(FLOAT * (a + b) for a, b in sides) * e.points
    return Need(moved, flops=flops)


def _light_products(e: Extent) -> tuple[float, float]:
    """The wide lobes and irradiance: a row for each texel that no symmetry takes to another."""
    texels, columns = 6 * COARSEST**2, 3 * SYMMETRIES
    edges = [COARSEST] * 2 + ([] if e.light == COARSEST else [2 * COARSEST])
    rows = sum((edge // 2) * (edge // 2 + 1) // 2 for edge in edges)
    sizes = rows * texels + texels * columns + rows * columns
    return 2 * 2.0 * rows * texels * columns, 2 * FLOAT * float(sizes)


def activations(e: Extent) -> Need:
    """ReLUs in place, and back with their values; the sigmoid, and back."""
    hidden, last = 2 * HIDDEN * FLOAT * e.points, OUTPUTS * FLOAT * e.points
    return Need((2 + 3) * hidden + (2 + 3) * last if e.grid is not None else 0)


def shade(e: Extent) -> Need:
    """The surface and its material at every pixel, the light's levels, a colour."""
    return Need(_shaded(e) + 3 * FLOAT * e.pixels)


def shade_back(e: Extent) -> Need:
    """What forward reads, a gradient for each, eight texels and four of irradiance a pixel."""
    return Need(2 * _shaded(e) + 3 * FLOAT * e.pixels, 12.0 * e.pixels, width=4)


def _shaded(e: Extent) -> float:
    vectors = 6 if e.texels else 5  # normal, smooth normal, (tangent,) position, kd, ks
    light = 3 * FLOAT * min(e.texels_of_light * 4 / 3, 8.0 * e.pixels)
    return light + e.pixels * (LONG + 3 * FLOAT * vectors)


def compose(e: Extent) -> Need:
    """Colours of the covered pixels, a triangle and a background of every one; two pictures."""
    return Need(e.pixels * (LONG + 12) + e.frame * (INT + 12 + 2 * 16))


def compose_back(e: Extent) -> Need:
    """The picture's gradient at the covered pixels."""
    return Need(e.pixels * (LONG + 16 + 12))


def silhouettes(e: Extent) -> Need:
    """Triangle and depth of every sample; few pairs are one."""
    return Need(e.frame * (INT + FLOAT))


def image_loss(e: Extent) -> Need:
    """Picture, photograph, background; the gradient."""
    return Need(e.frame * (16 + 16 + 12 + 16))


def material_terms(e: Extent) -> Need:
    """Albedo here and beside, occlusion, and a gradient for each."""
    return Need(e.pixels * (LONG + 2 * 3 * 12))


def white_balance(e: Extent) -> Need:
    """The light and its gradient."""
    return Need(e.texels_of_light * 24)


def light_filter(e: Extent) -> Need:
    """Averages; a blur of every level but the finest; chains that climb to the finest."""
    moved = 12.0 * e.texels_of_light
    for place, rows in enumerate(_light_rows(e)):
        lanes = min(place, CHAINS)
        blur = BLUR_ENTRIES * ENTRY + INT + 24 + 24 if place else 0
        moved += rows * (blur + UP_ENTRIES * ENTRY + INT + 12 * (2 * lanes + 2))
    return Need(moved)


def light_filter_back(e: Extent) -> Need:
    """The same matrices, transposed."""
    return Need(light_filter(e).bytes)


def _light_rows(e: Extent) -> list[int]:
    sizes = [e.light]
    while sizes[-1] > COARSEST_BLUR:
        sizes.append(sizes[-1] // 2)
    return [6 * size * size for size in sizes]


def tetrahedra(e: Extent) -> Need:
    """Corners and edges of all tetrahedra, a flag for each twice over; the mesh."""
    flags = 2 * e.tets + e.edges
    moved = 4 * LONG * e.tets + 2 * LONG * e.edges + 4 * INT * flags
    return Need(moved + 12 * e.vertices + 3 * LONG * e.triangles)


def crossings(e: Extent) -> Need:
    """The crossing edges' ends, and what their vertices pass on: two values, two offsets."""
    return Need(e.vertices * (LONG + 2 * LONG + 12 + 2 * 16), 8.0 * e.vertices)


def vertex_frames(e: Extent) -> Need:
    """Triangles' corners, sums around vertices."""
    return Need(3 * LONG * e.triangles + 36 * e.vertices, 9.0 * e.triangles)


def laplacian(e: Extent) -> Need:
    """A vertex and its six neighbours, there and back."""
    return Need(e.vertices * (12.0 * 5 + 2 * 6 * INT))


def texture_levels(e: Extent) -> Need:
    """The textures read, all levels written."""
    return Need(TEXTURE_CHANNELS * FLOAT * e.texels * (1 + 4 / 3))


def texture_levels_back(e: Extent) -> Need:
    """The gradients of all levels in one, which is written."""
    return Need(TEXTURE_CHANNELS * FLOAT * e.texels * (4 / 3 + 1))


def texture_fetch(e: Extent) -> Need:
    """Place and level, the channels, the levels' texels; beside the surface albedo alone."""
    return Need(FLOAT * (3.0 * e.points + _fetched(e)) + _read_texels(e))


def texture_scatter(e: Extent) -> Need:
    """The same back: eight texels a point, a channel at a time."""
    return Need(texture_fetch(e).bytes + _read_texels(e), 8.0 * _fetched(e))


def texture_slope(e: Extent) -> Need:
    """A gradient for the place of each fetch of the surface."""
    return Need(e.pixels * FLOAT * (3 + TEXTURE_CHANNELS + 2) + _read_texels(e))


def _fetched(e: Extent) -> float:
    """Numbers that all fetches give."""
    return (TEXTURE_CHANNELS + 3.0) * e.pixels


def _read_texels(e: Extent) -> float:
    return TEXTURE_CHANNELS * FLOAT * min(e.texels * 4 / 3, 8.0 * e.points)


def texture_clamp(e: Extent) -> Need:
    """All texels read and written."""
    return Need(2 * TEXTURE_CHANNELS * FLOAT * e.texels)


def optimizer(e: Extent) -> Need:
    """Adam: value, gradient and two moments read, all but the gradient written."""
    return Need(7.0 * FLOAT * e.trained)


def random_numbers(e: Extent) -> Need:
    """Backgrounds, and steps beside the surface."""
    return Need(12.0 * e.frame + 12 * e.pixels)


def similarity(e: Extent) -> Need:
    """SSIM: two pictures mapped, five averages of rows, three slopes of columns, and back."""
    return Need(12.0 * e.frame * (3 + 3 + (2 + 5) + (5 + 3) + (3 + 3) + (2 + 3 + 1) + 3))
