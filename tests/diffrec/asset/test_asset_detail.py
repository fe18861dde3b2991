"""Levels of detail: what a simplified surface keeps, and how an asset carries the levels."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from diffrec.asset.detail import levels_of
from diffrec.asset.maps import maps_of
from diffrec.asset.mikktspace import corner_tangents
from diffrec.asset.simplify import simplified
from diffrec.asset.source import Source
from diffrec.asset.texels import in_world, texels_of
from diffrec.asset.vertices import Vertices, vertices_of
from diffrec.asset.write import write_asset
from diffrec.geometry.mesh import Mesh
from diffrec.imagefiles import read_linear
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import exporting
from nvdiffrec_contract.configuration import from_mapping
from nvdiffrec_contract.errors import ConfigError

from .test_asset_files import VALIDATE, errors_of


def ring(rows: int, columns: int, noise: float, closed: bool, seed: int) -> Vertices:
    """A bumpy ring of one chart; where `closed`, it closes both ways with seams, else it is a
    sheet."""
    random = np.random.default_rng(seed)
    bumps = 1 + noise * random.standard_normal((rows, columns))
    row, column = np.meshgrid(np.arange(rows + 1), np.arange(columns + 1), indexing="ij")
    bump = bumps[row % rows, column % columns] if closed else bumps[row // 2, column // 2]
    share = 1.0 if closed else 0.8
    across, along = 2 * np.pi * share * row / rows, 2 * np.pi * share * column / columns
    if closed:
        across, along = across % (2 * np.pi), along % (2 * np.pi)
        across[-1], along[:, -1] = 0, 0
    tube = 0.4 * bump
    reach = 1 + tube * np.cos(across)
    points = np.stack([reach * np.sin(along), tube * np.sin(across), reach * np.cos(along)], -1)
    uv = np.stack([column / columns, row / rows], -1).reshape(-1, 2) * 0.9 + 0.05
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1)
    below = corner + columns + 1
    quads = [[corner, corner + 1, below + 1], [corner, below + 1, below]]
    triangles = torch.from_numpy(np.concatenate([np.stack(one, 1) for one in quads]))
    flat = torch.from_numpy(points.reshape(-1, 3).astype(np.float32))
    mesh = Mesh(flat, triangles)
    welded, places = torch.unique(flat, dim=0, return_inverse=True)
    smooth = Mesh(welded, places[triangles]).with_normals()
    table = torch.from_numpy(uv.astype(np.float32))
    return vertices_of(
        Mesh(
            mesh.positions,
            triangles,
            table,
            triangles,
            normals=smooth.normals,
            normal_triangles=places[triangles],
        )
    )


def edges_of(vertices: Vertices, triangles: Any) -> tuple[Any, int]:
    """How many triangles share each edge, and how many half-edges are there twice."""
    _, place = np.unique(vertices.position, axis=0, return_inverse=True)
    corners = place.reshape(-1)[triangles]
    half = np.stack([corners, np.roll(corners, -1, axis=1)], -1).reshape(-1, 2)
    counts = np.unique(np.sort(half, axis=1), axis=0, return_counts=True)[1]
    return counts, len(half) - len(np.unique(half, axis=0))


def areas(corners: Any) -> Any:
    side = corners[:, 1:] - corners[:, :1]
    return side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(4, 12),
    st.integers(4, 16),
    st.sampled_from([0.0, 0.05, 0.2]),
    st.booleans(),
    st.integers(0, 1000),
    st.floats(0.02, 0.9),
)
@example(12, 16, 0.2, True, 0, 0.02)
def test_a_level_is_as_good_a_surface_as_the_whole(
    rows: int, columns: int, noise: float, closed: bool, seed: int, share: float
) -> None:
    vertices = ring(rows, columns, noise, closed, seed)
    whole = vertices.triangles
    target = max(4, round(share * len(whole)))
    (level,) = simplified(vertices, [target], 64)
    assert 4 <= len(level) <= len(whole)
    # It is manifold, turned one way, and closed where the whole is.
    counts, twice = edges_of(vertices, level)
    assert counts.max() <= 2 and twice == 0
    assert (counts.min() == 2) == closed
    points, uv = vertices.position.astype(np.float64), vertices.uv.astype(np.float64)
    across = np.cross(
        points[level][:, 1] - points[level][:, 0], points[level][:, 2] - points[level][:, 0]
    )
    assert (np.linalg.norm(across, axis=1) > 0).all()
    if noise < 0.1:
        assert ((across * vertices.normal[level].sum(1)).sum(1) > 0).all()
    # No triangle is mirrored or lost in the texture, and the outline of the chart stays.
    assert (np.sign(areas(uv[level])) == np.sign(areas(uv[whole]))[0]).all()
    slip = (len(whole) / target) ** 0.5 / 64
    around = 4 * 0.9
    covered = [np.abs(areas(uv[triangles])).sum() / 2 for triangles in (whole, level)]
    assert abs(covered[1] - covered[0]) <= around * slip


def test_a_surface_that_needs_no_more_loses_its_triangles_without_moving() -> None:
    """A flat sheet is as flat, and as large, with a handful of triangles."""
    v, u = np.meshgrid(np.arange(13) / 12, np.arange(13) / 12, indexing="ij")
    points = np.stack([u, np.zeros_like(u), v], -1).reshape(-1, 3).astype(np.float32)
    uv = np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)
    corner = (np.arange(12)[:, None] * 13 + np.arange(12)).reshape(-1)
    triangles = np.concatenate(
        [
            np.stack(one, 1)
            for one in ([corner, corner + 13, corner + 14], [corner, corner + 14, corner + 1])
        ]
    )
    up = np.tile(np.float32([[0, 1, 0]]), (len(points), 1))
    (level,) = simplified(Vertices(points, up, uv, triangles), [4], 64)
    assert len(level) <= 8
    assert np.abs(areas(uv[level])).sum() / 2 == pytest.approx(1, abs=1e-6)


def test_what_hangs_together_at_a_point_or_is_no_surface_stays() -> None:
    """Two tetrahedra at one corner, three sheets on one edge: nothing is torn or joined."""
    tetra = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    points = np.concatenate([tetra, -tetra[1:]])
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    other = [[0, 4, 5], [0, 6, 4], [0, 5, 6], [4, 6, 5]]
    fan = [[1, 2, 4]]
    triangles = np.array([*faces, *other, *fan])
    plain = np.zeros((len(points), 2), np.float32)
    normal = np.tile(np.float32([[0, 1, 0]]), (len(points), 1))
    (level,) = simplified(Vertices(points, normal, plain, triangles), [4], 64)
    before, after = (edges_of(Vertices(points, normal, plain, t), t)[0] for t in (triangles, level))
    assert sorted(before) == sorted(after)


def ball_of(source: Source) -> tuple[Vertices, list[Any], list[str]]:
    lines: list[str] = []
    vertices = vertices_of(source.mesh)
    maps = maps_of(source, vertices, corner_tangents(vertices))
    return vertices, levels_of(source, vertices, maps, (0.5, 0.2, 200, 5000), lines.append), lines


def test_shares_and_counts_make_levels_in_falling_order(new_ball: Source) -> None:
    vertices, levels, lines = ball_of(new_ball)
    counts = [len(level.vertices.triangles) for level in levels]
    whole = len(vertices.triangles)
    # A collapse takes two triangles of a closed surface. The poles of the ball, each one place
    # with a texture coordinate for every triangle, allow no 200 without losing its shape.
    assert 0.5 * whole - 2 < counts[0] <= 0.5 * whole and 0.2 * whole - 2 < counts[1]
    assert 200 < counts[2] < counts[1]
    assert len(lines) == 3 and f"{counts[0]} triangles of {whole}" in lines[0]
    for level in levels:
        torch.testing.assert_close(level.normal.norm(dim=2), torch.ones(128, 128))
        assert len(level.mesh.triangles) == len(level.vertices.triangles)


def test_a_level_keeps_the_shape_and_is_shaded_as_the_whole(new_ball: Source) -> None:
    """With the whole's own normal map it would be shaded otherwise."""
    vertices, levels, _ = ball_of(new_ball)
    level = levels[1]
    mesh, size = level.mesh, level.normal.shape[:2]
    # The ball has the radius 1: the level lies a quarter of its edges inside at most.
    middle = mesh.positions[mesh.triangles].mean(1).norm(dim=1)
    edge = (4 / 3**0.5 * 4 * np.pi / len(mesh.triangles)) ** 0.5
    assert middle.min() > 1 - edge / 4 and middle.mean() > 0.98
    whole = texels_of(new_ball.mesh, size)
    pointing = functional.normalize(in_world(new_ball.normal, new_ball.mesh, whole), dim=2)
    texels = texels_of(mesh, size)
    both = torch.isin(texels.covered, whole.covered)
    wanted = pointing.reshape(-1, 3)[texels.covered[both]]

    def shaded(normal: torch.Tensor) -> float:
        """Mean degrees between shading normals of the level and of the whole."""
        faces, bary = texels.triangle[both], texels.bary[both, :, None]
        up = (mesh.normals[mesh.normal_triangles][faces] * bary).sum(1)
        corners = (torch.from_numpy(level.tangents).float()[faces] * bary).sum(1)
        across = corners[:, 3:].sign() * torch.linalg.cross(up, corners[:, :3])
        frame = torch.stack([corners[:, :3], across, up], dim=2)
        found = frame @ normal.reshape(-1, 3)[texels.covered[both], :, None]
        cosine = (functional.normalize(found[..., 0], dim=1) * wanted).sum(1)
        return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).mean())

    maps = maps_of(new_ball, vertices, corner_tangents(vertices))
    assert shaded(level.normal) < 0.1 < 0.5 < shaded(maps.normal)


