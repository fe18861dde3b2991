"""Whole pictures, shaded by the formulas and by the kernels."""

from __future__ import annotations

import pytest
import torch

from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.ops.backends import use_backend
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting


def scene() -> tuple[Mesh, TextureMaterial, EnvironmentLight]:
    """A bumpy sphere with a seam, random textures, and a light that is not grey."""
    generator = torch.Generator().manual_seed(20)
    rows, columns = 12, 20
    v, u = torch.meshgrid(
        torch.linspace(0.02, 0.98, rows), torch.linspace(0, 1, columns), indexing="ij"
    )
    polar, around = v.reshape(-1) * torch.pi, u.reshape(-1) * 2 * torch.pi
    ring = polar.sin()
    positions = torch.stack([ring * around.sin(), polar.cos(), ring * around.cos()], dim=1)
    positions = positions * (1 + 0.1 * torch.rand(len(positions), 1, generator=generator))
    corner = torch.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (
        x.reshape(-1) for x in (corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:], corner[1:, 1:])
    )
    triangles = torch.cat([torch.stack([a, b, c], 1), torch.stack([c, b, d], 1)])
    mesh = Mesh(positions, triangles, torch.stack([u, v], -1).reshape(-1, 2), triangles)
    kd, ks, normal = torch.rand(3, 16, 16, 3, generator=generator)
    normal = normal * torch.tensor([1.0, 1.0, 0.5]) + torch.tensor([-0.5, -0.5, 0.5])
    light = EnvironmentLight(32)
    light.base.data = torch.rand(light.base.shape, generator=generator) * 2
    return mesh, TextureMaterial(kd, ks, normal), light


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("turning", [False, True])
def test_whole_pictures_agree(turning: bool, layers: int) -> None:
    """Two views by `render`, shaded by the formulas and by the kernels, with all gradients."""
    camera_from_world = torch.eye(4).repeat(2, 1, 1)
    camera_from_world[1, :3, :3] = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(4))
    )[0]
    camera_from_world[:, 2, 3] = -4
    world_from_camera = torch.linalg.inv(camera_from_world)
    clip = torch.tensor([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, -1.2, -2], [0, 0, -1, 0]])
    results = []
    for backend in ("reference", "warp"):
        mesh, material, light = scene()
        mesh.positions.requires_grad_()
        oriented = mesh.with_normals().with_tangents()
        rendered = use_backend(backend)(render)(
            oriented,
            material,
            Lighting.of(light),
            clip @ camera_from_world,
            camera_from_world,
            world_from_camera[:, :3, 3],
            (32, 40),
            background=torch.full((2, 32, 40, 3), 0.3),
            options=RenderOptions(layers=layers, camera_space_light=turning),
            channels=("kd", "normal"),
        )
        assert float(rendered.image[..., 3].detach().mean()) > 0.2
        pictures = (rendered.image, rendered.channels["kd"], rendered.channels["normal"])
        generator = torch.Generator().manual_seed(8)
        terms = [(x * torch.randn(x.shape, generator=generator)).sum() for x in pictures]
        torch.stack(terms).sum().backward()  # type: ignore[no-untyped-call]
        leaves = [mesh.positions, light.base, *material.parameters()]
        results.append([*(x.detach() for x in pictures), *(leaf.grad for leaf in leaves)])
    for found, expected in zip(results[1], results[0], strict=True):
        assert found is not None and expected is not None
        error = (found - expected).abs().sum() / expected.abs().sum()
        assert float(error) < 1e-4
