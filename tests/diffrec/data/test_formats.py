"""Data formats are found by being there, and describe themselves wherever Python runs."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffrec.data
import diffrec.data.transforms
from diffrec.data import describe, formats, llff, looks
from diffrec.data.load import load_views
from diffrec.data.views import ImageViews
from diffrec.errors import DataError
from diffrec.pictures import headers
from nvdiffrec_contract import dataset
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.dataset import Description
from nvdiffrec_contract.engines import DIFFREC, NVDIFFREC
from nvdiffrec_contract.errors import ConfigError

SIZE = 32
TOY = '''
"""A toy: a folder with a file toy.txt."""
from nvdiffrec_contract.dataset import Description, Problem

RANK = 5
LABEL = "a toy"
WANTED = "a folder with toy.txt"


def recognise(path):
    return (path / "toy.txt").is_file()


def describe(path, quick):
    text = (path / "toy.txt").read_text()
    faint = Problem("pictures", f"{path} is faint", "paint it", severity="warning")
    none = Problem("pictures", f"{path} is empty", "fill it")
    return Description("toy", LABEL, str(path), problems=(faint,) if text else (faint, none))


def load(found, config, device, log):
    return found.path, None
'''


def png(channels: int, value: int = 200) -> bytes:
    """A picture of one value in its middle, 0 around it."""
    rows = np.zeros((SIZE, SIZE, channels), np.uint8)
    rows[8:24, 8:24] = value
    kind = {1: 0, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, kind, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def ring(count: int) -> list[list[list[float]]]:
    """Cameras to world around the origin of a z-up world, looking at it."""
    found = []
    for i in range(count):
        s, c = math.sin(2 * math.pi * i / count), math.cos(2 * math.pi * i / count)
        found.append([[-s, 0, c, 4 * c], [c, 0, s, 4 * s], [0, 1, 0, 0], [0, 0, 0, 1]])
    return found


Write = Callable[..., Path]


@pytest.fixture
def transforms(tmp_path: Path) -> Write:
    """Writes cameras with pictures; ``picture`` and ``named`` are what the files and the names in
    the JSON are called, by the number of the frame."""

    def write(
        name: str = "transforms_train.json",
        picture: str = "images/{}.png",
        named: str = "images/{}",
        channels: int = 4,
        **lens: Any,
    ) -> Path:
        folder = tmp_path / "set"
        (folder / "images").mkdir(parents=True)
        frames = []
        for i, pose in enumerate(ring(6)):
            (folder / picture.format(i)).write_bytes(png(channels))
            frames.append({"file_path": named.format(i), "transform_matrix": pose})
        lens = lens or {"camera_angle_x": 0.8}
        (folder / name).write_text(json.dumps({**lens, "frames": frames}))
        return folder

    return write


def views(folder: Path, log: list[str] | None = None) -> ImageViews:
    lines: list[str] = [] if log is None else log
    found, _ = load_views(Config(ref_mesh=str(folder)), torch.device("cpu"), lines.append)
    assert isinstance(found, ImageViews)
    return found


def reasons(folder: Path, engine: str) -> list[str]:
    return [one.cause for one in describe(folder).told(engine) if one.severity == "error"]


def test_a_format_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(diffrec.data, "__path__", [*diffrec.data.__path__, str(tmp_path)])
    try:
        assert next(iter(formats())) == "toy"
        folder = tmp_path / "set"
        folder.mkdir()
        (folder / "poses_bounds.npy").touch()
        (folder / "toy.txt").write_text("something")
        found = describe(folder)
        assert (found.kind, found.label, found.path) == ("toy", "a toy", str(folder))
        log: list[str] = []
        loaded: Any = load_views(Config(ref_mesh=str(folder)), torch.device("cpu"), log.append)
        assert loaded == (str(folder), None)
        assert log == [f"Data: {folder} is faint (paint it)"]
        (folder / "toy.txt").write_text("")
        with pytest.raises(DataError, match="is empty") as caught:
            views(folder)
        assert caught.value.cure == "fill it"
        (folder / "inner").mkdir()
        with pytest.raises(ConfigError, match=r"neither a folder with toy\.txt, a folder with pos"):
            views(folder / "inner")
        with pytest.raises(ConfigError, match="holds no data, but set in it does"):
            views(tmp_path)
    finally:
        sys.modules.pop("diffrec.data.toy", None)


def test_every_module_is_a_format_or_serves_several() -> None:
    folder = Path(diffrec.data.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names >= diffrec.data.SHARED
    assert set(formats()) == names - diffrec.data.SHARED
    for name, one in formats().items():
        assert one.LABEL and one.WANTED and one.RANK >= 0, name
        for function in ("recognise", "describe", "load"):
            assert callable(getattr(one, function)), name


BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, {toolkit!r})
sys.argv = ["", {path!r}]
import runpy
runpy.run_module("diffrec.data", run_name="__main__", alter_sys=False)
"""
TOOLKIT = Path(diffrec.data.__file__).parents[2]