@pytest.fixture(scope="module")
def detailed(written: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("levels") / "ball"
    lines: list[str] = []
    formats = ("usd", "usdz", "glb", "mtlx", "obj")
    files = write_asset(
        written.source, folder, "ball", formats, lines.append, lods=(0.4, 0.1), bits=16
    )
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    assert not any(line.startswith("Warning") for line in lines)
    return folder


def test_the_component_has_a_variant_for_each_level(detailed: Path, written: Any) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom, UsdShade, UsdUtils

    path = str(detailed / "ball.usd")
    unloaded = Usd.Stage.Open(path, Usd.Stage.LoadNone)
    named = unloaded.GetDefaultPrim().GetVariantSet("LOD").GetVariantNames()
    assert named == ["LOD0", "LOD1", "LOD2"]
    stage = Usd.Stage.Open(path)
    variants = stage.GetDefaultPrim().GetVariantSet("LOD")
    assert variants.GetVariantSelection() == "LOD0"
    counts, normals = [], []
    for name in variants.GetVariantNames():
        variants.SetVariantSelection(name)
        shape = UsdGeom.Mesh(stage.GetPrimAtPath("/ball/geo/ball"))
        counts.append(len(shape.GetFaceVertexCountsAttr().Get()))
        material, _ = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()
        read = {
            Path(
                UsdShade.Shader(stage.GetPrimAtPath(material.GetPath().AppendChild(reader)))
                .GetInput("file")
                .Get()
                .resolvedPath
            )
            for reader in ("preview_normal", "mtlx_normal")
        }
        (normal,) = read
        assert normal.is_file()
        normals.append(normal)
    whole = len(written.source.mesh.triangles)
    assert counts[0] == whole and counts[1] == whole * 2 // 5 // 2 * 2
    assert counts[2] < 0.2 * whole
    assert len(set(normals)) == 3
    _layers, _assets, missing = UsdUtils.ComputeAllDependencies(path)
    assert not missing
    # One file for a viewer that knows no variants.
    packed = Usd.Stage.Open(str(detailed / "ball.usdz"))
    assert not packed.GetDefaultPrim().GetVariantSets().GetNames()


@pytest.mark.parametrize("name", ["LOD0", "LOD2"])
def test_all_validators_of_usd_are_content_with_each_level(
    detailed: Path, tmp_path: Path, name: str
) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd

    shot = tmp_path / "shot.usda"
    stage = Usd.Stage.CreateNew(str(shot))
    prim = stage.DefinePrim("/ball", "Xform")
    prim.GetReferences().AddReference(str(detailed / "ball.usd"))
    prim.GetVariantSet("LOD").SetVariantSelection(name)
    stage.SetDefaultPrim(prim)
    stage.SetMetadata("upAxis", "Y")
    stage.SetMetadata("metersPerUnit", 1.0)
    stage.Save()
    # Nothing but what the build of usd-core does not know.
    assert {error.GetName() for error in errors_of(shot)} <= {"MissingShaderIdInRegistry"}


def test_each_level_has_files_for_readers_without_variants(detailed: Path, written: Any) -> None:
    counts = []
    for name in ("ball", "ball_lod1", "ball_lod2"):
        data = (detailed / f"{name}.glb").read_bytes()
        length = int.from_bytes(data[12:16], "little")
        document = json.loads(data[20 : 20 + length])
        (primitive,) = document["meshes"][0]["primitives"]
        counts.append(document["accessors"][primitive["indices"]]["count"] // 3)
        found = load_obj(detailed / f"{name}.obj")
        assert len(found.mesh.triangles) == counts[-1] and not found.warnings
        assert all(picture.path.is_file() for picture in found.slots[0].material.pictures)
    assert len(written.source.mesh.triangles) == counts[0] > counts[1] > counts[2]


def test_the_khronos_validator_is_content_with_a_level(
    detailed: Path, node: Callable[[str, str, list[str]], str]
) -> None:
    report = json.loads(node("gltf-validator", VALIDATE, [str(detailed / "ball_lod2.glb")]))
    assert report["issues"]["messages"] == []


def test_textures_of_sixteen_bits_are_finer(detailed: Path, written: Any) -> None:
    steps = []
    for folder in (written.folder, detailed):
        albedo = read_linear(folder / "textures/ball_albedo_srgb.png")
        steps.append(len(torch.unique(albedo)))
    assert steps[0] <= 256 < steps[1]


@pytest.mark.parametrize(
    "value", [[0], [1], [3], [2.5], [-0.5], ["half"], [float("nan")], 0.5, [0.5] * 9, [True]]
)
def test_levels_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="asset_lods"):
        from_mapping({"diffrec": {"asset_lods": value}}, "here")


def test_levels_are_asked_for_by_field_and_by_option(capsys: pytest.CaptureFixture[str]) -> None:
    own = from_mapping({"diffrec": {"asset_lods": [0.1, 5000, 0.5]}}, "here").diffrec
    assert own.asset_lods == (5000, 0.5, 0.1)
    parser = argparse.ArgumentParser()
    exporting.add_arguments(parser)
    asked = parser.parse_args(["r", "--lods", "0.25", "1234567", "--bits", "16"])
    again = parser.parse_args(exporting.arguments(asked))
    assert again.lods == [0.25, 1234567] and again.bits == 16
    for wrong in ("0", "1", "half", "nan", "2.5"):
        with pytest.raises(SystemExit):
            parser.parse_args(["r", "--lods", wrong])
        assert "between 0 and 1" in capsys.readouterr().err
