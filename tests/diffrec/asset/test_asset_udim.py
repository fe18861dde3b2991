"""An asset's textures over UDIM tiles: the same surface, in more and finer pictures."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from diffrec import cameras, imagefiles
from diffrec.asset.command import main
from diffrec.asset.source import Source, source_of
from diffrec.asset.texels import texels_of
from diffrec.asset.udim.layout import laid_out
from diffrec.asset.udim.numbers import pattern_of
from diffrec.asset.write import write_asset
from diffrec.charting.ids import chart_ids
from diffrec.charting.packing import pack_charts
from diffrec.charting.quality import measure_charts
from diffrec.colour import linear_to_srgb
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import Mesh
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import exporting
from nvdiffrec_contract.configuration import ASSET_FORMATS, from_mapping
from nvdiffrec_contract.errors import ConfigError

from .conftest import ball_source
from .test_asset_files import errors_of, library  # noqa: F401

MaterialX = pytest.importorskip("MaterialX")
pxr = pytest.importorskip("pxr")
from pxr import Usd, UsdGeom, UsdShade, UsdUtils  # noqa: E402

KINDS = ("albedo_srgb", "roughness_raw", "metalness_raw", "occlusion_raw", "normal_raw")


def sheets(count: int, seed: int, texels: int) -> Mesh:
    """Bent sheets of many sizes beside each other, each a chart of its own, packed."""
    random = np.random.default_rng(seed)
    points, flat, triangles, chart, used = [], [], [], [], 0
    for number in range(count):
        rows, columns = random.integers(2, 7, 2)
        size = 0.3 + random.random(2) * [2.0, 1.0]
        v, u = np.meshgrid(np.arange(rows + 1), np.arange(columns + 1), indexing="ij")
        plane = np.stack([u / columns, v / rows], -1).reshape(-1, 2) * size
        height = 0.1 * np.sin(3 * plane.sum(1)) + 2 * number
        points.append(np.column_stack([plane[:, 0], -plane[:, 1], height]))
        corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1) + used
        below = corner + columns + 1
        faces = [[corner, below, below + 1], [corner, below + 1, corner + 1]]
        triangles.append(np.concatenate([np.stack(one, 1) for one in faces]))
        flat.append(plane)
        chart.append(np.full(len(triangles[-1]), number))
        used += len(plane)
    table, faces = np.concatenate(flat), np.concatenate(triangles)
    placed = pack_charts(table[faces], np.concatenate(chart), texels)
    uv = np.empty_like(table)
    uv[faces] = placed
    index = torch.from_numpy(faces)
    position = torch.from_numpy(np.concatenate(points)).float()
    mesh = Mesh(position, index, torch.from_numpy(uv).float(), index)
    return mesh.with_normals().with_tangents()


def waves(height: int, width: int, channels: int, phase: float) -> torch.Tensor:
    """A texture [H, W, C] without anything finer than a third of it."""
    v, u = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    turn = 2 * math.pi * (2 * u + v)[..., None] + phase + torch.arange(channels)
    return 0.5 + 0.3 * torch.sin(turn) * torch.cos(2 * math.pi * v)[..., None]


def sampled(image: Any, uv: torch.Tensor) -> torch.Tensor:
    """A texture [H, W, C], repeated, at texture coordinates [P, 2] with v downward, bilinear."""
    image = torch.as_tensor(image)
    planes = functional.pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="circular")
    size = torch.tensor([image.shape[1], image.shape[0]])
    place = ((uv % 1) * size + 1) / (size + 2) * 2 - 1
    found = functional.grid_sample(planes, place.float()[None, None], align_corners=False)
    return found[0, :, 0].T


def points_on(triangles: int, seed: int, count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Random triangles [P] and places [P, 3, 1] in them, some on their edges."""
    generator = torch.Generator().manual_seed(seed)
    bary = torch.rand(triangles * count, 3, generator=generator)
    bary[::4, 0] = 0
    bary = bary / bary.sum(1, keepdim=True)
    return torch.arange(triangles).repeat_interleave(count), bary[..., None]


def in_usd(file: Path) -> tuple[Any, Any]:
    """The triangles [F, 3] of a component, and their texture coordinates [F, 3, 2], v upward."""
    stage = Usd.Stage.Open(str(file))
    shape = UsdGeom.Mesh(next(p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)))
    uv = np.array(UsdGeom.PrimvarsAPI(shape).GetPrimvar("st").ComputeFlattened())
    corners = np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    return corners, torch.from_numpy(uv).reshape(-1, 3, 2)


