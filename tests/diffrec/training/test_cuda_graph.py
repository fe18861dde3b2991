"""Recorded iterations learn what plain ones learn, and notice when their lists no longer fit.

Without CUDA the recording is played by a stand-in: a graph that does the work of the iteration it
was made of again, with the kernels of CUDA on the CPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from diffrec.data.views import ViewBatch
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import EmptyMeshError
from diffrec.ops.fixedlengths import FixedLengths, Sizes
from diffrec.scene import Scene
from diffrec.training.adam import Adam
from diffrec.training.cuda_graph import PLAIN_ITERATIONS, RecordedIteration, _with_spare
from diffrec.training.iteration import Iteration
from diffrec.training.passes import Pass
from diffrec.training.run import reconstruct
from nvdiffrec_contract.configuration import Config, Extensions

Made = tuple[Pass, Scene]
Make = Callable[[Config], Made]


class Graphs:
    """Plays `torch.cuda.CUDAGraph` and `torch.cuda.graph`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.recorded: list[Sizes] = []
        self.fails = False
        self._recording: Graphs.Graph | None = None
        graphs, work = self, Iteration.work

        def noted(
            iteration: Iteration, batch: ViewBatch, lengths: FixedLengths | None = None
        ) -> None:
            if graphs._recording is None:
                work(iteration, batch, lengths)
                return
            assert lengths is not None
            if graphs.fails:
                raise RuntimeError("operation not permitted when stream is capturing\nand so on")
            graphs.recorded.append(lengths.sizes)
            graphs._recording.replay = lambda: work(iteration, batch, lengths)  # type: ignore[method-assign]

        @contextmanager
        def graph(one: Graphs.Graph, **_: object) -> Iterator[None]:
            graphs._recording = one
            try:
                yield
            finally:
                graphs._recording = None

        patch.setattr(Iteration, "work", noted)
        patch.setattr(torch.cuda, "CUDAGraph", Graphs.Graph)
        patch.setattr(torch.cuda, "graph", graph)

    class Graph:
        def register_generator_state(self, _: torch.Generator) -> None: ...
        def reset(self) -> None: ...
        def replay(self) -> None:
            raise AssertionError("nothing was recorded")


@pytest.fixture
def graphs(on_kernels: None, monkeypatch: pytest.MonkeyPatch) -> Graphs:
    return Graphs(monkeypatch)


def learner(config: Config, made: Made) -> tuple[Iteration, list[Tensor]]:
    plan, scene = made
    trained = [p for p in scene.parameters() if p.requires_grad]
    noise = torch.Generator().manual_seed(3)
    adam = Adam(trained, 1e-3, lambda _: 1.0)
    return Iteration(config, plan, scene, [adam], noise), [p.detach() for p in trained]


def most(config: Config, plan: Pass) -> Sizes:
    assert plan.most is not None
    height, width = config.train_res
    return plan.most._replace(pixels=config.batch * height * width)


@pytest.mark.parametrize("number", [0, 1])
def test_recorded_iterations_learn_what_plain_ones_learn(
    number: int,
    graphs: Graphs,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
) -> None:
    make = small_passes[number]
    plain, expected = learner(small_config, make(small_config))
    made = make(small_config)
    iteration, found = learner(small_config, made)
    recorded = RecordedIteration(iteration, most(small_config, made[0]), lambda _: None)
    for count, batch in enumerate(small_batches):
        plain.begin(count)
        plain.work(batch)
        iteration.begin(count)
        recorded.work(batch)
        recorded.check()
    assert len(graphs.recorded) == 1 and len(small_batches) > PLAIN_ITERATIONS + 2
    for one, other in zip(found, expected, strict=True):
        # Adam makes whole steps of gradients that are all rounding; there are a few of those.
        assert float(((one - other).abs() > 2e-4).float().mean()) < 0.01
    assert iteration.means() == pytest.approx(plain.means(), rel=1e-3)


