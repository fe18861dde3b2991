"""Several processes that share a batch end where one process ends."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from diffrec.errors import DiffrecError
from diffrec.runtime.device import choose_device
from diffrec.runtime.ranks import ALONE, Ranks, joined, local_rank, share_cores
from diffrec.training import checkpoint
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.errors import ConfigError

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"
)

# Runs the command in processes of their own, and keeps what is trained at the end of each pass.
# They are forked from one that has loaded and compiled everything, by a training on one thread.
PROGRAM = r"""
import json, os, signal, sys
import torch
from diffrec import cli
from diffrec.training import session
from diffrec.training.iteration import Iteration
def child(name, at, variables, log):
    process = os.fork()
    if process:
        return process
    signal.alarm(300)  # who waits for another in vain
    os.environ.update(variables)
    for number in (1, 2):
        os.dup2(log, number)
    end, begin, count = session.Session.end, Iteration.begin, [0]
    def ended(self):
        path = f"{name}-{self._state.pass_number}-{self._ranks.rank}.pt"
        torch.save([tensor.clone() for tensor in self._state.all_tensors()], path)
        end(self)
    def counted(self, number):
        count[0] += 1
        if count[0] == at and os.environ.get("RANK") == "1":  # the signal reaches one of them first
            os.kill(os.getpid(), signal.SIGTERM)
        begin(self, number)
    session.Session.end = ended
    Iteration.begin = counted
    code = cli.main(["--config", name + ".json"])
    sys.stdout.flush()
    os._exit(code)

with open(os.devnull, "w") as nowhere:
    spoken, sys.stdout = sys.stdout, nowhere
    assert cli.main(["--config", "warm.json"]) == 0
    sys.stdout = spoken
for line in sys.stdin:
    name, at, given = json.loads(line)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    logs = [os.open(f"{name}-{rank}.log", flags) for rank in range(len(given))]
    begun = [child(name, at, one, log) for one, log in zip(given, logs)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in begun]
    print(json.dumps(codes), flush=True)