def complaints(file: Path) -> set[str]:
    """What the validators of USD say, but for what usd-core does not know.

    That are the nodes of MaterialX, and to its validator of normal maps a file with <UDIM> is one
    that is not there.
    """
    return {
        error.GetName()
        for error in errors_of(file)
        if not (error.GetName() == "InvalidFile" and "_normal_raw.<UDIM>." in error.GetMessage())
    } - {"MissingShaderIdInRegistry"}


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(0, 10**6),
    st.sampled_from([64, 100, 128]),
    st.integers(2, 16),
)
@example(1, 0, 64, 4)
def test_every_chart_lies_in_one_tile_at_one_scale_and_apart(
    count: int, seed: int, side: int, tiles: int
) -> None:
    mesh = sheets(count, seed, 64)
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    before, triangles = mesh.texcoords.double().numpy(), mesh.texcoord_triangles.numpy()
    found = laid_out(before, triangles, (64, 64), side, tiles)
    assert found.tile.min() == 0 and found.tile.max() < tiles
    assert sorted(set(found.tile)) == list(range(found.tile.max() + 1))
    assert len({*zip(found.chart, found.tile, strict=True)}) == found.chart.max() + 1
    # A texel of the tile is free around all of them.
    assert found.uv.min() > 0.5 / side and found.uv.max() < 1 - 0.5 / side
    np.testing.assert_array_equal(found.chart, chart_ids(found.triangles))
    # The map back is exact, and a turn by quarters with one scale: texels stay texels.
    own = found.source[found.chart]
    back = np.einsum("fij,fkj->fki", own[..., :2], found.uv[found.triangles]) + own[:, None, :, 2]
    np.testing.assert_allclose(back, before[triangles], atol=1e-9)
    scales = np.abs(own[..., :2]).sum(axis=2) * found.scale * 64 / side
    np.testing.assert_allclose(scales, 1, rtol=1e-9)
    assert (np.abs(own[..., :2]).min(axis=2) == 0).all()
    assert (np.linalg.det(own[..., :2]) > 0).all()
    for tile in set(found.tile):
        own_faces = found.triangles[found.tile == tile]
        used, index = np.unique(own_faces, return_inverse=True)
        flat = found.uv[used]
        surface = np.column_stack([flat * [1, -1], np.zeros(len(flat))])
        faces = index.reshape(-1, 3)
        quality = measure_charts(surface, faces, flat, faces, side)
        assert quality.overlapping == 0 and quality.flipped == 0 and quality.gap >= 2


@pytest.mark.parametrize("tiles", [2, 4, 9, 16])
def test_texels_are_finer_by_the_root_of_the_tiles(tiles: int) -> None:
    mesh = sheets(24, tiles, 512)
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    uv, triangles = mesh.texcoords.double().numpy(), mesh.texcoord_triangles.numpy()
    found = laid_out(uv, triangles, (512, 512), 512, tiles)
    assert 0.85 * math.sqrt(tiles) < found.scale < 1.25 * math.sqrt(tiles)


def test_a_chart_that_is_too_large_for_a_tile_is_cut_and_no_other() -> None:
    mesh = ball_source().mesh
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    uv, triangles = mesh.texcoords.double().numpy(), mesh.texcoord_triangles.numpy()
    cut = laid_out(uv, triangles, (512, 512), 512, 4)
    assert 1.7 < cut.scale < 2.5 and 1 <= cut.cuts <= 8
    # As fine as four tiles of a fourth of the texels each.
    small = laid_out(uv, triangles, (512, 512), 256, 4)
    assert 0.85 < small.scale < 1.25
    # There is nothing to cut in a triangle.
    lone = laid_out(uv[triangles[100]], np.array([[0, 1, 2]]), (512, 512), 512, 4)
    assert lone.cuts == 0 and set(lone.tile) == {0}
    # Charts that have room as they are stay whole.
    few = sheets(24, 5, 512)
    assert few.texcoords is not None and few.texcoord_triangles is not None
    table = few.texcoords.double().numpy()
    assert laid_out(table, few.texcoord_triangles.numpy(), (512, 512), 512, 2).cuts == 0


