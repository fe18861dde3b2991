"""Runs that are ended go on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import diffrec.training.run as reconstruct_module
from diffrec import cli
from diffrec.data.views import shuffled_indices
from diffrec.measure.metrics import read_metrics
from diffrec.runtime import finished
from diffrec.runtime.signals import Interrupted, StopRequest
from diffrec.training import between, checkpoint
from diffrec.training.adam import Adam
from diffrec.training.checkpoint import LoopState, UnusableCheckpoint
from diffrec.training.iteration import Iteration
from diffrec.training.run import reconstruct
from diffrec.training.session import Session
from nvdiffrec_contract.configuration import Config, Extensions, load_config

pytestmark = pytest.mark.usefixtures("read_once")

ITERATIONS = 12


@pytest.fixture
def tiny(sample: Path) -> Callable[..., Config]:
    """Configurations of a run that takes about a second."""

    def make(**changes: Any) -> Config:
        ours = Extensions(
            light_res=16,
            validation_views=2,
            uv_timeout=0,
            hashgrid_size_log2=10,
            checkpoint_interval=4,
            checkpoint_seconds=0,
            asset=(),
        )
        config = Config(
            ref_mesh=str(sample / "sample.obj"),
            envmap=str(sample / "sky.hdr"),
            iter=ITERATIONS,
            batch=2,
            save_interval=5,
            train_res=(24, 24),
            texture_res=(32, 32),
            dmtet_grid=8,
            learning_rate=(0.03, 0.01),
            diffrec=dataclasses.replace(ours, **changes.pop("ours", {})),
        )
        return dataclasses.replace(config, **changes)

    return make


@dataclasses.dataclass
class Whole:
    """Log and files of a run that was not ended."""

    lines: list[str]
    contents: dict[str, str]


class EndAt:
    """Asks a run to end before its Nth call of something."""

    def __init__(self, number: int) -> None:
        self.stop = StopRequest()
        self._left = number

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.stop.number = signal.SIGTERM


def run(config: Config, folder: Path, **options: Any) -> list[str]:
    lines: list[str] = []
    reconstruct(config, torch.device("cpu"), folder, lines.append, **options)
    return lines


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], Whole]:
    """Runs a configuration without ending it, once for all tests."""
    made: dict[str, Whole] = {}

    def find(config: Config) -> Whole:
        key = json.dumps(config.to_json(), sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[key] = Whole(run(config, folder), contents(folder))
        return made[key]

    return find


def ended_run(config: Config, folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run that ends at its `at`th iteration, counted over both passes."""
    end = EndAt(at)
    begin = Iteration.begin

    def counted(*arguments: Any) -> None:
        end()
        begin(*arguments)

    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Iteration, "begin", counted)
        with pytest.raises(Interrupted) as interrupted:
            reconstruct(config, torch.device("cpu"), folder, lines.append, stop=end.stop)
    assert interrupted.value.exit_code == 143
    return lines


