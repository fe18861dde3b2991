"""The packed mip levels on Warp, against plain PyTorch; and that nothing outlives its iteration."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from diffrec.materials.surface import Surface
from diffrec.materials.textures import TextureMaterial
from diffrec.ops.backends import use_backend
from diffrec.ops.texture import Pyramid, build_mips, texture2d


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (37, 5), (1, 16), (128, 32), (3, 200)])
@pytest.mark.parametrize("levels", [True, False])
def test_values_and_gradients(size: tuple[int, int], levels: bool) -> None:
    torch.manual_seed(sum(size))
    textures = [torch.rand(*size, 3, requires_grad=True) for _ in range(3)]
    uv = (torch.rand(500, 2) * 3 - 1).requires_grad_()
    lod = torch.rand(500) * 12 - 2 if levels else None
    weight = torch.randn(500, 9)

    pyramid = use_backend("warp")(Pyramid)(textures)
    found = torch.cat(pyramid.fetch(uv, lod), dim=1)
    (found * weight).sum().backward()
    assert pyramid.spent
    mine = [found.detach(), uv.grad, *(texture.grad for texture in textures)]

    for leaf in (uv, *textures):
        leaf.grad = None
    mips = build_mips(torch.cat(textures, dim=-1))
    expected = use_backend("reference")(texture2d)(mips, uv, lod)
    (expected * weight).sum().backward()
    theirs = [expected.detach(), uv.grad, *(texture.grad for texture in textures)]
    for one, other in zip(mine, theirs, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-4)


def test_several_fetches_share_one_gradient() -> None:
    textures = [torch.rand(16, 16, 3, requires_grad=True) for _ in range(3)]
    uv = torch.rand(50, 2)
    pyramid = use_backend("warp")(Pyramid)(textures)
    once, twice = pyramid.fetch(uv, None), pyramid.fetch(uv, torch.ones(50))
    torch.stack([value.sum() for value in (*once, *twice, *twice)]).sum().backward()
    assert textures[0].grad is not None
    assert float(textures[0].grad.sum()) == pytest.approx(3 * 50 * 3, rel=1e-4)


def test_clamping_and_unit_normals() -> None:
    torch.manual_seed(5)
    images = [torch.randn(8, 8, 3) * 2 for _ in range(3)]
    images[2][0, 0] = 0.0
    results = []
    for backend in ("warp", "numba"):
        material = TextureMaterial(*images)
        for texture in (material.kd, material.ks, material.normal):
            texture.data.mul_(1.7).add_(-0.3)
        with use_backend(backend):
            material.clamp_()
        results.append([material.kd, material.ks, material.normal])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("backend", ["reference", "warp", "numba"])
def test_an_iterations_mip_maps_are_freed_with_it(backend: str) -> None:
    material = TextureMaterial.random(resolution=(16, 16))
    surface = Surface(torch.zeros(4, 3), torch.rand(4, 2), torch.zeros(4))
    gc.collect()
    gc.disable()
    try:
        with use_backend(backend):
            sample = material.sample(surface)
        maps = material._mip_maps
        assert maps is not None
        group = weakref.ref(maps.groups[0])
        (sample.kd.sum() + sample.normal.sum()).backward()
        del sample, maps
        material.clamp_()
        assert group() is None
    finally:
        gc.enable()
