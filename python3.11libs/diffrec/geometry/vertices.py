"""Pass 2's geometry: free vertices on a fixed topology."""

from __future__ import annotations

from torch import Tensor, nn

from diffrec.geometry.mesh import Mesh, tangent_topology
from diffrec.geometry.regularisers import UniformLaplacian


class VertexGeometry(nn.Module):
    """A mesh with texture coordinates whose vertices may move.

    `laplace`: "relative" keeps the displacement from the starting mesh smooth, "absolute" the
    positions themselves. `locked`: the vertices do not move at all.
    """

    def __init__(self, mesh: Mesh, *, laplace: str = "relative", locked: bool = False) -> None:
        super().__init__()
        self._start = mesh
        self._tangent_triangles = _tangent_triangles(mesh)
        self.positions = nn.Parameter(mesh.positions.detach().clone(), requires_grad=not locked)
        self._relative = laplace == "relative"
        self._laplacian = UniformLaplacian(mesh.triangles, len(mesh.positions))

    def mesh(self) -> Mesh:
        """The mesh with smooth normals and tangents of its present positions."""
        moved = self._start.with_positions(self.positions).with_normals()
        return moved.with_tangents(self._tangent_triangles)

    def regulariser(self) -> Tensor:
        """Mean squared uniform Laplacian; the caller weighs it. Scalar."""
        if self._relative:
            return self._laplacian(self.positions - self._start.positions)
        return self._laplacian(self.positions)


def _tangent_triangles(mesh: Mesh) -> Tensor:
    if mesh.texcoord_triangles is None:
        raise ValueError("textures need texture coordinates: the mesh has none")
    return tangent_topology(mesh.triangles, mesh.texcoord_triangles)
