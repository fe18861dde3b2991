"""A shading model is a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import diffrec.shading
from diffrec.data.views import ViewBatch
from diffrec.render import render
from diffrec.scene import Scene
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.training.passes import Pass
from nvdiffrec_contract.configuration import SHADING_MODELS, Config

TOY = '''"""Every point sends its albedo, times the light's mean."""

def prepare(light):
    return light.base.mean()

def shade(points, sample, prepared, camera_position, camera_from_world=None, *, wants_normal):
    return sample.kd * prepared, points.normal if wants_normal else None
'''


def test_a_folder_is_a_model(
    small_config: Config,
    small_passes: list[Callable[[Config], tuple[Pass, Scene]]],
    small_batches: list[ViewBatch],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_text(TOY)
    monkeypatch.setattr(diffrec.shading, "__path__", [*diffrec.shading.__path__, str(tmp_path)])
    _, scene = small_passes[0](small_config)
    scene.shading = "toy"
    batch = small_batches[0]
    try:
        seen = render(
            scene.geometry.mesh(),
            scene.material,
            scene.lighting(),
            batch.clip_from_world,
            batch.camera_from_world,
            batch.camera_position,
            small_config.train_res,
            channels=["kd", "normal"],
        )
    finally:
        sys.modules.pop("diffrec.shading.toy", None)
    kd = seen.channels["kd"]
    assert seen.channels["normal"].shape == kd.shape
    assert seen.image[..., 3].max() == 1
    mean = float(scene.light.base.detach().mean())
    assert torch.allclose(seen.image[..., :3], kd[..., :3] * mean, atol=1e-6)
    seen.image.sum().backward()
    assert scene.light.base.grad is not None and scene.light.base.grad.abs().sum() > 0


def test_configurations_know_the_models_that_there_are() -> None:
    folder = Path(diffrec.shading.__file__).parent
    found = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert found == set(SHADING_MODELS)
    for name in SHADING_MODELS:
        model = Lighting.of(EnvironmentLight(16), name).model
        assert callable(model.prepare) and callable(model.shade)
