from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from diffrec.errors import DiffrecError
from diffrec.geometry.mesh import Mesh
from diffrec.materials.bake import bake, nearest_covered
from diffrec.materials.surface import MaterialSample, Surface


class ColorOfSpace:
    """A material that is known everywhere."""

    def __init__(self) -> None:
        self.largest = 0

    def sample(self, surface: Surface) -> MaterialSample:
        self.largest = max(self.largest, surface.position.shape[0])
        p = surface.position
        return MaterialSample(p, p.square(), 1 - p)

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())

    def clamp_(self) -> None: ...


def folded_sheet() -> Mesh:
    """Two unit squares at a right angle, each with a chart of its own and a gap between them."""
    positions = torch.tensor(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]], dtype=torch.float32
    )
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    left = [[0.05, 0.9], [0.45, 0.9], [0.45, 0.1], [0.05, 0.1]]
    right = [[0.55, 0.9], [0.95, 0.9], [0.95, 0.1], [0.55, 0.1]]
    texcoords = torch.tensor(left + right)
    texcoord_triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    return Mesh(positions, triangles, texcoords, texcoord_triangles)


def surface_point(u: Tensor, v: Tensor) -> Tensor:
    """Where the charts of `folded_sheet` lie in space."""
    height = (0.9 - v) / 0.8
    left = torch.stack([(u - 0.05) / 0.4, height, torch.zeros_like(u)], dim=-1)
    right = torch.stack([torch.ones_like(u), height, (u - 0.55) / 0.4], dim=-1)
    return torch.where((u < 0.5)[..., None], left, right)


@pytest.mark.parametrize("resolution", [(64, 64), (48, 80)])
def test_every_covered_texel_holds_the_field_at_its_point(resolution: tuple[int, int]) -> None:
    height, width = resolution
    kd, ks, normal = bake(ColorOfSpace(), folded_sheet(), resolution)
    v, u = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    inside = (v > 0.1) & (v < 0.9) & (((u > 0.05) & (u < 0.45)) | ((u > 0.55) & (u < 0.95)))
    point = surface_point(u, v)
    assert int(inside.sum()) > 1000
    assert torch.allclose(kd[inside], point[inside], atol=2e-5)
    assert torch.allclose(ks[inside], point[inside].square(), atol=5e-5)
    assert torch.allclose(normal[inside], 1 - point[inside], atol=2e-5)


def test_empty_texels_repeat_the_nearest_chart() -> None:
    kd, _, _ = bake(ColorOfSpace(), folded_sheet(), (64, 64))
    # Left of the left chart, x = 0; right of the right one, z = 1; the gap belongs to x = 1, z = 0.
    assert float(kd[20:40, 0, 0].max()) < 0.05
    assert float(kd[20:40, 63, 2].min()) > 0.95
    assert torch.allclose(kd[20:40, 31:33, 0], torch.tensor(1.0), atol=0.05)
    assert float(kd[20:40, 31:33, 2].max()) < 0.05


def test_memory_is_bounded_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bake(ColorOfSpace(), folded_sheet(), (64, 64))
    monkeypatch.setattr("diffrec.materials.bake.CHUNK", 100)
    field = ColorOfSpace()
    parts = bake(field, folded_sheet(), (64, 64))
    assert field.largest == 100
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_nearest_covered_against_an_exact_distance_transform() -> None:
    generator = np.random.default_rng(0)
    covered = generator.random((40, 56)) < 0.02
    texels = torch.from_numpy(np.flatnonzero(covered))
    nearest = nearest_covered(texels, (40, 56)).numpy().reshape(40, 56)
    assert covered.reshape(-1)[nearest].all()
    assert (nearest.reshape(-1)[texels] == texels.numpy()).all()
    rows, columns = np.indices((40, 56))
    distance = np.hypot(rows - nearest // 56, columns - nearest % 56)
    exact = ndimage.distance_transform_edt(~covered)
    # The chamfer mask is within 2 % of the Euclidean distance; a wrong neighbour is no farther.
    assert (distance <= exact * 1.05 + 1e-6).all()


def test_a_mesh_without_charts_is_refused() -> None:
    mesh = folded_sheet()
    with pytest.raises(DiffrecError, match="no texture coordinates"):
        bake(ColorOfSpace(), Mesh(mesh.positions, mesh.triangles), (8, 8))


def test_charts_outside_the_picture_are_named() -> None:
    mesh = folded_sheet()
    assert mesh.texcoords is not None
    far = Mesh(mesh.positions, mesh.triangles, mesh.texcoords + 5, mesh.texcoord_triangles)
    with pytest.raises(DiffrecError, match="cover none"):
        bake(ColorOfSpace(), far, (8, 8))
