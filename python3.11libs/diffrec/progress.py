"""What a training tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a training is, with every line of its log.

    Attributes:
        pass_number: 1 or 2; the only pass of a training with a base mesh is 1.
        iteration: of this pass, from 0 to ``iterations``.
        iterations: of each pass, as in the configuration.
        image_loss: mean of the image loss since the progress before.
        regularizer_loss: mean of the other terms since then.
        learning_rate: of the next iteration.
    """

    pass_number: int
    iteration: int
    iterations: int
    image_loss: float
    regularizer_loss: float
    learning_rate: float


OnProgress = Callable[[Progress], None]