@settings(max_examples=6, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 10**6),
    st.integers(2, 11),
    st.sampled_from([(96, 96), (64, 128)]),
    st.sampled_from(["plain", "repeated", "constant", "ambient", "shared"]),
)
@example(12, 1, 11, (96, 96), "plain")
@example(6, 2, 3, (96, 96), "shared")
def test_the_surface_shows_what_it_showed(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    seed: int,
    tiles: int,
    resolution: tuple[int, int],
    kind: str,
) -> None:
    mesh = sheets(count, seed, 96)
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    if kind == "repeated":
        mesh = replace(mesh, texcoords=mesh.texcoords + torch.tensor([3.25, -1.5]))
    if kind == "shared":  # two halves of a model that show the same texels
        count = len(mesh.positions)
        twice = torch.cat([mesh.triangles, mesh.triangles + count])
        points = torch.cat([mesh.positions, mesh.positions + torch.tensor([0, 0, 0.7])])
        table = torch.cat([mesh.texcoords, mesh.texcoords])
        mesh = Mesh(points, twice, table, twice).with_normals().with_tangents()
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    kd, ks = waves(*resolution, 3, seed), waves(*resolution, 3, seed + 1)
    if kind == "constant":
        ks = ks[:1, :1]
    if kind == "repeated":
        kd, ks = (one.roll((7, 11), (0, 1)) for one in (kd, ks))
    normal = functional.normalize(
        waves(*resolution, 3, seed + 2) + torch.tensor([0, 0, 1.0]), dim=2
    )
    ambient = waves(*resolution, 1, seed + 3) if kind == "ambient" else None
    source = source_of(mesh, kd, ks, normal, None, ambient)
    folder = tmp_path_factory.mktemp("tiles")
    with patch("diffrec.asset.write.pictures", return_value=[]):
        write_asset(source, folder, "a", ("usd",), lambda _: None, udim=tiles, bits=16)
    corners, uv = in_usd(folder / "a.usd")
    np.testing.assert_array_equal(corners, mesh.triangles)
    tile = torch.floor(uv)
    assert (tile == tile[:, :1]).all()
    number = (1001 + tile[:, 0, 0] + 10 * tile[:, 0, 1]).long()
    assert number.max() <= 1000 + tiles
    faces, bary = points_on(len(mesh.triangles), seed)
    old = (mesh.texcoords[mesh.texcoord_triangles][faces] * bary).sum(1)
    new = (uv[faces] * bary).sum(1) * torch.tensor([1, -1]) + torch.tensor([0, 1])
    expected = {
        "albedo_srgb": sampled(kd, old) * (1 - sampled(ks, old)[:, :1]),
        "roughness_raw": sampled(ks, old)[:, 1:2],
        "metalness_raw": sampled(ks, old)[:, 2:],
        "occlusion_raw": 1 - sampled(ks, old)[:, :1] if ambient is None else sampled(ambient, old),
    }
    shown = {one: torch.empty_like(value) for one, value in expected.items()}
    for one in number.unique().tolist():
        own = number[faces] == one
        for name, found in shown.items():
            path = folder / "textures" / f"a_{name}.{one}.png"
            read = imagefiles.read_srgb if name == "albedo_srgb" else imagefiles.read_linear
            found[own] = sampled(read(path)[..., : found.shape[1]], new[own])
    for name, value in expected.items():
        off = (shown[name] - value).abs()
        # A texel beside the right one is off by 0.03 on average. In the sharp corner of a chart,
        # where no texel's centre lies, the background is read too, as in one picture.
        assert off.mean() < 4e-3, (name, off.mean())
        assert (off > 0.03).float().mean() < 0.01, name


