"""The whole way from another tool's project: the same data set from each, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from diffrec.data import describe
from diffrec.prepare import commandline, frames, solved
from diffrec.prepare.errors import SourceError
from diffrec.prepare.run import prepare
from diffrec.prepare.solved import Lens
from nvdiffrec_contract.preparation import Preparation

from . import ballscene
from . import projectfiles as files
from .conftest import COARSE

pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")
pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = 9
CAMERAS = ballscene.ring(COUNT).cameras
TALL = Lens((160, 120), (150.0, 152.0), (66.0, 77.0), (-0.06, 0.01, 0.001, -0.002))
WIDE = Lens((120, 160), (170.0, 174.0), (71.0, 66.0), (0.05, -0.02, 0.002, -0.001))


def lens_of(name: str) -> Lens:
    return TALL if int(name[-1]) % 2 else WIDE


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ and masks/ of two cameras with distortion and principal points of their own."""
    folder = tmp_path_factory.mktemp("shoot")
    for inner in ("images", "masks"):
        (folder / inner).mkdir()
    for name, camera in CAMERAS.items():
        colour, mask = ballscene.photograph(camera, lens_of(name))
        cv2.imwrite(str(folder / "images" / f"{name}.png"), colour)
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    return folder


def posed(name: str) -> files.Pose:
    return CAMERAS[name].rotation.T, CAMERAS[name].centre


def as_colmap(folder: Path) -> Path:
    shots = []
    for name in CAMERAS:
        lens = lens_of(name)
        given = (*lens.focal, *lens.centre, *lens.distortion)
        shots.append((f"{name}.png", ("OPENCV", lens.size, given), posed(name)))
    files.colmap(folder / "sparse" / "0", shots, ballscene.CENTRE + 0.5 * np.eye(3), True)
    return folder


def as_transforms(folder: Path) -> Path:
    listed = []
    for name in CAMERAS:
        lens = lens_of(name)
        k1, k2, p1, p2 = lens.distortion
        listed.append(
            {
                "file_path": f"images/{name}",
                "transform_matrix": files.opengl(posed(name)).tolist(),
                "fl_x": lens.focal[0], "fl_y": lens.focal[1],
                "cx": lens.centre[0], "cy": lens.centre[1],
                "w": lens.size[1], "h": lens.size[0], "k1": k1, "k2": k2, "p1": p1, "p2": p2,
                "mask_path": f"masks/{name}.png",
            }
        )  # fmt: skip
    return files.transforms(folder / "transforms.json", {"camera_model": "OPENCV"}, listed)