def blocked(path: Path, *names: str) -> Description:
    """The description by a Python that lacks these packages."""
    code = BLOCKED.format(blocked=set(names), toolkit=str(TOOLKIT), path=str(path))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dataset.of(json.loads(done.stdout))
    assert found is not None
    return found


def test_describing_needs_no_packages(transforms: Write) -> None:
    folder = transforms()
    whole = blocked(folder, "torch")
    assert [one.covered for one in whole.looks.values()] == [0.25] * 6
    bare = blocked(folder, "torch", "numpy", "cv2", "PIL", "imageio", "numba", "warp")
    assert bare.cameras == whole.cameras
    assert bare.complete
    assert {one.size for one in bare.looks.values()} == {(SIZE, SIZE)}
    assert {one.covered for one in bare.looks.values()} == {None}


def test_an_array_needs_numpy_and_says_so(tmp_path: Path) -> None:
    for inner, channels in (("images", 3), ("masks", 1)):
        (tmp_path / inner).mkdir()
        (tmp_path / inner / "0.png").write_bytes(png(channels))
    np.save(tmp_path / "poses_bounds.npy", np.zeros((1, 17)))
    found = blocked(tmp_path, "torch", "numpy")
    assert not found.complete
    assert found.refusal(DIFFREC) is None
    assert [one.severity for one in found.problems] == ["note"]
    assert blocked(tmp_path, "torch").refusal(DIFFREC) is not None


@pytest.mark.parametrize("minor", [9, 10])
def test_describing_runs_under_older_pythons(transforms: Write, minor: int) -> None:
    python = shutil.which(f"python3.{minor}")
    script = TOOLKIT / "diffrec" / "data" / "__main__.py"
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no Python 3.{minor} here")
    done = subprocess.run(
        [python, "-I", str(script), str(transforms())], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["cameras"]) == 6


def test_a_description_survives_json(transforms: Write) -> None:
    found = looks.with_looks(describe(transforms(channels=3, fl_x=40.0, w=32, h=32)), quick=False)
    assert dataset.of(json.loads(json.dumps(found.document()))) == found
    for broken in ({}, {**found.document(), "version": 99}, {**found.document(), "cameras": 5}):
        assert dataset.of(broken) is None


