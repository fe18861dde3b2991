"""What light reaches each place of a surface: the directions from it that are free of the mesh.

The places are texels of a small texture, the directions the cells of a cube map of few texels. What
is free times the light's cells is the irradiance vector of every texel (Arvo 1994), by one product
of matrices: its part along a normal is the irradiance of a surface with that normal, shadows
included, without noise, and with gradients to the light and the normal. Light that other parts of
the surface send on is gathered along a few rays from each texel.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.geometry.mesh import Mesh, triangle_normals, vertex_normals
from diffrec.materials.bake import nearest_covered, texels_of
from diffrec.ops import cubemap
from diffrec.ops.gather import weighted_gather
from diffrec.ops.interpolate import interpolate
from diffrec.ops.rays import Rays
from diffrec.shading.light import EnvironmentLight
from nvdiffrec_contract.shadows import CELLS, RAYS, edge_of_table

CELLS_OF_CPU = 8  # along the edge of a face, where rays take long
_FINE = 4  # parts of a cell's edge over which the light is weighed with its direction
_HALF = math.sqrt(math.sqrt(2) - 1)  # tangent of GGX's half vector over alpha, at half height
_ABOVE = 0.1  # of a triangle's mean edge: how far above the surface rays begin
_NEAR = 3.0  # texels, within which a place takes over from its neighbours
_CHUNK = 1 << 24  # numbers that are worked on at once


@dataclass(frozen=True)
class Places:
    """P surface points in the table: the four texels around each, and their shares, [P, 4]."""

    texel: Tensor
    share: Tensor

    def fetch(self, table: Tensor) -> Tensor:
        """Means [P, C] of a table [T, C]; gradients to the table."""
        return weighted_gather(table, self.texel, self.share)


class VisibilityTable:
    """The free directions of a mesh's texels; its tensors stay where they are when it is made anew.

    free: [T, J] float32, shares of the J cells of the directions that meet nothing; normal: [T, 3],
    smooth; open: [T], the share of a uniform sky that lights the texel; hits: [T, K] int64, the
    texels that K rays, spread by the cosine, come to, and T for the sky.
    """

    def __init__(
        self,
        mesh: Mesh,
        resolution: tuple[int, int],
        *,
        cells: int = 0,
        parts: int = 0,
        rays: int = RAYS,
    ) -> None:
        """For a mesh with texture coordinates.

        Args:
            mesh: what the table will be made for; its vertices may move.
            resolution: of the mesh's textures, [H, W].
            cells: along the edge of a face; 0 takes what the device is fast enough for.
            parts: of a cell's edge, whose middles are looked along; 0 as well.
            rays: from each texel, for what the surface sends on.
        """
        coarse = mesh.positions.device.type == "cpu"
        cells, parts = cells or (CELLS_OF_CPU if coarse else CELLS), parts or (1 if coarse else 2)
        edge = edge_of_table(resolution)
        found = texels_of(mesh, (edge, edge))
        device, count = mesh.positions.device, len(found.at)
        self.edge, self.cells = edge, cells
        self._triangles = mesh.triangles
        self._triangle, self._bary = found.triangle, found.bary
        assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
        self._texcoords, self._texcoord_triangles = mesh.texcoords, mesh.texcoord_triangles
        row = torch.zeros(edge * edge, dtype=torch.int64, device=device)
        row[found.at] = torch.arange(count, device=device)
        self._at = found.at
        self._row = row[nearest_covered(found.at, (edge, edge))]  # [R * R]
        self._ways = _in_cells(cubemap.texel_directions(parts * cells, device=device), parts)
        self.free = torch.ones((count, 6 * cells * cells), device=device)
        self.normal = torch.zeros((count, 3), device=device)
        self.open = torch.ones(count, device=device)
        sizes = [cells >> level for level in range(cells.bit_length())]
        self._sizes = tuple(sizes)
        cells_of_all = 6 * sum(size * size for size in sizes)
        self._blocked = torch.zeros((count, cells_of_all), dtype=torch.uint8, device=device)
        self.position = found.position.clone()
        self.hits = torch.full((count, rays), count, device=device)
        self._spacing = torch.ones((), device=device)  # of texels, in the world
        self._moments = _Moments(cells, device)

    def at(self, uv: Tensor, position: Tensor) -> Places:
        """Surface points in the table: `uv` [P, 2] with v down, `position` [P, 3].

        Texels that lie next to a point in the texture and not on the surface do not count.
        """
        with torch.no_grad():
            place = (uv - uv.floor()) * self.edge - 0.5
            first = place.floor()
            right, down = (place - first).unbind(1)
            column, row = first.long().unbind(1)
            columns = torch.stack([column, column + 1, column, column + 1], 1)
            rows = torch.stack([row, row, row + 1, row + 1], 1)
            last = self.edge - 1
            texel = self._row[rows.clamp(0, last) * self.edge + columns.clamp(0, last)]
            share = torch.stack(
                [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down], 1
            )
            away = (self.position[texel] - position[:, None]).square().sum(2)
            close = 1 - away / (_NEAR * self._spacing).square()
            share = share.clamp(min=1e-6) * close.clamp(min=1e-6)
            return Places(texel, share / share.sum(1, keepdim=True))

    @torch.no_grad()
    def open_along(self, places: Places, directions: Tensor, roughness: Tensor) -> Tensor:
        """Share [P] of the reflections' lobes that meets nothing of the surface.

        `directions`: [P, 3], in whose middle the lobes lie; `roughness`: [P].
        """
        # Half as bright as in the middle at the angle where GGX is; a cell is twice as wide.
        half = 2 * torch.atan(_HALF * roughness.square().clamp(min=1e-4))
        level = torch.log2(half * (4 * self.cells / math.pi)).round()
        level = level.clamp(0, len(self._sizes) - 1).long()
        cell, weight = cubemap.bilinear_levels(directions, self._sizes, level)
        width = self._blocked.shape[1]
        flat = (places.texel * width)[:, :, None] + cell[:, None]
        blocked = self._blocked.view(-1)[flat].float()
        shares = places.share[:, :, None] * weight[:, None]
        return 1 - (blocked * shares).sum((1, 2)) / 255

    def texels_in(self, size: tuple[int, ...]) -> Tensor:
        """Flat indices [T] of the texels of a texture of a size (H, W) at the places of ours."""
        row = torch.div(self._at, self.edge, rounding_mode="floor")
        places = zip((row, self._at % self.edge), size, strict=True)
        down, right = (((one + 0.5) / self.edge * most).long() for one, most in places)
        return down * size[1] + right

    def open_sky(self, size: tuple[int, ...]) -> Tensor:
        """`open` as a texture of a size (H, W), bilinear."""
        known = self.open[self._row].reshape(1, 1, self.edge, self.edge)
        fine = functional.interpolate(known, list(size), mode="bilinear", align_corners=False)
        return fine[0, 0]

    def vectors(self, light: EnvironmentLight) -> Tensor:
        """Irradiance vectors over pi, [T, 3 axes, 3 colours], of what comes straight from a light.

        Differentiable.
        """
        cells = self._moments.of(light.base)
        return (self.free @ cells.reshape(-1, 9) / math.pi).reshape(-1, 3, 3)

    @torch.no_grad()
    def sent_on(self, vectors: Tensor, albedo: Tensor, bounces: int) -> Tensor:
        """Irradiance over pi [T, 3] by light that the surface itself sends on.

        `vectors`: as of `vectors`; `albedo`: [T, 3].
        """
        direct = irradiance(vectors, self.normal)
        found = torch.zeros_like(direct)
        for _ in range(bounces):
            radiance = functional.pad(albedo * (direct + found), (0, 0, 0, 1))
            found = radiance[self.hits].mean(1)
        return found

    @torch.no_grad()
    def make(self, positions: Tensor) -> None:
        """Look again, from a mesh whose vertices [V, 3] have moved."""
        positions = positions.detach().nan_to_num(0.0, 0.0, 0.0)
        corners = self._triangles[self._triangle]
        smooth = vertex_normals(positions, self._triangles)
        flat = interpolate(positions, self._triangles, self._triangle, self._bary)
        normal = interpolate(smooth, self._triangles, self._triangle, self._bary)
        normal = functional.normalize(normal, dim=1)
        self.normal.copy_(normal)
        self.position.copy_(flat)
        # A convex surface lies above its triangles (Hanika 2021): rays begin on what its normals
        # say, so that a triangle does not darken its neighbour.
        away = ((flat[:, None] - positions[corners]) * smooth[corners]).sum(2)
        raised = (away.clamp(max=0)[:, :, None] * smooth[corners] * self._bary[:, :, None]).sum(1)
        sides = positions[self._triangles]
        sides = (sides - sides.roll(1, 1)).norm(dim=2).mean()
        origin = flat - raised + _ABOVE * sides * normal
        rays = Rays(positions, self._triangles)
        rays.free(origin, normal, self._ways, self.free)
        self._find_sky()
        self._find_hits(rays, origin)
        area = 0.5 * triangle_normals(positions, self._triangles).norm(dim=1).sum()
        self._spacing.copy_((area / len(normal)).sqrt())
        if positions.is_cuda:  # the tree must outlive what is cast against it
            torch.cuda.current_stream(positions.device).synchronize()

    def _find_sky(self) -> None:
        """How open the texels are, and what is blocked of the sky above them in every direction."""
        ways, size = self._ways, self.cells
        weight = self._moments.uniform  # [J, 3]
        for begin in range(0, len(self.normal), step := max(1, _CHUNK // ways.shape[0])):
            part = slice(begin, begin + step)
            normal = self.normal[part]
            above = (normal @ ways.reshape(-1, 3).T > 0).reshape(len(normal), *ways.shape[:2])
            sky, free, facing = above.float().mean(2), self.free[part], normal @ weight.T
            self.open[part] = ((free * facing).sum(1) / (sky * facing).sum(1)).clamp(0, 1)
            level = (sky - free).reshape(-1, size, size)
            levels = [level]
            while level.shape[-1] > 1:
                level = functional.avg_pool2d(level, 2)
                levels.append(level)
            packed = torch.cat([one.reshape(len(normal), -1) for one in levels], dim=1)
            self._blocked[part] = (255 * packed + 0.5).to(torch.uint8)

    def _find_hits(self, rays: Rays, origin: Tensor) -> None:
        count, each = self.hits.shape
        ways = _around(self.normal, each).reshape(-1, 3)
        triangle, bary = rays.first(origin.repeat_interleave(each, 0), ways)
        known = triangle.clamp(min=0)
        uv = interpolate(self._texcoords, self._texcoord_triangles, known, bary)
        column, row = ((uv - uv.floor()) * self.edge).long().clamp(0, self.edge - 1).unbind(1)
        texel = self._row[row * self.edge + column]
        self.hits.copy_(torch.where(triangle < 0, count, texel).reshape(count, each))


class _Moments:
    """Integrals of the light over the cells, times the direction.

    `uniform`: [J, 3], of a light of 1.
    """

    def __init__(self, cells: int, device: torch.device) -> None:
        self._cells = cells
        self.uniform = self.of(torch.ones((6, cells, cells, 1), device=device))[:, :, 0]

    def of(self, base: Tensor) -> Tensor:
        """[J, 3 axes, C] of a cube map [6, R, R, C]; differentiable."""
        size = base.shape[1]
        fine = self._cells * _FINE
        ways, angles = _fine_cells(size, fine, str(base.device), base.dtype)
        energy = base * angles
        if size > fine:
            energy = _pooled(energy, size // fine)
        elif size < fine:
            factor = fine // size
            shared = energy / factor**2  # near enough: texels are small
            energy = shared.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        moments = energy[:, :, :, None] * ways[..., None]
        return _pooled(moments.flatten(3), _FINE).reshape(-1, 3, base.shape[3])


def _pooled(values: Tensor, factor: int) -> Tensor:
    """Sums over factor x factor texels of [6, R, R, C]."""
    size = values.shape[1] // factor
    found: Tensor = values.reshape(6, size, factor, size, factor, -1).sum((2, 4))
    return found


@functools.lru_cache(maxsize=8)
def _fine_cells(size: int, fine: int, device: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Directions [6, F, F, 3] of the texels of a fine cube map, and solid angles [S, S, 1]."""
    place = torch.device(device)
    angles = cubemap.solid_angles(size, dtype, place)[:, :, None]
    return cubemap.texel_directions(fine, dtype, place), angles


