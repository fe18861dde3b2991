"""Readers of other tools' projects: a point falls where the tool's own document says it does."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.prepare import readers
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project, Shot

from . import projectfiles as files
from .projectfiles import Array, Pose

pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")

SIZE = (480, 640)
CLOSE = 0.01
"""Pixels."""

once = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    q = np.array([draw(st.floats(*ends)) for ends in ((0.1, 2), (-1, 1), (-1, 1), (-1, 1))])
    w, x, y, z = q / np.linalg.norm(q)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return turn, np.array([draw(st.floats(-20, 20)) for _ in range(3)])


def small(most: float) -> st.SearchStrategy[float]:
    return st.floats(-most, most)


def before(pose: Pose) -> tuple[Array, Array]:
    """Points in the world that a camera sees, and the same in its axes."""
    chance = np.random.default_rng(3)
    own = chance.uniform([-0.45, -0.3, 1], [0.45, 0.3, 1], (30, 3)) * chance.uniform(1, 9, (30, 1))
    turn, centre = pose
    return own @ turn + centre, own


def seen(shot: Shot, world: Array) -> Array:
    inside = (world - shot.centre) @ shot.rotation
    assert (inside[:, 2] > 0).all()
    return shot.lens.pixels(inside[:, :2] / inside[:, 2:])


def project(path: Path, *folders: Path) -> Project:
    reader = readers.recognised(path)
    assert reader is not None
    base = path if path.is_dir() else path.parent
    return reader.read(path, Photographs(folders or [base / "images", base]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photographs a.png, b.png and c.png in images/."""
    folder = tmp_path_factory.mktemp("project")
    for name in "abc":
        files.photograph(folder / "images" / f"{name}.png", SIZE)
    return folder


MIDDLE = (500.0, 505.0, 331.0, 228.0)
COLMAP: dict[str, Sequence[float]] = {
    "SIMPLE_PINHOLE": (500.0, 331.0, 228.0),
    "PINHOLE": MIDDLE,
    "SIMPLE_RADIAL": (500.0, 331.0, 228.0, -0.12),
    "RADIAL": (500.0, 331.0, 228.0, -0.12, 0.04),
    "OPENCV": (*MIDDLE, -0.12, 0.04, 0.003, -0.002),
    "OPENCV_FISHEYE": (*MIDDLE, 0.02, -0.01, 0.003, -0.001),
    "FULL_OPENCV": (*MIDDLE, -0.12, 0.04, 0.003, -0.002, 0.01, 0.02, -0.01, 0.004),
    "FOV": (*MIDDLE, 0.8),
    "SIMPLE_RADIAL_FISHEYE": (500.0, 331.0, 228.0, 0.05),
    "RADIAL_FISHEYE": (500.0, 331.0, 228.0, 0.05, -0.02),
    "THIN_PRISM_FISHEYE": (*MIDDLE, 0.02, -0.01, 0.003, -0.002, 0.001, -0.002, 0.004, -0.003),
}


@pytest.mark.parametrize("binary", [True, False])
@once
@given(st.data())
def test_colmap(place: Path, binary: bool, data: st.DataObject) -> None:
    models = data.draw(st.permutations(list(COLMAP)))[:3]
    given_ = [data.draw(poses()) for _ in range(3)]
    points = np.random.default_rng(1).normal(size=(6, 3))
    shots = [
        (f"{name}.png", (model, SIZE, COLMAP[model]), pose)
        for name, model, pose in zip("abc", models, given_, strict=True)
    ]
    tracks = [[0, 2], [0, 1], [1, 2], [0, 1, 2], [0, 2], [1, 2]]
    for one in (place / "sparse" / "0").glob("*"):
        one.unlink()
    files.colmap(place / "sparse" / "0", shots, points, binary, tracks)
    found = project(place)
    assert found.label == "COLMAP" and [one.path.stem for one in found.shots] == ["a", "b", "c"]
    order = np.argsort(found.points[:, 0])
    assert np.allclose(found.points[order], points[np.argsort(points[:, 0])])
    by = {tuple(np.round(p, 6)): row for p, row in zip(found.points, found.seen, strict=True)}
    assert by[tuple(np.round(points[1], 6))] == (0, 1)
    for shot, model, pose in zip(found.shots, models, given_, strict=True):
        world, own = before(pose)
        wanted = files.colmap_pixels(model, COLMAP[model], own)
        assert np.abs(seen(shot, world) - wanted).max() < CLOSE, model
        rays = shot.lens.rays(wanted)
        assert np.abs(rays - own[:, :2] / own[:, 2:]).max() < 1e-4, model


