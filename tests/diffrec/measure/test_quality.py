"""SSIM and FLIP of validation views."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from diffrec.measure.quality import Quality


def test_figures_of_several_views(tmp_path: Path) -> None:
    picture = torch.rand(32, 32, 3)
    quality = Quality()
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
