"""Damaged and malicious projects: one sentence each, whatever they hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.prepare import readers
from diffrec.prepare.readers import xmlfiles
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project, ProjectError

from . import projectfiles as files

pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")

SIZE = (48, 64)
POSE = (np.eye(3), np.array([1.0, 2, 3]))
PINHOLE = ("PINHOLE", SIZE, (60.0, 60, 32, 24))


def project(path: Path) -> Project:
    reader = readers.recognised(path)
    assert reader is not None
    base = path if path.is_dir() else path.parent
    return reader.read(path, Photographs([base / "images", base]))


def colmap(folder: Path, binary: bool = True) -> Path:
    shots = [(f"{name}.png", PINHOLE, POSE) for name in "abc"]
    files.colmap(folder / "sparse" / "0", shots, np.ones((4, 3)), binary)
    return folder


def transforms(folder: Path) -> Path:
    frames = [{"file_path": f"images/{one}", "transform_matrix": np.eye(4).tolist()}
              for one in "abc"]  # fmt: skip
    return files.transforms(folder / "transforms.json", {"fl_x": 60.0}, frames)


def metashape(folder: Path) -> Path:
    shots = [(one, np.eye(4)) for one in "abc"]
    return files.metashape(folder / "cameras.xml", SIZE, {"f": 60.0}, shots)


def realityscan(folder: Path) -> Path:
    for one in "abc":
        files.realityscan(folder / "images" / f"{one}.xmp", POSE, {"FocalLength35mm": "35"})
    return folder


def bundler(folder: Path) -> Path:
    return files.bundler(folder / "bundle.out",
                         [(f"{one}.png", 60.0, 0.0, 0.0, POSE) for one in "abc"],
                         np.ones((2, 3)))  # fmt: skip


def alicevision(folder: Path) -> Path:
    lens = {"width": "64", "height": "48", "pxFocalLength": "60", "type": "pinhole",
            "principalPoint": ["32", "24"]}  # fmt: skip
    shots = [(f"/x/{one}.png", POSE) for one in "abc"]
    return files.alicevision(folder / "cameras.sfm", (1, 0, 0), lens, shots)


def llff(folder: Path) -> Path:
    files.llff(folder / "poses_bounds.npy", SIZE, 60.0, [POSE] * 3)
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "colmap": colmap,
    "transforms": transforms,
    "metashape": metashape,
    "realityscan": realityscan,
    "bundler": bundler,
    "alicevision": alicevision,
    "llff": llff,
}


def folder_in(parent: Path) -> Path:
    for name in "abc":
        files.photograph(parent / "images" / f"{name}.png", SIZE)
    return parent


def written(path: Path) -> list[Path]:
    """The files that a project is made of."""
    base = path if path.is_dir() else path.parent
    return [one for one in sorted(base.rglob("*")) if one.is_file() and one.suffix != ".png"]


@pytest.mark.parametrize("name", WRITERS)
def test_each_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    found = project(WRITERS[name](folder_in(tmp_path)))
    assert len(found.shots) == 3


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_files_are_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    path = WRITERS[name](folder_in(tmp_path_factory.mktemp("damaged")))
    victim = data.draw(st.sampled_from(written(path)))
    content = bytearray(victim.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["cut", "put", "empty", "huge", "nan"]))
    if how == "cut":
        content = content[:at]
    elif how == "put":
        content[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    elif how == "empty":
        content = bytearray()
    elif how == "huge":
        content[:8] = b"\xff" * 7 + b"\x0f"
    else:
        content = bytearray(bytes(content).replace(b"1", b"NaN", 3))
    victim.write_bytes(bytes(content))
    reader = readers.recognised(path)
    if reader is None:
        return
    base = path if path.is_dir() else path.parent
    try:
        found = reader.read(path, Photographs([base / "images", base]))
    except ProjectError as error:
        assert "\n" not in str(error) and len(str(error)) < 1200
    else:
        for shot in found.shots:
            assert np.isfinite(shot.centre).all() and np.isfinite(shot.lens.focal).all()
            assert np.allclose(shot.rotation @ shot.rotation.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("name", WRITERS)
def test_photographs_that_are_not_there(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](folder_in(tmp_path))
    (tmp_path / "images" / "b.png").unlink()
    if name == "llff":
        with pytest.raises(ProjectError, match="2 photographs and 3 cameras"):
            project(path)
        return
    found = project(path)
    assert len(found.shots) == 2 and len(found.missing) == 1
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(ProjectError, match=r"2 of the 3 photographs .* are not there"):
        project(path)


@pytest.mark.parametrize(
    "name",
    ["../../outside/a.png", "/etc/a.png", "C:\\a.png", "images/../../a.png", "\\\\host\\a.png"],
)
@pytest.mark.parametrize("field", ["file_path", "mask_path"])
def test_names_outside_are_refused(tmp_path: Path, name: str, field: str) -> None:
    path = transforms(folder_in(tmp_path / "set"))
    files.photograph(tmp_path / "a.png", SIZE)
    document = json.loads(path.read_text())
    document["frames"][1][field] = name
    path.write_text(json.dumps(document))
    with pytest.raises(ProjectError, match="leads out of the data set"):
        project(path)


def test_paths_of_another_machine_are_not_followed(tmp_path: Path) -> None:
    secret = files.photograph(tmp_path / "elsewhere" / "d.png", SIZE)
    path = alicevision(folder_in(tmp_path / "set"))
    path.write_text(path.read_text().replace("/x/b.png", str(secret)))
    found = project(path)
    assert [one.path.name for one in found.shots] == ["a.png", "c.png"]
    assert found.missing == (str(secret),)


def test_names_that_may_be_two_files(tmp_path: Path) -> None:
    path = metashape(folder_in(tmp_path))
    for folder in ("left", "right"):
        files.photograph(tmp_path / "images" / folder / "d.png", SIZE)
    path.write_text(path.read_text().replace('label="b"', 'label="d"'))
    with pytest.raises(ProjectError, match=r"may be .*left.*right"):
        project(path)
    path.write_text(path.read_text().replace('label="d"', 'label="left/d.png"'))
    assert project(path).shots[1].path == tmp_path / "images" / "left" / "d.png"


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<document><chunk>&b;</chunk></document>"
)
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE l SYSTEM "file:///etc/passwd"><document><chunk/></document>'
)


@pytest.mark.parametrize(
    "data", [LAUGHS, OUTSIDE, b"<a>" * 100_000, b"<document><chunk", b"\0" * 9]
)
def test_malicious_xml_is_refused(data: bytes) -> None:
    with pytest.raises(ProjectError):
        xmlfiles.parsed(data, "x.xml")


def test_xml_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "big.xml").write_bytes(b"<a/>" + b" " * 100)
    with pytest.raises(ProjectError, match="larger than"):
        xmlfiles.read(tmp_path / "big.xml", 50)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    for name in ("cameras.xml", "transforms.json", "bundle.out", "cameras.sfm"):
        os.mkfifo(tmp_path / name)
        reader = readers.recognised(tmp_path / name)
        assert reader is None
    folder = tmp_path / "sparse" / "0"
    folder.mkdir(parents=True)
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        os.mkfifo(folder / name)
    assert readers.recognised(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0]]}, "mirrored"),
        ({"transform_matrix": [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}, "right angles"),
        ({"transform_matrix": [[0] * 4] * 3}, "no length"),
        ({"transform_matrix": "eye"}, "4 x 4 or 3 x 4"),
        ({"fl_x": 1e-9}, "no lens"),
        ({"fl_x": "60"}, "allowed: a number"),
        ({"k1": -4.0, "k2": 2.0}, "folds"),
        ({"cx": 9000.0}, "far off"),
        ({"w": 0, "h": 48}, "no size"),
        ({"camera_model": "EQUIRECTANGULAR"}, "camera_model"),
    ],
)
def test_cameras_that_are_none(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = transforms(folder_in(tmp_path))
    document = json.loads(path.read_text())
    document["frames"][1] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(ProjectError, match=said) as error:
        project(path)
    assert "frame 1" in str(error.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"DistortionModel": "division", "DistortionCoeficients": "-0.2 0 0 0 0 0"}, "division"),
        ({"Skew": "0.01"}, "skew"),
        ({"AspectRatio": "1.1"}, "aspect"),
        ({"DistortionModel": "brown3", "DistortionCoeficients": "1 2"}, "6 numbers"),
    ],
)
def test_what_realityscan_has_and_is_not_read(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    folder_in(tmp_path)
    given_ = {"FocalLength35mm": "35", **values}
    files.realityscan(tmp_path / "images" / "a.xmp", POSE, given_)
    with pytest.raises(ProjectError, match=said):
        project(tmp_path)


def test_sidecars_of_other_programs_are_no_cameras(tmp_path: Path) -> None:
    folder_in(tmp_path)
    (tmp_path / "images" / "a.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    assert readers.recognised(tmp_path) is None