@pytest.mark.parametrize(("seed", "tiles", "size"), [(1, 4, 256), (2, 2, None), (3, 9, None)])
def test_no_chart_takes_in_the_colour_of_another(
    tmp_path: Path, seed: int, tiles: int, size: int | None
) -> None:
    """Charts two texels apart, each of a colour, on a background of one that none has."""
    mesh = sheets(20, seed, 256)
    assert mesh.texcoord_triangles is not None
    chart = torch.from_numpy(chart_ids(mesh.texcoord_triangles.numpy()))
    colour = torch.rand(20, 3, generator=torch.Generator().manual_seed(seed))
    texels = texels_of(mesh, (256, 256))
    read, nearest = texels.read
    kd = torch.tensor([1.0, 0.0, 1.0]).repeat(256 * 256, 1)
    kd[read] = colour[chart[texels.triangle[nearest]]]
    flat = torch.tensor([[[0.0, 0.5, 0.0]]]), torch.tensor([[[0.0, 0.0, 1.0]]])
    source = source_of(mesh, kd.reshape(256, 256, 3), *flat, None)
    with patch("diffrec.asset.write.pictures", return_value=[]):
        write_asset(source, tmp_path, "a", ("usd",), print, udim=tiles, bits=16, size=size)
    _, uv = in_usd(tmp_path / "a.usd")
    faces, bary = points_on(len(mesh.triangles), seed)
    new = (uv[faces] * bary).sum(1) * torch.tensor([1, -1]) + torch.tensor([0, 1])
    number = (1001 + torch.floor(uv[faces, 0, 0])).long()
    for one in number.unique().tolist():
        own = number == one
        picture = imagefiles.read_srgb(tmp_path / "textures" / f"a_albedo_srgb.{one}.png")
        off = (sampled(picture, new[own]) - colour[chart[faces[own]]]).abs().amax(1)
        assert off.median() < 1e-4 and (off > 5e-3).float().mean() < 2e-3, off.max()


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The ball's asset over four tiles, with a level of detail, and what was told."""
    folder, lines = tmp_path_factory.mktemp("udim") / "ball", list[str]()
    files = write_asset(
        ball_source(), folder, "ball", ASSET_FORMATS, lines.append, udim=4, lods=(0.3,), turntable=2
    )
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder, lines


def test_each_tile_that_faces_use_has_a_file_of_each_texture(tiled: Any) -> None:
    folder, lines = tiled
    _, uv = in_usd(folder / "ball.usd")
    tile = torch.floor(uv[:, 0])
    used = set((1001 + tile[:, 0] + 10 * tile[:, 1]).long().tolist())
    assert used == {1001, 1002, 1003, 1004}
    names = {f"ball_{kind}.{number}.png" for kind in KINDS for number in used}
    names |= {f"ball_normal_directx_raw.{number}.png" for number in used}
    names |= {
        f"ball_lod1_normal_{kind}.{number}.png"
        for kind in ("raw", "directx_raw")
        for number in used
    }
    there = {path.name for path in (folder / "textures").iterdir()}
    assert there == names | {"ball_light_linear.hdr"}
    for name in names:
        assert imagefiles.read_linear(folder / "textures" / name).shape[:2] == (128, 128)
    assert "4 UDIM tiles of 128 x 128" in next(line for line in lines if "Asset" in line)
    (warning,) = [line for line in lines if line.startswith("Warning")]
    assert "show no more" in warning and "texture_res" in warning


def test_the_density_is_that_of_the_tiles(tiled: Any, written: Any) -> None:
    def density(folder: Path) -> float:
        stage = Usd.Stage.Open(str(folder / "ball.usd"))
        found: float = stage.GetDefaultPrim().GetCustomDataByKey("texelsPerUnit")
        return found

    assert 1.7 < density(tiled[0]) / density(written.folder) < 2.5


@pytest.mark.parametrize("level", ["LOD0", "LOD1"])
def test_all_validators_of_usd_are_content_and_find_every_tile(
    tiled: Any, tmp_path: Path, level: str
) -> None:
    folder, _ = tiled
    shot = tmp_path / "shot.usda"
    stage = Usd.Stage.CreateNew(str(shot))
    prim = stage.DefinePrim("/ball", "Xform")
    prim.GetReferences().AddReference(str(folder / "ball.usd"))
    prim.GetVariantSet("LOD").SetVariantSelection(level)
    stage.SetDefaultPrim(prim)
    stage.SetMetadata("upAxis", "Y")
    stage.SetMetadata("metersPerUnit", 1.0)
    stage.Save()
    assert not complaints(shot)
    readers = 0
    for prim in stage.Traverse():
        named = UsdShade.Shader(prim).GetInput("file") if UsdShade.Shader(prim) else None
        if not named:
            continue
        readers += 1
        text = named.Get().path
        assert UsdShade.UdimUtils.IsUdimIdentifier(text)
        layer = named.GetAttr().GetPropertyStack(Usd.TimeCode.Default())[0].layer
        assert layer.realPath == str(folder / "mtl.usda")
        found = UsdShade.UdimUtils.ResolveUdimTilePaths(text, layer)
        assert [number for _, number in found] == ["1001", "1002", "1003", "1004"]
        assert ("lod1" in text) == (level == "LOD1" and "normal" in text)
    assert readers == 8
    _layers, _assets, missing = UsdUtils.ComputeAllDependencies(str(folder / "ball.usd"))
    assert not missing