@pytest.mark.parametrize("ending", [".png", ".PNG", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("named", ["images/{}", "./images/{}", "images/{}@", "../set/images/{}"])
def test_names_with_and_without_an_ending(transforms: Write, ending: str, named: str) -> None:
    folder = transforms(picture="images/{}" + ending, named=named.replace("@", ending))
    found = describe(folder)
    assert found.pictures == tuple(str(folder / f"images/{i}{ending}") for i in range(6))
    assert found.refusal(DIFFREC) is None
    refusal = found.refusal(NVDIFFREC)
    if "@" in named:
        assert refusal is not None
        assert "endings" in refusal.cause
        assert "take the endings out" in refusal.cure
    else:
        assert refusal is None


segments = st.lists(st.sampled_from(["..", ".", "set", "images", "0", "a b"]), max_size=6)


@given(segments)
def test_where_a_picture_may_lie(parts: list[str]) -> None:
    """Inside the folder, wherever the way there leads; by the rules of the operating system."""
    root = Path(os.path.abspath(os.sep)) / "data" / "set"
    text = "/".join(parts)
    where = os.path.normpath(root / text)
    inside = where.startswith(str(root) + os.sep)
    try:
        found = diffrec.data.transforms._picture(root, text, "here")
    except diffrec.data.transforms._Wrong as wrong:
        assert not inside
        assert "file_path" in str(wrong)
    else:
        assert inside
        assert str(found) == where + ".png"


def test_focal_lengths_and_angles_mean_the_same(transforms: Write, tmp_path: Path) -> None:
    angle = 2 * math.atan(SIZE / (2 * 40.0))
    by_angle = views(transforms(camera_angle_x=angle)).batch([0, 3]).clip_from_world
    shutil.rmtree(tmp_path / "set")
    by_focal = views(transforms(fl_x=80.0, fl_y=80.0, cx=32.0, cy=32.0, w=64, h=64, k1=0.0))
    assert torch.allclose(by_angle, by_focal.batch([0, 3]).clip_from_world, atol=1e-6)
    assert not reasons(tmp_path / "set", NVDIFFREC)


@given(
    fl_x=st.floats(20, 90), fl_y=st.floats(20, 90), cx=st.floats(4, 28), cy=st.floats(4, 28),
    point=st.tuples(*[st.floats(-1, 1)] * 3),
)  # fmt: skip
@settings(max_examples=40)
def test_a_lens_projects_as_its_file_says(
    tmp_path_factory: pytest.TempPathFactory,
    fl_x: float,
    fl_y: float,
    cx: float,
    cy: float,
    point: tuple[float, float, float],
) -> None:
    folder = tmp_path_factory.getbasetemp() / "lens"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "0.png").write_bytes(png(4))
    pose = np.array(ring(5)[1])
    frame = {"file_path": "images/0", "transform_matrix": pose.tolist()}
    lens = {"fl_x": fl_x, "fl_y": fl_y, "cx": cx, "cy": cy, "w": SIZE, "h": SIZE}
    (folder / "transforms_train.json").write_text(json.dumps({**lens, "frames": [frame]}))
    seen = np.linalg.inv(pose) @ [*point, 1]
    column = cx + fl_x * seen[0] / -seen[2]
    row = cy - fl_y * seen[1] / -seen[2]
    x, y, z = point
    matrix = views(folder).batch([0]).clip_from_world[0].double().numpy()
    clip = matrix @ [x, z, -y, 1]  # our world has y up
    assert (clip[0] / clip[3] + 1) / 2 * SIZE == pytest.approx(column, abs=1e-3)
    assert (1 - clip[1] / clip[3]) / 2 * SIZE == pytest.approx(row, abs=1e-3)
    away = max(abs(cx - SIZE / 2), abs(cy - SIZE / 2)) > 0.02 * SIZE
    if away or abs(fl_y / fl_x - 1) > 0.02:
        assert "lenses that nvdiffrec does not know" in reasons(folder, NVDIFFREC)[0]


@pytest.mark.parametrize("name", ["k1", "k2", "k3", "k4", "p1", "p2"])
def test_lenses_that_distort_are_refused(transforms: Write, name: str) -> None:
    folder = transforms(camera_angle_x=0.8, **{name: 0.02})
    with pytest.raises(DataError, match=name) as caught:
        views(folder)
    assert "undistort" in caught.value.cure


def test_a_frame_may_have_its_own_lens(transforms: Write) -> None:
    folder = transforms(fl_x=40.0, w=SIZE, h=SIZE)
    path = folder / "transforms_train.json"
    document = json.loads(path.read_text())
    document["frames"][2]["fl_x"] = 50.0
    path.write_text(json.dumps(document))
    assert [one.focal[0] for one in describe(folder).cameras] == [40, 40, 50, 40, 40, 40]
    document["frames"][2]["k2"] = 0.1
    path.write_text(json.dumps(document))
    assert "frame 2" in reasons(folder, DIFFREC)[0]


def test_instant_ngps_file_is_read(transforms: Write) -> None:
    folder = transforms(name="transforms.json", named="images/{}.png")
    assert len(views(folder)) == 6
    found = describe(folder)
    assert found.kind == "nerfstudio"
    assert any("rename transforms.json" in one.cure for one in found.told(NVDIFFREC))


def test_pictures_without_alpha_are_told_of(transforms: Write) -> None:
    folder = transforms(channels=3)
    (cause,) = reasons(folder, DIFFREC)
    assert "the pictures have no alpha channel" in cause
    assert describe(folder).refusal(NVDIFFREC) is not None
    with pytest.raises(DataError, match="no alpha channel"):
        views(folder)
    for i in range(3):
        (folder / "images" / f"{i}.png").write_bytes(png(4))
    assert "some pictures have no alpha channel" in reasons(folder, DIFFREC)[0]


def photographs(folder: Path, channels: int, count: int = 8) -> Path:
    (folder / "images").mkdir(parents=True)
    rows = []
    for i, pose in enumerate(ring(count)):
        (folder / "images" / f"{i}.png").write_bytes(png(channels))
        right, up, back, centre = np.array(pose)[:3].T
        matrix = np.stack([-up, right, back, centre, [SIZE, SIZE, 40.0]], axis=1)
        rows.append([*matrix.ravel(), 0.0, 0.0])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder


def test_photographs_with_alpha_need_no_masks(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "set", 4)
    image = views(folder).batch([1]).image
    assert image is not None
    middle = slice(8, 24)
    assert image[0, middle, middle, 3].min() > 0.7
    assert image[0, ..., 3].sum() == image[0, middle, middle, 3].sum()
    (cause,) = reasons(folder, NVDIFFREC)
    assert "masks" in cause
    # Masks that are there come first.
    (folder / "masks").mkdir()
    for i in range(8):
        (folder / "masks" / f"{i}.png").write_bytes(png(1, 255))
    assert describe(folder).coverage == "masks"
    assert not reasons(folder, NVDIFFREC)


def test_photographs_without_alpha_need_masks(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "set", 3)
    with pytest.raises(DataError, match="masks: this folder is missing"):
        views(folder)


def test_numpys_array_in_every_order(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "set", 4)
    rows = np.load(folder / "poses_bounds.npy")
    expected = llff.describe(folder, quick=False).cameras
    assert expected[2].position == pytest.approx((0.0, 4.0, 0.0), abs=1e-9)
    for kind, order in ((">f8", "F"), ("<f8", "F"), (">f8", "C")):
        np.save(folder / "poses_bounds.npy", np.asarray(rows, dtype=kind, order=order))
        assert llff.describe(folder, quick=False).cameras == expected


def test_the_middle_of_the_cameras_is_the_origin(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "set", 4)
    rows = np.load(folder / "poses_bounds.npy")
    rows[:, [3, 8]] += [5, -2]
    np.save(folder / "poses_bounds.npy", rows)
    assert describe(folder).origin == pytest.approx((5, -2, 0), abs=1e-9)


numbers = st.floats() | st.integers(-10, 10) | st.sampled_from([1e-300, 1e30, 1e300, 0.5, 2**70])


@given(
    lens=st.dictionaries(
        st.sampled_from(["camera_angle_x", "fl_x", "fl_y", "cx", "cy", "w", "h", "k1"]), numbers
    ),
    matrix=st.just(ring(1)[0])
    | st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=4, max_size=4),
)
@settings(max_examples=150)
def test_any_lens_and_matrix_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lens: dict[str, float], matrix: list[list[float]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "odd"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "0.png").write_bytes(png(4))
    frames = [{"file_path": "images/0", "transform_matrix": matrix}]
    (folder / "transforms_train.json").write_text(json.dumps({**lens, "frames": frames}))
    json.dumps(describe(folder).document(), allow_nan=False)
    try:
        batch = views(folder).batch([0])
    except DataError as error:
        assert "transforms_train.json" in str(error) or "0.png" in str(error)
    else:
        assert torch.isfinite(batch.clip_from_world).all()