"""

Start = Callable[..., list[tuple[int, str]]]


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, write_small_sample: Callable[[Path], None]
) -> Iterator[Start]:
    """Runs a configuration in so many processes; exit code and output of each."""
    if not hasattr(os, "fork"):
        pytest.skip("the processes are forked")
    folder = tmp_path_factory.mktemp("ranks")
    write_small_sample(folder)

    def started(name: str, processes: int, at: int = 0, **changes: object) -> list[tuple[int, str]]:
        config = Config(
            ref_mesh=str(folder / "sample.obj"),
            envmap=str(folder / "sky.hdr"),
            out_dir=name,
            iter=1,  # what is all rounding grows from one iteration to the next
            batch=3,
            save_interval=0,
            train_res=(32, 32),
            texture_res=(64, 64),
            dmtet_grid=12,
            learning_rate=(0.03, 0.01),
            diffrec=Extensions(
                light_res=32,
                validation_views=2,
                uv_timeout=0,
                hashgrid_size_log2=10,
                # What is all rounding makes whole steps: as few and as small ones as can be.
                # Variances, of which the structural term is made, round more than anything else.
                normal_rate=1.0,
                dssim=0.0,
                shadows="bounced",
                asset=(),
            ),
        )
        (folder / f"{name}.json").write_text(json.dumps({**config.to_json(), **changes}))
        if not processes:
            return []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        variables = [
            {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            for rank in range(processes)
        ]
        given = variables if processes > 1 else [{}]
        print(json.dumps([name, at, given]), file=driver.stdin, flush=True)
        codes = json.loads(driver.stdout.readline())
        texts = [(folder / f"{name}-{rank}.log").read_text() for rank in range(processes)]
        return list(zip(codes, texts, strict=True))

    started("warm", 0)
    # Threads do not survive a fork, so there are none.
    alone = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, **alone},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdin is not None and driver.stdout is not None
        started.folder = folder  # type: ignore[attr-defined]
        yield started


@pytest.fixture
def folder(start: Start) -> Path:
    found: Path = start.folder  # type: ignore[attr-defined]
    return found


def test_two_processes_train_what_one_trains(start: Start, folder: Path) -> None:
    (alone,) = start("alone", 1)
    first, second = start("two", 2)
    assert alone[0] == first[0] == second[0] == 0, (alone, first, second)
    assert "2 processes share each batch" in first[1]
    assert "iter=" in first[1] and "iter=" not in second[1]  # one of them logs
    assert "Warning" not in first[1]
    for number in (1, 2):
        expected = torch.load(folder / f"alone-{number}-0.pt", weights_only=True)
        found = torch.load(folder / f"two-{number}-0.pt", weights_only=True)
        other = torch.load(folder / f"two-{number}-1.pt", weights_only=True)
        for one, two, three in zip(expected, found, other, strict=True):
            assert torch.equal(two, three)
            difference = (one - two).abs()
            # Adam makes whole steps of gradients that are all rounding; there are a few of those.
            assert float((difference > 1e-4).float().mean()) < 1e-3
            assert float(difference.max()) < 3e-3
    # The log's losses are those of the whole batch.
    losses = [
        [float(found) for found in re.findall(r"img_loss=([\d.]+)", text)]
        for text in (alone[1], first[1])
    ]
    assert len(losses[0]) == 2 and losses[0] == pytest.approx(losses[1], abs=2e-6)
    made = [
        sorted(path.relative_to(out) for path in out.rglob("*"))
        for out in (folder / "out/alone", folder / "out/two")
    ]
    assert made[0] == made[1]


def test_a_signal_to_one_ends_all_and_all_go_on(start: Start, folder: Path) -> None:
    assert [code for code, _ in start("whole", 2, iter=12)] == [0, 0]
    first, second = start("ended", 2, at=5, iter=12)
    assert (first[0], second[0]) == (143, 143), (first, second)
    assert "Saved at iteration 11 of pass 1; the same command goes on from there" in first[1]
    assert (folder / "out/ended" / checkpoint.NAME).exists()
    first, second = start("ended", 2, iter=12)
    assert (first[0], second[0]) == (0, 0), (first, second)
    assert "Resuming from iteration 11 of pass 1" in first[1]
    assert "Resuming" not in second[1]
    for number in (1, 2):
        whole, ended = (
            torch.load(folder / f"{name}-{number}-0.pt", weights_only=True)
            for name in ("whole", "ended")
        )
        assert all(torch.equal(a, b) for a, b in zip(whole, ended, strict=True))


def test_a_batch_is_shared_out_whole() -> None:
    for batch in range(1, 20):
        for count in range(1, batch + 1):
            ranks = [Ranks(rank, count) for rank in range(count)]
            for one in ranks:
                one.check(batch)
            shares = [list(range(batch))[one.part(batch)] for one in ranks]
            assert [view for share in shares for view in share] == list(range(batch))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            assert sum(one.weight(batch) for one in ranks) == pytest.approx(1)
    with pytest.raises(DiffrecError, match="batch 3 cannot be shared by 4 processes"):
        Ranks(0, 4).check(3)


def test_one_process_talks_to_nobody() -> None:
    with joined(torch.device("cpu")) as ranks:
        assert ranks is ALONE
    assert ALONE.leads and ALONE.rows(5) is None
    assert ALONE.sums([1.5, 2.0]) == [1.5, 2.0]
    assert ALONE.of_first(lambda: "made here") == "made here"
    assert local_rank({}) is local_rank({"WORLD_SIZE": "1", "LOCAL_RANK": "0"}) is None
    assert local_rank({"WORLD_SIZE": "2"}) is local_rank({"WORLD_SIZE": "x"}) is None
    assert local_rank({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}) == 1


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffrec.runtime.ranks.usable_cores", lambda: 12)
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    given: dict[str, str] = {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "OMP_NUM_THREADS": "1"}
    assert share_cores(given) == 3
    assert set_to == [3] and given["NUMBA_NUM_THREADS"] == "3"
    assert share_cores({"WORLD_SIZE": "64", "NUMBA_NUM_THREADS": "2"}) == 1


def test_a_process_without_a_gpu_of_its_own_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="process 2 finds no GPU of its own: PyTorch sees 1"):
        choose_device("cuda", 1)
