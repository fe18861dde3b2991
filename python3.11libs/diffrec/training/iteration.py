"""One iteration of a pass: the terms of a batch, their gradients, a step of the optimizers.

What changes from one iteration to the next beside the trained tensors, a few weights and the
learning rates, stands in tensors on the device. So an iteration is always the same work, which
`diffrec.training.cuda_graph` records once and repeats.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.profiler import record_function

from diffrec import losses
from diffrec.data.views import ViewBatch
from diffrec.losses.ssim import with_dissimilarity
from diffrec.losses.variation import light_variation
from diffrec.materials import Surface
from diffrec.ops.fixedlengths import FixedLengths, Sizes
from diffrec.render import Rendered, render
from diffrec.runtime.ranks import ALONE, Ranks
from diffrec.scene import Scene, render_options
from diffrec.training.adam import Adam
from diffrec.training.passes import Pass
from nvdiffrec_contract.configuration import Config

LIGHT_GRADIENT_SCALE = 64.0


class Iteration:
    """The work of one iteration of a pass, and what it has come to.

    `noise`: draws backgrounds and jitter, on the device. `ranks`: the processes that share a batch.
    """

    def __init__(
        self,
        config: Config,
        current: Pass,
        scene: Scene,
        optimizers: list[Adam],
        noise: torch.Generator,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self.scene = scene
        self.noise = noise
        self.sizes = Sizes(0)  # of the lists of the last iteration
        self._pass = current
        self._optimizers = optimizers
        self._ranks = ranks
        self._photograph_loss = with_dissimilarity(
            losses.photograph_loss(config.loss), config.diffrec.dssim
        )
        device = scene.light.base.device
        self._weight, self._ramp = torch.zeros((), device=device), torch.zeros((), device=device)
        self._sums = torch.zeros(2, device=device)
        self._count = torch.zeros((), dtype=torch.int64)

    def begin(self, number: int) -> None:
        """Make ready for iteration `number`."""
        self._weight.fill_(self._pass.weight(number / self.config.iter))
        self._ramp.fill_(losses.ramp(number))
        self._pass.begin(number / self.config.iter)
        for optimizer in self._optimizers:
            optimizer.begin(number)
        self._count += 1

    def work(self, batch: ViewBatch, lengths: FixedLengths | None = None) -> None:
        """Learn from the views of `batch`. Raises EmptyMeshError, unless with `lengths`."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        terms = self._terms(batch, lengths)
        with record_function("backward"):
            total = terms[0] + terms[1]
            if self._ranks.count > 1:
                total = total * self._ranks.weight(self.config.batch)
            torch.autograd.backward(total)
            self._ranks.add_gradients([p for one in self._optimizers for p in one.parameters])
        with record_function("optimizer"):
            light = self.scene.light
            if light.base.grad is not None:
                light.base.grad *= LIGHT_GRADIENT_SCALE
            for optimizer in self._optimizers:
                optimizer.step()
            self.scene.material.clamp_()
            light.clamp_()
            if self.scene.corrections is not None:
                self.scene.corrections.clamp_()
            self._sums += torch.stack(terms).detach()

    def finish(self) -> None:
        """Wait until the device has done all that was begun."""
        if self._sums.is_cuda:
            torch.cuda.synchronize(self._sums.device)

    def means(self) -> tuple[float, float]:
        """Image term and regularisers, averaged since the last call; waits for CUDA."""
        image, regulariser = (self._sums / max(int(self._count), 1)).tolist()
        self.forget()
        return image, regulariser

    def forget(self) -> None:
        """Begin the averages anew."""
        self._sums.zero_()
        self._count.zero_()

    def averages(self) -> list[Tensor]:
        """What the averages are made of; changed in place."""
        return [self._sums, self._count]

    def _terms(self, batch: ViewBatch, lengths: FixedLengths | None) -> tuple[Tensor, Tensor]:
        """The image term and the regularisers, two scalars."""
        photographs = batch.image
        if photographs is None:
            raise ValueError("training views need pictures")
        config, current, scene, ranks = self.config, self._pass, self.scene, self._ranks
        noise, device = self.noise, scene.light.base.device
        height, width = photographs.shape[1:3]
        background = torch.rand((config.batch, height, width, 3), generator=noise, device=device)
        background = background[ranks.part(config.batch)]

        def beside(surface: Surface) -> Surface:
            # The noise is that of one process for all, but for lists of which none knows the rest.
            rows = None if lengths is not None else ranks.rows(len(surface.position))
            return surface.jittered(noise, rows)

        corrections = scene.corrections
        gains = None
        if corrections is not None:
            with record_function("corrections"):
                batch, gains = corrections.applied(batch), corrections.gains(batch)
        with record_function("geometry"):
            mesh = scene.geometry.mesh(lengths)
        with record_function("light"):
            light = scene.lighting()
        rendered = render(
            mesh,
            scene.material,
            light,
            batch.clip_from_world,
            batch.camera_from_world,
            batch.camera_position,
            (height, width),
            background=background,
            options=render_options(config),
            topology=current.topology,
            beside=beside,
            lengths=lengths,
            gains=gains,
        )
        self.sizes = Sizes(
            max(layer.pixels.shape[0] for layer in rendered.layers),
            mesh.positions.shape[0],
            mesh.triangles.shape[0],
        )
        with record_function("loss"):
            image_term = self._photograph_loss(rendered.image, photographs, background)
        with record_function("regularisers"):
            regulariser_term = current.shape_term(self._weight)
            pixels_per_view = height * width * config.spp**2
            material_term = _material_terms(rendered, pixels_per_view) * self._ramp
            regulariser_term = regulariser_term + material_term
            if current.train_light:
                white = losses.light_white_balance(scene.light.base)
                regulariser_term = regulariser_term + white
                if config.diffrec.light_tv:
                    noise_term = light_variation(scene.light.base) * config.diffrec.light_tv
                    regulariser_term = regulariser_term + noise_term
            if corrections is not None:
                regulariser_term = regulariser_term + corrections.term()
            if (texture_term := current.texture_term()) is not None:
                regulariser_term = regulariser_term + texture_term
        return image_term, regulariser_term


def _material_terms(rendered: Rendered, pixels_per_view: int) -> Tensor:
    """Albedo smoothness and occlusion, as means over all pixels of the frames."""
    views = rendered.image.shape[0]
    total = rendered.image.new_zeros(())
    for layer in rendered.layers:
        assert layer.kd_beside is not None
        sample = layer.sample
        term = losses.material_terms(sample.kd, layer.kd_beside, sample.ks, layer.pixels)
        total = total + term
    return total / (views * pixels_per_view)
