"""The training loop of one pass: images in, gradients to geometry, material and light."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch
from torch.profiler import record_function

from diffrec.data.views import RandomViews, ShuffledIndices, ViewBatch, Views, shuffled_indices
from diffrec.geometry.mesh import EmptyMeshError
from diffrec.materials import TextureMaterial
from diffrec.preview.writer import Preview
from diffrec.progress import OnProgress, Progress
from diffrec.runtime.ranks import ALONE, Ranks
from diffrec.scene import Scene
from diffrec.shading.light import DARKEST
from diffrec.shading.models import Lighting
from diffrec.training.adam import Adam, LogAdam
from diffrec.training.checkpoint import LoopState
from diffrec.training.iteration import Iteration
from diffrec.training.log import iteration_line
from diffrec.training.passes import Pass
from diffrec.training.session import LOG_INTERVAL, Session
from diffrec.view_corrections import CAMERA_RATE, CAMERAS_BEGIN, EXPOSURE_RATE
from nvdiffrec_contract.configuration import Config


def learning_rate_factor(iteration: int, warm_up: int) -> float:
    """The schedule: linear warm-up, then 10^(-0.0002 i)."""
    if iteration < warm_up:
        return iteration / warm_up
    return float(10.0 ** (-(iteration - warm_up) * 0.0002))


def train_pass(
    config: Config,
    current: Pass,
    scene: Scene,
    views: Views,
    *,
    log: Callable[[str], None],
    picture: Callable[[int], None],
    session: Session | None = None,
    on_progress: OnProgress | None = None,
    ranks: Ranks = ALONE,
    preview: Preview | None = None,
) -> None:
    """Run iterations 0 to `config.iter`; the scene is changed in place.

    `picture(number)` is called every `save_interval` iterations with the picture's number.
    `session`: saves, resumes and guards the pass; it raises what its methods raise.
    `on_progress`: called with every line of the log.
    `ranks`: the processes that share each batch.
    `preview`: shown the scene after every iteration.
    """
    optimizers = _optimizers(config, current, scene)
    device = scene.light.base.device
    generator = torch.Generator().manual_seed(config.diffrec.seed + current.index)
    noise = torch.Generator(device).manual_seed(config.diffrec.seed + current.index)
    order = shuffled_indices(len(views), config.batch, generator)
    number = 0
    iteration = Iteration(config, current, scene, optimizers, noise, ranks)
    if session is not None:
        state = _state(current, scene, views, optimizers, order, noise, iteration)
        number = session.begin(current, state, scene.geometry.mesh)
    if ranks.count > 1:
        ranks.same(scene.parameters())
    scene.fixed_light = None
    if not current.train_light:
        with torch.no_grad():
            scene.fixed_light = Lighting.of(scene.light, scene.shading)

    worker = _worker(config, current, iteration, views, ranks, log)
    spent, done = 0.0, 0  # seconds and iterations since the last line of the log
    while number <= config.iter:
        began = time.perf_counter()
        if config.save_interval and number % config.save_interval == 0:
            # The iterations before it are not to pass for a part of the picture.
            iteration.finish()
            spent += time.perf_counter() - began
            picture(number // config.save_interval)
            began = time.perf_counter()
        with record_function("views"):
            batch = views.batch(next(order), ranks.part(config.batch))
        reading = number % LOG_INTERVAL == 0
        iteration.begin(number)
        try:
            worker.work(batch)
            if reading:
                worker.check()
        except EmptyMeshError as error:
            if session is None:
                raise
            number = session.failed(number, error)
            iteration.forget()
            spent, done = 0.0, 0
            continue
        image_mean: float | None = None
        if reading:
            image_mean, regulariser_mean = ranks.sums(
                [mean * ranks.weight(config.batch) for mean in iteration.means()]
            )
        spent, done = spent + time.perf_counter() - began, done + 1
        if image_mean is not None:
            seconds = spent / done
            rate = optimizers[0].rate_at(number + 1)
            log(
                iteration_line(
                    number,
                    image_mean,
                    regulariser_mean,
                    rate,
                    seconds,
                    (config.iter - number) * seconds,
                )
            )
            if on_progress is not None:
                on_progress(
                    Progress(
                        current.index + 1, number, config.iter, image_mean, regulariser_mean, rate
                    )
                )
            spent, done = 0.0, 0
        following = number + 1 if session is None else session.after(number, image_mean)
        if following <= number:
            iteration.forget()
            spent, done = 0.0, 0
        elif preview is not None:
            preview.after_iteration(scene, saved=session is not None and session.just_saved)
        number = following
    if session is not None:
        session.end()


class _Worker(Protocol):
    """What does the work of the iterations."""

    def work(self, batch: ViewBatch) -> None:
        """Learn from a batch."""

    def check(self) -> None:
        """Look whether all is well; called with every reading of the loss."""


class _Plain:
    """An iteration as it is."""

    def __init__(self, iteration: Iteration) -> None:
        self._iteration = iteration

    def work(self, batch: ViewBatch) -> None:
        self._iteration.work(batch)

    def check(self) -> None:
        """All would have been said in `work`."""


def _worker(
    config: Config,
    current: Pass,
    iteration: Iteration,
    views: Views,
    ranks: Ranks,
    log: Callable[[str], None],
) -> _Worker:
    """The iterations, recorded where they can be."""
    own = config.diffrec
    foreign = (own.raster_backend, own.field_backend) != ("own", "own")
    on_gpu = iteration.scene.light.base.is_cuda
    if current.most is None or config.layers > 1 or foreign or not on_gpu:
        return _Plain(iteration)
    from diffrec.training.cuda_graph import RecordedIteration

    height, width = views.resolution
    part = ranks.part(config.batch)
    pixels = (part.stop - part.start) * height * width * config.spp**2
    return RecordedIteration(iteration, current.most._replace(pixels=pixels), log)


def _state(
    current: Pass,
    scene: Scene,
    views: Views,
    optimizers: list[Adam],
    order: ShuffledIndices,
    noise: torch.Generator,
    iteration: Iteration,
) -> LoopState:
    """What a checkpoint of the pass holds."""
    generators = {"noise": noise}
    if isinstance(views, RandomViews):
        generators["views"] = views.generator
    tensors = {
        "geometry": [p.detach() for p in scene.geometry.parameters()],
        "material": [p.detach() for p in scene.material.parameters()],
        "light": [scene.light.base.detach()],
    }
    if scene.shadows is not None:
        tensors["shadows"] = [scene.shadows.positions]
    if scene.corrections is not None:
        tensors["views"] = [p.detach() for p in scene.corrections.parameters()]
    return LoopState(
        pass_number=current.index + 1,
        tensors=tensors,
        optimizers=optimizers,
        order=order,
        generators=generators,
        averages=iteration.averages(),
    )


def _optimizers(config: Config, current: Pass, scene: Scene) -> list[Adam]:
    rate_positions, rate_material = config.learning_rates(current.index)

    def schedule(iteration: int) -> float:
        ending = float(current.final_rate ** min(iteration / config.iter, 1.0))
        return learning_rate_factor(iteration, current.warm_up) * ending

    result: list[Adam] = []
    shape = [p for p in scene.geometry.parameters() if p.requires_grad]
    if shape:
        result.append(Adam(shape, rate_positions, schedule, current.betas))
    surface = [p for p in scene.material.parameters() if p.requires_grad]
    relief = []
    if isinstance(scene.material, TextureMaterial):
        normals = {id(p) for p in scene.material.normal_levels}
        relief = [p for p in surface if id(p) in normals]
        surface = [p for p in surface if id(p) not in normals]
    if surface:

        def rising(iteration: int) -> float:
            return schedule(iteration) * current.material_share(iteration / config.iter)

        result.append(Adam(surface, rate_material, rising))
    if relief:
        result.append(Adam(relief, rate_material * config.diffrec.normal_rate, schedule))
    if current.train_light:
        own = config.diffrec
        rate = rate_material * own.light_rate
        base = [scene.light.base]
        if own.light_step == "logarithmic":
            result.append(LogAdam(base, rate, schedule, smallest=DARKEST))
        else:
            result.append(Adam(base, rate, schedule))
    if (corrections := scene.corrections) is not None:

        def late(iteration: int) -> float:
            shaped = current.index > 0 or config.base_mesh is not None
            begun = shaped or iteration >= CAMERAS_BEGIN * config.iter
            return schedule(iteration) if begun else 0.0

        for values, rate, when in (
            (corrections.motion, CAMERA_RATE, late),
            (corrections.gain, EXPOSURE_RATE, schedule),
        ):
            if values.requires_grad:
                result.append(Adam([values], rate, when))
    return result
