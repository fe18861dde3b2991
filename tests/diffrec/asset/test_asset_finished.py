"""What a training does for its asset at its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import diffrec.asset.finished
from diffrec.asset.finished import write_finished
from diffrec.asset.source import Source
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from nvdiffrec_contract.configuration import Config, Extensions, from_mapping
from nvdiffrec_contract.errors import ConfigError


def finish(source: Source, own: Extensions, folder: Path) -> list[str]:
    lines: list[str] = []
    material = TextureMaterial.from_images(source.kd, source.ks, source.normal)
    config = dataclasses.replace(Config(), diffrec=own)
    light = EnvironmentLight(16)
    write_finished(config, folder, source.mesh, material, light, lines.append)
    return lines


def test_the_configuration_chooses(new_ball: Source, tmp_path: Path) -> None:
    own = Extensions(asset=("obj", "mtlx"), asset_turntable=2)
    lines = finish(new_ball, own, tmp_path / "my job")
    made = {path.name for path in (tmp_path / "my job" / "asset").iterdir()}
    parts = {"textures", "thumbnail.png", "turntable"}
    assert made == parts | {"my_job.obj", "my_job.mtl", "my_job.mtlx"}
    assert lines[0].startswith("Writing asset:")
    finish(new_ball, Extensions(asset=("obj",), asset_name="hero/1"), tmp_path / "other")
    assert (tmp_path / "other" / "asset" / "hero_1.obj").is_file()
    assert finish(new_ball, Extensions(asset=()), tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("value", [["usd", "fbx"], "usd", ["usd", "usd"], [1], None])
def test_a_format_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="asset"):
        from_mapping({"diffrec": {"asset": value}}, "here")


def test_a_finished_training_is_not_lost_for_its_asset(
    new_ball: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(diffrec.asset.finished, "write_asset", broken)
    told = finish(new_ball, Extensions(), tmp_path)[-1]
    assert told.startswith("Warning: the asset is not complete") and "nvdiffrec-tops export" in told
