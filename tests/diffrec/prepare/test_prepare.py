"""The whole way: photographs in, a data set out. Truth is what drew the photographs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from diffrec.data import describe
from diffrec.prepare import cameras, commandline, masks, solved
from diffrec.prepare.errors import CamerasError, SourceError
from diffrec.prepare.run import prepare
from diffrec.prepare.solved import Camera
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")
pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = 12
LENS = ballscene.LENS.resized((180, 240))
TRUTH = ballscene.ring(COUNT, heights=(0.5, 0.8), arc=1.8).cameras


def errors(
    found: Mapping[str, Camera], truth: Mapping[str, Camera], depth: float
) -> dict[str, tuple[float, float]]:
    """How far each camera is off after a similarity: (of the depth, degrees)."""
    common = {name: truth[name] for name in found}
    fit = cameras.fitted(found, common)
    assert fit is not None
    scale, turn, move = fit
    result = {}
    for name, one in found.items():
        away = scale * turn @ one.centre + move - truth[name].centre
        cosine = (np.trace(turn @ one.rotation @ truth[name].rotation.T) - 1) / 2
        angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        result[name] = (float(np.linalg.norm(away)) / depth, angle)
    return result


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shoot")
    for name, camera in TRUTH.items():
        cv2.imwrite(str(folder / f"{name}.png"), ballscene.photograph(camera, LENS)[0])
    return folder


def test_photographs_become_a_data_set(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "ball"
    lines: list[str] = []
    path = prepare(Preparation(photographs, out, threads=2), lines.append)
    found = solved.load(solved.place_of(out))
    assert len(found.cameras) == COUNT and not found.refused
    off = errors(found.cameras, TRUTH, 2.2)
    assert max(away for away, _ in off.values()) < 0.01
    assert max(angle for _, angle in off.values()) < 1
    assert found.lenses[1].focal[0] == pytest.approx(LENS.focal[0], rel=0.03)
    for name, camera in TRUTH.items():
        truth = ballscene.photograph(camera, LENS)[1] > 127
        made = masks.grey(masks.path_of(out, name)) > 127
        assert (truth & made).sum() > 0.93 * (truth | made).sum(), name
    said = describe(out)
    assert said.kind == "nerf_synthetic" and not said.problems
    assert json.loads(path.read_text())["ref_mesh"] == str(out)
    assert all((out / "report" / name).is_file() for name in ("masks.png", "cameras.png"))
    # Nothing twice.
    lines.clear()
    prepare(Preparation(photographs, out, threads=2), lines.append)
    assert lines and all(line.endswith("up to date") for line in lines)
    # A painted mask is kept, and what follows is done again.
    painted = masks.grey(masks.path_of(out, "view_03"))
    painted[:4] = 0
    painted[100:130, 150:170] = 0
    cv2.imwrite(str(masks.path_of(out, "view_03")), painted)
    before = (out / "images" / "view_03.png").read_bytes()
    path.write_text(path.read_text().replace('"batch": 4', '"batch": 2'))
    lines.clear()
    prepare(Preparation(photographs, out, threads=2), lines.append)
    assert lines[:4] == [f"{step}: up to date" for step in ("frames", "features", "matches",
                                                            "cameras")]  # fmt: skip
    assert np.array_equal(masks.grey(masks.path_of(out, "view_03")), painted)
    assert (out / "images" / "view_03.png").read_bytes() != before
    assert json.loads(path.read_text())["batch"] == 2


def test_white_walls_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for i in range(12):
        wall = 230 + chance.normal(0, 0.6, (200, 260, 3)) + i / 5
        cv2.imwrite(str(tmp_path / "in" / f"{i}.png"), np.clip(wall, 0, 255).astype(np.uint8))
    code = commandline.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert code == CamerasError.exit_code and said.err.startswith("Error: ")
    assert "newspaper" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize(("noise", "said"), [(3, "9 the same picture as another"), (30, "camera")])
def test_a_camera_that_does_not_move_is_one_sentence(
    tmp_path: Path, noise: float, said: str
) -> None:
    (tmp_path / "in").mkdir()
    camera = next(iter(ballscene.ring(3).cameras.values()))
    picture = ballscene.photograph(camera, LENS)[0].astype(float)
    for i in range(10):
        noisy = picture + np.random.default_rng(i).normal(0, noise, picture.shape)
        cv2.imwrite(str(tmp_path / "in" / f"{i}.png"), np.clip(noisy, 0, 255).astype(np.uint8))
    with pytest.raises((CamerasError, SourceError), match=said) as error:
        prepare(Preparation(tmp_path / "in", tmp_path / "out", threads=2), lambda line: None)
    assert isinstance(error.value, SourceError) == (noise == 3)
    if isinstance(error.value, cameras.TooFewError):
        assert (tmp_path / "out" / "report" / "masks.png").is_file()


def test_too_few_cameras_are_shown(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ballscene.ring(COUNT)
    some = {name: TRUTH[name] for name in list(TRUTH)[:3]}
    partly = solved.Solved(ring.lenses, some, np.zeros((0, 3)), (), {"view_07": "why not"})

    def refuse(*_given: object) -> list[Path]:
        raise cameras.TooFewError("only 3 of 12", "go on", partly)

    monkeypatch.setattr(cameras, "solve", refuse)
    monkeypatch.setattr("diffrec.prepare.features.extract", lambda *_given: [])
    monkeypatch.setattr("diffrec.prepare.matches.match", lambda *_given: [])
    with pytest.raises(cameras.TooFewError, match="only 3 of 12"):
        prepare(Preparation(photographs, tmp_path / "out"), lambda line: None)
    report = tmp_path / "out" / "report"
    assert "view_07: why not" in (report / "report.txt").read_text()
    assert (report / "masks.png").is_file() and (report / "cameras.png").is_file()


@pytest.mark.skipif(
    not os.environ.get("TOPS_TEST_LONG"), reason="takes minutes; TOPS_TEST_LONG=1 runs it"
)
@pytest.mark.parametrize(("step", "count", "least"), [(1, 40, 40), (3, 40, 38)])
def test_the_gold_cape_without_poses(
    shared: Path, tmp_path: Path, step: int, count: int, least: int
) -> None:
    """Real photographs: so many right, and none wrong that is believed."""
    folder = shared / "data" / "nerd_gold_512"
    files = sorted((folder / "images").iterdir())
    source = tmp_path / "in"
    source.mkdir()
    for path in files[::step][:count]:
        (source / path.name).symlink_to(path)
    given = np.load(folder / "poses_bounds.npy")
    truth = {}
    for path, row in zip(files, given, strict=True):
        down, right, back, centre = row[:15].reshape(3, 5)[:, :4].T
        truth[path.stem] = Camera(1, np.stack([right, down, -back], axis=1), centre)
    out = tmp_path / "cape"
    prepare(Preparation(source, out, train_size=512), print)
    found = solved.load(solved.place_of(out)).cameras
    off = errors(found, truth, float(np.median(given[:, 15:].mean(1))))
    wrong = {name: one for name, one in off.items() if one[0] > 0.01 or one[1] > 1}
    assert not wrong and len(found) >= least
