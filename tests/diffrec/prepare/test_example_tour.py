"""The tour of the examples, from photographs to a rendered asset, at toy size."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import pytest

from diffrec.prepare import frames, run
from diffrec.prepare.steps import Progress, Steps
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

TINY = (
    "iter=10", "batch=2", "train_res=[32,32]", "texture_res=[64,64]", "dmtet_grid=12",
    "save_interval=0", "diffrec.photo_res=[32,32]", "diffrec.light_res=32",
    "diffrec.validation_views=1", "diffrec.device=cpu", 'diffrec.asset=["glb"]',
    "diffrec.asset_turntable=1", "diffrec.hashgrid_size_log2=10", "display=null",
)  # fmt: skip
COUNT = 12


@pytest.fixture
def tour(root: Path) -> ModuleType:
    path = root / "examples" / "photographs_to_asset.py"
    spec = importlib.util.spec_from_file_location("photographs_to_asset", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_known_cameras(asked: Preparation, log: Callable[[str], None]) -> Path:
    """A preparation whose solver is right at once; `test_prepare` has the real one."""
    asked.out.mkdir(parents=True, exist_ok=True)
    frames.choose(asked, Progress("frames", log))
    steps = Steps(asked.out / "work" / "steps", log)
    return run._finished(asked, frames.chosen(asked.out), ballscene.ring(COUNT), steps)


def test_from_photographs_to_a_rendered_asset(
    tour: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shoot = tmp_path / "shoot"
    (shoot / "masks").mkdir(parents=True)
    for name, camera in ballscene.ring(COUNT).cameras.items():
        colour, mask = ballscene.photograph(camera, ballscene.LENS)
        cv2.imwrite(str(shoot / f"{name}.png"), colour)
        cv2.imwrite(str(shoot / "masks" / f"{name}.png"), mask)
    monkeypatch.setattr(tour, "prepare", with_known_cameras)
    monkeypatch.chdir(tmp_path)
    assert tour.main(["shoot", "ball", *TINY]) == 0
    said = capsys.readouterr().out
    assert "pass 2, iteration 10/10: image loss " in said
    result = tmp_path / "ball" / "result"
    assert (result / "mesh" / "mesh.obj").is_file()
    (glb,) = (result / "asset").rglob("*.glb")
    assert glb.read_bytes()[:4] == b"glTF"
    assert f"asset: {glb.relative_to(result / 'asset')}" in said
    assert any("turntable" in str(one) for one in (result / "asset").rglob("*"))
    # What prepare wrote stays the artist's.
    assert json.loads((tmp_path / "ball" / "train.json").read_text())["iter"] == 2000


def test_a_mistake_is_told_in_a_sentence(
    tour: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tour.main([]) == 2
    assert "PHOTOGRAPHS FOLDER" in capsys.readouterr().err
    assert tour.main(["none", "out"]) != 0
    assert "none" in capsys.readouterr().err


def test_values_of_fields(tour: ModuleType) -> None:
    given = {"iter": 1, "diffrec": {"seed": 1}}
    settings = [
        "iter=2",
        "background=black",
        "kd_min=[0,0,0]",
        "diffrec.seed=3",
        "diffrec.start=hull",
    ]
    assert tour.changed(given, settings) == {
        "iter": 2, "background": "black", "kd_min": [0, 0, 0],
        "diffrec": {"seed": 3, "start": "hull"},
    }  # fmt: skip
