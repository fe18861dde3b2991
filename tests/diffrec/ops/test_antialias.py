"""Silhouette antialiasing: coverage, its gradients, edge topology, agreement of the backends."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.ops.antialias import antialias
from diffrec.ops.backends import use_backend
from diffrec.ops.composite import composite
from diffrec.ops.raster import Raster
from diffrec.ops.rasterize import covered_pixels, rasterize
from diffrec.ops.topology import EdgeTopology, edge_topology

FAST = ("numba", "warp")
ALL = ("reference", *FAST)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ON = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def torus(around: int, across: int, tilt: float, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """A closed surface in perspective: (clip [1, V, 4], triangles [F, 3])."""
    i, j = torch.meshgrid(torch.arange(around), torch.arange(across), indexing="ij")
    u, v = i * (2 * math.pi / around), j * (2 * math.pi / across)
    ring = 0.7 + 0.3 * v.cos()
    x, y, z = ring * u.cos(), 0.3 * v.sin(), ring * u.sin()
    y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
    depth = z + 3
    clip = torch.stack([2 * x + shift * depth, 2 * y, depth - 1.5, depth], -1).view(1, -1, 4)
    right, up = (i + 1) % around, (j + 1) % across
    a, b, c, d = (p * across + q for p, q in ((i, j), (right, j), (right, up), (i, up)))
    triangles = [torch.stack([a, b, c], -1).view(-1, 3), torch.stack([a, c, d], -1).view(-1, 3)]
    return clip, torch.cat(triangles)


def soup(seed: int) -> tuple[Tensor, Tensor]:
    """Random triangles that share vertices and edges, degenerate and behind the camera too."""
    generator = torch.Generator().manual_seed(seed)
    clip = torch.randn(2, 20, 4, generator=generator)
    if seed % 2:
        clip[..., 3] = clip[..., 3].abs() + 0.2
    return clip, torch.randint(0, 20, (60, 3), generator=generator)


def coverage(clip: Tensor, triangles: Tensor, size: int, backend: str | None = None) -> Tensor:
    """Antialiased mask [B, size, size]."""
    raster = use_backend(backend)(rasterize)(clip.detach(), triangles, (size, size))
    mask = (raster.triangle >= 0).to(clip.dtype)[..., None]
    return use_backend(backend)(antialias)(mask, raster, clip, triangles)[..., 0]


@pytest.mark.parametrize("backend", ALL)
def test_an_upright_edge_covers_exactly_its_part_of_a_pixel(backend: str) -> None:
    size, triangles = 8, torch.tensor([[0, 1, 2], [0, 2, 3]])
    for right in (0.05, 0.3, 0.5, 0.7, 0.95):
        x = 2 * (4 + right) / size - 1  # the edge, at 4 + right pixels
        clip = torch.tensor([[[-3.0, -3, 0, 1], [x, -3, 0, 1], [x, 3, 0, 1], [-3, 3, 0, 1]]])
        for swap in (False, True):  # the same across rows
            image = coverage(clip[..., [1, 0, 2, 3]] if swap else clip, triangles, size, backend)
            row = image[0, :, 3].flip(0) if swap else image[0, 3]
            expected = torch.tensor([1.0] * 4 + [right] + [0.0] * 3)
            torch.testing.assert_close(row, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", ALL)
def test_edges_inside_a_smooth_surface_do_not_blend(backend: str) -> None:
    generator = torch.Generator().manual_seed(0)
    grid = torch.linspace(-2, 2, 9)
    x, y = torch.meshgrid(grid, grid, indexing="xy")
    clip = torch.stack([x, y, 0.2 * torch.rand(9, 9, generator=generator), 1 + 0 * x], -1)
    corner = (torch.arange(8)[:, None] * 9 + torch.arange(8)).view(-1)
    one = torch.stack([corner, corner + 1, corner + 10], 1)
    two = torch.stack([corner, corner + 10, corner + 9], 1)
    triangles = torch.cat([one, two])
    raster = use_backend(backend)(rasterize)(clip.view(1, -1, 4), triangles, (32, 32))
    image = torch.rand(1, 32, 32, 3, generator=generator)
    assert (raster.triangle >= 0).all()
    assert torch.equal(
        use_backend(backend)(antialias)(image, raster, clip.view(1, -1, 4), triangles), image
    )


@pytest.mark.parametrize("backend", ALL)
def test_a_nearer_surface_of_the_same_mesh_blends_over_the_farther(backend: str) -> None:
    """Two squares, the small one in front; only its outline changes."""
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    near = torch.cat([0.41 * corners, torch.tensor([[0.0, 1]]).expand(4, 2)], 1)
    far = torch.cat([2 * corners, torch.tensor([[0.5, 1]]).expand(4, 2)], 1)
    clip = torch.cat([near, far])[None]
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    raster = use_backend(backend)(rasterize)(clip, triangles, (20, 20))
    image = ((raster.triangle >= 0) & (raster.triangle < 2)).float()[..., None]
    result = use_backend(backend)(antialias)(image, raster, clip, triangles)
    # 8.2 pixels wide and high; a corner pixel takes the share of both sides only roughly.
    assert abs(result.sum().item() - 8.2**2) < 4 * 0.1**2 + 1e-4
    torch.testing.assert_close(result[0, 10, 5], torch.tensor([0.1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", ALL)
def test_summed_coverage_of_a_triangle_is_its_area(backend: str) -> None:
    """In 16 positions, within 0.25 pixels per corner; edges are exact.

    The gradient for its scale is twice its area, within 3 %, that for a shift is nothing.
    """
    size = 32
    base = torch.tensor([[-0.6, -0.5], [0.55, -0.35], [-0.1, 0.7]])
    edge, other = base[1] - base[0], base[2] - base[0]
    area = 0.5 * (edge[0] * other[1] - edge[1] * other[0]).item() * (size / 2) ** 2
    grads = []
    for step in range(16):
        change = torch.tensor([0.013 * step, 0.007 * step, 1.0], requires_grad=True)
        moved = base * change[2] + change[:2]
        clip = torch.cat([moved, torch.tensor([[0.0, 1]]).expand(3, 2)], 1)[None]
        total = coverage(clip, torch.tensor([[0, 1, 2]]), size, backend).sum()
        assert abs(total.item() - area) < 3 * 0.25
        grads.append(torch.autograd.grad(total, change)[0])
    mean = torch.stack(grads).mean(0)
    assert mean[2].item() == pytest.approx(2 * area, rel=0.03)
    assert mean[:2].abs().max().item() < 0.03 * 2 * area


def supersampled(clip: Tensor, triangles: Tensor, size: int, factor: int) -> Tensor:
    """Mask [size, size] averaged over factor x factor samples in each pixel."""
    raster = rasterize(clip, triangles, (size * factor, size * factor))
    mask = (raster.triangle[0] >= 0).double()
    return mask.view(size, factor, size, factor).mean(dim=(1, 3))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize(("around", "across"), [(16, 8), (80, 40), (200, 100)])
def test_gradient_of_a_moving_silhouette(backend: str, around: int, across: int) -> None:
    """d/d(shift, scale) of a weighted image against differences of a supersampled one.

    Mean over 8 positions within a pixel, 8 x 8 samples per pixel; tolerance 3 %. The finer surfaces
    have many triangles per pixel at their outlines.
    """
    size, positions, step = 48, 8, 0.02
    ramp = torch.linspace(-1, 1, size, dtype=torch.float64)
    weight = 1 + 0.5 * ramp[None, :] - 0.7 * ramp[:, None] + ramp[None, :] * ramp[:, None]
    clip, triangles = torus(around, across, tilt=0.9)

    def placed(shift: Tensor, scale: Tensor) -> Tensor:
        moved = clip * torch.stack([scale, scale, torch.tensor(1.0), torch.tensor(1.0)])
        return moved + clip[..., 3:] * torch.nn.functional.pad(shift[None], (0, 3))

    def exact(shift: float, scale: float) -> float:
        moved = placed(torch.tensor(shift), torch.tensor(scale))
        return (supersampled(moved, triangles, size, 8) * weight).sum().item()

    found, expected = torch.zeros(2), torch.zeros(2)
    for k in range(positions):
        at = 0.011 + k / positions * 2 / size
        parameters = torch.tensor([at, 1.0], requires_grad=True)
        image = coverage(placed(parameters[0], parameters[1]), triangles, size, backend)[0]
        found += torch.autograd.grad((image * weight.float()).sum(), parameters)[0]
        expected[0] += (exact(at + step, 1) - exact(at - step, 1)) / (2 * step)
        expected[1] += (exact(at, 1 + step) - exact(at, 1 - step)) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("seed", range(6))
def test_backends_agree_forward_and_backward(backend: str, device: str, seed: int) -> None:
    clip, triangles = soup(seed) if seed < 4 else torus(20 * (seed - 3), 14, tilt=0.5 * seed)
    raster = use_backend("reference")(rasterize)(clip, triangles, (24, 40))
    if seed == 3:
        raster = use_backend("reference")(rasterize)(clip, triangles, (24, 40), behind=raster)
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(*raster.triangle.shape, 4, generator=generator)
    weight = torch.randn(image.shape, generator=generator)
    results = []
    for name, where in (("reference", "cpu"), (backend, device)):
        i, c = image.to(where).requires_grad_(True), clip.to(where).requires_grad_(True)
        there = Raster(raster.triangle.to(where), raster.depth.to(where))
        value = use_backend(name)(antialias)(i, there, c, triangles.to(where))
        grads = torch.autograd.grad((value * weight.to(where)).sum(), (i, c))
        results.append([value.detach().cpu(), *(g.cpu() for g in grads)])
    assert not torch.equal(results[0][0], image)
    for expected, found in zip(*results, strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * scale)


def test_the_cpu_kernels_are_deterministic() -> None:
    clip, triangles = soup(1)
    clip.requires_grad_(True)
    image = torch.rand(2, 30, 30, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for _ in range(3):
        raster = rasterize(clip, triangles, (30, 30))
        value = antialias(image, raster, clip, triangles)
        results.append((value, *torch.autograd.grad((value**2).sum(), clip)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_gradient_of_the_reference_by_finite_differences() -> None:
    clip, triangles = soup(1)
    clip = clip[:1].double().requires_grad_(True)
    raster = rasterize(clip, triangles, (6, 7))
    image = torch.rand(1, 6, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    topology = edge_topology(triangles)
    assert torch.autograd.gradcheck(
        lambda i, c: antialias(i, raster, c, triangles, topology=topology),
        (image.requires_grad_(True), clip),
    )


@pytest.mark.parametrize("backend", ["reference", "numba", "warp"])
def test_topology_of_two_triangles_and_of_a_closed_surface(backend: str) -> None:
    two = use_backend(backend)(edge_topology)(torch.tensor([[0, 1, 2], [0, 2, 3]]))
    assert two.neighbor.tolist() == [[-1, 5, -1], [-1, -1, 1]]
    _, triangles = torus(12, 7, 0.0)
    neighbor = use_backend(backend)(edge_topology)(triangles).neighbor.view(-1).long()
    assert (neighbor >= 0).all()
    assert torch.equal(neighbor[neighbor], torch.arange(3 * triangles.shape[0]))
    three = use_backend(backend)(edge_topology)(torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]]))
    assert three.neighbor[:, 2].tolist() == [-1, -1, -1]  # an edge of three triangles
    assert use_backend(backend)(edge_topology)(
        torch.zeros(0, 3, dtype=torch.int64)
    ).neighbor.shape == (0, 3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=40),
    st.sampled_from([1, 977]),
)
def test_topologies_agree_on_any_triangles(faces: list[tuple[int, int, int]], spread: int) -> None:
    triangles = torch.tensor(faces) * spread
    expected = use_backend("reference")(edge_topology)(triangles)
    for backend in ("numba", "warp"):
        assert torch.equal(
            use_backend(backend)(edge_topology)(triangles).neighbor, expected.neighbor
        )


def test_a_given_topology_is_used_and_mistakes_are_named() -> None:
    clip, triangles = torus(12, 8, 0.5)
    raster = rasterize(clip, triangles, (20, 20))
    image = torch.rand(1, 20, 20, 3, generator=torch.Generator().manual_seed(0))
    alone = EdgeTopology(torch.full_like(triangles, -1, dtype=torch.int32))
    given_topology = antialias(image, raster, clip, triangles, topology=edge_topology(triangles))
    assert torch.equal(given_topology, antialias(image, raster, clip, triangles))
    assert not torch.equal(
        given_topology, antialias(image, raster, clip, triangles, topology=alone)
    )
    with pytest.raises(ValueError, match="differ in size"):
        antialias(image[:, :10], raster, clip, triangles)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("black", [False, True])
def test_composites_agree_forward_and_backward(black: bool, device: str) -> None:
    clip, triangles = torus(24, 12, 0.5)
    raster = rasterize(clip, triangles, (40, 50))
    pixels = covered_pixels(raster)
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(len(pixels), 3, generator=generator)
    background = None if black else torch.rand(*raster.triangle.shape, 3, generator=generator)
    weight = torch.randn(*raster.triangle.shape, 4, generator=generator)
    results = []
    for backend, where in (("reference", "cpu"), ("numba", "cpu"), ("warp", device)):
        v, c = (x.to(where).requires_grad_(True) for x in (values, clip))
        image = use_backend(backend)(composite)(
            v,
            pixels.to(where),
            None if background is None else background.to(where),
            Raster(raster.triangle.to(where), raster.depth.to(where)),
            c,
            triangles.to(where),
        )
        gradients = torch.autograd.grad((image * weight.to(where)).sum(), (v, c))
        results.append([image.detach().cpu(), *(g.cpu() for g in gradients)])
    partly = results[0][0][..., 3]
    assert ((partly > 0) & (partly < 1)).sum() > 30
    for found in results[1:]:
        for value, expected in zip(found, results[0], strict=True):
            scale = float(expected.abs().max())
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5 * scale)
