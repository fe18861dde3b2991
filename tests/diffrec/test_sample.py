"""The sample scene."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from diffrec.errors import DiffrecError
from diffrec.sample import write_sample
from diffrec.sample.pictures import sky, textures
from diffrec.sample.shape import sample_surface
from nvdiffrec_contract.configuration import load_config

FILES = [
    "sample.obj",
    "sample.mtl",
    "sample_kd.png",
    "sample_ks.png",
    "sky.hdr",
    "sample.json",
    "sample_flexi.json",
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "new"
    assert write_sample(folder) == FILES
    return folder


def test_a_second_call_changes_nothing_and_repairs_what_is_damaged(sample: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in sample.iterdir()}
    assert sorted(before) == sorted(FILES), "no temporary file stays"
    assert write_sample(sample) == []
    assert before == {path.name: path.stat().st_mtime_ns for path in sample.iterdir()}
    good = (sample / "sample_kd.png").read_bytes()
    (sample / "sample_kd.png").write_bytes(good[:100])
    assert write_sample(sample) == ["sample_kd.png"]
    assert (sample / "sample_kd.png").read_bytes() == good


def test_the_surface_is_a_closed_ring_that_fits_the_grid() -> None:
    surface = sample_surface()
    mesh = trimesh.Trimesh(surface.positions, surface.triangles, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 0, "one hole"
    assert mesh.volume > 0.5, "faces look outwards"
    assert np.abs(mesh.bounds).max() < 1.0
    assert (mesh.vertex_normals * surface.normals).sum(axis=1).min() > 0.99
    assert surface.texcoord_triangles.shape == surface.triangles.shape


def test_texture_coordinates_are_one_unmirrored_chart() -> None:
    surface = sample_surface()
    corners = surface.texcoords[surface.texcoord_triangles]
    assert corners.min() == 0
    assert corners.max() == 1
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    # With v running down, counter-clockwise triangles have negative area.
    assert (areas < 0).all()
    assert np.isclose(areas.sum() / 2, -1), "the chart covers the texture once"


def test_the_obj_is_what_was_made(sample: Path) -> None:
    surface = sample_surface()
    rows: dict[str, list[list[str]]] = {}
    for line in (sample / "sample.obj").read_text(encoding="ascii").splitlines():
        kind, *rest = line.split()
        rows.setdefault(kind, []).append(rest)
    assert rows["mtllib"] == [["sample.mtl"]]
    assert np.allclose(np.array(rows["v"], float), surface.positions, atol=1e-6)
    texcoords = np.array(rows["vt"], float)
    texcoords[:, 1] = 1 - texcoords[:, 1]
    assert np.allclose(texcoords, surface.texcoords, atol=1e-6)
    faces = np.array([[corner.split("/") for corner in face] for face in rows["f"]], int) - 1
    assert (faces[..., 0] == surface.triangles).all()
    assert (faces[..., 1] == surface.texcoord_triangles).all()
    assert (faces[..., 2] == surface.triangles).all()
    description = (sample / "sample.mtl").read_text(encoding="ascii")
    for name in ("sample_kd.png", "sample_ks.png"):
        assert name in description
        assert cv2.imread(str(sample / name)).shape == (512, 512, 3)


def test_the_material_varies() -> None:
    kd, ks = textures(128)
    assert kd.min() >= 0
    assert kd.max() <= 1
    assert (ks[..., 0] == 0).all(), "nothing is occluded"
    assert ks[..., 1].min() >= 0.1
    assert np.ptp(ks[..., 1]) > 0.6
    metal = (ks[..., 2] > 0.99).mean()
    assert 0.15 < metal < 0.25
    assert ((ks[..., 2] > 0.01) & (ks[..., 2] < 0.99)).mean() < 0.02, "metal or not, sharply"


def test_the_sky_is_brightest_at_the_sun_and_lighter_above(sample: Path) -> None:
    panorama = cv2.imread(str(sample / "sky.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert panorama.shape == (512, 1024, 3)
    painted = sky()
    # RGBE: eight bits under the exponent of the brightest channel.
    assert (np.abs(panorama - painted) <= painted.max(axis=-1, keepdims=True) / 128 + 1e-6).all()
    row, column = np.unravel_index(panorama.sum(axis=-1).argmax(), (512, 1024))
    elevation = 90 - (row + 0.5) / 512 * 180
    azimuth = ((column + 0.5) / 1024 - 0.5) * 360
    assert abs(elevation - 42) < 6
    assert abs(azimuth - 38) < 8
    assert 30 < panorama.max() < 100
    assert panorama[:200].mean() > 2 * panorama[300:].mean()


def test_the_configuration_loads_and_names_its_own_files(sample: Path) -> None:
    config = load_config(sample / "sample.json")
    assert (sample / str(config.ref_mesh)).is_file()
    assert (sample / str(config.envmap)).is_file()
    assert config.validate
    values = json.loads((sample / "sample.json").read_text(encoding="ascii"))
    assert config.dmtet_grid in (32, 64, 128), "nvdiffrec ships no other grids"
    assert "diffrec" in values


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diffrec.sample", str(tmp_path / "a" / "b")]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "sample.obj" in first.stdout
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.strip().endswith("up to date")
    (tmp_path / "file").write_text("")
    command[-1] = str(tmp_path / "file" / "below")
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: ")
    with pytest.raises(DiffrecError):
        write_sample(tmp_path / "file")
