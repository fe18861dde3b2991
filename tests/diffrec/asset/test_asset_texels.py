"""Tangents and dilation: what lies in the textures of an asset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from diffrec.asset.maps import enlarged, maps_of
from diffrec.asset.mikktspace import corner_tangents, split
from diffrec.asset.source import Source
from diffrec.asset.texels import dilated, filled, in_mikktspace, in_world, texels_of
from diffrec.asset.vertices import Vertices, vertices_of
from diffrec.geometry.mesh import Mesh

TANGENTS = """
const {generateTangents} = require('mikktspace'), fs = require('fs');
const [folder] = process.argv.slice(1);
const read = (name) => new Float32Array(new Uint8Array(fs.readFileSync(folder + name)).buffer);
const made = generateTangents(read('/position'), read('/normal'), read('/uv'));
fs.writeFileSync(folder + '/tangent', Buffer.from(made.buffer));
"""


def uneven(mesh: Mesh, seed: int = 0) -> Mesh:
    """The mesh with its positions and texture coordinates shaken, and its normals made anew."""
    assert mesh.texcoords is not None
    generator = torch.Generator().manual_seed(seed)
    shaken = mesh.positions + 0.03 * torch.randn(mesh.positions.shape, generator=generator)
    moved = mesh.texcoords + 0.003 * torch.randn(mesh.texcoords.shape, generator=generator)
    bent = replace(mesh.with_positions(shaken), texcoords=moved)
    return bent.with_normals().with_tangents()


def test_tangents_are_those_of_mikktspace_itself(
    written: Any, tmp_path: Path, node: Callable[[str, str, list[str]], str]
) -> None:
    vertices = vertices_of(uneven(written.source.mesh))
    corners = vertices.triangles.reshape(-1)
    for name in ("position", "normal", "uv"):
        getattr(vertices, name)[corners].astype(np.float32).tofile(tmp_path / name)
    node("mikktspace", TANGENTS, [str(tmp_path)])
    theirs = np.fromfile(tmp_path / "tangent", np.float32).reshape(-1, 3, 4)
    ours = corner_tangents(vertices)
    # Theirs takes v for upwards, so its sign is the other one.
    np.testing.assert_array_equal(ours[..., 3], -theirs[..., 3])
    angle = np.degrees(np.arccos((ours[..., :3] * theirs[..., :3]).sum(-1).clip(-1, 1)))
    assert np.percentile(angle, 99) < 0.1


def test_a_mirrored_texture_turns_the_sign_and_parts_the_vertices(written: Any) -> None:
    vertices = vertices_of(written.source.mesh)
    mirrored = replace(vertices, uv=np.abs(vertices.uv - [0.5, 0]).astype(np.float32))
    for shown, signs in ((vertices, {1.0}), (mirrored, {-1.0, 1.0})):
        tangents = corner_tangents(shown)
        assert set(np.unique(tangents[..., 3])) == signs
        normal = shown.normal[shown.triangles]
        assert np.abs((tangents[..., :3] * normal).sum(-1)).max() < 1e-5
        parted, of_vertex = split(shown, tangents)
        np.testing.assert_allclose(of_vertex[parted.triangles], tangents, atol=1e-6)
        np.testing.assert_array_equal(
            parted.position[parted.triangles], shown.position[shown.triangles]
        )
        assert (len(parted.position) > len(shown.position)) == (len(signs) > 1)


def test_a_triangle_without_texture_area_has_a_tangent_all_the_same() -> None:
    vertices = Vertices(
        np.eye(3, dtype=np.float32),
        np.tile(np.float32([[0.6, 0.8, 0]]), (3, 1)),
        np.zeros((3, 2), np.float32),
        np.array([[0, 1, 2]]),
    )
    tangents = corner_tangents(vertices)
    np.testing.assert_allclose(np.linalg.norm(tangents[..., :3], axis=-1), 1)


def test_the_turned_normal_map_points_where_the_trained_one_did(written: Any) -> None:
    source: Source = written.source
    mesh = uneven(source.mesh)
    vertices = vertices_of(mesh)
    texels = texels_of(mesh, source.normal.shape[:2])
    pointing = in_world(source.normal, mesh, texels)
    turned = in_mikktspace(pointing, mesh, vertices, corner_tangents(vertices), texels)

    def world(normal: torch.Tensor, mikktspace: bool) -> torch.Tensor:
        """Shading normals at the texels' centres, by each definition."""
        value = normal.reshape(-1, 3)[texels.covered]

        def at(table: Any, index: Any) -> torch.Tensor:
            corners = torch.as_tensor(table)[torch.as_tensor(index)][texels.triangle]
            return (corners * texels.bary[..., None]).sum(1)

        up = at(mesh.normals, mesh.normal_triangles)
        if mikktspace:
            corners = torch.from_numpy(corner_tangents(vertices)).float()
            along = at(corners.reshape(-1, 4), torch.arange(corners.shape[0] * 3).reshape(-1, 3))
            across = along[:, 3:].sign() * torch.linalg.cross(up, along[:, :3])
            along = along[:, :3]
        else:
            up = functional.normalize(up, dim=1)
            along = at(mesh.tangents, mesh.tangent_triangles)
            along = functional.normalize(along - up * (along * up).sum(1, keepdim=True), dim=1)
            across = torch.linalg.cross(up, along)
        shown = along * value[:, :1] + across * value[:, 1:2] + up * value[:, 2:]
        return functional.normalize(shown, dim=1)

    trained = world(source.normal, mikktspace=False)
    torch.testing.assert_close(world(turned, mikktspace=True), trained, atol=2e-3, rtol=0)
    # What it would be off by without the turn, in degrees.
    off = torch.rad2deg(torch.arccos((world(source.normal, True) * trained).sum(1).clamp(-1, 1)))
    assert float(off.quantile(0.99)) > 0.5


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.01, 0.3, 1.0]),
)
def test_the_background_is_made_of_what_is_known(
    height: int, width: int, seed: int, share: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(height, width, 2, generator=generator)
    known = torch.rand(height, width, generator=generator) < share
    found = filled(image, known)
    torch.testing.assert_close(found[known], image[known])
    if not known.any():
        assert torch.equal(found, image)
        return
    assert found.min() >= image[known].min() - 1e-5
    assert found.max() <= image[known].max() + 1e-5


def test_coarse_levels_come_nearer_to_what_they_stand_for(written: Any) -> None:
    source: Source = written.source
    texels = texels_of(source.mesh, source.kd.shape[:2])
    covered = torch.zeros_like(texels.used).float()
    covered.view(-1)[texels.covered] = 1

    def error(image: torch.Tensor, level: int) -> float:
        """Mean difference of a mip level to the mean of its covered texels, by their number."""
        planes, edge = image.permute(2, 0, 1)[None], 2**level
        number = functional.avg_pool2d(covered[None, None], edge)
        truth = functional.avg_pool2d(source.kd.permute(2, 0, 1)[None] * covered, edge)
        off = (functional.avg_pool2d(planes, edge) - truth / number.clamp_min(1e-9)).abs()
        return float((off * number).sum() / number.sum() / 3)

    grey = torch.where(texels.used[..., None], source.kd, torch.tensor(0.5))
    levels = range(2, 7)  # what is read beside a chart is as wide as level 1
    before, after = (
        [error(one, level) for level in levels] for one in (grey, dilated(source.kd, texels))
    )
    assert all(now < then for now, then in zip(after, before, strict=True)), (before, after)
    assert sum(after) < 0.6 * sum(before), (before, after)


def test_no_level_shows_what_lies_beside_a_chart(written: Any) -> None:
    """The same charts over a background of another colour give the same pyramid."""
    source: Source = written.source
    used = texels_of(source.mesh, source.kd.shape[:2]).used
    assert 0.3 < used.float().mean() < 0.9
    foreign = torch.where(used[..., None], source.kd, torch.tensor([1.0, 0.0, 1.0]))
    one, other = filled(source.kd, used), filled(foreign, used)
    torch.testing.assert_close(one, other)
    assert (foreign - other)[~used].abs().max() > 0.2


@pytest.mark.parametrize("sizes", [(1, 64, 16), (64, 1, 1), (1, 1, 64), (16, 32, 64)])
def test_maps_may_differ_in_size(written: Any, sizes: tuple[int, int, int]) -> None:
    """A constant is a map of one texel; nothing finer is lost for it."""
    source: Source = written.source

    def shrunk(image: torch.Tensor, size: int) -> torch.Tensor:
        return functional.adaptive_avg_pool2d(image.permute(2, 0, 1), size).permute(1, 2, 0)

    kd, ks, normal = (
        shrunk(image, size)
        for image, size in zip((source.kd, source.ks, source.normal), sizes, strict=True)
    )
    vertices = vertices_of(source.mesh)
    changed = replace(source, kd=kd, ks=ks, normal=normal)
    maps = maps_of(changed, vertices, corner_tangents(vertices))
    assert maps.albedo.shape[0] == max(sizes[:2])
    assert maps.roughness.shape == (sizes[1], sizes[1], 1)
    assert maps.normal.shape[:2] == (sizes[2], sizes[2])
    for one in (maps.albedo, maps.open_albedo, maps.occlusion, maps.metalness):
        assert torch.isfinite(one).all() and one.min() >= 0 and one.max() <= 1
    torch.testing.assert_close(maps.normal.norm(dim=2), torch.ones(sizes[2], sizes[2]))


def test_more_texels_are_asked_for_aloud_and_show_the_same(new_ball: Source) -> None:
    lines: list[str] = []
    larger = enlarged(new_ball, 512, lines.append)
    assert larger.kd.shape == larger.ks.shape == larger.normal.shape == (512, 512, 3)
    assert "trained with 128 texels; in 512 they show no more" in lines[0]
    torch.testing.assert_close(larger.normal.norm(dim=2), torch.ones(512, 512))
    smaller = enlarged(new_ball, 64, lines.append)
    assert smaller.kd.shape == (64, 64, 3) and len(lines) == 1
    assert enlarged(new_ball, 128, lines.append).kd is not None and len(lines) == 1
    # The same colours where the surface is, though what stood beside the charts is foreign.
    texels = texels_of(new_ball.mesh, (128, 128))
    foreign = torch.where(texels.used[..., None], new_ball.kd, torch.tensor([9.0, 0.0, 9.0]))
    found = enlarged(replace(new_ball, kd=foreign), 512, lines.append).kd
    mean = functional.avg_pool2d(found.permute(2, 0, 1)[None], 4)[0].permute(1, 2, 0)
    inside = texels.used
    assert (mean - new_ball.kd)[inside].abs().mean() < 0.02
    assert found.min() >= 0 and found.max() <= 1
