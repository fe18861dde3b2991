"""Rasterisation: fill rule, clipping, peeling, agreement of the backends, gradients."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.interpolate import barycentrics
from diffrec.ops.raster import Raster
from diffrec.ops.rasterize import covered_pixels, rasterize, reference, triangle_of_pixel

FAST = ("numba", "warp")
ALL = ("reference", *FAST)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ON = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def scene(seed: int, faces: int = 40, *, snapped: bool = False) -> tuple[Tensor, Tensor]:
    """Random triangles that share vertices, half of them reaching behind the camera.

    Some are degenerate: repeated vertices, and vertices of equal position.
    """
    generator = torch.Generator().manual_seed(seed)
    clip = torch.randn(2, 30, 4, generator=generator)
    if snapped:
        clip = (clip * 4).round() / 4
    if seed % 2:
        clip[..., 3] = clip[..., 3].abs() + 0.2
    clip[:, 3] = clip[:, 4]
    return clip, torch.randint(0, 30, (faces, 3), generator=generator)


def quad(*corners: tuple[float, float], z: float = 0.0, w: float = 1.0) -> tuple[Tensor, Tensor]:
    clip = torch.tensor([[x * w, y * w, z * w, w] for x, y in corners])[None]
    return clip, torch.tensor([[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("seed", range(8))
def test_backends_see_the_same_triangles(backend: str, device: str, seed: int) -> None:
    clip, triangles = scene(seed, snapped=seed % 3 == 0)
    for resolution in ((24, 40), (17, 13)):
        expected = use_backend("reference")(rasterize)(clip, triangles, resolution)
        found = use_backend(backend)(rasterize)(clip.to(device), triangles.to(device), resolution)
        assert (expected.triangle >= 0).any()
        assert torch.equal(expected.triangle, found.triangle.cpu())
        assert torch.equal(expected.depth, found.depth.cpu())
        peeled = use_backend("reference")(rasterize)(clip, triangles, resolution, behind=expected)
        found = use_backend(backend)(rasterize)(
            clip.to(device), triangles.to(device), resolution, behind=found
        )
        assert torch.equal(peeled.triangle, found.triangle.cpu())
        assert torch.equal(peeled.depth, found.depth.cpu())


def meshes(seed: int) -> list[tuple[Tensor, tuple[int, int]]]:
    """Triangles [f, 3, 4] of all sizes, from a hundredth of a pixel to many screens, as slivers and
    in strong perspective, and a resolution that is no power of two as well."""
    generator = torch.Generator().manual_seed(seed)
    result = []
    for size in (1e-4, 1e-3, 1e-2, 0.1, 1.0, 30.0):
        centre = torch.rand(40, 1, 2, generator=generator) * 2.2 - 1.1
        offset = torch.randn(40, 3, 2, generator=generator) * size
        offset[::3, :, 1] *= 1e-3
        w = 2 + torch.rand(40, 3, 1, generator=generator) * torch.tensor([0.0, 0.5, 30.0])[seed % 3]
        z = torch.rand(40, 3, 1, generator=generator) - 0.5
        corners = torch.cat([(centre + offset) * w, z * w, w], dim=-1)
        result.append((corners, (48, 64) if seed % 2 else (37, 53)))
    return result


@pytest.mark.parametrize("seed", range(6))
def test_where_single_precision_is_certain_it_is_right(seed: int) -> None:
    certain_ones = covered_ones = 0
    for corners, resolution in meshes(seed):
        q, doubt = reference.edge_planes(corners, resolution)
        centres = reference.pixel_centres(resolution, torch.float64, corners.device)
        exact, _ = reference.edge_functions(corners.double()[:, None], centres)
        # Half of what is taken for the bound.
        assert bool(((q - exact).abs().amax(-1) <= 0.5 * doubt).all())
        wanted = reference.fragment_depth(corners.double(), resolution)
        depth = reference.fragment_depth(corners, resolution)
        inside = torch.isfinite(wanted)
        assert torch.equal(torch.isfinite(depth), inside)
        torch.testing.assert_close(depth[inside].double(), wanted[inside], rtol=0, atol=1e-5)
        w = corners[..., 3]
        inside = inside & (w.amax(1) <= 2 * w.amin(1))[:, None]  # others it does not try
        certain_ones += int((q.abs() > doubt[..., None]).all(-1)[inside].sum())
        covered_ones += int(inside.sum())
    assert certain_ones > 0.97 * covered_ones > 0


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("seed", range(6))
def test_backends_see_the_same_of_triangles_of_all_sizes(backend: str, seed: int) -> None:
    for corners, resolution in meshes(seed):
        clip = corners.reshape(1, -1, 4)
        triangles = torch.arange(clip.shape[1]).view(-1, 3)
        expected = use_backend("reference")(rasterize)(clip, triangles, resolution)
        found = use_backend(backend)(rasterize)(clip, triangles, resolution)
        assert torch.equal(expected.triangle, found.triangle)
        assert torch.equal(expected.depth, found.depth)


@pytest.mark.parametrize("backend", ALL)
def test_rows_run_downward_and_columns_to_the_right(backend: str) -> None:
    clip, triangles = quad((0.5, 0.75), (1, 0.75), (1, 1), (0.5, 1))  # the upper right corner
    raster = use_backend(backend)(rasterize)(clip, triangles, (8, 8))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[0, 6:] = True
    assert torch.equal(raster.triangle[0] >= 0, expected)


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_both_sides_are_visible(backend: str, order: list[int]) -> None:
    clip = torch.tensor([[[-1.0, -1, 0, 1], [3, -1, 0, 1], [-1, 3, 0, 1]]])
    raster = use_backend(backend)(rasterize)(clip, torch.tensor([order]), (4, 4))
    assert (raster.triangle == 0).all()


@pytest.mark.parametrize("backend", ALL)
def test_depth_is_z_over_w_and_ties_go_to_the_lower_index(backend: str) -> None:
    near, triangles = quad((-1, -1), (1, -1), (1, 1), (-1, 1), z=0.25, w=2.0)
    far, _ = quad((-1, -1), (1, -1), (1, 1), (-1, 1), z=0.5, w=5.0)
    clip = torch.cat([far, near, near], dim=1)
    several = torch.cat([triangles, triangles + 8, triangles + 4])
    raster = use_backend(backend)(rasterize)(clip, several, (6, 6))
    assert torch.equal(raster.depth, torch.full((1, 6, 6), 0.25))
    assert set(raster.triangle.unique().tolist()) == {2, 3}


@pytest.mark.parametrize("backend", ALL)
def test_beyond_the_near_and_far_planes_nothing_is_seen(backend: str) -> None:
    # z / w runs from -2 at the left edge to 2 at the right one.
    clip = torch.tensor([[[-1.0, -1, -2, 1], [1, -1, 2, 1], [1, 1, 2, 1], [-1, 1, -2, 1]]])
    raster = use_backend(backend)(rasterize)(clip, torch.tensor([[0, 1, 2], [0, 2, 3]]), (4, 16))
    columns = (torch.arange(16) + 0.5) / 8 - 1
    assert torch.equal(raster.triangle[0, 0] >= 0, (2 * columns).abs() <= 1)


@pytest.mark.parametrize("backend", ALL)
def test_a_floor_that_passes_under_the_camera_reaches_the_lower_edge(backend: str) -> None:
    """Corners lie far behind the camera; near clipping by hand gives the same picture."""
    near, far = 0.1, 100.0

    def project(x: float, y: float, z: float) -> list[float]:
        return [x, y, -z * (far + near) / (far - near) - 2 * far * near / (far - near), -z]

    ends = ((-50.0, 20.0), (50.0, 20.0), (50.0, -20.0), (-50.0, -20.0))
    clip = torch.tensor([[project(x, -1.0, z) for x, z in ends]])
    cut = ((-50.0, -0.1), (50.0, -0.1), (50.0, -20.0), (-50.0, -20.0))
    clipped = torch.tensor([[project(x, -1.0, z) for x, z in cut]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    raster = use_backend(backend)(rasterize)(clip, triangles, (33, 31))
    expected = use_backend(backend)(rasterize)(clipped, triangles, (33, 31))
    # The horizon is at y = -1 / 20; everything lower is floor.
    y = 1 - (2 * torch.arange(33) + 1) / 33
    assert torch.equal(raster.triangle[0, :, 15] >= 0, y < -1 / 20)
    assert torch.equal(raster.triangle >= 0, expected.triangle >= 0)
    seen = raster.triangle >= 0
    torch.testing.assert_close(raster.depth[seen], expected.depth[seen], rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", ALL)
def test_behind_the_camera_and_not_finite_nothing_is_seen(backend: str) -> None:
    clip, triangles = quad((-1, -1), (1, -1), (1, 1), (-1, 1), w=-1.0)
    assert (use_backend(backend)(rasterize)(clip, triangles, (8, 8)).triangle == -1).all()
    clip, triangles = quad((-1, -1), (1, -1), (1, 1), (-1, 1))
    clip[0, 1, 0] = float("nan")
    raster = use_backend(backend)(rasterize)(clip, triangles, (8, 8))
    assert set(raster.triangle.unique().tolist()) == {-1, 1}


@pytest.mark.parametrize("backend", ALL)
def test_nothing_to_draw(backend: str) -> None:
    raster = use_backend(backend)(rasterize)(
        torch.zeros(2, 0, 4), torch.zeros(0, 3, dtype=torch.int64), (5, 7)
    )
    assert (raster.triangle == -1).all() and torch.isinf(raster.depth).all()
    assert covered_pixels(raster).shape == (0,)


@pytest.mark.parametrize("backend", FAST)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_mesh_covers_every_pixel_exactly_once(backend: str, data: st.DataObject) -> None:
    """A triangulated grid with displaced vertices and random diagonals has no cracks or overlaps.

    Vertices on a lattice of pixel centres and pixel corners make edges and vertices meet centres.
    Each triangle is drawn alone, so an overlap cannot hide behind depth.
    """
    cells, size = 3, data.draw(st.sampled_from([12, 13, 15]))
    steps = st.integers(-2, 2)
    positions = torch.zeros(cells + 1, cells + 1, 2)
    for i in range(cells + 1):
        for j in range(cells + 1):
            inner_i, inner_j = 0 < i < cells, 0 < j < cells
            positions[i, j, 0] = 2 * size * j // cells + (data.draw(steps) if inner_j else 0)
            positions[i, j, 1] = 2 * size * i // cells + (data.draw(steps) if inner_i else 0)
    weights = torch.tensor(
        [data.draw(st.sampled_from([1.0, 1.5, 3.0, 0.37])) for _ in range((cells + 1) ** 2)]
    )
    ndc = positions.reshape(-1, 2) / size - 1  # lattice of half pixels
    clip = torch.cat([ndc * weights[:, None], 0 * weights[:, None], weights[:, None]], 1)[None]
    faces = []
    for i in range(cells):
        for j in range(cells):
            a, b = i * (cells + 1) + j, i * (cells + 1) + j + 1
            c, d = a + cells + 1, b + cells + 1
            faces += [[a, b, d], [a, d, c]] if data.draw(st.booleans()) else [[a, b, c], [b, d, c]]
    count = torch.zeros(size, size)
    for face in faces:
        alone = use_backend(backend)(rasterize)(clip, torch.tensor([face]), (size, size))
        count += (alone.triangle[0] >= 0).float()
    assert torch.equal(count, torch.ones(size, size))


@pytest.mark.parametrize("backend", ALL)
def test_peeling_lists_all_layers_front_to_back(backend: str) -> None:
    layers = [quad((-1, -1), (1, -1), (1, 1), (-1, 1), z=z)[0] for z in (0.5, -0.5, 0.1)]
    triangles = torch.cat([quad((0, 0), (0, 0), (0, 0), (0, 0))[1] + 4 * i for i in range(3)])
    clip = torch.cat(layers, dim=1)
    raster: Raster | None = None
    for depth in (-0.5, 0.1, 0.5):
        raster = use_backend(backend)(rasterize)(clip, triangles, (5, 5), behind=raster)
        torch.testing.assert_close(raster.depth, torch.full((1, 5, 5), depth))
    raster = use_backend(backend)(rasterize)(clip, triangles, (5, 5), behind=raster)
    assert (raster.triangle == -1).all()


def test_the_cpu_kernels_are_deterministic() -> None:
    clip, triangles = scene(1, faces=200)
    clip.requires_grad_(True)
    results = []
    for _ in range(3):
        raster = rasterize(clip, triangles, (50, 60))
        pixels = covered_pixels(raster)
        bary = barycentrics(clip, triangles, raster, pixels)
        (grad,) = torch.autograd.grad((bary**2).sum(), clip)
        results.append((raster.triangle, raster.depth, bary, grad))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("seed", range(4))
def test_barycentrics_agree_forward_and_backward(backend: str, device: str, seed: int) -> None:
    clip, triangles = scene(seed)
    raster = use_backend("reference")(rasterize)(clip, triangles, (24, 40))
    pixels = covered_pixels(raster)
    weight = torch.randn(pixels.shape[0], 3, generator=torch.Generator().manual_seed(seed))
    exact = clip.double().requires_grad_(True)
    expected = barycentrics(exact, triangles, raster, pixels)
    (expected_grad,) = torch.autograd.grad((expected * weight).sum(), exact)
    local = clip.to(device).requires_grad_(True)
    there = Raster(raster.triangle.to(device), raster.depth.to(device))
    found = use_backend(backend)(barycentrics)(
        local, triangles.to(device), there, pixels.to(device)
    )
    (grad,) = torch.autograd.grad((found * weight.to(device)).sum(), local)
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=2e-7)
    scale = expected_grad.abs().max().item()
    torch.testing.assert_close(grad.cpu().double(), expected_grad, rtol=1e-5, atol=1e-6 * scale)


def test_barycentrics_are_perspective_correct() -> None:
    clip, triangles = scene(3)
    raster = rasterize(clip, triangles, (24, 40))
    pixels = covered_pixels(raster)
    bary = barycentrics(clip, triangles, raster, pixels)
    view = pixels // (24 * 40)
    corners = clip[view[:, None], triangles[triangle_of_pixel(raster, pixels)]]
    point = (bary[..., None] * corners).sum(1)
    column, row = pixels % 40, pixels // 40 % 24
    centre = torch.stack([(2 * column + 1) / 40 - 1, 1 - (2 * row + 1) / 24], 1)
    torch.testing.assert_close(point[:, :2] / point[:, 3:], centre, rtol=0, atol=1e-4)
    depth = raster.depth.view(-1)[pixels]
    torch.testing.assert_close(point[:, 2] / point[:, 3], depth, rtol=0, atol=1e-4)


def test_gradient_of_the_reference_by_finite_differences() -> None:
    clip, triangles = scene(5, faces=6)
    clip = clip.double().requires_grad_(True)
    raster = rasterize(clip, triangles, (6, 7))
    pixels = covered_pixels(raster)
    assert torch.autograd.gradcheck(lambda c: barycentrics(c, triangles, raster, pixels), (clip,))


def test_mistakes_are_named() -> None:
    clip, triangles = scene(0)
    with pytest.raises(ValueError, match=r"clip must be \[B, V, 4\]"):
        rasterize(clip[0], triangles, (4, 4))
    with pytest.raises(ValueError, match="triangles"):
        rasterize(clip, triangles.view(-1), (4, 4))
    with pytest.raises(ValueError, match="resolution"):
        rasterize(clip, triangles, (0, 4))
    with pytest.raises(ValueError, match="look behind"):
        rasterize(clip, triangles, (4, 4), behind=rasterize(clip, triangles, (4, 5)))


def test_the_cuda_code_fuses_no_multiplications(tmp_path: Path) -> None:
    """Fused, two triangles could disagree about their edge. Compiling needs no GPU."""
    wp = pytest.importorskip("warp")
    if not hasattr(wp, "compile_aot_module"):
        pytest.skip("this Warp cannot compile ahead of time")
    module = importlib.import_module("diffrec.ops.rasterize.warp")
    try:
        wp.compile_aot_module(module, arch=80, module_dir=str(tmp_path), use_ptx=True)
    except RuntimeError as error:
        pytest.skip(f"this Warp has no CUDA compiler: {error}")
    (code,) = (path.read_text() for path in tmp_path.rglob("*.ptx"))
    assert "atom.global.min.s64" in code
    assert "mul.rn.f64" in code or "mul.f64" in code
    assert "fma.rn.f64" not in code
