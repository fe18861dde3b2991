"""Pass 2's geometry: free vertices on a fixed topology."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffrec.geometry.mesh import Mesh, bounding_box, tangent_topology, triangle_normals
from diffrec.ops.fixedlengths import FixedLengths
from diffrec.ops.laplacian import UniformLaplacian

_TINY = 1e-12


class VertexGeometry(nn.Module):
    """A mesh with texture coordinates whose vertices may move.

    `laplace`: "relative" keeps the displacement from the starting mesh smooth, "absolute" the
    positions themselves. `locked`: the vertices do not move at all.
    """

    def __init__(self, mesh: Mesh, *, laplace: str = "relative", locked: bool = False) -> None:
        super().__init__()
        self._start = mesh
        self._tangent_triangles = _tangent_triangles(mesh)
        self._tangents = int(self._tangent_triangles.max()) + 1
        self.positions = nn.Parameter(mesh.positions.detach().clone(), requires_grad=not locked)
        self._relative = laplace == "relative"
        self._laplacian = UniformLaplacian(mesh.triangles, len(mesh.positions))

    def mesh(self, lengths: FixedLengths | None = None) -> Mesh:
        """The mesh with smooth normals and tangents of its present positions.

        `lengths` has no effect: the lists of a fixed topology have one length.
        """
        moved = self._start.with_positions(self.positions).with_normals()
        return moved.with_tangents(self._tangent_triangles, self._tangents)

    def regulariser(self) -> Tensor:
        """Mean squared uniform Laplacian; the caller weighs it. Scalar."""
        if self._relative:
            return self._laplacian(self.positions, self._start.positions)
        return self._laplacian(self.positions)

    @torch.no_grad()
    def damage(self) -> Tensor:
        """What has become of the starting mesh, [3]: the largest way of a vertex over the diagonal
        of the bounding box, the area over the former one, and the share of the area, as it was,
        whose triangles face away from where they faced. Not finite where a position is not."""
        triangles, start = self._start.triangles, self._start.positions
        lower, upper = bounding_box(start)
        size = (upper - lower).norm().clamp_min(_TINY)
        before, now = (
            triangle_normals(start, triangles),
            triangle_normals(self.positions, triangles),
        )
        area = before.norm(dim=1)
        total = area.sum().clamp_min(_TINY)
        turned = (area * ((before * now).sum(1) < 0)).sum() / total
        way = (self.positions - start).norm(dim=1).amax() / size
        return torch.stack([way, now.norm(dim=1).sum() / total, turned])


def _tangent_triangles(mesh: Mesh) -> Tensor:
    if mesh.texcoord_triangles is None:
        raise ValueError("textures need texture coordinates: the mesh has none")
    return tangent_topology(mesh.triangles, mesh.texcoord_triangles)
