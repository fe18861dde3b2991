"""Normals and tangents: the kernels against the plain formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.frames import tangent_topology, vertex_normals, vertex_tangents

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def mesh(seed: int) -> dict[str, Any]:
    """A bumpy grid with a seam, a collapsed triangle, one without extent in the texture, a vertex
    of no triangle, and normals of its own along a crease."""
    generator = torch.Generator().manual_seed(seed)
    size = 12
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    positions = torch.stack([row, column, row * 0], -1).reshape(-1, 3).float() * 0.1
    positions = positions + torch.randn(positions.shape, generator=generator) * 0.02
    texcoords = torch.rand(2 * size * size, 2, generator=generator)
    first = (torch.arange((size - 1) * (size - 1)) // (size - 1)) * size
    first = first + torch.arange((size - 1) * (size - 1)) % (size - 1)
    triangles = torch.cat(
        [
            torch.stack([first, first + size, first + 1], 1),
            torch.stack([first + 1, first + size, first + size + 1], 1),
        ]
    )
    triangles[0] = torch.tensor([0, 0, 1])
    texcoord_triangles = triangles.clone()
    texcoord_triangles[::3] += size * size  # another chart
    texcoord_triangles[7] = texcoord_triangles[7, 0]
    normal_triangles = triangles.clone()
    normal_triangles[::5] += size * size
    return {
        "positions": torch.cat([positions, torch.zeros(1, 3)]),
        "triangles": triangles,
        "normals": torch.nn.functional.normalize(
            torch.randn(2 * size * size, 3, generator=generator), dim=1
        ),
        "normal_triangles": normal_triangles,
        "texcoords": texcoords,
        "texcoord_triangles": texcoord_triangles,
        "tangent_triangles": tangent_topology(normal_triangles, texcoord_triangles),
    }


def weights(count: int) -> Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(3))


def close(found: Tensor, expected: Tensor) -> None:
    expected = expected.double().cpu()
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.double().cpu(), expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("device", DEVICES)
def test_normals_and_their_gradient_agree(device: str) -> None:
    data = mesh(1)
    exact = data["positions"].double().requires_grad_(True)
    expected = vertex_normals(exact, data["triangles"])
    weight = weights(len(expected))
    (expected * weight).sum().backward()
    positions = data["positions"].to(device).requires_grad_(True)
    found = use_backend("warp")(vertex_normals)(positions, data["triangles"].to(device))
    (found * weight.to(device)).sum().backward()
    close(found.detach(), expected.detach())
    assert found[-1].tolist() == [0.0, 0.0, 1.0]
    assert positions.grad is not None and exact.grad is not None
    close(positions.grad, exact.grad)


@pytest.mark.parametrize("device", DEVICES)
def test_tangents_and_their_gradients_agree(device: str) -> None:
    data = mesh(2)
    results = []
    for where, dtype, backend in (
        ("cpu", torch.float64, "reference"),
        (device, torch.float32, "warp"),
    ):
        there = {
            name: (x.to(dtype) if x.is_floating_point() else x).to(where)
            for name, x in data.items()
        }
        positions = there["positions"].requires_grad_(True)
        normals = there["normals"].requires_grad_(True)
        tangents = use_backend(backend)(vertex_tangents)(**there)
        loss = (tangents * weights(len(tangents)).to(tangents)).sum()
        results.append([tangents.detach(), *torch.autograd.grad(loss, (positions, normals))])
    for found, expected in zip(results[1], results[0], strict=True):
        close(found, expected)


def test_where_the_mapping_is_degenerate_a_perpendicular_stands_in() -> None:
    data = mesh(3)
    data["texcoords"] = torch.zeros_like(data["texcoords"])
    data["normals"][5] = torch.tensor([0.0, 1.0, 0.0])
    positions = data["positions"].requires_grad_(True)
    found = use_backend("warp")(vertex_tangents)(**data)
    expected = use_backend("reference")(vertex_tangents)(**data)
    close(found.detach(), expected.detach())
    gradient = torch.autograd.grad(found.sum(), positions)[0]
    assert not gradient.any()


def test_the_number_of_tangents_may_be_given() -> None:
    data = mesh(4)
    count = int(data["tangent_triangles"].max()) + 1
    for backend in ("reference", "warp"):
        known = use_backend(backend)(vertex_tangents)(**data, count=count)
        assert torch.equal(known, use_backend(backend)(vertex_tangents)(**data))


def test_texture_coordinates_that_learn_get_their_gradient() -> None:
    data = mesh(5)
    texcoords = data["texcoords"].requires_grad_(True)
    found = use_backend("warp")(vertex_tangents)(**data)
    gradient = torch.autograd.grad((found * weights(len(found))).sum(), texcoords)[0]
    assert gradient.any()


def test_a_mesh_without_triangles() -> None:
    positions = torch.rand(3, 3, requires_grad=True)
    none = torch.zeros((0, 3), dtype=torch.int64)
    normals = use_backend("warp")(vertex_normals)(positions, none)
    assert torch.equal(normals.detach(), torch.tensor([[0.0, 0, 1]]).expand(3, 3))
    assert not torch.autograd.grad(normals.sum(), positions)[0].any()
    uv = torch.zeros(1, 2)
    tangents = use_backend("warp")(vertex_tangents)(
        positions, none, normals, none, uv, none, none, 0
    )
    assert tangents.shape == (0, 3)
