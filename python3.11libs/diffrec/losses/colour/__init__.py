"""What the configuration's `loss` chooses from: a module each, of that name.

`loss(color, reference)` in it compares two linear RGB images of one shape and gives a scalar. A
loss may have a kernel too, see `KINDS` of `diffrec.losses.warp`; without one it works by PyTorch.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

from torch import Tensor

ImageLoss = Callable[[Tensor, Tensor], Tensor]


def color_losses() -> dict[str, ImageLoss]:
    """Every loss by its name, as configurations write it."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: import_module(f"{__name__}.{name}").loss for name in names}
