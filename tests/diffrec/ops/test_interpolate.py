"""Interpolation and footprints: agreement of the backends, gradients, analytic cases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.interpolate import barycentrics, interpolate, pixel_footprint
from diffrec.ops.raster import Raster
from diffrec.ops.rasterize import covered_pixels, rasterize, triangle_of_pixel

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ON = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def pixels_of_a_mesh(seed: int, channels: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(attributes [V, C], triangles [F, 3], triangle of pixel [P], bary [P, 3])."""
    generator = torch.Generator().manual_seed(seed)
    attributes = torch.randn(20, channels, generator=generator)
    triangles = torch.randint(0, 20, (30, 3), generator=generator)
    faces = torch.randint(0, 30, (200,), generator=generator)
    bary = torch.rand(200, 3, generator=generator)
    return attributes, triangles, faces, bary / bary.sum(1, keepdim=True)


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_backends_agree_forward_and_backward(backend: str, device: str, channels: int) -> None:
    attributes, triangles, faces, bary = pixels_of_a_mesh(channels, channels)
    weight = torch.randn(200, channels, generator=torch.Generator().manual_seed(9))
    results = []
    for name, where in (("reference", "cpu"), (backend, device)):
        a = attributes.to(where).requires_grad_(True)
        b = bary.to(where).requires_grad_(True)
        value = use_backend(name)(interpolate)(a, triangles.to(where), faces.to(where), b)
        grads = torch.autograd.grad((value * weight.to(where)).sum(), (a, b))
        results.append([value.detach().cpu(), *(g.cpu() for g in grads)])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("backend", "device"), ON)
def test_only_wanted_gradients_are_made(backend: str, device: str) -> None:
    attributes, triangles, faces, bary = (x.to(device) for x in pixels_of_a_mesh(0))
    only_bary = bary.clone().requires_grad_(True)
    use_backend(backend)(interpolate)(attributes, triangles, faces, only_bary).sum().backward()
    only_attributes = attributes.clone().requires_grad_(True)
    use_backend(backend)(interpolate)(only_attributes, triangles, faces, bary).sum().backward()
    assert only_bary.grad is not None and only_attributes.grad is not None
    assert attributes.grad is None and bary.grad is None
    expected = attributes[triangles[faces]].sum(2)
    torch.testing.assert_close(only_bary.grad, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(only_attributes.grad.sum().cpu(), torch.tensor(200.0 * 5))


@pytest.mark.parametrize("backend", ["reference", "numba", "warp"])
def test_no_pixels(backend: str) -> None:
    attributes, triangles, faces, bary = pixels_of_a_mesh(0)
    attributes.requires_grad_(True)
    value = use_backend(backend)(interpolate)(attributes, triangles, faces[:0], bary[:0])
    value.sum().backward()
    assert value.shape == (0, 5)
    assert attributes.grad is not None and not attributes.grad.any()


def test_gradient_of_the_reference_by_finite_differences() -> None:
    attributes, triangles, faces, bary = pixels_of_a_mesh(1, 2)
    assert torch.autograd.gradcheck(
        lambda a, b: interpolate(a, triangles, faces[:20], b),
        (attributes.double().requires_grad_(True), bary[:20].double().requires_grad_(True)),
    )


def tilted_mesh() -> tuple[Tensor, Tensor, Tensor]:
    """(clip, triangles, texcoords) of random triangles in perspective."""
    generator = torch.Generator().manual_seed(4)
    clip = torch.randn(2, 12, 4, generator=generator)
    clip[..., 3] = clip[..., 3].abs() + 0.5
    texcoords = torch.rand(12, 2, generator=generator)
    return clip, torch.randint(0, 12, (10, 3), generator=generator), texcoords


@pytest.mark.parametrize(("backend", "device"), ON)
def test_footprints_agree(backend: str, device: str) -> None:
    clip, triangles, texcoords = tilted_mesh()
    raster = rasterize(clip, triangles, (20, 30))
    pixels = covered_pixels(raster)
    expected = pixel_footprint(
        clip.double(), triangles, raster, pixels, texcoords.double(), triangles
    )
    there = Raster(raster.triangle.to(device), raster.depth.to(device))
    found = use_backend(backend)(pixel_footprint)(
        clip.to(device),
        triangles.to(device),
        there,
        pixels.to(device),
        texcoords.to(device),
        triangles.to(device),
    )
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-6)


def test_footprint_is_the_derivative_of_the_interpolated_texcoords() -> None:
    """Shift the scene by a small part of a pixel instead of moving the pixel."""
    clip, triangles, texcoords = (x.double() if x.is_floating_point() else x for x in tilted_mesh())
    height, width, step = 20, 30, 1e-5
    raster = rasterize(clip, triangles, (height, width))
    pixels = covered_pixels(raster)
    faces = triangle_of_pixel(raster, pixels)

    def uv(columns: float, rows: float) -> Tensor:
        moved = clip.clone()
        moved[..., 0] -= columns * 2 / width * clip[..., 3]
        moved[..., 1] += rows * 2 / height * clip[..., 3]
        bary = barycentrics(moved, triangles, raster, pixels)
        return interpolate(texcoords, triangles, faces, bary)

    d_x = (uv(step, 0) - uv(-step, 0)) / (2 * step)
    d_y = (uv(0, step) - uv(0, -step)) / (2 * step)
    expected = torch.stack([d_x[:, 0], d_y[:, 0], d_x[:, 1], d_y[:, 1]], 1)
    found = pixel_footprint(clip, triangles, raster, pixels, texcoords, triangles)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_footprint_of_a_square_that_fills_the_image() -> None:
    clip = torch.tensor([[[-1.0, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 1], [-1, 1, 0, 1]]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    texcoords = torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]])  # v down
    raster = rasterize(clip, triangles, (8, 16))
    footprint = pixel_footprint(
        clip, triangles, raster, covered_pixels(raster), texcoords, triangles
    )
    expected = torch.tensor([1 / 16, 0, 0, 1 / 8]).expand(128, 4)
    torch.testing.assert_close(footprint, expected, rtol=0, atol=1e-6)
