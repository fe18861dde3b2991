"""References from which nothing can be learned, and dark, bright and plain ones that are fine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.data.featureless import FeaturelessError, complaint
from diffrec.data.rendered import ReferenceScene, refuse_featureless
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh

CPU = torch.device("cpu")
ROUND = torch.nn.functional.normalize(torch.randn(99, 3, generator=torch.Generator()), dim=1)
PLANE = torch.tensor([[0.0, 0.0, 1.0]]).expand(99, 3)


def seen(value: Tensor) -> Tensor:
    """Pictures [2, 16, 16, 4] whose middle shows an object of values that broadcast to its size."""
    image = torch.zeros(2, 16, 16, 4)
    image[:, 4:12, 4:12, :3] = value
    image[:, 4:12, 4:12, 3] = 1
    return image


def shaded(low: float, high: float) -> Tensor:
    return seen(torch.linspace(low, high, 8)[None, :, None])


@settings(max_examples=50, deadline=None)
@given(st.floats(5e-4, 0.5), st.floats(1.02, 3))
def test_dark_and_bright_objects_that_vary_are_fine(low: float, ratio: float) -> None:
    assert complaint(shaded(low, low * ratio), ROUND) == ""


@settings(max_examples=50, deadline=None)
@given(st.floats(2e-4, 3), st.floats(1, 1.001))
def test_flat_ones_are_refused_unless_they_are_planes(low: float, ratio: float) -> None:
    with pytest.raises(FeaturelessError, match="from every side"):
        complaint(shaded(low, low * ratio), ROUND)
    complaint(shaded(low, low * ratio), PLANE)


def test_black_white_and_nothing() -> None:
    with pytest.raises(FeaturelessError, match="renders black"):
        complaint(shaded(0, 1e-5), ROUND)
    with pytest.raises(FeaturelessError, match="renders white"):
        complaint(shaded(5, 9), ROUND)
    assert "brighter than white" in complaint(shaded(1.5, 4), ROUND)
    with pytest.raises(FeaturelessError, match="not seen"):
        complaint(torch.zeros(2, 16, 16, 4), ROUND)
    with pytest.raises(FeaturelessError, match="no numbers"):
        complaint(shaded(float("nan"), 1), ROUND)


def test_a_rendered_reference(tmp_path: Path) -> None:
    """A dark rough object under a sky is trained from; without light it is not."""
    (tmp_path / "a.mtl").write_text("newmtl m\nKd 0.005 0.005 0.005\nKs 0 1 0\n")
    corners = "v -1 -1 0\nv 1 -1 0\nv 0 1 0.4\nv 0 0 -1\n"
    faces = "f 1 2 3\nf 3 2 4\nf 1 3 4\nf 2 1 4\n"
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\nusemtl m\n{corners}{faces}")
    known = load_reference_mesh(tmp_path / "a.obj", None, CPU)
    said: list[str] = []
    sky = torch.ones(16, 32, 3)
    sky[:8] *= 3
    with torch.no_grad():
        for strength in (1.0, 0.0):
            light = Lighting.of(EnvironmentLight.from_latlong(strength * sky, 16))
            scene = ReferenceScene(known.mesh, known.material, light)
            if strength:
                refuse_featureless(scene, (0.1, 1000.0), said.append)
            else:
                with pytest.raises(FeaturelessError, match="renders black"):
                    refuse_featureless(scene, (0.1, 1000.0), said.append)
    assert said == []
