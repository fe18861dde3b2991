"""COLMAP's database without a model: solved from its matches, and refused where it is damaged."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from diffrec.prepare import cameras, mapping, readers
from diffrec.prepare.readers import colmap_database
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import ProjectError

pycolmap = pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")

COUNT = 10


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A project with a database and pictures, and the model that it was made from."""
    folder = tmp_path_factory.mktemp("colmap")
    pycolmap.logging.minloglevel = 3
    pycolmap.set_random_seed(1)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, COUNT, 300
    options.num_cameras_per_rig = 1
    with pycolmap.Database.open(folder / "database.db") as database:
        truth = pycolmap.synthesize_dataset(options, database)
    (folder / "images").mkdir()
    for image in truth.images.values():
        camera = truth.cameras[image.camera_id]
        place = folder / "images" / image.name
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), np.zeros((camera.height, camera.width), np.uint8))
    return folder, truth


def photographs(folder: Path, out: Path, lines: list[str]) -> Photographs:
    return Photographs([folder / "images", folder], out, lines.append)


def test_the_cameras_are_solved_from_the_matches_once(
    project: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, truth = project
    before = hashlib.sha256((folder / "database.db").read_bytes()).digest()
    for path in (folder, folder / "database.db"):
        reader = readers.recognised(path)
        assert reader is not None and reader.LABEL == colmap_database.LABEL
    lines: list[str] = []
    found = colmap_database.read(folder, photographs(folder, tmp_path, lines))
    assert len(found.shots) == COUNT and len(found.points) > 100 and lines
    poses = {shot.path.stem: cameras.Camera(0, shot.rotation, shot.centre) for shot in found.shots}
    right = mapping.cameras_of(truth)
    fit = cameras.fitted(poses, right)
    assert fit is not None
    scale, turn, move = fit
    for name, one in poses.items():
        assert np.allclose(scale * turn @ one.centre + move, right[name].centre, atol=0.02)
        assert np.allclose(turn @ one.rotation, right[name].rotation, atol=0.01)
    lines.clear()
    again = colmap_database.read(folder / "database.db", photographs(folder, tmp_path, lines))
    assert not lines
    assert all(np.array_equal(a.centre, b.centre)
               for a, b in zip(found.shots, again.shots, strict=True))  # fmt: skip
    assert hashlib.sha256((folder / "database.db").read_bytes()).digest() == before


def test_a_model_beside_it_is_read(project: tuple[Path, Any], tmp_path: Path) -> None:
    folder, truth = project
    shutil.copy(folder / "database.db", tmp_path / "database.db")
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    truth.write(tmp_path / "sparse" / "0")
    lines: list[str] = []
    found = colmap_database.read(
        tmp_path / "database.db", Photographs([folder / "images"], tmp_path / "out", lines.append)
    )
    assert found.label == "COLMAP" and len(found.shots) == COUNT and not lines


@pytest.mark.parametrize("inside", ["images", "."])
def test_matches_that_nobody_has_verified_are_verified(
    project: tuple[Path, Any], tmp_path: Path, inside: str
) -> None:
    """As hloc and other matchers leave them; the photographs in a folder or beside it."""
    folder = tmp_path / "project"
    shutil.copytree(project[0] / "images", folder / inside)
    shutil.copy(project[0] / "database.db", folder / "database.db")
    with closing(sqlite3.connect(folder / "database.db")) as database:
        database.execute("delete from two_view_geometries")
        database.commit()
    assert colmap_database.recognise(folder)
    lines: list[str] = []
    found = colmap_database.read(folder, photographs(folder, tmp_path / "out", lines))
    assert len(found.shots) == COUNT and any("verifying" in line for line in lines)
    with closing(sqlite3.connect(folder / "database.db")) as database:
        (left,) = database.execute("select count(*) from two_view_geometries").fetchone()
    assert left == 0, "the artist's own database is not written to"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update keypoints set rows = rows + 1 where image_id = 1", "points of photograph 1 are"),
        ("update two_view_geometries set rows = rows + 1", "are cut"),
        ("update keypoints set rows = 1, data = substr(data, 1, cols * 4)", "that are not there"),
        ("delete from images where image_id = 2", "not both of them"),
        (
            "update keypoints set rows = 0, data = null; delete from two_view_geometries; "
            "delete from matches",
            "no points",
        ),
        ("delete from two_view_geometries; delete from matches", "but no matches between"),
        ("update matches set rows = rows + 1", "are cut"),
        ("delete from two_view_geometries; drop table matches", "but no matches between"),
        ("update images set name = 'lost' || name where image_id > 3", "7 of the 10 photographs"),
        ("update images set name = 'a' || image_id || '/same.png'", "several photographs named"),
    ],
)
def test_a_database_that_cannot_be_right_is_refused(
    project: tuple[Path, Any], tmp_path: Path, change: str, says: str
) -> None:
    file = tmp_path / "database.db"
    shutil.copy(project[0] / "database.db", file)
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
        database.commit()
    with pytest.raises(ProjectError, match=says) as caught:
        colmap_database.read(file, Photographs([project[0] / "images"], tmp_path / "out"))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(90), b"not at all" * 50])
def test_what_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "database.db").write_bytes(content)
    assert not colmap_database.recognise(tmp_path)
    assert not colmap_database.recognise(tmp_path / "database.db")


def test_a_database_without_matches_says_nothing_of_photographs(
    project: tuple[Path, Any], tmp_path: Path
) -> None:
    shutil.copy(project[0] / "database.db", tmp_path / "database.db")
    with closing(sqlite3.connect(tmp_path / "database.db")) as database:
        database.executescript("delete from two_view_geometries; delete from matches")
        database.commit()
    assert not colmap_database.recognise(tmp_path)
