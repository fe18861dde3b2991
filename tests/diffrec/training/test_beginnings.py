"""What a run begins with: the colour of the albedo."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diffrec import cameras
from diffrec.data.views import ImageViews, View
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.materials import NeuralMaterial
from diffrec.training.beginnings import first_material, mean_colour
from nvdiffrec_contract.configuration import Config, Extensions

GOLD = torch.tensor([0.6, 0.4, 0.1])
RANGE = {"kd_min": (0.0, 0.0, 0.0), "kd_max": (0.8, 0.8, 0.8)}


def photographs(pictures: Sequence[Tensor]) -> ImageViews:
    """Views of pictures [H, W, 4], premultiplied linear RGBA."""
    projection = cameras.perspective(1.0, 1.0, 0.1, 10)
    made = [
        View(f"{i}", cameras.turntable_pose(i, 16), projection, lambda one=one: one)  # type: ignore[misc]
        for i, one in enumerate(pictures)
    ]
    return ImageViews(made, "cpu", pre_load=True)


def object_of(colour: Tensor, covered: float = 0.25) -> Tensor:
    """A picture of which a part is an object of one colour, over black."""
    picture = torch.zeros(8, 8, 4)
    rows = max(1, round(8 * covered))
    picture[:rows, :, :3], picture[:rows, :, 3] = colour, 1.0
    return picture


def albedo(config: Config, views: ImageViews) -> Tensor:
    """The mean albedo [3] of a field that nothing has taught yet."""
    geometry = DMTetGeometry(8, 2.0)
    torch.manual_seed(0)
    material = first_material(config, geometry, torch.device("cpu"), views)
    assert isinstance(material, NeuralMaterial)
    return (material.low + torch.sigmoid(material.start) * (material.high - material.low))[:3, 0]


@given(parts=st.lists(st.floats(0.1, 1.0), min_size=1, max_size=40))
def test_the_mean_colour_is_that_of_the_object_however_much_it_covers(parts: list[float]) -> None:
    views = photographs([object_of(GOLD, part) for part in parts])
    torch.testing.assert_close(mean_colour(views), GOLD, rtol=2e-3, atol=2e-3)


def test_pictures_of_nothing_are_grey() -> None:
    colour = mean_colour(photographs([torch.zeros(8, 8, 4)]))
    assert colour.tolist() == [0.5, 0.5, 0.5]


def test_the_albedo_begins_with_the_hue_of_the_photographs() -> None:
    config = dataclasses.replace(Config(), **RANGE)  # type: ignore[arg-type]
    found = albedo(config, photographs([object_of(GOLD)]))
    torch.testing.assert_close(found / found.mean(), GOLD / GOLD.mean(), rtol=5e-3, atol=5e-3)
    assert float(found.mean()) == pytest.approx(0.4, rel=0.01)
    middle = dataclasses.replace(config, diffrec=Extensions(kd_start="middle"))
    assert albedo(middle, photographs([object_of(GOLD)])).tolist() == pytest.approx([0.4] * 3)


@pytest.mark.parametrize("colour", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1e-4, 1e-4, 0.9]])
def test_a_colour_at_the_edge_of_the_range_can_still_be_learned(colour: list[float]) -> None:
    config = dataclasses.replace(Config(), **RANGE)  # type: ignore[arg-type]
    found = albedo(config, photographs([object_of(torch.tensor(colour))])) / 0.8
    assert float(found.min()) > 0.04 and float(found.max()) < 0.96
    assert int(found.argmax()) == int(torch.tensor(colour).argmax())
