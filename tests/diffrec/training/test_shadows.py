"""When the table of shadows is made, what it leaves in the material, and what it does not fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from diffrec.asset.maps import maps_of
from diffrec.asset.mikktspace import corner_tangents
from diffrec.asset.source import read_source
from diffrec.asset.vertices import vertices_of
from diffrec.export.result import write_result
from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.training.shadows import TIMES, PassShadows
from nvdiffrec_contract import memory
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.errors import FieldError
from nvdiffrec_contract.shadows import shadows_of

CONFIG = Config(iter=50, texture_res=(64, 64), diffrec=Extensions(shadows="bounced", light_res=16))
INTERVAL = CONFIG.iter // TIMES


def gutter() -> Mesh:
    """A floor and a wall at a right angle along z, flat each, with half of the texture each."""
    corners = [[-1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    positions = torch.tensor([[x, y, z] for x, y in corners for z in (1.0, -1.0)])
    triangles = torch.tensor([[0, 2, 1], [1, 2, 3], [4, 6, 5], [5, 6, 7]])
    uv = [[u, v] for u in (0.03, 0.47, 0.53, 0.97) for v in (0.97, 0.03)]
    return Mesh(positions, triangles, torch.tensor(uv), triangles)


def made(config: Config = CONFIG) -> tuple[PassShadows, VertexGeometry, TextureMaterial]:
    mesh = gutter()
    geometry = VertexGeometry(mesh)
    material = TextureMaterial.random(config, resolution=(64, 64))
    return PassShadows(config, mesh, geometry, material), geometry, material


def free(shadows: PassShadows) -> Tensor:
    light = EnvironmentLight(16)
    with torch.no_grad():
        lit = shadows.over(light, Lighting.of(light))
    assert lit.shadows is not None
    return lit.shadows.table.free.clone()


def fold(geometry: VertexGeometry, by: float) -> None:
    with torch.no_grad():
        geometry.positions[6:, 0] -= by


def test_the_table_follows_the_mesh_now_and_then() -> None:
    shadows, geometry, _ = made()
    tables = []
    for number in range(2 * INTERVAL + 1):
        shadows.begin(number)
        tables.append(free(shadows))
        fold(geometry, 0.03)
    for number, table in enumerate(tables):
        assert torch.equal(table, tables[number - number % INTERVAL])
    assert not torch.equal(tables[0], tables[INTERVAL])
    assert not torch.equal(tables[INTERVAL], tables[2 * INTERVAL])


@pytest.mark.parametrize("number", [INTERVAL, INTERVAL + 1, 2 * INTERVAL - 1])
def test_who_goes_on_or_back_finds_the_table_that_was_there(number: int) -> None:
    shadows, geometry, _ = made()
    for before in range(2 * INTERVAL):
        if before == number:  # what a checkpoint holds, or the guard
            kept = geometry.positions.detach().clone(), shadows.positions.clone()
        shadows.begin(before)
        if before == number:
            expected = free(shadows)
        fold(geometry, 0.03)
    other, others, _ = made()
    for going, where in ((other, others), (shadows, geometry)):
        with torch.no_grad():
            where.positions.copy_(kept[0])
            going.positions.copy_(kept[1])
        going.begin(number)
        assert torch.equal(free(going), expected)


def test_ambient_occlusion_is_that_of_the_final_mesh_and_none_is_learned() -> None:
    shadows, geometry, material = made()
    assert float(material.ks[..., 0].max()) == 0
    roughness = material.ks[..., 1].clone()
    shadows.begin(0)
    fold(geometry, 1.0)  # the wall leans over the floor
    ambient = shadows.end()
    assert ambient.shape == (64, 64, 1)
    assert float(ambient.min()) >= 0 and float(ambient.max()) <= 1
    # On the floor, near the fold and far from it: columns of the texture.
    assert float(ambient[:, 20].mean()) < 0.4 < 0.6 < float(ambient[:, 3].mean()) + 0.05
    assert torch.equal(material.ks[..., 1], roughness)
    assert float(material.ks[..., 0].max()) == 0


def test_it_is_written_beside_the_textures_and_read_into_an_asset(tmp_path: Path) -> None:
    shadows, geometry, material = made()
    with torch.no_grad():
        material.ks[..., 0] = 0.25  # as `ks_min` may ask for
    ambient, mesh = shadows.end(), geometry.mesh().detach()
    for known in (ambient, None):
        write_result(tmp_path, mesh, material, EnvironmentLight(16), lambda _: None, None, known)
        source = read_source(tmp_path)
        vertices = vertices_of(source.mesh)
        maps = maps_of(source, vertices, corner_tangents(vertices))
        assert torch.allclose(maps.albedo, 0.75 * maps.open_albedo, atol=0.01)
        if known is None:
            assert source.ambient is None and float((maps.occlusion - 0.75).abs().max()) < 0.01
        else:
            assert source.ambient is not None
            assert torch.allclose(source.ambient, ambient, atol=1 / 255)
            assert float((maps.occlusion - ambient)[4:60, 5:25].abs().max()) < 0.05


def test_light_that_turns_has_no_shadows() -> None:
    with pytest.raises(FieldError, match="turns with the camera"):
        dataclasses.replace(CONFIG, camera_space_light=True)
    off = Extensions(shadows="off")
    assert dataclasses.replace(CONFIG, camera_space_light=True, diffrec=off).camera_space_light


@pytest.mark.parametrize("asked", ["auto", "off", "direct", "bounced"])
def test_left_open_photographs_have_shadows_and_reference_meshes_none(asked: str) -> None:
    config = dataclasses.replace(CONFIG, diffrec=Extensions(shadows=asked))  # type: ignore[arg-type]
    left_open = asked == "auto"
    assert shadows_of(config, photographs=True) == ("bounced" if left_open else asked)
    assert shadows_of(config, photographs=False) == ("off" if left_open else asked)
    if asked in ("auto", "off"):
        turning = dataclasses.replace(config, camera_space_light=True)
        assert shadows_of(turning, photographs=True) == "off"


def test_the_foreseen_memory_knows_the_table() -> None:
    found = {part.name: part for part in memory.parts(CONFIG)}
    table = found["the table of shadows"]
    shadows, _, _ = made()
    light = EnvironmentLight(16)
    lit = shadows.over(light, Lighting.of(light))
    assert lit.shadows is not None and lit.shadows.table.edge**2 * 4 * 1536 < table.likely
    auto = dataclasses.replace(CONFIG, diffrec=Extensions())
    assert "the table of shadows" not in {part.name for part in memory.parts(auto)}
    photographs = memory.parts(auto, photographs=1e6)
    assert "the table of shadows" in {part.name for part in photographs}
