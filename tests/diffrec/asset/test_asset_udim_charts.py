"""Charts over UDIM tiles: what a surface shows of them is what it showed of one picture."""

from __future__ import annotations

import math
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

from diffrec import imagefiles
from diffrec.asset.source import source_of
from diffrec.asset.texels import texels_of
from diffrec.asset.udim.layout import laid_out
from diffrec.asset.write import write_asset
from diffrec.charting.ids import chart_ids
from diffrec.charting.packing import pack_charts
from diffrec.charting.quality import measure_charts
from diffrec.geometry.mesh import Mesh

from .conftest import ball_source

pxr = pytest.importorskip("pxr")
from pxr import Usd, UsdGeom  # noqa: E402


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