def test_the_material_alone_names_the_tiles_and_is_valid(tiled: Any, library: Any) -> None:  # noqa: F811
    folder, _ = tiled
    document = MaterialX.createDocument()
    document.setDataLibrary(library)
    MaterialX.readFromXmlFile(document, str(folder / "ball.mtlx"))
    assert document.validate() == (True, "")
    numbers = document.getGeomPropValue(MaterialX.UDIM_SET_PROPERTY).getData()
    assert numbers == ["1001", "1002", "1003", "1004"]
    files = [
        node.getInputValue("file")
        for node in document.getNodeGraph("NG_ball").getNodes()
        if node.getInput("file")
    ]
    assert len(files) == 4
    for file in files:
        assert MaterialX.UDIM_TOKEN in file
        for number in numbers:
            assert (folder / file.replace(MaterialX.UDIM_TOKEN, number)).is_file()


@pytest.mark.parametrize("name", ["ball", "ball_lod1"])
def test_obj_has_a_material_for_each_tile(tiled: Any, name: str) -> None:
    folder, _ = tiled
    found = load_obj(folder / f"{name}.obj")
    assert not found.warnings
    names = [slot.material.name for slot in found.slots]
    assert names == [f"{name}_{number}" for number in (1001, 1002, 1003, 1004)]
    assert found.mesh.texcoords is not None and found.mesh.texcoord_triangles is not None
    tile = torch.floor(found.mesh.texcoords[found.mesh.texcoord_triangles][:, 0, 0]).long()
    assert torch.equal(tile, found.of_triangle)
    for number, slot in enumerate(found.slots):
        paths = [picture.path for picture in slot.material.pictures]
        assert paths and all(path.is_file() and f".{1001 + number}." in path.name for path in paths)
    corners = found.mesh.positions[found.mesh.triangles].reshape(-1, 9)
    assert len(torch.unique(corners, dim=0)) == len(corners)


def test_formats_that_know_no_tiles_are_as_without(tiled: Any, written: Any) -> None:
    folder, _ = tiled
    assert (folder / "ball.glb").read_bytes() == (written.folder / "ball.glb").read_bytes()
    _, uv = in_usd(folder / "ball.usdz")
    assert torch.equal(uv, in_usd(written.folder / "ball.usdz")[1])
    assert uv.min() >= 0 and uv.max() <= 1
    _, assets, missing = UsdUtils.ComputeAllDependencies(str(folder / "ball.usdz"))
    assert len(assets) == 4 and not missing


def test_a_level_over_tiles_is_the_level_in_one_picture(tiled: Any) -> None:
    folder, _ = tiled
    stage = Usd.Stage.Open(str(folder / "ball.usd"))
    stage.GetDefaultPrim().GetVariantSet("LOD").SetVariantSelection("LOD1")
    shape = UsdGeom.Mesh(stage.GetPrimAtPath("/ball/geo/ball"))
    points = np.array(shape.GetPointsAttr().Get())
    corners = points[np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)]
    import trimesh

    (other,) = trimesh.load(folder / "ball_lod1.glb", process=False).geometry.values()
    theirs = np.array(other.vertices)[np.array(other.faces)]
    np.testing.assert_allclose(corners, theirs, atol=1e-6)


def test_mitsuba_shows_the_same_with_tiles_as_without(
    new_ball: Source,
    tmp_path: Path,
    mitsuba_render: Callable[..., Any],
    as_usd_says: Callable[[Path, Path, Path], None],
) -> None:
    pose = cameras.translation(0, 0, -2.76) @ cameras.rotation_x(0.26) @ cameras.rotation_y(-0.23)
    # Without edges, which are interpolated otherwise between finer texels.
    soft = replace(new_ball, kd=waves(128, 128, 3, 0), ks=waves(128, 128, 3, 1))
    shown = []
    for tiles in (0, 4):
        folder, place = tmp_path / f"asset {tiles}", tmp_path / f"read {tiles}"
        with patch("diffrec.asset.write.pictures", return_value=[]):
            write_asset(soft, folder, "ball", ("usd",), print, udim=tiles)
        as_usd_says(folder / "ball.usd", folder / "ball_light.usda", place)
        image = mitsuba_render(place, pose.double().numpy(), 48, samples=16)
        shown.append(linear_to_srgb(torch.from_numpy(image)[..., :3]).clamp(0, 1))
    one, other = shown
    assert one.std() > 0.1
    assert -10 * math.log10(float((one - other).square().mean())) > 45