@once
@given(st.data())
def test_transforms(place: Path, data: st.DataObject) -> None:
    fisheye = data.draw(st.booleans())
    shared: dict[str, Any] = {"fl_x": 500.0, "fl_y": 520.0, "cx": 300.5, "cy": 260.25,
                              "w": SIZE[1], "h": SIZE[0]}  # fmt: skip
    shared |= {name: data.draw(small(0.02)) for name in ("k1", "k2", "k3", "k4")}
    if fisheye:
        shared["camera_model"] = "OPENCV_FISHEYE"
    else:
        shared |= {name: data.draw(small(0.004)) for name in ("p1", "p2")}
    given_ = [data.draw(poses()) for _ in range(3)]
    scale = data.draw(st.sampled_from([1.0, 3.5]))
    frames, own_lens = [], {"fl_x": 610.0, "cx": 320.0, "k1": 0.03}
    for i, (name, pose) in enumerate(zip(("images/a.png", "./images/b", "images\\c"), given_,
                                         strict=True)):  # fmt: skip
        matrix = files.opengl(pose)
        matrix[:3, :3] *= scale
        rows = matrix[: 4 - i % 2].tolist()
        frames.append({"file_path": name, "transform_matrix": rows, **(own_lens if i == 2 else {})})
    files.transforms(place / "transforms.json", shared, frames)
    found = project(place / "transforms.json")
    for shot, pose, frame in zip(found.shots, given_, frames, strict=True):
        world, own = before(pose)
        wanted = files.nerfstudio_pixels({**shared, **frame}, own)
        assert np.abs(seen(shot, world) - wanted).max() < CLOSE
    (place / "transforms.json").unlink()


@once
@given(poses(), st.floats(0.3, 1.6))
def test_nerf_synthetic(place: Path, pose: Pose, angle: float) -> None:
    frames = [{"file_path": f"./images/{one}", "transform_matrix": files.opengl(pose).tolist()}
              for one in "ab"]  # fmt: skip
    files.transforms(place / "transforms_train.json", {"camera_angle_x": angle}, frames)
    found = project(place / "transforms_train.json")
    focal = SIZE[1] / 2 / math.tan(angle / 2)
    world, own = before(pose)
    wanted = own[:, :2] / own[:, 2:] * focal + [SIZE[1] / 2, SIZE[0] / 2]
    assert np.abs(seen(found.shots[1], world) - wanted).max() < CLOSE
    (place / "transforms_train.json").unlink()


@once
@given(st.lists(poses(), min_size=2, max_size=2), st.floats(300, 900), small(0.1), small(0.03))
def test_bundler(place: Path, given_: list[Pose], f: float, k1: float, k2: float) -> None:
    cloud = np.array([[1.0, 2, 3], [4, 5, 6]])
    path = files.bundler(
        place / "bundle.out",
        [("a.png", f, k1, k2, given_[0]), ("b.png", None), ("images/c.png", f, k1, k2, given_[1])],
        cloud,
    )
    found = project(path)
    assert [one.path.stem for one in found.shots] == ["a", "c"] and list(found.refused) == [
        "./b.png"
    ]
    assert np.array_equal(found.points, cloud) and found.seen == ((0,), (0,))
    for shot, pose in zip(found.shots, given_, strict=True):
        world, own = before(pose)
        wanted = files.bundler_pixels(f, k1, k2, SIZE, own)
        assert np.abs(seen(shot, world) - wanted).max() < CLOSE