def test_lists_grow_when_they_overflow_and_shrink_when_they_stay_empty(
    graphs: Graphs,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = small_passes[1](small_config)
    iteration, _ = learner(small_config, made)
    recorded = RecordedIteration(iteration, Sizes(100_000), lambda _: None)
    for count in range(PLAIN_ITERATIONS + 1):
        iteration.begin(count)
        recorded.work(small_batches[0])
    (first,) = graphs.recorded
    for need, made_anew in [
        (first.pixels, None),  # just fits
        (first.pixels + 1, _with_spare(Sizes(first.pixels + 1), Sizes(100_000))),
        (10, None),  # once may be chance
        (20, _with_spare(Sizes(20), Sizes(100_000))),
        (1024, None),
        (90_000, Sizes(100_000)),  # never more than there can be
    ]:
        before = len(graphs.recorded)
        monkeypatch.setattr(FixedLengths, "needed", lambda _, need=need: (Sizes(need), 5))
        recorded.check()
        assert graphs.recorded[before:] == ([] if made_anew is None else [made_anew])
    iteration.begin(9)
    recorded.work(small_batches[0])


def test_a_surface_that_vanishes_is_noticed_at_the_next_look(
    graphs: Graphs,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
) -> None:
    plan, scene = small_passes[0](small_config)
    iteration, _ = learner(small_config, (plan, scene))
    recorded = RecordedIteration(iteration, most(small_config, plan), lambda _: None)
    for count in range(PLAIN_ITERATIONS + 2):
        iteration.begin(count)
        recorded.work(small_batches[0])
    recorded.check()
    assert isinstance(scene.geometry, DMTetGeometry)
    kept = scene.geometry.sdf.detach().clone()
    with torch.no_grad():
        scene.geometry.sdf.fill_(1.0)
    recorded.work(small_batches[0])
    with pytest.raises(EmptyMeshError):
        recorded.check()
    with torch.no_grad():
        scene.geometry.sdf.copy_(kept)  # as the guard does
    recorded.work(small_batches[0])
    recorded.check()


def test_what_cannot_be_recorded_is_done_plainly_and_said_once(
    graphs: Graphs,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
) -> None:
    graphs.fails = True
    made = small_passes[1](small_config)
    iteration, trained = learner(small_config, made)
    said: list[str] = []
    recorded = RecordedIteration(iteration, Sizes(100_000), said.append)
    for count in range(PLAIN_ITERATIONS + 3):
        before = [one.clone() for one in trained]
        iteration.begin(count)
        recorded.work(small_batches[0])
        recorded.check()
        assert not all(torch.equal(a, b) for a, b in zip(trained, before, strict=True))
    assert said == [
        "Iterations are not recorded as a CUDA graph: "
        "operation not permitted when stream is capturing"
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("spp", [1, 2])
def test_on_a_gpu_a_recorded_run_ends_as_a_plain_one(
    spp: int, small_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(
        small_config,
        iter=150,
        spp=spp,
        train_res=(64, 64),
        texture_res=(128, 128),
        save_interval=20,
        validate=True,
        diffrec=Extensions(light_res=32, validation_views=3),
    )
    results = []
    replay, replays = torch.cuda.CUDAGraph.replay, [0]

    def counted(graph: Any) -> None:
        replays[0] += 1
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
    for name in ("recorded", "plain"):
        lines: list[str] = []
        results.append(reconstruct(config, torch.device("cuda"), tmp_path / name, lines.append))
        assert not any("not recorded" in line for line in lines)
        if name == "recorded":
            assert replays[0] > 200
            monkeypatch.setattr("diffrec.training.cuda_graph.PLAIN_ITERATIONS", 10**6)
            replays[0] = 0
    assert replays[0] == 0
    recorded, plain = results
    assert recorded.first_pass is not None and plain.first_pass is not None
    assert recorded.final is not None and plain.final is not None
    assert abs(recorded.first_pass.psnr - plain.first_pass.psnr) < 1.0
    assert abs(recorded.final.psnr - plain.final.psnr) < 1.0
