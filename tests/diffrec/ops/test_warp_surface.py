"""Attributes at pixels: the one kernel against the operations it is made of."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.raster import Attributes, PixelAttributes, Raster
from diffrec.ops.rasterize import covered_pixels, rasterize
from diffrec.ops.surface import attributes_at_pixels

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
FACES = 10
GRADIENTS = ("positions", "normals", "texcoords", "tangents")


def scene(seed: int, *, textured: bool) -> tuple[Attributes, Tensor]:
    """Random triangles in perspective, each attribute with its own indices, and clip [2, V, 4]."""
    generator = torch.Generator().manual_seed(seed)
    clip = torch.randn(2, 12, 4, generator=generator)
    clip[..., 3] = clip[..., 3].abs() + 0.5

    def indices(count: int) -> Tensor:
        return torch.randint(0, count, (FACES, 3), generator=generator)

    mesh = Attributes(
        torch.randn(12, 3, generator=generator),
        indices(12),
        torch.randn(9, 3, generator=generator),
        indices(9),
    )
    if textured:
        mesh = replace(
            mesh,
            texcoords=torch.rand(14, 2, generator=generator),
            texcoord_triangles=indices(14),
            tangents=torch.randn(20, 3, generator=generator),
            tangent_triangles=indices(20),
        )
    return mesh, clip


def moved(mesh: Attributes, device: str, dtype: torch.dtype) -> Attributes:
    """On a device; what is no index as new leaves of `dtype`."""
    result = {}
    for field in fields(mesh):
        value = getattr(mesh, field.name)
        if value is not None:
            value = value.to(device)
            if value.is_floating_point():
                value = value.to(dtype).requires_grad_(True)
        result[field.name] = value
    return Attributes(**result)


def seen(mesh: Attributes, clip: Tensor, size: tuple[int, int]) -> tuple[Raster, Tensor]:
    raster = rasterize(clip, mesh.triangles, size)
    pixels = covered_pixels(raster)
    assert len(pixels) > 50
    return raster, pixels


def values(found: PixelAttributes) -> dict[str, Tensor]:
    named = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: value for name, value in named.items() if value is not None}


def weighed(found: PixelAttributes, skip: tuple[str, ...] = ()) -> Tensor:
    """A scalar that every attribute takes part in, each number with its own weight."""
    generator = torch.Generator().manual_seed(8)
    total = found.position.new_zeros(())
    for name, value in values(found).items():
        weight = torch.randn(value.shape, generator=generator).to(value)
        if name != "lod" and name not in skip:
            total = total + (value * weight).sum()
    return total


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("textured", [False, True])
def test_values_and_gradients_agree(textured: bool, device: str) -> None:
    mesh, clip = scene(1, textured=textured)
    raster, pixels = seen(mesh, clip, (20, 30))
    exact, exact_clip = moved(mesh, "cpu", torch.float64), clip.double().requires_grad_(True)
    expected = attributes_at_pixels(exact, exact_clip, raster, pixels)
    weighed(expected).backward()
    there, clip = moved(mesh, device, torch.float32), clip.to(device).requires_grad_(True)
    raster = Raster(raster.triangle.to(device), raster.depth.to(device))
    found = use_backend("warp")(attributes_at_pixels)(there, clip, raster, pixels.to(device))
    weighed(found).backward()

    assert list(values(found)) == list(values(expected))
    assert ("uv" in values(found)) == textured
    for name, value in values(found).items():
        correct = values(expected)[name]
        torch.testing.assert_close(value.cpu().double(), correct, rtol=1e-5, atol=1e-5)
    pairs = [(clip.grad, exact_clip.grad)]
    for name in GRADIENTS if textured else GRADIENTS[:2]:
        pairs.append((getattr(there, name).grad, getattr(exact, name).grad))
    for gradient, wanted in pairs:
        assert gradient is not None and wanted is not None
        scale = float(wanted.abs().max())
        torch.testing.assert_close(gradient.cpu().double(), wanted, rtol=1e-4, atol=1e-5 * scale)


def test_the_level_of_detail_has_no_gradient() -> None:
    mesh, clip = scene(2, textured=True)
    raster, pixels = seen(mesh, clip, (20, 30))
    found = use_backend("warp")(attributes_at_pixels)(
        moved(mesh, "cpu", torch.float32), clip.requires_grad_(True), raster, pixels
    )
    assert found.lod is not None and not found.lod.requires_grad
    assert found.uv is not None and found.uv.requires_grad


@pytest.mark.parametrize("wanted", ["clip", *GRADIENTS])
def test_only_wanted_gradients_are_made(wanted: str) -> None:
    mesh, clip = scene(3, textured=True)
    raster, pixels = seen(mesh, clip, (20, 30))
    gradients: list[Tensor] = []
    for backend in ("reference", "warp"):
        leaf = (clip if wanted == "clip" else getattr(mesh, wanted)).clone().requires_grad_(True)
        found = use_backend(backend)(attributes_at_pixels)(
            mesh if wanted == "clip" else replace(mesh, **{wanted: leaf}),
            leaf if wanted == "clip" else clip,
            raster,
            pixels,
        )
        gradients += torch.autograd.grad(weighed(found), leaf)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-3)


def test_attributes_that_nothing_uses_add_nothing() -> None:
    mesh, clip = scene(4, textured=True)
    raster, pixels = seen(mesh, clip, (20, 30))
    gradients = []
    for backend in ("reference", "warp"):
        leaves = moved(mesh, "cpu", torch.float32)
        found = use_backend(backend)(attributes_at_pixels)(leaves, clip, raster, pixels)
        weighed(found, skip=("normal", "uv")).backward()
        assert leaves.normals.grad is None or not leaves.normals.grad.any()
        gradients.append(leaves.positions.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("textured", [False, True])
def test_no_pixels(textured: bool) -> None:
    mesh, clip = scene(5, textured=textured)
    raster, pixels = seen(mesh, clip, (20, 30))
    leaves = moved(mesh, "cpu", torch.float32)
    found = use_backend("warp")(attributes_at_pixels)(leaves, clip, raster, pixels[:0])
    assert found.position.shape == (0, 3)
    weighed(found).backward()
    assert leaves.positions.grad is not None and not leaves.positions.grad.any()