@once
@given(st.data(), st.booleans(), st.booleans())
def test_metashape(place: Path, data: st.DataObject, fisheye: bool, placed: bool) -> None:
    c = {"f": 480.0, "cx": 12.5, "cy": -7.25}
    c |= {name: data.draw(small(4)) for name in ("b1", "b2")}
    c |= {name: data.draw(small(0.03)) for name in ("k1", "k2", "k3", "k4")}
    c |= {name: data.draw(small(0.004)) for name in ("p1", "p2")}
    given_ = [data.draw(poses()) for _ in range(2)]
    world = None
    if placed:
        turn, move = data.draw(poses())
        world = (data.draw(st.floats(0.1, 30)), turn, move)
    shots: list[tuple[str, Array | None]] = []
    for label, (turn, centre) in zip(("a.png", "b"), given_, strict=True):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn.T, centre
        shots.append((label, matrix))
    kind = "fisheye" if fisheye else "frame"
    path = files.metashape(place / "cameras.xml", SIZE, c, [*shots, ("c", None)], world, kind)
    found = project(path)
    assert [one.path.stem for one in found.shots] == ["a", "b"] and list(found.refused) == ["c"]
    for shot, pose in zip(found.shots, given_, strict=True):
        points, own = before(pose)
        if world is not None:
            scale, turn, move = world
            points = scale * points @ turn.T + move
        wanted = files.metashape_pixels(SIZE, c, own, fisheye)
        assert np.abs(seen(shot, points) - wanted).max() < CLOSE
    path.unlink()


@once
@given(st.data(), poses(), st.booleans())
def test_realityscan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, pose: Pose,
                     as_elements: bool) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("sidecars")
    size = data.draw(st.sampled_from([SIZE, SIZE[::-1]]))
    k = [*(data.draw(small(0.05)) for _ in range(4)), *(data.draw(small(0.004)) for _ in range(2))]
    f35, u, v = data.draw(st.floats(22, 60)), data.draw(small(0.03)), data.draw(small(0.03))
    values = {
        "DistortionModel": "brown4t2",
        "DistortionCoeficients": " ".join(map(repr, k)),
        "FocalLength35mm": repr(f35),
        "Skew": "0",
        "AspectRatio": "1",
        "PrincipalPointU": repr(u),
        "PrincipalPointV": repr(v),
    }
    files.photograph(folder / "a.png", size)
    files.photograph(folder / "b.png", size)
    files.realityscan(folder / "a.xmp", pose, values, as_elements)
    files.realityscan(folder / "b.xmp", None, values)
    found = project(folder)
    assert list(found.refused) == ["b"]
    world, own = before(pose)
    wanted = files.realityscan_pixels(size, f35, u, v, k, own)
    assert np.abs(seen(found.shots[0], world) - wanted).max() < CLOSE


ALICE: dict[str, tuple[str, Sequence[float]]] = {
    "none": ("PINHOLE", MIDDLE),
    "radialk1": ("SIMPLE_RADIAL", (-0.11,)),
    "radialk3": ("FULL_OPENCV", (-0.11, 0.03, 0.01)),
    "brown": ("FULL_OPENCV", (-0.11, 0.03, 0.01, 0.003, -0.002)),
    "fisheye4": ("OPENCV_FISHEYE", (0.02, -0.01, 0.003, -0.001)),
    "fisheye1": ("FOV", (0.7,)),
}


def alice_pixels(kind: str, focal: tuple[float, float], centre: Sequence[float],
                 k: Sequence[float], points: Array) -> Array:  # fmt: skip
    middle = (*focal, *centre)
    if kind in ("fisheye4", "fisheye1"):
        return files.colmap_pixels(ALICE[kind][0], (*middle, *k), points)
    k1, k2, k3, p1, p2 = (*k, *[0.0] * 5)[:5] if kind != "none" else [0.0] * 5
    return files.colmap_pixels("FULL_OPENCV", (*middle, k1, k2, p1, p2, k3, 0, 0, 0), points)