def _in_cells(directions: Tensor, factor: int) -> Tensor:
    """Directions [6, R, R, 3] as those of the cells that they lie in, [J, factor^2, 3]."""
    size = directions.shape[1] // factor
    found = directions.reshape(6, size, factor, size, factor, 3).permute(0, 1, 3, 2, 4, 5)
    return found.reshape(6 * size * size, factor * factor, 3).contiguous()


def irradiance(vectors: Tensor, normal: Tensor) -> Tensor:
    """Irradiance [P, 3] of irradiance vectors [P, 3 axes, 3] at surfaces of a normal [P, 3]."""
    return (vectors * normal[:, :, None]).sum(1).clamp(min=0)


def _around(normal: Tensor, each: int) -> Tensor:
    """Directions [T, K, 3] around normals [T, 3], by the cosine; other ones at every texel."""
    generator = torch.Generator().manual_seed(0)
    shift = torch.rand((len(normal), 1, 2), generator=generator).to(normal.device)
    step = torch.arange(each, device=normal.device)
    points = torch.stack([(step + 0.5) / each, step * 0.6180339887], 1) + shift
    height, turn = (points - points.floor()).unbind(2)
    ring, angle = height.sqrt(), 2 * math.pi * turn
    axis = torch.eye(3, device=normal.device)[normal.abs().argmin(1)]
    side = functional.normalize(torch.linalg.cross(normal, axis), dim=1)
    up = torch.linalg.cross(normal, side)
    found: Tensor = (ring * angle.cos())[..., None] * side[:, None]
    found = found + (ring * angle.sin())[..., None] * up[:, None]
    found = found + (1 - height).sqrt()[..., None] * normal[:, None]
    return found