@given(column=st.integers(0, 16), value=numbers)
@settings(max_examples=60)
def test_any_camera_of_an_array_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, column: int, value: float
) -> None:
    folder = tmp_path_factory.getbasetemp() / "odd_array"
    if not folder.is_dir():
        photographs(folder, 4)
        np.save(folder / "whole.npy", np.load(folder / "poses_bounds.npy"))
    rows = np.load(folder / "whole.npy")
    rows[3, column] = value
    np.save(folder / "poses_bounds.npy", rows)
    json.dumps(describe(folder).document(), allow_nan=False)
    try:
        batch = views(folder).batch([3])
    except DataError as error:
        # One camera of four that is far off also tells of an object that no grid holds.
        assert any(word in str(error) for word in ("camera 3", "3.png", "mesh_scale"))
    else:
        assert torch.isfinite(batch.clip_from_world).all()


@given(header=st.binary(max_size=80))
@settings(max_examples=60)
def test_any_header_of_an_array_is_refused(
    tmp_path_factory: pytest.TempPathFactory, header: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "odd_header"
    folder.mkdir(exist_ok=True)
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    (folder / "poses_bounds.npy").write_bytes(data)
    (problem,) = describe(folder).told(DIFFREC, "cameras")
    assert "poses_bounds.npy" in problem.cause


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc4000400ffffc2001108002000400301")


@pytest.mark.parametrize(
    ("data", "size", "alpha"),
    [
        (png(3), (SIZE, SIZE), False),
        (png(4), (SIZE, SIZE), True),
        (JPEG, (32, 64), False),
        (b"\xff\xd8\xff\xe0\x00\x00", None, False),
        (b"\x89PNG\r\n\x1a\n", None, None),
        (b"II*\0", None, None),
        (b"", None, None),
    ],
)
def test_what_headers_tell(
    tmp_path: Path, data: bytes, size: tuple[int, int] | None, alpha: bool | None
) -> None:
    (tmp_path / "picture").write_bytes(data)
    found = headers.look(tmp_path / "picture")
    assert (found.size, found.alpha) == (size, alpha)
    assert headers.look(tmp_path) == dataset.Look()


@given(data=st.binary(max_size=200), begin=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]))
def test_any_header_of_a_picture(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, begin: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "picture"
    path.write_bytes(begin + data)
    size = headers.look(path).size
    assert size is None or min(size) > 0


def test_sampling() -> None:
    items = [str(i) for i in range(100)]
    assert headers.sample(items, 4) == ["0", "33", "66", "99"]
    assert headers.sample(items[:3], 4) == ["0", "1", "2"]


@given(
    lines=st.lists(
        st.text(max_size=20)
        | st.sampled_from(["v 1 2 3", "f 1 2 3", "v inf 1 e9", "v 1e308 1e308 1e308", "mtllib a b"])
    )
)
def test_any_mesh_is_described(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.obj"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    found = describe(path)
    json.dumps(found.document(), allow_nan=False)
    assert found.kind == "reference_mesh"
    assert found.light


def test_a_mesh_tells_its_extent(tmp_path: Path) -> None:
    path = tmp_path / "a.OBJ"
    text = "\ufeffmtllib my colours.mtl\nv -1 0 2\nv\t0 3 0\nv 0 0 0\nvt 0 0\nf 1/1 2/1 3/1\n"
    path.write_text(text, encoding="utf-8")
    mesh = describe(path).mesh
    assert mesh is not None
    assert (mesh.vertices, mesh.texcoords, mesh.faces) == (3, 1, 1)
    assert (mesh.low, mesh.high, mesh.radius) == ((-1, 0, 0), (0, 3, 2), 3)
    assert mesh.libraries == (str(tmp_path / "my colours.mtl"),)