@pytest.fixture(scope="module")
def made(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data sets out of two projects of the same photographs."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in COARSE:
            patch.setattr(module, name, value)
        for write in (as_transforms, as_colmap):
            folder = tmp_path_factory.mktemp(write.__name__)
            for inner in ("images", "masks"):
                (folder / inner).symlink_to(pictures / inner)
            out = folder / "out"
            prepare(Preparation(write(folder), out, threads=1), lambda line: None)
            found[write.__name__] = out
    return found


def test_each_project_gives_the_same_data_set(made: dict[str, Path]) -> None:
    one, other = made.values()
    for file in ("transforms_train.json", "transforms_test.json"):
        a, b = (json.loads((out / file).read_text()) for out in (one, other))
        assert a["camera_angle_x"] == pytest.approx(b["camera_angle_x"], rel=1e-9)
        for left, right in zip(a["frames"], b["frames"], strict=True):
            assert left["file_path"] == right["file_path"]
            assert np.allclose(left["transform_matrix"], right["transform_matrix"], atol=1e-6)
    for name in CAMERAS:
        a, b = (cv2.imread(str(out / "images" / f"{name}.png"), -1).astype(float)
                for out in (one, other))  # fmt: skip
        assert np.abs(a - b).max() <= 2


def test_lenses_of_two_kinds_become_one(made: dict[str, Path]) -> None:
    """The pictures are those of one pinhole: the ball's outline is where it belongs."""
    out = made["as_colmap"]
    found = describe(out)
    assert found.kind == "nerf_synthetic" and not found.problems and found.nvdiffrec
    read = solved.load(solved.place_of(out))
    assert len(read.lenses) == 2 and {one.model for one in read.lenses.values()} == {"opencv"}
    document = json.loads((out / "transforms_train.json").read_text())
    for frame in document["frames"][:4]:
        name = Path(frame["file_path"]).name
        cut = cv2.imread(str(out / "images" / f"{name}.png"), -1)
        height, width = cut.shape[:2]
        focal = 0.5 * width / np.tan(0.5 * document["camera_angle_x"])
        pinhole = Lens((height, width), (focal, focal), (0.5 * width, 0.5 * height))
        _colour, mask = ballscene.photograph(CAMERAS[name], pinhole)
        assert ((cut[..., 3] > 127) & (mask > 127)).sum() > 0.97 * (mask > 127).sum()
        assert ((cut[..., 3] > 127) & (mask < 127)).sum() < 0.03 * (mask > 127).sum()


@pytest.mark.parametrize("tool", ["as_colmap", "as_transforms"])
def test_the_mesh_goes_back_to_the_projects_coordinates(made: dict[str, Path], tool: str) -> None:
    out = made[tool]
    placed = json.loads((out / "placement.json").read_text())
    back, there = (np.array(placed[one]) for one in ("solver_from_mesh", "mesh_from_solver"))
    assert np.allclose(back @ there, np.eye(4), atol=1e-9)
    # The trainer turns the set's z into the mesh's y.
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    document = json.loads((out / "transforms_train.json").read_text())
    for frame in document["frames"]:
        pose = np.array(frame["transform_matrix"])
        camera = CAMERAS[Path(frame["file_path"]).name]
        in_mesh = turn @ pose[:3, 3]
        returned = back @ [*in_mesh, 1]
        assert np.abs(returned[:3] - camera.centre).max() < 1e-5
        assert np.abs((there @ [*camera.centre, 1])[:3] - in_mesh).max() < 1e-5
        scale = np.linalg.det(back[:3, :3]) ** (1 / 3)
        axes = back[:3, :3] / scale @ turn @ pose[:3, :3]
        assert np.abs(axes - camera.rotation * [1, -1, -1]).max() < 1e-6


def test_nothing_is_done_twice_and_a_change_is_seen(made: dict[str, Path]) -> None:
    out = made["as_transforms"]
    source = out.parent / "transforms.json"
    lines: list[str] = []
    prepare(Preparation(source, out, threads=1), lines.append)
    assert lines and all(one.endswith("up to date") for one in lines)
    document = json.loads(source.read_text())
    document["frames"][0]["cx"] += 1
    source.write_text(json.dumps(document))
    lines.clear()
    prepare(Preparation(source, out, threads=1), lines.append)
    assert any(one.startswith("undistortion: done") for one in lines)


@pytest.mark.parametrize("orientation", [1, 6, 8, 3])
def test_sideways_photographs_stand_upright(
    tmp_path: Path, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored as the sensor was held; the tool solved them so, and EXIF says what is up."""
    from PIL import Image

    from diffrec.prepare import pictures as read_pictures
    from diffrec.prepare.placement import up_of
    from diffrec.prepare.readers import entry

    turns = {1: 0, 6: 1, 3: 2, 8: 3}[orientation]
    shots = []
    (tmp_path / "images").mkdir()
    for name, camera in CAMERAS.items():
        colour, _mask = ballscene.photograph(camera, ballscene.LENS)
        stored = np.rot90(colour, turns)  # upright once it has been turned clockwise
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(np.ascontiguousarray(stored[..., ::-1]))
        image.save(tmp_path / "images" / f"{name}.jpg", exif=exif, quality=90)
        # Turning a picture counterclockwise turns the camera's axes about its own clockwise.
        angle = np.pi / 2 * turns
        about = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0],
                          [0, 0, 1]])  # fmt: skip
        rotation = camera.rotation @ about.T
        size = stored.shape[:2]
        given = (190.0, 190.0, size[1] / 2, size[0] / 2)
        point = rotation.T @ (np.add(ballscene.CENTRE, [0, 0, 0.4]) - camera.centre)
        pixel = point[:2] / point[2] * 190 + [size[1] / 2, size[0] / 2]
        upright = read_pictures.upright(np.ascontiguousarray(stored), orientation)
        assert np.array_equal(upright, colour) and (pixel > 0).all()
        shots.append((f"{name}.jpg", ("PINHOLE", size, given), (rotation.T, camera.centre)))
    files.colmap(tmp_path / "sparse" / "0", shots, np.zeros((0, 3)), False)
    asked = Preparation(tmp_path, tmp_path / "out", threads=1)
    project = entry.read(asked)
    assert project is not None
    from diffrec.prepare.steps import Progress

    entry.enter(asked, project, Progress("project", lambda line: None))
    found = solved.load(solved.place_of(asked.out))
    up = np.array(found.up) if found.up is not None else up_of(found.cameras)
    assert up @ [0, 0, 1.0] > np.cos(np.radians(2))
    first = frames.chosen(asked.out).frames[0]
    assert found.lenses[found.cameras[first.name].lens].size == first.size


def test_photographs_in_a_folder_of_their_own(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffrec.prepare.readers import entry

    as_colmap(tmp_path / "project")
    asked = Preparation(tmp_path / "project", tmp_path / "out")
    with pytest.raises(SourceError.__mro__[1], match="--photographs"):
        entry.read(asked)
    found = entry.read(Preparation(tmp_path / "project", tmp_path / "out",
                                   photographs=pictures / "images"))  # fmt: skip
    assert found is not None and len(found.shots) == COUNT
    code = commandline.main([str(tmp_path / "project"), "--out", str(tmp_path / "out")])
    assert code and "--photographs" in capsys.readouterr().err
    (tmp_path / "plain").mkdir()
    code = commandline.main([str(tmp_path / "plain"), "--out", str(tmp_path / "out"),
                             f"--photographs={pictures}"])  # fmt: skip
    said = capsys.readouterr().err
    assert code and "no project" in said and "Metashape" in said


def test_photographs_of_another_shape_are_refused(pictures: Path, tmp_path: Path) -> None:
    as_transforms(tmp_path)
    (tmp_path / "masks").symlink_to(pictures / "masks")
    (tmp_path / "images").mkdir()
    for path in sorted((pictures / "images").iterdir()):
        picture = cv2.imread(str(path))
        cv2.imwrite(str(tmp_path / "images" / path.name), picture[:100, :100])
    with pytest.raises(Exception, match="but its camera was solved for"):
        prepare(Preparation(tmp_path, tmp_path / "out"), lambda line: None)
