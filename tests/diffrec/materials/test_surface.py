from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from diffrec.materials.surface import MaterialRange, Surface


def test_jitter_has_the_known_deviations_and_no_gradient() -> None:
    position = torch.zeros(20000, 3, requires_grad=True)
    uv = torch.full((20000, 2), 0.5, requires_grad=True)
    lod = torch.arange(20000.0)
    moved = Surface(position, uv, lod).jittered(torch.Generator().manual_seed(0))
    assert moved.uv is not None
    assert float(moved.position.std()) == pytest.approx(0.01, rel=0.02)
    assert float(moved.position.mean()) == pytest.approx(0.0, abs=2e-4)
    assert float((moved.uv - 0.5).std()) == pytest.approx(0.005, rel=0.02)
    assert moved.lod is lod
    assert not moved.position.requires_grad
    assert not moved.uv.requires_grad


def test_jitter_without_texture_coordinates() -> None:
    assert Surface(torch.zeros(4, 3)).jittered().uv is None


def test_default_range() -> None:
    limits = MaterialRange.of()
    assert limits.low == (0, 0, 0, 0, 0.08, 0, -1, -1, 0)
    assert limits.high == (1,) * 9


def test_a_short_range_is_named() -> None:
    config = SimpleNamespace(kd_min=(0.0, 0.0))
    with pytest.raises(ValueError, match="kd_min needs three numbers"):
        MaterialRange.of(config)
