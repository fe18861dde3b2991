"""Several materials on one mesh, each on triangles of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffrec.materials.surface import MaterialSample, Surface
from diffrec.materials.textures import TextureMaterial


class SeveralMaterials(nn.Module):
    """A material per triangle. Textures keep their own sizes, and may repeat."""

    of_triangle: Tensor

    def __init__(self, materials: Sequence[TextureMaterial], of_triangle: Tensor) -> None:
        """`of_triangle`: [F] int64, which of the materials a triangle has."""
        super().__init__()
        self.materials = nn.ModuleList(materials)
        self.register_buffer("of_triangle", of_triangle, persistent=False)

    def sample(self, surface: Surface) -> MaterialSample:
        """The material at the points, whose `triangle` must be known. Raises ValueError."""
        if surface.triangle is None:
            raise ValueError("several materials need to know the triangle of every point")
        points = surface.position
        kd, ks, normal = (points.new_zeros((len(points), 3)) for _ in range(3))
        which = self.of_triangle[surface.triangle]
        for number, material in enumerate(self.materials):
            assert isinstance(material, TextureMaterial)
            rows = (which == number).nonzero()[:, 0]
            if not len(rows):
                continue
            part = Surface(
                points[rows],
                None if surface.uv is None else surface.uv[rows],
                None if surface.lod is None else surface.lod[rows],
            )
            found = material.sample(part)
            kd = kd.index_copy(0, rows, found.kd)
            ks = ks.index_copy(0, rows, found.ks)
            normal = normal.index_copy(0, rows, found.normal)
        return MaterialSample(kd, ks, normal)

    def albedo(self, surface: Surface) -> Tensor:
        """kd [P, 3] alone."""
        return self.sample(surface).kd

    def sample_and_albedo(self, surface: Surface, other: Surface) -> tuple[MaterialSample, Tensor]:
        """`sample(surface)` and `albedo(other)`."""
        return self.sample(surface), self.albedo(other)

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring every texture into its range."""
        for material in self.materials:
            assert isinstance(material, TextureMaterial)
            material.clamp_()
