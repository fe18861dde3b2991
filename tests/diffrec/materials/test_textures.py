from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from diffrec.materials.surface import Surface
from diffrec.materials.textures import TextureMaterial
from diffrec.ops.texture import build_mips

CONFIG = SimpleNamespace(
    kd_min=(0.0, 0.0, 0.0, 0.0),
    kd_max=(1.0, 1.0, 1.0, 1.0),
    ks_min=(0.0, 0.08, 0.0),
    ks_max=(0.0, 1.0, 1.0),
    nrm_min=(-1.0, -1.0, 0.0),
    nrm_max=(1.0, 1.0, 1.0),
    custom_mip=False,
    texture_res=(16, 32),
)


def maps(size: tuple[int, int] = (8, 8), seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    kd, ks, normal = torch.rand(3, *size, 3, generator=generator)
    return kd, ks * 0.9 + 0.1, normal - torch.tensor([0.5, 0.5, 0.0])


def texel_centres(height: int, width: int) -> Tensor:
    v, u = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    return torch.stack([u, v], dim=-1).reshape(-1, 2)


def at(uv: Tensor, lod: Tensor | None = None) -> Surface:
    return Surface(torch.zeros(uv.shape[0], 3), uv, lod)


def test_texel_centres_read_texels() -> None:
    kd, ks, normal = maps((8, 4))
    material = TextureMaterial(kd, ks, normal)
    sample = material.sample(at(texel_centres(8, 4)))
    assert torch.allclose(sample.kd, kd.reshape(-1, 3), atol=1e-6)
    assert torch.allclose(sample.ks, ks.reshape(-1, 3), atol=1e-6)
    unit = torch.nn.functional.normalize(normal, dim=-1).reshape(-1, 3)
    assert torch.allclose(sample.normal, unit, atol=1e-6)
    assert torch.allclose(material.albedo(at(texel_centres(8, 4))), sample.kd, atol=1e-6)


def test_the_level_follows_footprint_and_size() -> None:
    material = TextureMaterial(*maps((8, 8)))
    # A footprint of a quarter of the texture is two texels of an 8 x 8 one: level 1.
    lod = torch.full((16,), -2.0)
    sample = material.sample(at(texel_centres(4, 4), lod))
    level = build_mips(material.kd.detach())[1]
    assert torch.allclose(sample.kd, level.reshape(-1, 3), atol=1e-6)
    everything = material.sample(at(texel_centres(1, 1), torch.tensor([3.0])))
    assert torch.allclose(everything.ks[0], material.ks.detach().mean(dim=(0, 1)), atol=1e-5)


def test_maps_of_different_sizes() -> None:
    kd, ks, _ = maps((8, 8))
    constant = torch.tensor([[[0.0, 0.0, 1.0]]])
    material = TextureMaterial.from_images(kd, ks[:2, :2], constant)
    sample = material.sample(at(texel_centres(8, 8), torch.full((64,), -3.0)))
    assert torch.allclose(sample.kd, kd.reshape(-1, 3), atol=1e-6)
    assert torch.allclose(sample.normal, constant.reshape(1, 3).expand(64, 3), atol=1e-6)
    assert sample.ks.shape == (64, 3)


def test_alpha_of_a_read_map_is_dropped() -> None:
    kd, ks, normal = maps()
    rgba = torch.cat([kd, torch.ones(8, 8, 1)], dim=-1)
    assert torch.equal(TextureMaterial.from_images(rgba, ks, normal).kd.detach(), kd)


def test_clamp_keeps_ranges_and_unit_normals() -> None:
    material = TextureMaterial(*maps(), CONFIG)
    with torch.no_grad():
        material.kd.add_(torch.randn(8, 8, 3))
        material.ks.add_(torch.randn(8, 8, 3))
        material.normal.add_(torch.randn(8, 8, 3))
        material.normal[0, 0] = torch.tensor([0.0, 0.0, -3.0])
    material.clamp_()
    assert float(material.kd.detach().min()) >= 0
    assert float(material.kd.detach().max()) <= 1
    assert float(material.ks.detach()[..., 0].abs().max()) == 0
    assert bool((material.ks.detach()[..., 1] >= torch.tensor(0.08)).all())
    assert torch.allclose(material.normal.detach().norm(dim=-1), torch.ones(8, 8), atol=1e-6)
    assert float(material.normal.detach()[..., 2].min()) >= 0
    assert material.normal[0, 0].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("custom_mip", [False, True])
def test_gradients_reach_the_texels_of_the_read_level(custom_mip: bool) -> None:
    material = TextureMaterial(*maps(), custom_mip=custom_mip)
    sample = material.sample(at(texel_centres(4, 4), torch.full((16,), -2.0)))
    (sample.kd.sum() + 2 * sample.ks.sum()).backward()
    assert len(list(material.parameters())) == (12 if custom_mip else 3)
    if custom_mip:
        levels = list(material._levels(0))
        assert torch.allclose(levels[1].grad, torch.ones(4, 4, 3), atol=1e-6)
        assert float(levels[0].grad.abs().max()) < 1e-6
    else:
        assert torch.allclose(material.kd.grad, torch.full((8, 8, 3), 0.25), atol=1e-6)
        assert torch.allclose(material.ks.grad, torch.full((8, 8, 3), 0.5), atol=1e-6)


@pytest.mark.parametrize("sizes", [((8, 8), (8, 8)), ((8, 8), (4, 4))])
@pytest.mark.parametrize("custom_mip", [False, True])
def test_mip_maps_are_shared_within_an_iteration_and_made_anew_after_it(
    sizes: tuple[tuple[int, int], ...], custom_mip: bool
) -> None:
    kd, ks, _ = maps(sizes[0])
    _, _, normal = maps(sizes[1])
    material = TextureMaterial(kd, ks, normal, custom_mip=custom_mip)
    optimizer = torch.optim.Adam(material.parameters(), lr=0.05, fused=True)
    surface = at(torch.rand(50, 2), torch.rand(50) * 4 - 4)
    before = material.sample(surface).kd.detach()
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        total = material.sample(surface).kd.sum() + material.sample(surface).normal.sum()
        total.backward()
        # Another graph before the step: the first one's has been freed.
        material.sample(surface).ks.sum().backward()
        optimizer.step()
        with torch.no_grad():
            stepped = material.sample(surface).kd
        material.clamp_()
    assert float((stepped - before).max()) < 0
    with torch.no_grad():
        fresh = TextureMaterial(material.kd, material.ks, material.normal, custom_mip=custom_mip)
        if not custom_mip:
            assert torch.allclose(fresh.sample(surface).kd, material.sample(surface).kd)


def test_random_textures_follow_seed_and_range() -> None:
    first, again = TextureMaterial.random(CONFIG, seed=4), TextureMaterial.random(CONFIG, seed=4)
    other = TextureMaterial.random(CONFIG, seed=5)
    assert first.kd.shape == (16, 32, 3)
    assert torch.equal(first.kd, again.kd)
    assert not torch.equal(first.kd, other.kd)
    assert float(first.ks.detach()[..., 0].max()) == 0
    assert bool((first.ks.detach()[..., 1] >= torch.tensor(0.08)).all())
    assert float(first.normal.detach()[..., 2].min()) > 0.99


def test_state_travels() -> None:
    first, second = TextureMaterial(*maps(seed=1)), TextureMaterial(*maps(seed=2))
    surface = at(torch.rand(9, 2), torch.full((9,), -2.5))
    assert not torch.allclose(first.sample(surface).kd, second.sample(surface).kd)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.sample(surface).kd, second.sample(surface).kd)


def test_a_mesh_without_texture_coordinates_is_refused() -> None:
    with pytest.raises(ValueError, match="texture coordinates"):
        TextureMaterial(*maps()).sample(Surface(torch.zeros(3, 3)))


def test_a_wrong_shape_names_the_texture() -> None:
    kd, ks, _ = maps()
    with pytest.raises(ValueError, match="normal"):
        TextureMaterial(kd, ks, torch.zeros(8, 8, 4))
