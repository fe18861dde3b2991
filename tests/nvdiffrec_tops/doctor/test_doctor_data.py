"""Checks of photographs, cameras, meshes and memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.checks import memory_needed
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], Finding]
Configured = Callable[..., dict[str, Any]]
Png = Callable[..., bytes]
Poses = tuple[Callable[..., bytes], Callable[..., list[list[float]]]]
OF_PHOTOGRAPHS = (
    "data_present", "photographs", "photograph_sizes", "masks_filled", "camera_poses",
    "object_in_grid", "environment_light", "git_lfs",
)  # fmt: skip


def of(configured: Configured, engine: str = "diffrec", **fields: Any) -> Context:
    return Context(None, engine=engine, quick=True, environ={"PATH": ""}, **configured(**fields))


@pytest.mark.parametrize("check", OF_PHOTOGRAPHS)
def test_photographs_as_they_should_be(
    llff: Callable[..., Path], configured: Configured, look: Look, check: str
) -> None:
    llff()
    assert look(of(configured, ref_mesh="photos"), check).severity == "ok"


@pytest.mark.parametrize("check", OF_PHOTOGRAPHS)
def test_a_real_set_of_photographs(
    shared: Path, configured: Configured, look: Look, check: str
) -> None:
    folder = shared / "data" / "nerd_gold_512"
    context = of(configured, ref_mesh=str(folder), mesh_scale=2.5)
    assert look(context, check).severity == "ok"


def test_data_that_are_not_there(configured: Configured, look: Look, tmp_path: Path) -> None:
    assert look(of(configured), "data_present").severity == "error"
    found = look(of(configured, ref_mesh="gone"), "data_present")
    assert (found.severity, "'gone'" in found.evidence) == ("error", True)
    (tmp_path / "empty").mkdir()
    found = look(of(configured, ref_mesh="empty"), "data_present")
    assert "poses_bounds.npy" in found.evidence
    (tmp_path / "mesh.fbx").write_text("")
    assert look(of(configured, ref_mesh="mesh.fbx"), "data_present").severity == "error"


def test_data_one_folder_further_down(
    llff: Callable[..., Path], configured: Configured, look: Look, tmp_path: Path
) -> None:
    llff("set/photos")
    found = look(of(configured, ref_mesh="set"), "data_present")
    assert found.cure == f'"ref_mesh": "{tmp_path / "set" / "photos"}"'


def test_counts_that_differ(llff: Callable[..., Path], configured: Configured, look: Look) -> None:
    folder = llff()
    (folder / "masks" / "007.png").unlink()
    found = look(of(configured, ref_mesh="photos"), "photographs")
    assert found.severity == "error"
    assert "10 photographs and 9 masks" in found.evidence
    assert "unpaired: 007" in found.evidence
    (folder / "images" / "007.png").unlink()
    found = look(of(configured, ref_mesh="photos"), "photographs")
    assert "9 photographs and 10 cameras" in found.evidence
    for path in (folder / "images").iterdir():
        path.unlink()
    assert "no photographs" in look(of(configured, ref_mesh="photos"), "photographs").evidence


@pytest.mark.parametrize(
    ("photo", "mask", "severity"),
    [
        ("{}.png", "{}.png", "ok"),
        ("{:03}.png", "{:03}_mask.png", "ok"),
        ("{}.png", "{}_mask.png", "error"),  # 1.png is before 10.png, 1_mask.png behind 10_mask.png
        ("photo_{}.png", "cut_{}.png", "ok"),
    ],
)
def test_names_that_sort_otherwise(
    llff: Callable[..., Path],
    configured: Configured,
    look: Look,
    photo: str,
    mask: str,
    severity: str,
) -> None:
    folder = llff(count=12)
    for inner, name in (("images", photo), ("masks", mask)):
        for i, path in enumerate(sorted((folder / inner).iterdir())):
            path.rename(folder / inner / name.format(i).replace(".png", ".Png"))
    found = look(of(configured, ref_mesh="photos"), "photographs")
    assert found.severity == severity
    if severity == "error":
        assert "the photograph 1.Png meets the mask 10_mask.Png" in found.evidence


def test_sizes_that_differ(
    llff: Callable[..., Path], configured: Configured, look: Look, make_png: Png
) -> None:
    folder = llff()
    (folder / "masks" / "000.png").write_bytes(make_png(8, 8))
    found = look(of(configured, ref_mesh="photos"), "photograph_sizes")
    assert found.severity == "error"
    assert "is 8 x 8, its photograph 16 x 16" in found.evidence
    llff("turned")
    picture = folder.parent / "turned" / "images" / "000.png"
    picture.write_bytes(make_png(16, 12, 200, 3))
    found = look(of(configured, ref_mesh="turned"), "photograph_sizes")
    assert "one size" in found.evidence


def test_pictures_that_were_cropped(
    llff: Callable[..., Path], configured: Configured, look: Look, poses: Poses
) -> None:
    rows = poses[1](10)
    for row in rows:
        row[9] = 24.0  # the width
    llff(rows=rows)
    found = look(of(configured, ref_mesh="photos"), "photograph_sizes")
    assert "1.500 times as wide as high" in found.evidence


def test_masks_that_are_black(
    llff: Callable[..., Path], configured: Configured, look: Look, make_png: Png
) -> None:
    folder = llff()
    (folder / "masks" / "000.png").write_bytes(make_png(16, 16, 0))
    found = look(of(configured, ref_mesh="photos"), "masks_filled")
    assert found.severity == "error"
    assert str(folder / "masks" / "000.png") in found.evidence


@pytest.mark.parametrize(
    ("channels", "value", "severity"), [(1, 200, "ok"), (1, 0, "error"), (3, 0, "error")]
)
def test_masks_that_are_decoded(
    llff: Callable[..., Path],
    configured: Configured,
    look: Look,
    make_png: Png,
    channels: int,
    value: int,
    severity: str,
) -> None:
    pytest.importorskip("cv2")
    import os
    import sys

    folder = llff(count=8)
    (folder / "masks" / "003.png").write_bytes(make_png(16, 16, value, channels))
    context = Context(sys.executable, environ=os.environ, **configured(ref_mesh="photos"))
    assert look(context, "masks_filled").severity == severity


def test_a_mask_that_is_damaged(
    llff: Callable[..., Path], configured: Configured, look: Look, make_png: Png
) -> None:
    pytest.importorskip("cv2")
    import os
    import sys

    damaged = llff(count=8) / "masks" / "003.png"
    damaged.write_bytes(make_png(16, 16)[:40])
    context = Context(sys.executable, environ=os.environ, **configured(ref_mesh="photos"))
    found = look(context, "masks_filled")
    assert found.severity == "error"
    assert f"{damaged} cannot be decoded" in found.evidence


def nerf(folder: Path, make_png: Png, count: int = 10, **change: Any) -> Path:
    (folder / "train").mkdir(parents=True)
    frames = []
    for i in range(count):
        angle = 2 * math.pi * i / count
        s, c = math.sin(angle), math.cos(angle)
        matrix = [[c, 0, s, 4 * s], [0, 1, 0, 0], [-s, 0, c, 4 * c], [0, 0, 0, 1]]
        frames.append({"file_path": f"./train/r_{i}", "transform_matrix": matrix})
        (folder / "train" / f"r_{i}.png").write_bytes(make_png(16, 16, 200, 4))
    document = {"camera_angle_x": 0.69, "frames": frames, **change}
    (folder / "transforms_train.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("check", ["data_present", "photographs", "camera_poses", "object_in_grid"])
def test_nerfs_pictures(
    tmp_path: Path, configured: Configured, look: Look, make_png: Png, check: str
) -> None:
    nerf(tmp_path / "lego", make_png)
    assert look(of(configured, ref_mesh="lego"), check).severity == "ok"


def test_nerfs_pictures_that_are_missing(
    tmp_path: Path, configured: Configured, look: Look, make_png: Png
) -> None:
    (nerf(tmp_path / "lego", make_png) / "train" / "r_3.png").unlink()
    found = look(of(configured, ref_mesh="lego"), "photographs")
    assert (found.severity, "r_3.png" in found.evidence) == ("error", True)


@pytest.mark.parametrize(
    "change",
    [
        {"camera_angle_x": None},
        {"camera_angle_x": 9},
        {"frames": []},
        {"frames": [{"file_path": "a"}]},
        {"frames": [{"file_path": "a", "transform_matrix": [[1, 0], [0, 1]]}]},
    ],
)
def test_nerfs_cameras_that_are_none(
    tmp_path: Path, configured: Configured, look: Look, make_png: Png, change: dict[str, Any]
) -> None:
    nerf(tmp_path / "lego", make_png, **change)
    found = look(of(configured, ref_mesh="lego"), "camera_poses")
    assert found.severity == "error"
    assert "transforms_train.json" in found.evidence


def test_alpha_is_decoded(
    tmp_path: Path, configured: Configured, look: Look, make_png: Png
) -> None:
    pytest.importorskip("cv2")
    import os
    import sys

    folder = nerf(tmp_path / "lego", make_png)
    context = Context(sys.executable, environ=os.environ, **configured(ref_mesh="lego"))
    assert look(context, "masks_filled").severity == "ok"
    (folder / "train" / "r_0.png").write_bytes(make_png(16, 16, 0, 4))
    context = Context(sys.executable, environ=os.environ, **configured(ref_mesh="lego"))
    assert look(context, "masks_filled").severity == "error"


def with_row(index: int, column: int, value: float) -> Callable[[Poses], list[list[float]]]:
    def make(poses: Poses) -> list[list[float]]:
        rows = poses[1](10)
        rows[index][column] = value
        return rows

    return make


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (with_row(3, 3, float("nan")), "infinite or none"),
        (with_row(3, 0, 7.0), "not perpendicular"),
        (with_row(3, 14, 0.0), "focal length is not above 0"),
    ],
)
def test_cameras_that_are_none(
    llff: Callable[..., Path],
    configured: Configured,
    look: Look,
    poses: Poses,
    rows: Callable[[Poses], list[list[float]]],
    word: str,
) -> None:
    llff(rows=rows(poses))
    found = look(of(configured, ref_mesh="photos"), "camera_poses")
    assert found.severity == "error"
    assert "camera 3" in found.evidence
    assert word in found.evidence
    assert look(of(configured, ref_mesh="photos"), "object_in_grid").severity == "skipped"


def test_cameras_of_another_shape(
    llff: Callable[..., Path], configured: Configured, look: Look, poses: Poses
) -> None:
    folder = llff()
    (folder / "poses_bounds.npy").write_bytes(poses[0]([[0.0] * 15] * 10, 15))
    found = look(of(configured, ref_mesh="photos"), "camera_poses")
    assert "10 x 15, not of N x 17" in found.evidence
    (folder / "poses_bounds.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00__import__('os')")
    assert look(of(configured, ref_mesh="photos"), "camera_poses").severity == "error"
    (folder / "poses_bounds.npy").write_bytes(poses[0](poses[1](10))[:-8])
    found = look(of(configured, ref_mesh="photos"), "camera_poses")
    assert "no NumPy array that can be read" in found.evidence


def test_cameras_in_one_place_and_few_of_them(
    llff: Callable[..., Path], configured: Configured, look: Look, poses: Poses
) -> None:
    llff(rows=poses[1](10, 0.0))
    found = look(of(configured, ref_mesh="photos"), "camera_poses")
    assert (found.severity, "one place" in found.evidence) == ("error", True)
    llff("few", count=4)
    assert look(of(configured, ref_mesh="few"), "camera_poses").severity == "warning"


def test_depths_are_not_needed(
    llff: Callable[..., Path], configured: Configured, look: Look, poses: Poses
) -> None:
    llff(rows=[[*row[:15], 0.0, 0.0] for row in poses[1](10)])
    found = look(of(configured, ref_mesh="photos"), "camera_poses")
    assert (found.severity, "10 of 10" in found.evidence) == ("note", True)
    assert look(of(configured, ref_mesh="photos"), "object_in_grid").severity == "ok"


@pytest.mark.parametrize(
    ("scale", "severity", "word"),
    [(2.1, "ok", ""), (9.0, "warning", "inside the grid"), (0.3, "error", "hardly any")],
)
def test_the_grid_seen_from_the_cameras(
    llff: Callable[..., Path],
    configured: Configured,
    look: Look,
    scale: float,
    severity: str,
    word: str,
) -> None:
    llff()
    found = look(of(configured, ref_mesh="photos", mesh_scale=scale), "object_in_grid")
    assert found.severity == severity
    assert word in found.evidence


def cube(half: float, more: str = "") -> str:
    corners = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    lines = [f"v {x} {y} {z}" for x, y, z in corners]
    return "\n".join([*lines, "vt 0 0", more, "f 1/1 2/1 3/1", ""])


@pytest.mark.parametrize(
    ("half", "severity", "word"),
    [(0.6, "ok", ""), (0.9, "warning", "cameras"), (2, "warning", "lost"), (0.1, "warning", "10%")],
)
def test_a_mesh_in_the_grid(
    tmp_path: Path, configured: Configured, look: Look, half: float, severity: str, word: str
) -> None:
    (tmp_path / "cube.obj").write_text(cube(half))
    found = look(of(configured, ref_mesh="cube.obj"), "object_in_grid")
    assert found.severity == severity
    assert word in found.evidence
    context = of(configured, ref_mesh="cube.obj", base_mesh="cube.obj")
    assert look(context, "object_in_grid").severity == "skipped"


def test_reference_meshes(tmp_path: Path, configured: Configured, look: Look) -> None:
    path = tmp_path / "cube.obj"
    path.write_text(cube(0.5))
    assert look(of(configured, ref_mesh="cube.obj"), "reference_mesh").severity == "ok"
    path.write_text(cube(0.5, "mtllib cube.mtl"))
    found = look(of(configured, ref_mesh="cube.obj"), "reference_mesh")
    assert (found.severity, "cube.mtl" in found.evidence) == ("warning", True)
    path.write_text(cube(0.5).replace("vt 0 0", "").replace("/1", ""))
    assert "texture" in look(of(configured, ref_mesh="cube.obj"), "reference_mesh").evidence
    path.write_text(cube(0.5, "mtllib cube.mtl\nusemtl m"))
    (tmp_path / "cube.mtl").write_text("newmtl m\nillum 2\nKs 1 1 1\n")
    found = look(of(configured, ref_mesh="cube.obj"), "reference_mesh")
    assert (found.severity, "specular colour" in found.evidence) == ("warning", True)
    (tmp_path / "cube.mtl").write_text("newmtl m\nmap_Kd gone.png\n")
    found = look(of(configured, ref_mesh="cube.obj"), "reference_mesh")
    assert (found.severity, "gone.png" in found.evidence) == ("error", True)
    (tmp_path / "other.mtl").write_text("newmtl m\nKd 1 0 0\n")
    context = of(configured, ref_mesh="cube.obj", mtl_override="other.mtl")
    assert look(context, "reference_mesh").severity == "ok"
    path.write_bytes(b"v one two\nv 1 2\nv nan nan nan\n\xff\xfe\n")
    assert look(of(configured, ref_mesh="cube.obj"), "reference_mesh").severity == "error"


def test_light_of_a_mesh(tmp_path: Path, configured: Configured, look: Look) -> None:
    (tmp_path / "cube.obj").write_text(cube(0.5))
    light = tmp_path / "light.hdr"
    found = look(of(configured, ref_mesh="cube.obj"), "environment_light")
    assert (found.severity, "envmap" in found.cure) == ("error", True)
    for text, severity in (
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n" + b"\0" * 512, "ok"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n", "warning"),
        (b"#?RADIANCE\n\n-Y 8 +X 16\n" + b"\0" * 512, "ok"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n+X 16 -Y 8\n" + b"\0" * 512, "ok"),
        (b"#?RADIANCE\nFORMAT=float\n\n-Y 8 +X 16\n" + b"\0" * 512, "error"),
        (b"\x76\x2f\x31\x01 an EXR", "error"),
        (b"version https://git-lfs.github.com/spec/v1\n", "skipped"),
        (b"", "error"),
    ):
        light.write_bytes(text)
        context = of(configured, ref_mesh="cube.obj", envmap="light.hdr")
        assert look(context, "environment_light").severity == severity


@pytest.mark.parametrize(
    ("gib", "batch", "severity"), [(80, 8, "ok"), (8, 8, "warning"), (8, 1, "ok")]
)
def test_memory_of_the_card(
    healthy: Callable[..., Context],
    configured: Configured,
    look: Look,
    gib: int,
    batch: int,
    severity: str,
) -> None:
    context = healthy(
        lambda light, heavy: heavy["torch"]["devices"][0].update(memory=gib << 30),
        **configured(batch=batch, train_res=[800, 800]),
    )
    found = look(context, "memory_needed")
    assert found.severity == severity
    assert "are foreseen" in found.evidence
    if severity == "warning":
        assert found.cure.startswith('"batch": 2')


def test_memory_that_others_use(
    healthy: Callable[..., Context], configured: Configured, look: Look
) -> None:
    context = healthy(
        lambda light, heavy: heavy["torch"]["devices"][0].update(free=1 << 30), **configured()
    )
    found = look(context, "memory_needed")
    assert found.severity == "warning"
    assert "only 1.0 are free" in found.evidence


def test_memory_of_the_machine(
    configured: Configured, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    for there, severity in ((1.0, "warning"), (1e15, "ok"), (None, "skipped")):
        monkeypatch.setattr(memory_needed, "memory_of_machine", lambda there=there: there)
        assert look(of(configured), "memory_needed").severity == severity