@pytest.mark.parametrize("version", [(1, 0, 0), (1, 2, 0), (1, 2, 1), (1, 2, 4), (1, 2, 10)])
@pytest.mark.parametrize("kind", ALICE)
def test_alicevision(place: Path, version: tuple[int, int, int], kind: str) -> None:
    k = ALICE[kind][1] if kind != "none" else ()
    point = (331.0, 228.0) if version < (1, 2, 1) else (331.0 - 320, 228.0 - 240)
    fx, fy = (500.0, 500.0) if version < (1, 2, 0) else (500.0, 520.0)
    intrinsic: dict[str, Any] = {"width": "640", "height": "480", "sensorWidth": "32",
                                 "principalPoint": [repr(one) for one in point],
                                 "distortionParams": [repr(one) for one in k]}  # fmt: skip
    if version >= (1, 2, 4):
        intrinsic |= {"type": "pinhole", "distortionType": kind}
    else:
        intrinsic["type"] = {"none": "pinhole", "radialk1": "radial1", "radialk3": "radial3"}.get(
            kind, kind
        )
    if version < (1, 2, 0):
        intrinsic["pxFocalLength"] = repr(fx)
    elif version < (1, 2, 2):
        intrinsic["pxFocalLength"] = [repr(fx), repr(fy)]
    else:
        ratio = fy / fx if version >= (1, 2, 5) else fx / fy
        intrinsic |= {"focalLength": repr(fx / 640 * 32), "pixelRatio": repr(ratio)}
    chance = np.random.default_rng(5)
    turn = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    pose = (turn * np.linalg.det(turn), chance.normal(size=3))
    cloud = chance.normal(size=(3, 3))
    shots = [("/home/else/where/images/a.png", pose), ("C:\\shoot\\b.png", pose), ("c.png", None)]
    path = files.alicevision(place / "cameras.sfm", version, intrinsic, shots, cloud)
    found = project(path)
    assert [one.path.stem for one in found.shots] == ["a", "b"] and list(found.refused) == ["c.png"]
    assert np.allclose(found.points, cloud) and found.seen == ((0,),) * 3
    world, own = before(pose)
    wanted = alice_pixels(kind, (fx, fy), (331.0, 228.0), k, own)
    assert np.abs(seen(found.shots[0], world) - wanted).max() < CLOSE


@once
@given(st.lists(poses(), min_size=3, max_size=3), st.floats(300, 900))
def test_llff(place: Path, given_: list[Pose], focal: float) -> None:
    path = files.llff(place / "poses_bounds.npy", SIZE, focal, given_)
    found = project(path)
    for shot, pose in zip(found.shots, given_, strict=True):
        world, own = before(pose)
        wanted = own[:, :2] / own[:, 2:] * focal + [SIZE[1] / 2, SIZE[0] / 2]
        assert np.abs(seen(shot, world) - wanted).max() < CLOSE
    path.unlink()


def test_every_reader_says_what_it_reads() -> None:
    names = set()
    for name, one in readers.readers().items():
        assert one.LABEL and one.WANTED and name not in names
        assert "ocumented" in (one.__doc__ or "") or "See" in (one.__doc__ or "") or name == "llff"
        assert not one.recognise(Path("/nowhere")), name


def test_earth_centred_metashape_says_what_is_up(place: Path) -> None:
    matrix = np.eye(4)
    far = np.array([3.9e6, 0.4e6, 5.0e6])
    path = files.metashape(place / "cameras.xml", SIZE, {"f": 480.0}, [("a", matrix)],
                           (2.0, np.eye(3), far))  # fmt: skip
    found = project(path)
    assert found.up is not None
    assert np.allclose(found.up, far / np.linalg.norm(far), atol=1e-6)
    path.unlink()


def test_json_is_not_asked_for_what_it_is_not(place: Path) -> None:
    (place / "notes.json").write_text(json.dumps({"frames": []}))
    assert readers.recognised(place / "notes.json") is None


def test_a_reader_is_one_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = place / "plugins"
    toy.mkdir()
    (toy / "toy.py").write_text(
        "RANK, LABEL, WANTED = 1, 'Toy', 'a .toy file'\n"
        "def recognise(path):\n    return path.suffix == '.toy'\n"
        "def read(path, photographs):\n    raise NotImplementedError\n"
    )
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(toy)])
    found = readers.recognised(Path("x.toy"))
    assert found is not None and found.LABEL == "Toy"
    assert next(iter(readers.readers())) == "toy"


def test_every_reader_is_in_the_documents() -> None:
    text = (Path(__file__).parents[3] / "docs" / "photographs.md").read_text()
    for one in readers.readers().values():
        assert one.LABEL.replace("(", " ").split()[0].rstrip(",") in text
