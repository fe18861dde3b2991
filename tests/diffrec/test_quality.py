"""SSIM and FLIP of validation views."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from diffrec.quality import Quality, flip


def test_equal_pictures_and_worse_ones() -> None:
    generator = torch.Generator().manual_seed(1)
    reference = torch.rand(48, 64, 3, generator=generator)
    small, large = (
        reference + change * torch.randn(48, 64, 3, generator=generator) for change in (0.02, 0.2)
    )
    assert flip(reference, reference) == 0.0
    values = [flip(one.clamp(0, 1), reference) for one in (small, large)]
    assert values[0] is not None and values[1] is not None
    assert 0 < values[0] < values[1] < 1


def test_figures_of_several_views(tmp_path: Path) -> None:
    picture = torch.rand(32, 32, 3)
    with Quality() as quality:
        quality.add("000000", picture, picture)
        quality.add("000001", 1 - picture, picture)
        quality.add("000002", picture[:4], picture[:4])
    line = quality.write(tmp_path)
    document = json.loads((tmp_path / "quality.json").read_text())
    first, second, tiny = document["views"]
    assert first == {"id": "000000", "ssim": pytest.approx(1.0, abs=1e-5), "flip": 0.0}
    assert second["ssim"] < 0.5 and second["flip"] > 0.1
    assert tiny["ssim"] is None, "smaller than the window"
    assert document["flip"] == pytest.approx((second["flip"] + tiny["flip"]) / 3)
    assert line == f"SSIM {document['ssim']:.4f}, FLIP {document['flip']:.4f}"


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    with Quality() as quality:
        quality.add("000000", torch.rand(32, 32, 3), torch.rand(32, 32, 3))
    assert quality.write(tmp_path).startswith("SSIM ")
    assert json.loads((tmp_path / "quality.json").read_text())["flip"] is None
