"""nvdiffrast in place of the own operations: against them, over its documented interface."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.ops import nvdiffrast
from diffrec.ops.antialias import antialias
from diffrec.ops.backends import use_backend
from diffrec.ops.interpolate import pixel_footprint
from diffrec.ops.raster import Attributes, Raster
from diffrec.ops.rasterize import covered_pixels, rasterize
from diffrec.ops.surface import attributes_at_pixels
from diffrec.ops.surface.reference import footprint_level
from diffrec.ops.texture import build_mips, texture2d

SIZE = (48, 40)
NEEDS = "needs CUDA and the package nvdiffrast, which is not part of this project"
PRESENT = torch.cuda.is_available() and importlib.util.find_spec("nvdiffrast") is not None


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """The stand-in on the CPU, nvdiffrast itself on CUDA."""
    if request.param == "cpu":
        request.getfixturevalue("nvdiffrast_stand_in")
    elif not PRESENT:
        pytest.skip(NEEDS)
    return str(request.param)


def scene(seed: int = 0, device: str = "cpu") -> tuple[Attributes, Tensor]:
    """A wavy sheet over another, in perspective, two views; every attribute indexed apart."""
    generator = torch.Generator().manual_seed(seed)
    n = 6
    step = torch.linspace(-0.7, 0.7, n)
    y, x = torch.meshgrid(step, step, indexing="ij")
    corner = (torch.arange(n - 1)[:, None] * n + torch.arange(n - 1)).reshape(-1)
    squares = torch.cat(
        [
            torch.stack([corner, corner + 1, corner + n + 1], 1),
            torch.stack([corner, corner + n + 1, corner + n], 1),
        ]
    )
    sheets = []
    for depth, scale in ((0.0, 0.9), (0.4, 1.2)):
        wave = depth + 0.2 * torch.rand(n * n, generator=generator)
        sheets.append(torch.stack([scale * x.reshape(-1), scale * y.reshape(-1), wave], 1))
    positions = torch.cat(sheets)
    triangles = torch.cat([squares, squares + n * n])
    clips = []
    for turn in (0.2, -0.3):
        turned = positions.clone()
        turned[:, 0] += turn * positions[:, 2] + 0.05 * turn
        clips.append(torch.cat([turned, 1.3 + positions[:, 2:]], 1))
    clip = torch.stack(clips)
    clip[..., 2] *= 0.5

    def values(count: int, channels: int) -> Tensor:
        return torch.rand(count, channels, generator=generator)

    def indices(count: int) -> Tensor:
        return torch.randint(0, count, triangles.shape, generator=generator)

    mesh = Attributes(
        positions, triangles, values(50, 3), indices(50), values(60, 2), indices(60),
        values(20, 3), indices(20),
    )  # fmt: skip
    names = ("positions", "normals", "texcoords", "tangents")
    moved = {
        name: value.to(device).requires_grad_(name in names)
        for name, value in vars(mesh).items()
        if value is not None
    }
    return Attributes(**moved), clip.to(device).requires_grad_()


def test_the_stand_in_is_as_the_documentation_says(nvdiffrast_stand_in: ModuleType) -> None:
    """Row 0 is the bottom; u and v are vertex 0's and 1's; triangles count from 1."""
    clip = torch.tensor([[[-1.0, -1, 0.5, 1], [1, -1, 0.5, 1], [-1, 1, 0.5, 1]]])
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    context = nvdiffrast_stand_in.RasterizeCudaContext()
    rast, rast_db = nvdiffrast_stand_in.rasterize(context, clip, faces, resolution=[64, 64])
    corner = torch.tensor([1 - 1 / 64, 0.5 / 64, 0.5, 1.0])
    torch.testing.assert_close(rast[0, 0, 0], corner)
    assert float(rast[0, 63, 63, 3]) == 0
    torch.testing.assert_close(rast_db[0, 0, 0] * 64, torch.tensor([-1.0, -1.0, 1.0, 0.0]))
    _, slopes = nvdiffrast_stand_in.interpolate(
        clip[..., :2].contiguous(), rast, faces, rast_db=rast_db, diff_attrs="all"
    )
    torch.testing.assert_close(slopes[0, 8, 8] * 32, torch.tensor([1.0, 0.0, 0.0, 1.0]))


# nvdiffrast moves vertices to the nearest sixteenth of a pixel before it draws (Laine and Karras
# 2011, "High-Performance Software Rasterization on GPUs"): no edge moves by more than this.
SNAP = math.sqrt(0.5) / 16


def distance_to_outlines(clip: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """From every pixel centre [B, H, W] to the nearest edge of any triangle, in pixels."""
    height, width = size
    half = clip.new_tensor([0.5 * width, -0.5 * height])
    corners = ((clip[..., :2] / clip[..., 3:]) * half + half.abs())[:, triangles]  # [B, F, 3, 2]
    start, along = corners, corners.roll(-1, 2) - corners
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    away = torch.stack([x, y], -1).to(clip).view(1, -1, 1, 1, 2) - start[:, None]
    share = (away * along[:, None]).sum(-1) / along.square().sum(-1)[:, None]
    nearest = away - share.clamp(0, 1)[..., None] * along[:, None]
    return nearest.norm(dim=-1).flatten(2).amin(-1).view(-1, height, width)


def seen_alike(
    ours: Raster, theirs: Raster, clip: Tensor, mesh: Attributes, size: tuple[int, int], device: str
) -> Tensor:
    """Where both see the same triangle [B, H, W]; elsewhere an edge has to be near."""
    same = ours.triangle == theirs.triangle
    if device == "cpu":
        assert bool(same.all())
    else:
        distance = distance_to_outlines(clip.detach(), mesh.triangles, size)
        assert bool((distance[~same] <= SNAP).all()), distance[~same]
    return same


@pytest.mark.parametrize("size", [SIZE, (45, 37), (1, 3)])
def test_the_same_triangles_at_the_same_depth(device: str, size: tuple[int, int]) -> None:
    mesh, clip = scene(device=device)
    ours = rasterize(clip, mesh.triangles, size)
    theirs = nvdiffrast.rasterize(clip, mesh.triangles, size)
    assert theirs.triangle.shape == theirs.depth.shape == (2, *size)
    assert theirs.rast.shape == (2, *size, 4)
    assert theirs.triangle.dtype == torch.int32
    same = seen_alike(ours, theirs, clip, mesh, size, device)
    torch.testing.assert_close(ours.depth[same], theirs.depth[same], atol=1e-5, rtol=1e-5)
    assert theirs.rast.requires_grad and not theirs.depth.requires_grad


def test_the_layer_behind(device: str) -> None:
    mesh, clip = scene(device=device)
    ours = [rasterize(clip, mesh.triangles, SIZE)]
    theirs = [nvdiffrast.rasterize(clip, mesh.triangles, SIZE)]
    for _ in range(2):
        ours.append(rasterize(clip, mesh.triangles, SIZE, behind=ours[-1]))
        behind = theirs[-1]
        theirs.append(nvdiffrast.rasterize(clip, mesh.triangles, SIZE, behind=behind))
    assert int((ours[1].triangle >= 0).sum()) > 100
    for one, other in zip(ours, theirs, strict=True):
        seen_alike(one, other, clip, mesh, SIZE, device)
    with pytest.raises(ValueError, match="nvdiffrast's too"):
        nvdiffrast.rasterize(clip, mesh.triangles, SIZE, behind=ours[0])


@pytest.mark.parametrize("size", [SIZE, (45, 37)])
def test_attributes_and_their_gradients(device: str, size: tuple[int, int]) -> None:
    mesh, clip = scene(device=device)
    raster = nvdiffrast.rasterize(clip, mesh.triangles, size)
    own = rasterize(clip, mesh.triangles, size)
    same = seen_alike(own, raster, clip, mesh, size, device)
    pixels = covered_pixels(raster)
    pixels = pixels[same.view(-1)[pixels]]
    ours = attributes_at_pixels(mesh, clip, own, pixels)
    position, normal, tangent, uv, footprint = nvdiffrast.attributes_at_pixels(mesh, raster, pixels)
    assert tangent is not None and uv is not None and footprint is not None
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    assert not footprint.requires_grad
    theirs = (position, normal, tangent, uv)
    expected = (ours.position, ours.normal, ours.tangent, ours.uv)
    for found, wanted in zip(theirs, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(footprint_level(footprint), ours.lod, atol=1e-3, rtol=1e-3)
    wanted_footprint = pixel_footprint(
        clip, mesh.triangles, raster, pixels, mesh.texcoords, mesh.texcoord_triangles
    )
    torch.testing.assert_close(footprint, wanted_footprint, atol=1e-4, rtol=1e-3)
    inputs = [clip, mesh.positions, mesh.normals, mesh.texcoords, mesh.tangents]
    generator = torch.Generator(device).manual_seed(3)
    upstream = [torch.rand(v.shape, generator=generator, device=device) for v in theirs]
    gradients = torch.autograd.grad(theirs, inputs, upstream)  # type: ignore[arg-type]
    wanted_gradients = torch.autograd.grad(expected, inputs, upstream)  # type: ignore[arg-type]
    for found, wanted in zip(gradients, wanted_gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-3)


@pytest.mark.usefixtures("nvdiffrast_stand_in")
def test_a_mesh_without_texture_coordinates() -> None:
    mesh, clip = scene()
    bare = replace(
        mesh, texcoords=None, texcoord_triangles=None, tangents=None, tangent_triangles=None
    )
    raster = nvdiffrast.rasterize(clip, bare.triangles, SIZE)
    found = nvdiffrast.attributes_at_pixels(bare, raster, covered_pixels(raster))
    assert found[2:] == (None, None, None)


@pytest.mark.parametrize("size", [SIZE, (45, 37)])
def test_antialiased_pictures_and_their_gradients(device: str, size: tuple[int, int]) -> None:
    """A colour for each of the sheets and one behind them: what changes is their outlines alone."""
    mesh, clip = scene(device=device)
    generator = torch.Generator().manual_seed(1)
    colours = torch.rand(3, 4, generator=generator).to(device)
    own = rasterize(clip, mesh.triangles, size)
    other = nvdiffrast.rasterize(clip, mesh.triangles, size)

    def coloured(raster: Raster) -> Tensor:
        sheet = torch.where(raster.triangle < 0, 2, raster.triangle // (len(mesh.triangles) // 2))
        return colours[sheet].requires_grad_()

    images = coloured(own), coloured(other)
    ours = antialias(images[0], own, clip, mesh.triangles)
    theirs = nvdiffrast.antialias(images[1], other, clip, mesh.triangles)
    assert int(((ours - images[0]).abs().amax(-1) > 1e-4).sum()) > 20
    found = torch.autograd.grad(theirs.square().sum(), [images[1], clip])
    wanted = torch.autograd.grad(ours.square().sum(), [images[0], clip])
    # The methods are relatives and not the same where triangles are smaller than pixels.
    if device == "cpu":
        torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)
        for one, two in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, two, atol=2e-3, rtol=1e-3)
    else:
        assert float((theirs - ours).abs().mean().detach()) < 2e-3
        alike = torch.cosine_similarity(found[1].flatten(), wanted[1].flatten(), dim=0)
        assert float(alike) > 0.95


@pytest.mark.usefixtures("nvdiffrast_stand_in")
def test_the_edges_of_a_mesh_are_found_once(
    nvdiffrast_stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh, clip = scene()
    found = []
    real = nvdiffrast_stand_in.antialias_construct_topology_hash

    def counted(tri: Tensor) -> object:
        found.append(tri)
        return real(tri)

    monkeypatch.setattr(nvdiffrast_stand_in, "antialias_construct_topology_hash", counted)
    raster = nvdiffrast.rasterize(clip, mesh.triangles, SIZE)
    image = torch.rand(2, *SIZE, 4)
    for _ in range(3):
        nvdiffrast.antialias(image, raster, clip, mesh.triangles)
    assert len(found) == 1
    nvdiffrast.antialias(image, raster, clip, mesh.triangles.clone())
    assert len(found) == 2


@pytest.mark.parametrize("shape", [(64, 64), (48, 16), (8, 32)])
@pytest.mark.parametrize("levels", [True, False])
def test_fetches_and_their_gradients(device: str, shape: tuple[int, int], levels: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    one, other = (torch.rand(*shape, 3, generator=generator).to(device) for _ in range(2))
    one.requires_grad_()
    other.requires_grad_()
    uv = (torch.rand(700, 2, generator=generator) * 3 - 1).to(device).requires_grad_()
    lod = (torch.rand(700, generator=generator) * 9 - 1).to(device) if levels else None
    found = nvdiffrast.fetch([one, other], uv, lod)
    assert found.shape == (700, 6)
    mips = build_mips(torch.cat([one, other], dim=-1))
    wanted = use_backend("reference")(texture2d)(mips[: 1 + nvdiffrast.halvings(*shape)], uv, lod)
    # Hardware-like filtering keeps fewer bits of a weight.
    close = 1e-5 if device == "cpu" else 1e-2
    torch.testing.assert_close(found, wanted, atol=close, rtol=close)
    for theirs, ours in zip(
        torch.autograd.grad(found.square().sum(), [one, other, uv]),
        torch.autograd.grad(wanted.square().sum(), [one, other, uv]),
        strict=True,
    ):
        torch.testing.assert_close(theirs, ours, atol=10 * close, rtol=10 * close)


@pytest.mark.usefixtures("nvdiffrast_stand_in")
def test_a_fetch_of_nothing() -> None:
    found = nvdiffrast.fetch([torch.rand(4, 4, 3)], torch.zeros(0, 2), torch.zeros(0))
    assert found.shape == (0, 3)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 9), st.integers(1, 9))
def test_halvings_leave_nothing_over(a: int, b: int, odd: int, other: int) -> None:
    height, width = (2 * odd - 1) << a, (2 * other - 1) << b
    count = nvdiffrast.halvings(height, width)
    for _ in range(count):
        assert height == 1 or height % 2 == 0
        assert width == 1 or width % 2 == 0
        height, width = max(height // 2, 1), max(width // 2, 1)
    assert max(height, width) == 1 or any(side > 1 and side % 2 for side in (height, width))


def test_too_many_triangles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdiffrast, "MOST_TRIANGLES", 3)
    mesh, clip = scene()
    with pytest.raises(DiffrecError, match=r'lower dmtet_grid, or set raster_backend to "own"'):
        nvdiffrast.rasterize(clip, mesh.triangles, SIZE)