def test_another_export_leaves_no_tile_of_the_one_before(
    new_ball: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    textures = tmp_path / "textures"
    monkeypatch.setattr("diffrec.asset.write.pictures", lambda *_: [])
    write_asset(new_ball, tmp_path, "ball", ("mtlx",), print, udim=4)
    for name in ("other_albedo_srgb.1004.png", "ball_mask.1004.png", "ball_albedo_srgb.png"):
        (textures / name).write_text("the artist's")
    (textures / "ball_albedo_srgb.1009.png").mkdir()
    write_asset(new_ball, tmp_path, "ball", ("mtlx",), print, udim=2)
    numbers = {path.name for path in textures.iterdir() if "1003" in path.name}
    assert not numbers
    assert {path.name for path in textures.glob("*1004*")} == {
        "other_albedo_srgb.1004.png",
        "ball_mask.1004.png",
    }
    assert (textures / "ball_albedo_srgb.png").read_text() == "the artist's"


def test_the_number_of_a_file_is_its_last_part_but_one() -> None:
    assert pattern_of("textures/a_normal_raw.1014.png") == "textures/a_normal_raw.<UDIM>.png"
    for file in ("textures/1001/a.png", "a_1001.png", "thumbnail.png", "a.0001.png"):
        assert pattern_of(file) == file


def test_exr_tiles_are_linear_and_named_so(new_ball: Source, tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    write_asset(new_ball, tmp_path, "a", ("usd", "mtlx"), print, udim=2, textures="exr", size=256)
    text = (tmp_path / "a.mtlx").read_text()
    assert 'value="textures/a_albedo_linear.&lt;UDIM&gt;.exr"' in text and "lin_rec709" in text
    assert (tmp_path / "textures" / "a_albedo_linear.1002.exr").is_file()
    assert not list((tmp_path / "textures").glob("*.png"))
    assert not complaints(tmp_path / "a.usd")


def test_the_command_writes_tiles_under_any_name(
    new_ball: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "r é.1001.png"
    (result / "mesh").mkdir(parents=True)
    write_obj(result / "mesh" / "mesh.obj", new_ball.mesh)
    imagefiles.write_png(result / "mesh" / "texture_kd.png", new_ball.kd)
    imagefiles.write_png(result / "mesh" / "texture_ks.png", new_ball.ks)
    imagefiles.write_png(result / "mesh" / "texture_n.png", new_ball.normal * 0.5 + 0.5)
    name = "a/<UDIM>\n.1001.png"
    assert main([str(result), "--udim", "3", "--formats", "usd", "obj", "--name", name]) == 0
    assert "UDIM tiles of 128 x 128" in capsys.readouterr().out
    folder = result / "asset"
    assert {path.name for path in folder.glob("textures/*albedo*")} == {
        f"a_UDIM_1001_png_albedo_srgb.{number}.png" for number in (1001, 1002, 1003)
    }
    assert not complaints(folder / "a_UDIM_1001_png.usd")


@pytest.mark.parametrize("value", [-1, 17, 2.5, "4", True, [4]])
def test_tiles_that_cannot_be_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="asset_udim"):
        from_mapping({"diffrec": {"asset_udim": value}}, "here")


def test_tiles_are_asked_for_by_field_and_by_option() -> None:
    assert from_mapping({"diffrec": {"asset_udim": 4}}, "here").diffrec.asset_udim == 4
    parser = argparse.ArgumentParser()
    exporting.add_arguments(parser)
    asked = parser.parse_args(["r", "--udim", "16"])
    assert parser.parse_args(exporting.arguments(asked)).udim == 16
    assert parser.parse_args(["r"]).udim == 0
    for wrong in ("17", "-1", "four"):
        with pytest.raises(SystemExit):
            parser.parse_args(["r", "--udim", wrong])
