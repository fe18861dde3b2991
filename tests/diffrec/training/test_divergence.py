"""A pass that diverges goes back to its last good state."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from diffrec.data.views import shuffled_indices
from diffrec.errors import DiffrecError
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.scene import Scene
from diffrec.training.adam import Adam
from diffrec.training.checkpoint import LoopState
from diffrec.training.divergence import MOST_RETURNS, Guard
from diffrec.training.iteration import Iteration
from diffrec.training.run import Reconstruction, reconstruct
from nvdiffrec_contract.configuration import Config, Extensions

pytestmark = pytest.mark.usefixtures("read_once")

FINE = torch.tensor([0.02, 1.0, 0.0])


def new_state(lr: float = 0.1) -> LoopState:
    trained = [nn.Parameter(torch.ones(4, 3) * (k + 1)) for k in range(3)]
    optimizers = [
        Adam(trained[:1], lr, lambda i: 1.0),
        Adam(trained[1:], 2 * lr, lambda i: 1.0),
    ]
    return LoopState(
        pass_number=1,
        tensors={
            "geometry": [trained[0].detach()],
            "material": [trained[1].detach()],
            "light": [trained[2].detach()],
        },
        optimizers=optimizers,
        order=shuffled_indices(3, 1, torch.Generator()),
        generators={},
    )


def step(state: LoopState) -> None:
    for optimizer in state.optimizers:
        for parameter in optimizer.parameters:
            parameter.grad = parameter.detach().sin()
        optimizer.begin(0)
        optimizer.step()


def values(state: LoopState) -> list[Tensor]:
    return [tensor.clone() for tensor in state.changing()]


def rates(state: LoopState) -> list[float]:
    return [optimizer.rate for optimizer in state.optimizers]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def trained(state: LoopState, guard: Guard, begin: int, end: int, loss: float = 0.1) -> str | None:
    """Run iterations `begin` to `end` - 1 with readings every tenth; what went wrong first."""
    for iteration in range(begin, end):
        step(state)
        wrong = guard.reading(iteration, loss, FINE) if iteration % 10 == 0 else None
        wrong = wrong or guard.keep(iteration + 1)
        if wrong:
            return wrong
    return None


def test_going_back_restores_everything_with_half_the_rates() -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    assert trained(state, guard, 0, 20) is None
    before = values(state)
    assert trained(state, guard, 20, 35) is None
    assert guard.reading(40, math.nan, FINE) == "the loss is no longer a number"
    where = [tensor.data_ptr() for tensor in state.all_tensors()]
    assert guard.go_back() == 20
    assert equal(values(state), before)
    assert [tensor.data_ptr() for tensor in state.all_tensors()] == where
    assert rates(state) == pytest.approx([0.05, 0.1])


def test_a_state_is_only_good_once_calm_iterations_have_followed_it() -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    assert trained(state, guard, 0, 20) is None
    before = values(state)
    assert trained(state, guard, 20, 40) is None
    step(state)
    # The state of iteration 40 has no calm reading behind it, that of 20 has.
    assert guard.reading(40, math.inf, FINE)
    assert guard.go_back() == 20
    assert equal(values(state), before)


def test_three_returns_and_then_the_good_state_is_the_last_word() -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    trained(state, guard, 0, 20)
    before = values(state)
    trained(state, guard, 20, 31)
    for number in range(MOST_RETURNS):
        assert guard.go_back() == 20
        assert guard.returns == number + 1
        assert rates(state)[0] == pytest.approx(0.1 * 0.5 ** (number + 1))
        step(state)
    assert guard.go_back() is None
    assert guard.good_iteration == 20
    assert equal(values(state)[:3], before[:3])


def test_optimizers_that_had_not_stepped_begin_afresh() -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    start = values(state)
    trained(state, guard, 0, 5)
    assert guard.go_back() == 0
    assert equal(values(state), start)
    other = new_state(lr=0.05)
    for one in (state, other):
        for _ in range(5):
            step(one)
    assert equal(values(state), values(other))


@pytest.mark.parametrize("size", [1.3, 0.5, 0.9])
def test_noise_and_single_outliers_raise_no_alarm(size: float) -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    random = torch.Generator().manual_seed(1)
    for number in range(200):
        loss = 0.05 * float(1 + size * torch.rand((), generator=random))
        if number % 17 == 16:
            loss *= 4
        assert guard.reading(10 * number, loss, FINE) is None


def test_a_falling_loss_raises_no_alarm() -> None:
    guard = Guard(new_state(), 0, 20)
    for number in range(100):
        assert guard.reading(10 * number, 0.9**number, FINE) is None


@pytest.mark.parametrize(("factor", "readings", "said"), [(20, 1, "leapt"), (6, 3, "rose")])
def test_a_jump_of_the_loss_is_noticed(factor: float, readings: int, said: str) -> None:
    guard = Guard(new_state(), 0, 20)
    for number in range(10):
        assert guard.reading(10 * number, 0.01, FINE) is None
    for number in range(readings):
        wrong = guard.reading(100 + 10 * number, 0.01 * factor, FINE)
        assert (wrong is not None) == (number == readings - 1)
    assert wrong is not None and f"the loss {said} from 0.010000" in wrong


@pytest.mark.parametrize(
    ("damage", "loss", "said"),
    [
        ((2.0, 1.0, 0.0), 0.01, "exploded"),
        ((math.nan, 1.0, 0.0), 0.01, "no longer anywhere"),
        ((0.1, 5.0, 0.0), 0.02, "area grew 5.0 times"),
        ((0.1, 1.0, 0.4), 0.02, "40% of its surface is turned over"),
        ((0.1, 5.0, 0.4), 0.009, None),  # a base mesh that finds its shape
    ],
)
def test_a_destroyed_mesh_is_noticed(
    damage: tuple[float, ...], loss: float, said: str | None
) -> None:
    guard = Guard(new_state(), 0, 20)
    for number in range(10):
        guard.reading(10 * number, 0.01, FINE)
    wrong = [guard.reading(100 + 10 * k, loss, torch.tensor(damage)) for k in range(5)]
    if said is None:
        assert wrong == [None] * 5
    else:
        assert said in next(one for one in wrong if one)


def test_a_value_that_is_no_number_is_noticed_where_a_state_would_be_kept() -> None:
    state = new_state()
    guard = Guard(state, 0, 20)
    trained(state, guard, 0, 15)
    state.tensors["material"][0][2, 1] = math.nan
    assert guard.finite() == "a trained value is no longer a number"
    assert trained(state, guard, 15, 25) == "a trained value is no longer a number"
    assert guard.go_back() == 0
    assert guard.finite() is None


def test_damage_of_a_mesh() -> None:
    side = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    mesh = Mesh(side, triangles, texcoords=side[:, :2], texcoord_triangles=triangles)
    geometry = VertexGeometry(mesh)
    assert geometry.damage().tolist() == [0, 1, 0]
    with torch.no_grad():
        geometry.positions.copy_(side * torch.tensor([-2.0, 1, 1]))  # mirrored: turned over
    assert geometry.damage().tolist() == pytest.approx([3 / math.sqrt(2), 2, 1])
    with torch.no_grad():
        geometry.positions[1] = math.nan
    assert not geometry.damage().isfinite().all()


Run = Callable[..., tuple[Reconstruction, list[str]]]


@pytest.fixture
def run(sample: Path, tmp_path: Path) -> Run:
    def reconstructed(**changes: Any) -> tuple[Reconstruction, list[str]]:
        ours = Extensions(
            light_res=16,
            validation_views=2,
            uv_timeout=0,
            hashgrid_size_log2=10,
            checkpoint_interval=10,
            asset=(),
        )
        config = Config(
            ref_mesh=str(sample / "sample.obj"),
            envmap=str(sample / "sky.hdr"),
            iter=40,
            batch=1,
            save_interval=0,
            train_res=(24, 24),
            texture_res=(32, 32),
            dmtet_grid=8,
            diffrec=dataclasses.replace(ours, **changes.pop("ours", {})),
        )
        lines: list[str] = []
        config = dataclasses.replace(config, **changes)
        return reconstruct(config, torch.device("cpu"), tmp_path / "out", lines.append), lines

    return reconstructed


def spoiled(
    monkeypatch: pytest.MonkeyPatch, pass_index: int, at: Callable[[int, int], bool], how: str
) -> None:
    """Spoil the iterations of a pass for which `at(iteration, times it was reached)` holds."""
    begin = Iteration.begin
    times: dict[int, int] = {}

    def changed(self: Iteration, iteration: int) -> None:
        scene: Any = self.scene
        if isinstance(scene.geometry, (DMTetGeometry, VertexGeometry)[pass_index]):
            times[iteration] = times.get(iteration, 0) + 1
            if at(iteration, times[iteration]):
                if how == "vanish":
                    scene.geometry.sdf.data.fill_(1.0)
                elif how == "explode":
                    scene.geometry.positions.data.mul_(100.0)
                elif how == "nan":
                    scene.light.base.data[0, 0, 0] = math.nan
        begin(self, iteration)

    monkeypatch.setattr(Iteration, "begin", changed)


def warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("Warning: pass")]


@pytest.mark.parametrize(
    ("how", "pass_index", "said"),
    [
        # With the iteration that leaves no crossing between two numbers, so before the reading.
        ("nan", 0, "iteration 2[6-9]: a trained value is no longer a number; going back to"),
        ("vanish", 0, "iteration 25: the mesh has vanished; going back to iteration 10"),
        ("nan", 1, "iteration 30: the loss is no longer a number; going back to iteration 10"),
        ("explode", 1, "iteration 30: the mesh exploded"),
    ],
)
def test_a_run_recovers_from_one_disaster(
    run: Run, monkeypatch: pytest.MonkeyPatch, how: str, pass_index: int, said: str
) -> None:
    spoiled(monkeypatch, pass_index, lambda i, times: i == 25 and times == 1, how)
    result, lines = run()
    (warning,) = warnings(lines)
    assert re.match(f"Warning: pass {pass_index + 1}, {said}", warning)
    assert warning.endswith("with half the learning rates (1 of 3)")
    assert result.final is not None and math.isfinite(result.final.psnr)
    again = [line for line in lines if line.startswith("iter=   30")]
    assert len(again) == (3 if pass_index else 2)  # the second pass had come to its reading


@pytest.mark.parametrize("at", [25, 40], ids=["in the middle", "at the very end"])
def test_a_pass_that_keeps_diverging_ends_with_its_last_good_state(
    run: Run, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    spoiled(monkeypatch, 1, lambda i, _: i == at, "explode")
    result, lines = run()
    said = warnings(lines)
    assert len(said) == 4
    assert "3 returns did not help, so the pass ends with the last good state" in said[-1]
    assert result.final is not None and result.first_pass is not None
    assert result.final.psnr > result.first_pass.psnr - 3


def test_a_first_pass_that_never_gets_going_says_what_to_change(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, 0, lambda i, _: i == 3, "nan")
    with pytest.raises(DiffrecError, match=r"diverged 4 times.*Lower learning_rate"):
        run()


def test_without_the_guard_a_vanished_mesh_ends_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, 0, lambda i, _: i == 25, "vanish")
    with pytest.raises(EmptyMeshError):
        run(ours={"guard": False})


def test_a_surface_that_vanishes_in_the_last_step_is_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    after: list[int] = []
    handle: list[Any] = []

    def vanish(sdf: Tensor) -> Callable[[Tensor], None]:
        def change(_: Tensor) -> None:
            sdf.data.fill_(1.0)
            handle.pop().remove()

        return change

    lighting = Scene.lighting

    def last(scene: Any) -> Any:
        if isinstance(scene.geometry, DMTetGeometry):
            after.append(1)
            if len(after) == 41:  # the last iteration has its mesh, and this is its step
                handle.append(scene.light.base.register_hook(vanish(scene.geometry.sdf)))
        return lighting(scene)

    monkeypatch.setattr(Scene, "lighting", last)
    result, lines = run()
    assert any("iteration 40: the mesh has vanished; going back" in line for line in lines)
    assert result.final is not None


def test_the_guard_leaves_a_healthy_run_as_it_is(run: Run, tmp_path: Path) -> None:
    def obj() -> bytes:
        return (tmp_path / "out/mesh/mesh.obj").read_bytes()

    _, lines = run()
    assert not warnings(lines)
    guarded = obj()
    run(ours={"guard": False})
    assert obj() == guarded
