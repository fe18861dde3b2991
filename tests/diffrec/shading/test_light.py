"""The environment light: panoramas, directions, clamping."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffrec.ops import cubemap
from diffrec.ops.texture_cube import texture_cube
from diffrec.shading import light as light_module
from diffrec.shading.light import EnvironmentLight, latlong_directions, sample_latlong
from diffrec.shading.split_sum import prepare

AXES = {
    (1.0, 0.0, 0.0): (0.75, 0.5),
    (-1.0, 0.0, 0.0): (0.25, 0.5),
    (0.0, 0.0, -1.0): (0.5, 0.5),
}


def smooth_panorama(height: int) -> Tensor:
    directions = latlong_directions(height, 2 * height)
    x, y, z = directions.unbind(-1)
    return torch.stack([1 + x * y, 1 + torch.sin(2 * z + y), torch.exp(y)], dim=-1)


def test_a_light_starts_grey_and_stays_so_when_filtered() -> None:
    light = EnvironmentLight(32)
    filtered = prepare(light)
    assert [level.shape[1] for level in filtered.specular] == [32, 16]
    for level in (*filtered.specular, filtered.irradiance):
        torch.testing.assert_close(level, torch.full_like(level, 0.5))


@pytest.mark.parametrize("resolution", [0, 8, 24, 100, -16])
def test_a_resolution_that_is_no_power_of_two_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"not {resolution}"):
        EnvironmentLight(resolution)


@pytest.mark.parametrize(("direction", "place"), AXES.items())
def test_bright_spots_lie_where_the_convention_says(
    direction: tuple[float, float, float], place: tuple[float, float]
) -> None:
    """A bright texel along an axis comes out at that place of the panorama, and back again."""
    light = EnvironmentLight(32)
    light.base.data.zero_()
    texels = cubemap.texel_directions(32).reshape(-1, 3)
    near = (texels @ torch.tensor(direction)) > 0.995
    light.base.data.reshape(-1, 3)[near] = 1.0
    panorama = light.to_latlong((64, 128)).detach()[..., 0]
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(128), indexing="ij")
    total = panorama.sum()
    u = float((panorama * (columns + 0.5)).sum() / total / 128)
    v = float((panorama * (rows + 0.5)).sum() / total / 64)
    assert (u, v) == pytest.approx(place, abs=2e-3)
    again = EnvironmentLight.from_latlong(panorama[..., None].expand(-1, -1, 3), 32)
    value = again.base.detach()[..., 0].reshape(-1)
    mean = torch.nn.functional.normalize((texels * value[:, None]).sum(0), dim=0)
    torch.testing.assert_close(mean, torch.tensor(direction), rtol=0, atol=5e-3)


def test_plus_y_is_the_top_row_and_plus_z_the_seam() -> None:
    directions = latlong_directions(64, 128)
    assert float(directions[0, :, 1].min()) > 0.99
    assert float(directions[-1, :, 1].max()) < -0.99
    assert float(directions[32, [0, -1], 2].min()) > 0.99
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(64, 128))


@pytest.mark.parametrize("shape", [(12, 24), (13, 25), (9, 18)])
def test_reducing_a_panorama_keeps_its_mean_and_its_places(shape: tuple[int, int]) -> None:
    panorama = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(0))
    found = light_module._reduced(panorama, 3)
    assert found.shape == (shape[0] // 3, shape[1] // 3, 2)
    torch.testing.assert_close(found.mean(dim=(0, 1)), panorama.mean(dim=(0, 1)))
    place = torch.arange(shape[1]) + 0.5
    ramp = place.expand(shape)[..., None] / shape[1]
    found = light_module._reduced(ramp, 3)[0, :, 0]
    centres = (torch.arange(len(found)) + 0.5) / len(found)
    # Pixels make a staircase of the ramp: a cut one shifts a mean by an eighth of it at most.
    torch.testing.assert_close(found, centres, rtol=0, atol=0.125 / shape[1])


def test_sampling_a_panorama_at_its_pixels_gives_them_back() -> None:
    panorama = torch.rand(16, 32, 3, generator=torch.Generator().manual_seed(0))
    found = sample_latlong(panorama, latlong_directions(16, 32).reshape(-1, 3))
    torch.testing.assert_close(found.reshape(16, 32, 3), panorama, rtol=0, atol=1e-4)


def test_a_panorama_repeats_across_its_seam_but_not_over_the_poles() -> None:
    panorama = torch.zeros(8, 16, 1)
    panorama[:, 0] = 1.0
    seam = torch.tensor([[0.0, 0.0, 1.0], [-1e-4, 0.0, 1.0], [1e-4, 0.0, 1.0]])
    torch.testing.assert_close(
        sample_latlong(panorama, seam)[:, 0], torch.full((3,), 0.5), atol=1e-3, rtol=0
    )
    panorama = torch.zeros(8, 16, 1)
    panorama[-1] = 1.0
    assert float(sample_latlong(panorama, torch.tensor([[0.0, 1.0, 0.0]]))) == 0


def test_panorama_to_cube_and_back() -> None:
    panorama = smooth_panorama(128)
    light = EnvironmentLight.from_latlong(panorama, 64)
    torch.testing.assert_close(light.to_latlong((128, 256)).detach(), panorama, rtol=0, atol=6e-3)
    directions = torch.nn.functional.normalize(
        torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    found = texture_cube([light.base.detach()], directions, None)
    x, y, z = directions.unbind(1)
    expected = torch.stack([1 + x * y, 1 + torch.sin(2 * z + y), torch.exp(y)], dim=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-3)


@pytest.mark.parametrize("height", [64, 100, 127, 300])
def test_a_small_sun_keeps_its_energy(height: int) -> None:
    """Wherever it stands between the samples, and for panoramas finer than the cube map."""
    width = 2 * height
    areas = torch.sin((torch.arange(height).double() + 0.5) / height * math.pi)
    areas *= 2 * math.pi**2 / (height * width)
    for k in range(6):
        row, column = int(height * (0.3 + 0.07 * k)), int(width * (0.1 + 0.153 * k))
        panorama = torch.zeros(height, width, 3)
        panorama[row, column] = 1000.0
        light = EnvironmentLight.from_latlong(panorama, 16)
        solid = cubemap.solid_angles(16, torch.float64)
        energy = float((light.base.detach()[..., 0].double() * solid).sum())
        assert energy == pytest.approx(1000 * float(areas[row]), rel=0.2)


def test_clamping_leaves_no_negative_radiance_and_the_rest_alone() -> None:
    light = EnvironmentLight(16)
    with torch.no_grad():
        light.base[0, 0, 0] = torch.tensor([-1.0, 0.0, 7.0])
    light.clamp_()
    assert light.base[0, 0, 0].tolist() == [0.0, 0.0, 7.0]
    assert float(light.base[1].detach().min()) == 0.5


def test_gradients_reach_every_texel() -> None:
    light = EnvironmentLight(32)
    filtered = prepare(light)
    sum(level.mean() for level in (*filtered.specular, filtered.irradiance)).backward()
    assert light.base.grad is not None
    assert (light.base.grad > 0).all()
    assert float(light.base.grad.sum()) == pytest.approx(3.0, rel=1e-4)
