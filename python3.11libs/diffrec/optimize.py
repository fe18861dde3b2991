"""The training loop of one pass: images in, gradients to geometry, material and light."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from diffrec import losses
from diffrec.checkpoint import LoopState
from diffrec.config import Config
from diffrec.data.views import RandomViews, ShuffledIndices, ViewBatch, Views, shuffled_indices
from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.log import iteration_line
from diffrec.materials import Material
from diffrec.ops.antialias import EdgeTopology
from diffrec.ranks import ALONE, Ranks
from diffrec.recorder import LOG_INTERVAL, Recorder
from diffrec.render import Rendered, RenderOptions, render
from diffrec.shading.light import EnvironmentLight, PrefilteredLight

LIGHT_GRADIENT_SCALE = 64.0


class Geometry(Protocol):
    """What a pass optimises the shape of."""

    def mesh(self) -> Mesh:
        """The present mesh, with normals (and tangents where it has UVs)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trainable tensors."""


@dataclass(frozen=True)
class PassPlan:
    """What differs between the passes.

    `index`: counts the passes that run, from 0; `name`: the stem of its progress pictures;
    `regulariser(progress)`: the shape term for progress in [0, 1]; `warm_up`: iterations until the
    learning rate is reached; `final_rate`: to what share it falls by the end; `betas`: Adam's, for
    the shape; `topology`: the edges of a mesh whose triangles never change; `damage()`: what has
    become of such a mesh, see `VertexGeometry`.
    """

    index: int
    name: str
    regulariser: Callable[[float], Tensor]
    train_light: bool
    warm_up: int = 0
    betas: tuple[float, float] = (0.9, 0.999)
    topology: EdgeTopology | None = None
    final_rate: float = 1.0
    damage: Callable[[], Tensor] | None = None


@dataclass
class Scene:
    """Everything that is being recovered."""

    geometry: Geometry
    material: Material
    light: EnvironmentLight
    fixed_light: PrefilteredLight | None = None  # of a light that does not learn

    def prefiltered(self) -> PrefilteredLight:
        """The light ready for shading; kept when it does not learn."""
        return self.fixed_light if self.fixed_light is not None else self.light.prefiltered()


def render_options(config: Config) -> RenderOptions:
    """The rendering options that the configuration asks for."""
    return RenderOptions(
        spp=config.spp, layers=config.layers, camera_space_light=config.camera_space_light
    )


def learning_rate_factor(iteration: int, warm_up: int) -> float:
    """The schedule: linear warm-up, then 10^(-0.0002 i)."""
    if iteration < warm_up:
        return iteration / warm_up
    return float(10.0 ** (-(iteration - warm_up) * 0.0002))


def train_pass(
    config: Config,
    plan: PassPlan,
    scene: Scene,
    views: Views,
    *,
    log: Callable[[str], None],
    picture: Callable[[int, PassPlan], None],
    recorder: Recorder | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Run iterations 0 to `config.iter`; the scene is changed in place.

    `picture(number, plan)` is called every `save_interval` iterations with the picture's number.
    `recorder`: saves, resumes and guards the pass; it raises what its methods raise.
    `ranks`: the processes that share each batch.
    """
    optimizers = _optimizers(config, plan, scene)

    def ending(progress: float) -> float:
        return float(plan.final_rate ** min(progress, 1.0))

    schedulers = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda i: learning_rate_factor(i, plan.warm_up) * ending(i / config.iter),
        )
        for optimizer in optimizers
    ]

    photograph_loss = losses.photograph_loss(config.loss)
    device = scene.light.base.device
    generator = torch.Generator().manual_seed(config.diffrec.seed + plan.index)
    noise = torch.Generator(device).manual_seed(config.diffrec.seed + plan.index)
    order = shuffled_indices(len(views), config.batch, generator)
    iteration = 0
    if recorder is not None:
        state = _state(plan, scene, views, optimizers, schedulers, order, noise)
        iteration = recorder.begin(state, scene.geometry.mesh, plan.damage)
    if ranks.count > 1:
        ranks.same([*scene.geometry.parameters(), *scene.material.parameters(), scene.light.base])
    scene.fixed_light = None
    if not plan.train_light:
        with torch.no_grad():
            scene.fixed_light = scene.light.prefiltered()

    durations: list[float] = []
    logged: list[tuple[Tensor, Tensor]] = []
    while iteration <= config.iter:
        if config.save_interval and iteration % config.save_interval == 0:
            picture(iteration // config.save_interval, plan)
        began = time.perf_counter()
        with record_function("views"):
            batch = views.batch(next(order), ranks.part(config.batch))
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        try:
            image_term, regulariser_term = _terms(
                config, plan, scene, batch, iteration, photograph_loss, noise, ranks
            )
        except EmptyMeshError as error:
            if recorder is None:
                raise
            iteration = recorder.failed(iteration, error)
            logged.clear()
            durations.clear()
            continue
        with record_function("backward"):
            total = image_term + regulariser_term
            if ranks.count > 1:
                total = total * ranks.weight(config.batch)
            torch.autograd.backward(total)
            ranks.add_gradients(_trained(optimizers))
        with record_function("optimizer"):
            if scene.light.base.grad is not None:
                scene.light.base.grad *= LIGHT_GRADIENT_SCALE
            for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
                optimizer.step()
                scheduler.step()
            scene.material.clamp_()
            scene.light.clamp_()
        logged.append((image_term.detach(), regulariser_term.detach()))
        image_mean: float | None = None
        if iteration % LOG_INTERVAL == 0:
            image_mean, regulariser_mean = ranks.sums(
                [
                    float(torch.stack(column).mean()) * ranks.weight(config.batch)
                    for column in zip(*logged, strict=True)
                ]
            )
            durations.append(time.perf_counter() - began)
            seconds = sum(durations) / len(durations)
            log(
                iteration_line(
                    iteration,
                    image_mean,
                    regulariser_mean,
                    float(schedulers[0].get_last_lr()[0]),
                    seconds,
                    (config.iter - iteration) * seconds,
                )
            )
            durations.clear()
            logged.clear()
        else:
            durations.append(time.perf_counter() - began)
        following = iteration + 1 if recorder is None else recorder.after(iteration, image_mean)
        if following <= iteration:
            logged.clear()
            durations.clear()
        iteration = following
    if recorder is not None:
        recorder.end()


def _state(
    plan: PassPlan,
    scene: Scene,
    views: Views,
    optimizers: list[torch.optim.Optimizer],
    schedulers: list[torch.optim.lr_scheduler.LambdaLR],
    order: ShuffledIndices,
    noise: torch.Generator,
) -> LoopState:
    """What a checkpoint of the pass holds."""
    generators = {"noise": noise}
    if isinstance(views, RandomViews):
        generators["views"] = views.generator
    return LoopState(
        pass_number=plan.index + 1,
        tensors={
            "geometry": [p.detach() for p in scene.geometry.parameters()],
            "material": [p.detach() for p in scene.material.parameters()],
            "light": [scene.light.base.detach()],
        },
        optimizers=optimizers,
        schedulers=schedulers,
        order=order,
        generators=generators,
    )


def _optimizers(config: Config, plan: PassPlan, scene: Scene) -> list[torch.optim.Optimizer]:
    rate_positions, rate_material = config.learning_rates(plan.index)
    result: list[torch.optim.Optimizer] = []
    shape = [p for p in scene.geometry.parameters() if p.requires_grad]
    if shape:
        result.append(torch.optim.Adam(shape, lr=rate_positions, betas=plan.betas, fused=True))
    surface = [p for p in scene.material.parameters() if p.requires_grad]
    if surface:
        result.append(torch.optim.Adam(surface, lr=rate_material, fused=True))
    if plan.train_light:
        result.append(torch.optim.Adam([scene.light.base], lr=rate_material, fused=True))
    return result


def _trained(optimizers: list[torch.optim.Optimizer]) -> list[Tensor]:
    """The tensors of all optimizers, in their order."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return [parameter for group in groups for parameter in group["params"]]


def _terms(
    config: Config,
    plan: PassPlan,
    scene: Scene,
    batch: ViewBatch,
    iteration: int,
    photograph_loss: losses.PhotographLoss,
    noise: torch.Generator,
    ranks: Ranks,
) -> tuple[Tensor, Tensor]:
    """The image term and the regularisers of one iteration, two scalars."""
    if batch.image is None:
        raise ValueError("training views need pictures")
    device = scene.light.base.device
    height, width = batch.image.shape[1:3]
    background = torch.rand((config.batch, height, width, 3), generator=noise, device=device)
    background = background[ranks.part(config.batch)]
    with record_function("geometry"):
        mesh = scene.geometry.mesh()
    with record_function("light"):
        light = scene.prefiltered()
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
        topology=plan.topology,
        beside=lambda surface: surface.jittered(noise, ranks.rows(len(surface.position))),
    )
    with record_function("loss"):
        image_term = photograph_loss(rendered.image, batch.image, background)
    with record_function("regularisers"):
        regulariser_term = plan.regulariser(iteration / config.iter)
        pixels_per_view = height * width * config.spp**2
        regulariser_term = regulariser_term + _material_terms(rendered, iteration, pixels_per_view)
        if plan.train_light:
            regulariser_term = regulariser_term + losses.light_white_balance(scene.light.base)
    return image_term, regulariser_term


def _material_terms(rendered: Rendered, iteration: int, pixels_per_view: int) -> Tensor:
    """Albedo smoothness and occlusion, as means over all pixels of the frames."""
    views = rendered.image.shape[0]
    total = rendered.image.new_zeros(())
    for layer in rendered.layers:
        assert layer.kd_beside is not None
        sample = layer.sample
        total = total + losses.material_terms(sample.kd, layer.kd_beside, sample.ks, iteration)
    return total / (views * pixels_per_view)
