"""A material as a neural field: hash grid and a small MLP, over space."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from diffrec.materials.surface import MaterialRange, MaterialSample, Surface
from diffrec.ops.hashgrid import HashGridLayout, hashgrid
from diffrec.ops.network import network
from nvdiffrec_contract.configuration import EXTENSIONS

HIDDEN = 32
OUTPUTS = 9
# The table learns from an eighth of its gradient, the MLP from all of its own.
TABLE_GRADIENT_SCALE = 1 / 8
# Levels that take part from the start where the others come in one after another.
FIRST_LEVELS = 4
# Of a range: nearer to its ends little is learned.
START_SHARES = 0.05, 0.95


class NeuralMaterial(nn.Module):
    """kd, ks and normal at any point of a box (Munkberg et al. 2022, section 4).

    Instant-NGP hash grid (16 levels, 2 features, 2^19 entries, 16 to 4096 cells), an MLP with two
    hidden layers of 32, ReLU and no biases, nine outputs through a sigmoid into the range of the
    configuration. Fixed offsets before the sigmoid have occlusion and metalness begin near 0, where
    most surfaces are: from the middle of their range both learn shadows and dark colours. Points
    outside the box get the value of the nearest point on it.
    """

    low: Tensor
    high: Tensor
    box_min: Tensor
    box_size: Tensor
    window: Tensor
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
        """`config` holds `kd_min` ... `nrm_max`, `diffrec.coarse_to_fine` and `diffrec.ks_start`,
        None means the defaults. `colour`: of the albedo at the start, see `start_logits`.

        `box`: smallest and largest corner, [3] each, world. `seed` of the initial weights; None
        takes PyTorch's default generator. Raises ValueError for a flat or inverted box.
        """
        super().__init__()
        low, high = (torch.as_tensor(end, dtype=torch.float32).reshape(3) for end in box)
        if not bool(torch.all(high > low)):
            raise ValueError("the box of a neural material must have a positive size on each axis")
        limits = MaterialRange.of(config)
        self.layout = layout or HashGridLayout.geometric()
        self._kept_gradient: Tensor | None = None
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(self.layout.new_table(generator=generator))
        widths = [(HIDDEN, self.layout.channels), (HIDDEN, HIDDEN), (OUTPUTS, HIDDEN)]
        self.weights = nn.ParameterList(
            nn.Parameter(_initial_weight(rows, columns, generator)) for rows, columns in widths
        )
        with torch.no_grad():
            # The first pass has no tangent frame, so nothing would train these: the middle of the
            # range, which is the smooth normal by default, is what baking is to find.
            self.weights[-1][6:] = 0.0
        own = getattr(config, "diffrec", None)
        self.register_buffer("start", start_logits(config, colour)[:, None], persistent=False)
        self.register_buffer("low", torch.tensor(limits.low)[:, None], persistent=False)
        self.register_buffer("high", torch.tensor(limits.high)[:, None], persistent=False)
        self._coarse_to_fine = float(getattr(own, "coarse_to_fine", 0.0))
        self.register_buffer("window", torch.ones(self.layout.channels), persistent=False)
        self.register_buffer("box_min", low.clone())
        self.register_buffer("box_size", (high - low).clone())

    def sample(self, surface: Surface) -> MaterialSample:
        """The material at `surface.position`; gradients to weights, table and positions."""
        kd, ks, normal = self._evaluate(surface.position, OUTPUTS).reshape(3, 3, -1).unbind(0)
        return MaterialSample(kd.t(), ks.t(), normal.t())

    def albedo(self, surface: Surface) -> Tensor:
        """kd [P, 3] alone."""
        return self._evaluate(surface.position, 3).t()

    def sample_and_albedo(self, surface: Surface, other: Surface) -> tuple[MaterialSample, Tensor]:
        """`sample(surface)` and `albedo(other)`; on a GPU in one evaluation."""
        if not self.table.is_cuda:
            return self.sample(surface), self.albedo(other)
        count = surface.position.shape[0]
        both = self._evaluate(torch.cat([surface.position, other.position]), OUTPUTS)
        kd, ks, normal = both[:, :count].reshape(3, 3, -1).unbind(0)
        return MaterialSample(kd.t(), ks.t(), normal.t()), both[:3, count:].t()

    @torch.no_grad()
    def begin(self, progress: float) -> None:
        """Let in the levels of the hash grid that take part at this share of the first pass."""
        if not self._coarse_to_fine:
            return
        levels = len(self.layout.resolutions)
        first = min(FIRST_LEVELS, levels)
        shown = first + (levels - first) * min(progress / self._coarse_to_fine, 1.0)
        window = level_window(levels, shown).repeat_interleave(self.layout.features)
        self.window.copy_(window, non_blocking=True)

    def clamp_(self) -> None:
        """Nothing to do: the sigmoid keeps the range."""

    def _gradient_buffer(self) -> Tensor | None:
        """Memory of the table's gradient; on CUDA PyTorch's own allocator keeps it as well."""
        if self.table.is_cuda or not (torch.is_grad_enabled() and self.table.requires_grad):
            return None
        if self._kept_gradient is None or self._kept_gradient.device != self.table.device:
            self._kept_gradient = torch.zeros_like(self.table, requires_grad=False)
        return self._kept_gradient

    def _evaluate(self, position: Tensor, outputs: int) -> Tensor:
        """The first `outputs` channels, [outputs, P]: one point per column, so that the hash
        grid's columns and the products' operands are contiguous without a copy."""
        encoded = hashgrid(
            (position - self.box_min) / self.box_size,
            self.table,
            self.layout,
            gradient_buffer=self._gradient_buffer(),
            gradient_scale=TABLE_GRADIENT_SCALE,
        )
        first, second, last = self.weights
        if self._coarse_to_fine:
            # The same as on the encoding, and much less to multiply.
            first = first * self.window
        logits = network(encoded.t(), first, second, last[:outputs]) + self.start[:outputs]
        unit = torch.sigmoid(logits)
        low, high = self.low[:outputs], self.high[:outputs]
        return torch.addcmul(low, unit, high - low)


def start_logits(config: Any | None, colour: Tensor | None = None) -> Tensor:
    """What stands before the sigmoid of the nine channels at the start, [9]; 0 in the middle.

    `config` holds `diffrec.ks_start`, None means the default. `colour`: linear RGB [3], of which
    the albedo has the hue, and the brightness of the middle of its range; None has that middle.
    """
    shares = torch.full((OUTPUTS,), 0.5)
    if colour is not None:
        limits = MaterialRange.of(config)
        low, high = torch.tensor(limits.low[:3]), torch.tensor(limits.high[:3])
        albedo = colour / colour.mean().clamp_min(1e-6) * (0.5 * (low + high)).mean()
        shares[:3] = ((albedo - low) / (high - low).clamp_min(1e-6)).clamp(*START_SHARES)
    own = getattr(config, "diffrec", None)
    shares[3:6] = torch.tensor(getattr(own, "ks_start", EXTENSIONS["ks_start"].default))
    return torch.logit(shares)


def level_window(levels: int, shown: float) -> Tensor:
    """Shares [levels] with which the levels take part when the first `shown` of them do.

    (1 - cos(pi clamp(shown - level, 0, 1))) / 2: Park et al., *Nerfies*, 2021, equation 8.
    """
    part = (shown - torch.arange(levels, dtype=torch.float32)).clamp(0.0, 1.0)
    return (1 - torch.cos(math.pi * part)) / 2


def _initial_weight(rows: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """He et al. 2015: uniform, variance 2 / fan-in, for ReLU."""
    bound = math.sqrt(6 / columns)
    return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
