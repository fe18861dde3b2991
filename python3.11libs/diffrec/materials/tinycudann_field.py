"""The neural material by tiny-cuda-nn in place of this package's own hash grid and network.

Optional: tiny-cuda-nn is built and installed by those who want it, is called as its published
documentation says, and runs on an NVIDIA GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffrec.materials.field import HIDDEN, OUTPUTS, start_logits
from diffrec.materials.surface import MaterialRange, MaterialSample, Surface
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.optional_package import OptionalPackage

PACKAGE = OptionalPackage(
    "field_backend",
    "tiny-cuda-nn",
    "tinycudann",
    "pip install --no-build-isolation "
    "git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch",
    "it is built for this PyTorch by a CUDA compiler",
)
# kd and ks. Nothing trains the normal as long as there is no tangent frame.
TRAINED = 6


class TinyCudaNNMaterial(nn.Module):
    """`NeuralMaterial` with tiny-cuda-nn's hash grid and fully fused MLP, in half precision.

    The same levels, widths and ranges; the normal is the middle of its range, as it is there.
    """

    low: Tensor
    high: Tensor
    box_min: Tensor
    box_size: Tensor
    start: Tensor

    def __init__(
        self,
        config: Any | None,
        box: tuple[Tensor, Tensor] | Tensor,
        *,
        layout: HashGridLayout | None = None,
        seed: int | None = None,
        colour: Tensor | None = None,
    ) -> None:
        """As `NeuralMaterial`; `layout` must be geometric, as `HashGridLayout.geometric` makes it.

        Made on the current CUDA device. Raises ValueError for a flat or inverted box.
        """
        super().__init__()
        lowest, highest = (torch.as_tensor(end, dtype=torch.float32).reshape(3) for end in box)
        if not bool(torch.all(highest > lowest)):
            raise ValueError("the box of a neural material must have a positive size on each axis")
        limits = MaterialRange.of(config)
        if seed is None:
            seed = int(torch.randint(2**31 - 1, ()))
        self.network = PACKAGE.load().NetworkWithInputEncoding(
            n_input_dims=3,
            n_output_dims=TRAINED,
            encoding_config=encoding(layout or HashGridLayout.geometric()),
            network_config={
                "otype": "FullyFusedMLP",
                "activation": "ReLU",
                "output_activation": "None",
                "n_neurons": HIDDEN,
                "n_hidden_layers": 2,
            },
            seed=seed,
        )
        self.register_buffer("start", start_logits(config, colour)[:TRAINED], persistent=False)
        self.register_buffer("low", torch.tensor(limits.low), persistent=False)
        self.register_buffer("high", torch.tensor(limits.high), persistent=False)
        self.register_buffer("box_min", lowest.clone())
        self.register_buffer("box_size", (highest - lowest).clone())

    def sample(self, surface: Surface) -> MaterialSample:
        """The material at `surface.position`; gradients to the network and positions."""
        return self._split(self._evaluate(surface.position))

    def albedo(self, surface: Surface) -> Tensor:
        """kd [P, 3] alone."""
        return self._evaluate(surface.position)[:, :3]

    def sample_and_albedo(self, surface: Surface, other: Surface) -> tuple[MaterialSample, Tensor]:
        """`sample(surface)` and `albedo(other)` in one evaluation."""
        count = surface.position.shape[0]
        both = self._evaluate(torch.cat([surface.position, other.position]))
        return self._split(both[:count]), both[count:, :3]

    def begin(self, progress: float) -> None:
        """Nothing to do: all levels take part from the start, whatever `coarse_to_fine` says."""

    def clamp_(self) -> None:
        """Nothing to do: the sigmoid keeps the range."""

    def _split(self, values: Tensor) -> MaterialSample:
        middle = 0.5 * (self.low + self.high)[TRAINED:OUTPUTS]
        return MaterialSample(values[:, :3], values[:, 3:6], middle.expand(values.shape[0], 3))

    def _evaluate(self, position: Tensor) -> Tensor:
        """kd and ks [P, 6]."""
        unit = ((position - self.box_min) / self.box_size).clamp(0.0, 1.0)
        if unit.shape[0] == 0:
            return unit.new_zeros((0, TRAINED))
        share = torch.sigmoid(self.network(unit).float() + self.start)
        low, high = self.low[:TRAINED], self.high[:TRAINED]
        return torch.addcmul(low, share, high - low)


def encoding(layout: HashGridLayout) -> dict[str, Any]:
    """The hash grid in tiny-cuda-nn's words. Raises ValueError unless levels grow evenly."""
    levels, coarsest, finest = (
        len(layout.resolutions),
        layout.resolutions[0],
        layout.resolutions[-1],
    )
    growth = 1.0 if levels == 1 else (finest / coarsest) ** (1 / (levels - 1))
    even = HashGridLayout.geometric(levels, coarsest, finest, layout.log2_entries, layout.features)
    if even != layout:
        raise ValueError("tiny-cuda-nn's hash grid has levels that grow by one factor")
    return {
        "otype": "HashGrid",
        "n_levels": levels,
        "n_features_per_level": layout.features,
        "log2_hashmap_size": layout.log2_entries,
        "base_resolution": coarsest,
        "per_level_scale": growth,
    }