def contents(folder: Path) -> dict[str, str]:
    """What a run has made; not what it says of its own inputs, which have another name, nor the
    memory that it held."""
    own = (finished.NAME, "scene.json", "metrics.csv")
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in own
    }
    table = (folder / "metrics.csv").read_text().splitlines()
    assert table[0].endswith(",memory")
    return {**found, "metrics.csv": "\n".join(line.rpartition(",")[0] for line in table)}


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, 6),
        ({}, ITERATIONS + 1),  # the last of the first pass
        ({}, ITERATIONS + 2),  # the first of the second
        ({}, ITERATIONS + 9),
        ({"isosurface": "flexicubes", "dmtet_grid": 6}, 6),
        ({"custom_mip": True, "lock_light": True}, ITERATIONS + 9),
        ({"learn_light": False, "laplace": "absolute"}, ITERATIONS + 9),
        ({"base_mesh": "sample.obj", "lock_pos": True, "random_textures": True}, 6),
        ({"base_mesh": "sample.obj"}, 6),
        ({"ours": {"shadows": "bounced"}}, ITERATIONS + 9),  # the table is two iterations old
    ],
    ids=str,
)
def test_a_run_that_goes_on_ends_bit_for_bit_as_one_that_was_not_ended(
    changes: dict[str, Any],
    at: int,
    tiny: Callable[..., Config],
    undisturbed: Callable[[Config], Whole],
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "base_mesh" in changes:
        changes = {**changes, "base_mesh": str(sample / changes["base_mesh"])}
    config = tiny(**changes)
    whole = undisturbed(config)
    before = ended_run(config, tmp_path / "ended", at, monkeypatch)
    number = 1 if at <= ITERATIONS + 1 else 2
    iteration = at - (number - 1) * (ITERATIONS + 1)
    assert before[-1] == (
        f"Saved at iteration {iteration} of pass {number}; the same command goes on from there"
    )
    after = run(config, tmp_path / "ended")
    assert next(one for one in after if one.startswith("Resuming")).startswith(
        f"Resuming from iteration {iteration} of pass {number} ("
    )
    assert contents(tmp_path / "ended") == whole.contents
    if number == 2:
        assert not any("dmtet_mesh" in line for line in after)  # not charted and baked again
        psnr = next(line for line in whole.lines if line[:2] == "0.").split()[1]
        assert any(f"PSNR {psnr}" in line for line in after)


def test_what_follows_a_pass_is_not_lost_either(
    tiny: Callable[..., Config],
    undisturbed: Callable[[Config], Whole],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal during validation, charting or export comes at no iteration's end."""
    config = tiny(ours={"checkpoint_seconds": 1000.0})
    modules = {"validate": reconstruct_module, "chart": between, "write_result": reconstruct_module}
    for name, module in modules.items():
        stop = StopRequest()

        def asked(*_: Any, stop: StopRequest = stop, **__: Any) -> None:
            stop._asked(signal.SIGTERM, None)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, asked)
            with pytest.raises(Interrupted):
                run(config, tmp_path / "ended", stop=stop)
        assert (tmp_path / "ended" / checkpoint.NAME).exists()
    lines = run(config, tmp_path / "ended")
    assert f"Resuming from iteration {ITERATIONS + 1} of pass 1" in "\n".join(lines)
    # Checkpoints leave nothing behind, however often they are written.
    assert contents(tmp_path / "ended") == undisturbed(tiny()).contents


DRIVER = r"""
import json, os, random, signal, sys
import diffrec.training.run
from diffrec.training.iteration import Iteration
from diffrec import cli

def child(config, at=None, number=0):
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        begin, count = Iteration.begin, [0]
        def counted(*arguments):
            count[0] += 1
            if count[0] == at:
                os.kill(os.getpid(), number)
            begin(*arguments)
        Iteration.begin = counted
        os._exit(cli.main(["--config", config]))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

cli.main(["--config", "warm.json"])  # compiles and loads everything once, for all children
assert child("whole.json") == 0
chance = random.Random(int(sys.argv[1]))
numbers = [signal.SIGTERM, signal.SIGKILL] * 5
chance.shuffle(numbers)
for number in numbers:
    at = chance.randrange(6, 11)  # beyond the next checkpoint, or it would never get anywhere
    code = child("ended.json", at, number)
    print("ended", number, code)
    if code == 0:
        break
    assert code == (143 if number == signal.SIGTERM else -9), code
else:
    assert child("ended.json") == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that are ended are forked")
def test_a_run_killed_ten_times_ends_as_an_undisturbed_one(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    for name, iterations in (("warm", 1), ("whole", 40), ("ended", 40)):
        document = tiny(iter=iterations, out_dir=name, ours={"checkpoint_interval": 5}).to_json()
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    # Threads do not survive a fork, so there are none.
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "NUMBA_THREADING_LAYER": "workqueue",
    }
    seed = str(random.SystemRandom().randrange(10**6))
    driven = subprocess.run(
        [sys.executable, "-c", DRIVER, seed],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert driven.returncode == 0, (seed, driven.stdout[-500:], driven.stderr[-2000:])
    log = (tmp_path / "log").read_text()
    assert driven.stdout.count("ended") == 10, driven.stdout
    assert log.count("Resuming from iteration") == 10
    assert "Traceback" not in log
    psnr = {
        name: read_metrics(tmp_path / "out" / name / "validate/metrics.txt")[1][1]
        for name in ("whole", "ended")
    }
    assert abs(psnr["whole"] - psnr["ended"]) < 0.1
    # On one thread nothing is left to chance.
    assert contents(tmp_path / "out/ended") == contents(tmp_path / "out/whole")


def loop_state(seed: int = 0) -> LoopState:
    """A small state of every kind, a few steps into its pass."""
    random_values = torch.Generator().manual_seed(seed)
    trained = [nn.Parameter(torch.rand(3, 2, generator=random_values)) for _ in range(3)]
    optimizers = [
        Adam(trained[:2], 0.1, lambda i: 0.9**i),
        Adam(trained[2:], 0.2, lambda i: 0.9**i),
    ]
    order = shuffled_indices(7, 3, torch.Generator().manual_seed(seed))
    state = LoopState(
        pass_number=1,
        tensors={
            "geometry": [trained[0].detach()],
            "material": [trained[1].detach()],
            "light": [trained[2].detach()],
        },
        optimizers=optimizers,
        order=order,
        generators={"noise": torch.Generator().manual_seed(seed)},
    )
    for iteration in range(seed + 2):
        step(state, iteration)
    return state


def step(state: LoopState, iteration: int) -> list[float]:
    """One step on random gradients; everything that the next ones depend on."""
    indices = next(state.order)
    noise = torch.rand((), generator=state.generators["noise"])
    for optimizer in state.optimizers:
        for parameter in optimizer.parameters:
            parameter.grad = parameter.detach() * noise + torch.rand(parameter.shape)
        optimizer.begin(iteration)
        optimizer.step()
    values = [float(tensor.sum()) for tensor in state.all_tensors()]
    rates = [optimizer.rate for optimizer in state.optimizers]
    return [*map(float, indices), float(noise), *values, *rates]


def document_of(state: LoopState, **more: Any) -> dict[str, Any]:
    return {**checkpoint.captured(state), "iteration": 3, "seconds": 1.5, "start": None, **more}


def test_every_part_survives_the_file(tmp_path: Path) -> None:
    config, path = Config(), tmp_path / "checkpoint.pt"
    state = loop_state()
    checkpoint.write(path, config, document_of(state))
    expected = [step(state, i) for i in range(5)]
    other = loop_state(seed=3)
    saved = checkpoint.read(path, config)
    assert saved is not None
    checkpoint.restore(other, saved)
    assert [step(other, i) for i in range(5)] == expected
    assert (saved["iteration"], saved["seconds"], saved["pass"]) == (3, 1.5, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d["tensors"].pop("light"),
        lambda d: d["tensors"]["geometry"].append(torch.zeros(1)),
        lambda d: d["tensors"].update(geometry=[torch.zeros(4, 2)]),
        lambda d: d["tensors"].update(geometry=[torch.zeros(3, 2, dtype=torch.float64)]),
        lambda d: d["tensors"].update(geometry=["text"]),
        lambda d: d["optimizers"].pop(),
        lambda d: d["optimizers"][0]["tensors"].__setitem__(0, torch.zeros(9)),
        lambda d: d["optimizers"][0].update(rate="fast"),
        lambda d: d["optimizers"][0].update(rate=float("nan")),
        lambda d: d["optimizers"][0].pop("tensors"),
        lambda d: d["order"].update(waiting=[99]),
        lambda d: d["order"].update(generator=torch.zeros(3, dtype=torch.uint8)),
        lambda d: d["generators"].clear(),
        lambda d: d.pop("torch"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(damage: Callable[[dict[str, Any]], object]) -> None:
    document = document_of(loop_state())
    damage(document)
    with pytest.raises(UnusableCheckpoint, match="does not fit"):
        checkpoint.restore(loop_state(), document)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("written") / "checkpoint.pt"
    checkpoint.write(path, Config(), document_of(loop_state()))
    return path.read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_noticed(written: bytes, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "checkpoint.pt"
    kind = data.draw(st.sampled_from(["flip", "cut", "foreign"]))
    if kind == "flip":
        changed = bytearray(written)
        changed[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(changed)
    elif kind == "cut":
        path.write_bytes(written[: data.draw(st.integers(0, len(written) - 1))])
    else:
        path.write_bytes(data.draw(st.binary(max_size=300)))
    with pytest.raises(UnusableCheckpoint):
        checkpoint.read(path, Config())


class Evil:
    """Runs something when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes that have a name")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / checkpoint.NAME
    for make in (os.mkfifo, os.mkdir, lambda one: os.symlink("/dev/zero", one)):
        make(path)
        with pytest.raises(UnusableCheckpoint, match="is no file"):
            checkpoint.read(path, Config())
        path.rename(tmp_path / f"{make}")


@pytest.mark.parametrize("format_", ["torch", "pickle"])
def test_a_checkpoint_runs_nothing(tmp_path: Path, format_: str) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    if format_ == "torch":
        torch.save(Evil(trace), path)
    else:
        path.write_bytes(pickle.dumps(Evil(trace)))
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest().encode()
    path.write_bytes(checkpoint._MAGIC + digest + b"\n" + body)
    with pytest.raises(UnusableCheckpoint, match="is damaged"):
        checkpoint.read(path, Config())
    assert not trace.exists()


def test_the_configuration_decides(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.write(path, Config(), document_of(loop_state()))
    same = Config(
        out_dir="elsewhere",
        pre_load=False,
        diffrec=Extensions(device="cpu", checkpoint_interval=7, guard=False),
    )
    assert checkpoint.read(path, same) is not None
    for other in (Config(iter=7), Config(loss="mse"), Config(diffrec=Extensions(seed=1))):
        with pytest.raises(UnusableCheckpoint, match="is of another configuration"):
            checkpoint.read(path, other)
    assert checkpoint.read(tmp_path / "none.pt", Config()) is None


def test_the_same_configuration_from_a_file_has_the_same_hash(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text('{"ref_mesh": "x.obj", "iter": 100.0, "train_res": [8, 8]}')
    a, b = (load_config(tmp_path / name) for name in ("a.json", "b.json"))
    assert checkpoint.configuration_hash(a) == checkpoint.configuration_hash(b)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not one of this trainer"),
        (b"PK\x03\x04 something", "is not one of this trainer"),
        (b"diffrec checkpoint 999\nwho knows", "is of another version of the trainer"),
        (checkpoint._MAGIC + b"0" * 64 + b"\nhalf", "is damaged"),
        (None, "is of another configuration"),
    ],
)
def test_a_useless_checkpoint_is_named_and_the_run_starts_anew(
    content: bytes | None,
    said: str,
    tiny: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny(iter=2, save_interval=0)
    path = tmp_path / checkpoint.NAME
    if content is None:
        ended_run(tiny(iter=3), tmp_path, 2, monkeypatch)
    else:
        path.write_bytes(content)
    lines = run(config, tmp_path)
    assert f"Warning: the checkpoint {path} {said}; starting anew" in lines
    assert not any(line.startswith("Resuming") for line in lines)
    assert not path.exists()


def test_a_lost_first_result_starts_anew(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(iter=2)
    ended_run(config, tmp_path, 5, monkeypatch)
    (tmp_path / "dmtet_mesh/mesh.obj").unlink()
    lines = run(config, tmp_path)
    assert any("has lost the first pass's files" in line for line in lines)
    assert (tmp_path / "dmtet_mesh/mesh.obj").exists()


def test_restart_and_interval_zero_take_no_checkpoint(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_run(tiny(iter=2), tmp_path, 2, monkeypatch)
    none = tiny(iter=2, ours={"checkpoint_interval": 0})
    for config, options in ((none, {}), (tiny(iter=2), {"restart": True})):
        lines = run(config, tmp_path, **options)
        assert not any("Resuming" in line or "checkpoint" in line for line in lines)
        ended_run(tiny(iter=2), tmp_path, 2, monkeypatch)
    path = tmp_path / checkpoint.NAME
    path.unlink()
    ended_run(none, tmp_path, 2, monkeypatch)
    assert not path.exists()


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(save_interval=0)
    ended_run(config, tmp_path, 6, monkeypatch)
    path = tmp_path / checkpoint.NAME
    before = path.read_bytes()

    def full(_: object, stream: Any) -> None:
        stream.write(b"the beginning")
        raise OSError(28, "No space left on device")

    kept: list[bytes] = []
    monkeypatch.setattr(torch, "save", full)
    monkeypatch.setattr(checkpoint, "remove", lambda one: kept.append(one.read_bytes()))
    lines = run(config, tmp_path)
    assert any("cannot be written" in line and "No space left" in line for line in lines)
    assert lines[-1] == "Done exporting mesh"
    assert kept == [before]
    assert not list(tmp_path.glob(".*"))


def test_checkpoints_keep_their_distance(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the seconds between them and their share of the time, on a clock of our own."""
    clock = [1000.0]
    monkeypatch.setattr("diffrec.training.saving.time.monotonic", lambda: clock[0])
    saved: list[float] = []
    begin, write = Iteration.begin, checkpoint.write

    def later(*arguments: Any) -> None:
        clock[0] += 10.0
        begin(*arguments)

    def written_slowly(*arguments: Any) -> None:
        saved.append(clock[0])
        write(*arguments)
        clock[0] += 2.0  # so that 100 s have to pass

    monkeypatch.setattr(Iteration, "begin", later)
    monkeypatch.setattr(checkpoint, "write", written_slowly)
    config = tiny(iter=29, ours={"checkpoint_interval": 1, "checkpoint_seconds": 30.0})
    run(config, tmp_path)
    gaps = [b - a for a, b in zip([1000.0, *saved], saved, strict=False)]
    assert gaps[0] == 30
    # To the next iteration's end after 100 s; the two seconds of writing are not among them.
    assert len(gaps) > 3 and all(102 <= gap <= 112 for gap in gaps[1:]), gaps


STOPPING = """
import os, signal, sys
from diffrec.runtime import signals as interrupt
interrupt.SAME_REQUEST_SECONDS = float(sys.argv[1])
stop = interrupt.StopRequest()
with stop.listening():
    stop.hold()
    os.kill(os.getpid(), signal.SIGTERM)
    print("held", stop.number, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", flush=True)
    try:
        stop.release()
    except interrupt.Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize(
    ("seconds", "code", "said"),
    [("100", 143, "held 15\nstill here\n"), ("0", -signal.SIGTERM, "held 15\n")],
)
def test_a_second_request_ends_at_once(seconds: str, code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STOPPING, seconds], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, said)


@pytest.fixture
def former_handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.usefixtures("former_handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_with_the_signals_code(
    number: int, tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.json").write_text(json.dumps(tiny(iter=2, out_dir="x").to_json()))

    def asked(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(reconstruct_module, "load_views", asked)
        assert cli.main(["--config", "c.json"]) == 128 + number
    assert cli.main(["--config", "c.json", "--restart"]) == 0


@pytest.mark.parametrize(("value", "kept"), [("", False), ("1", True)])
def test_the_checkpoint_stays_at_the_end_where_its_starter_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, kept: bool
) -> None:
    monkeypatch.setenv("DIFFREC_KEEP_CHECKPOINT", value)
    path = tmp_path / checkpoint.NAME
    path.touch()
    Session(Config(), tmp_path, lambda _line: None, StopRequest()).finished()
    assert path.exists() is kept
