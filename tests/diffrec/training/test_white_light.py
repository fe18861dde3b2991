"""The light is white as a whole where the object's colour is still to be found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from diffrec.data.views import ViewBatch
from diffrec.scene import Scene
from diffrec.training.iteration import Iteration
from diffrec.training.passes import Pass
from nvdiffrec_contract.configuration import Config

TINT = torch.tensor([1.5, 1.0, 0.5])
Maker = Callable[[Config], tuple[Pass, Scene]]


def mean_after_an_iteration(config: Config, maker: Maker, batch: ViewBatch) -> Tensor:
    """The mean radiance of a light that was golden before."""
    current, scene = maker(config)
    scene.light.base.data *= TINT
    iteration = Iteration(config, current, scene, [], torch.Generator().manual_seed(0))
    iteration.begin(0)
    iteration.work(batch)
    return scene.light.base.detach().mean(dim=(0, 1, 2))


@pytest.mark.parametrize(
    ("which", "changes", "white"),
    [
        (0, {}, True),
        (0, {"light_white": False}, False),
        (1, {}, False),
    ],
)
def test_the_first_pass_holds_the_light_white(
    which: int,
    changes: dict[str, bool],
    white: bool,
    small_config: Config,
    small_passes: Sequence[Maker],
    small_batches: Sequence[ViewBatch],
) -> None:
    extensions = dataclasses.replace(small_config.diffrec, **changes)
    config = dataclasses.replace(small_config, diffrec=extensions)
    mean = mean_after_an_iteration(config, small_passes[which], small_batches[0])
    torch.testing.assert_close(mean, 0.5 * (TINT.mean().expand(3) if white else TINT))


def test_a_light_that_does_not_learn_is_left_alone(
    small_config: Config, small_passes: Sequence[Maker], small_batches: Sequence[ViewBatch]
) -> None:
    config = dataclasses.replace(small_config, learn_light=False)
    mean = mean_after_an_iteration(config, small_passes[0], small_batches[0])
    torch.testing.assert_close(mean, 0.5 * TINT)


def test_a_given_shape_s_only_pass_holds_it_white(
    small_config: Config, small_passes: Sequence[Maker], small_batches: Sequence[ViewBatch]
) -> None:
    config = dataclasses.replace(small_config, base_mesh=small_config.ref_mesh)
    mean = mean_after_an_iteration(config, small_passes[1], small_batches[0])
    torch.testing.assert_close(mean, (0.5 * TINT.mean()).expand(3))
