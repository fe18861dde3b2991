"""What is foreseen of a GPU's memory grows with every field, and is told in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffrec import cli
from diffrec.errors import DiffrecError
from diffrec.runtime import gpu_memory
from diffrec.runtime.gpu_memory import TooLittleMemory, verdict
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.memory import GIB, parts

BOB = Config(
    ref_mesh="bob.obj", batch=4, learning_rate=(0.03, 0.003), diffrec=Extensions(shadows="off")
)
"""The training that the estimate is calibrated with."""


def totals(config: Config, **options: int) -> tuple[float, float]:
    """Least and likely bytes."""
    found = parts(config, **options)
    return sum(part.least for part in found), sum(part.likely for part in found)


resolutions = st.tuples(st.integers(1, 4096), st.integers(1, 4096))
own = st.builds(
    Extensions,
    light_res=st.sampled_from([16, 64, 128, 512, 1024, 4096]),
    hashgrid_size_log2=st.integers(4, 24),
    guard=st.booleans(),
    shadows=st.sampled_from(["off", "direct", "bounced"]),
)
configs = st.builds(
    Config,
    batch=st.integers(1, 64),
    spp=st.integers(1, 4),
    layers=st.integers(1, 8),
    train_res=resolutions,
    display_res=resolutions,
    texture_res=resolutions,
    dmtet_grid=st.integers(4, 256),
    isosurface=st.sampled_from(["dmtet", "flexicubes"]),
    ref_mesh=st.sampled_from(["mesh.obj", "photographs", None]),
    base_mesh=st.sampled_from([None, "base.obj"]),
    custom_mip=st.booleans(),
    learn_light=st.booleans(),
    diffrec=own,
)
LARGER: list[tuple[str, Any]] = [
    ("batch", lambda n: n + 1),
    ("spp", lambda n: n + 1),
    ("layers", lambda n: n + 1),
    ("train_res", lambda n: (n[0] + 1, n[1])),
    ("train_res", lambda n: (n[0], n[1] + 64)),
    ("display_res", lambda n: (n[0] + 7, n[1] + 7)),
    ("texture_res", lambda n: (n[0], n[1] + 1)),
    ("dmtet_grid", lambda n: n + 1),
    ("custom_mip", lambda n: True),
    ("learn_light", lambda n: True),
    ("diffrec.light_res", lambda n: min(n * 2, 4096)),
    ("diffrec.hashgrid_size_log2", lambda n: min(n + 1, 24)),
    ("diffrec.guard", lambda n: True),
]


@given(configs, st.sampled_from(LARGER), st.integers(1, 4))
def test_more_never_takes_less(config: Config, change: tuple[str, Any], processes: int) -> None:
    name, larger = change
    if name.startswith("diffrec."):
        name = name.removeprefix("diffrec.")
        value = larger(getattr(config.diffrec, name))
        other = dataclasses.replace(
            config, diffrec=dataclasses.replace(config.diffrec, **{name: value})
        )
    else:
        other = dataclasses.replace(config, **{name: larger(getattr(config, name))})
    before, after = totals(config, processes=processes), totals(other, processes=processes)
    assert after[0] >= before[0] and after[1] >= before[1]
    assert 0 < before[0] <= before[1]


@given(configs, st.integers(1, 8), st.integers(0, 1 << 36))
def test_processes_share_and_photographs_add(config: Config, processes: int, stored: int) -> None:
    assert totals(config, processes=processes)[1] <= totals(config)[1]
    assert totals(config, photographs=stored)[0] == pytest.approx(totals(config)[0] + stored)


MEASURED: list[tuple[int, dict[str, Any], tuple[int, int] | None]] = [
    (4072, {}, None),
    (2238, {"batch": 1, "train_res": (256, 256), "display_res": (256, 256)}, None),
    (8130, {"batch": 16}, None),
    (13262, {"batch": 8, "train_res": (1024, 1024)}, None),
    (17402, {"batch": 8, "train_res": (1024, 1024), "dmtet_grid": 128}, None),
    (13572, {"batch": 2, "train_res": (2048, 2048), "display_res": (2048, 2048)}, None),
    (5508, {"layers": 4}, None),
    (4626, {"isosurface": "flexicubes", "dmtet_grid": 96}, None),
    (9540, {"texture_res": (4096, 4096)}, None),
    (8660, {"diffrec": {"light_res": 1024}}, None),
    (30446, {"texture_res": (4096, 4096), "diffrec": {"light_res": 2048}}, None),
    (6002, {"diffrec": {"hashgrid_size_log2": 22}}, None),
    (3180, {"base_mesh": "bob.obj"}, None),
    (3716, {"ref_mesh": "photographs"}, (512, 512)),
    (2270, {"ref_mesh": "photographs"}, (256, 256)),
    (
        6546,
        {"ref_mesh": "photographs", "batch": 8, "dmtet_grid": 128, "texture_res": (2048, 2048)},
        (512, 512),
    ),
]
"""MiB that PyTorch reserved at most on an H200, PyTorch 2.11, changes to BOB, photographs' size."""


@pytest.mark.parametrize(("mebibytes", "changes", "size"), MEASURED)
def test_the_estimate_is_within_15_percent_of_what_was_measured(
    mebibytes: int, changes: dict[str, Any], size: tuple[int, int] | None
) -> None:
    found = parts(dataclasses.replace(BOB, **changes), size=size)
    assert sum(part.likely for part in found) == pytest.approx(mebibytes << 20, rel=0.15)
    assert sum(part.least for part in found) < mebibytes << 20


def test_a_training_that_fits_is_nothing_to_talk_about() -> None:
    assert verdict(parts(BOB), 8 * GIB) == ""


def test_a_training_that_may_not_fit_is_warned_of() -> None:
    line = verdict(parts(BOB), 2.1 * GIB)
    assert line.startswith("Warning: ") and "2.1 GiB are free" in line
    assert "batch (4) or train_res (512 x 512)" in line


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch": 64, "train_res": (2048, 1024)}, "batch (64) or train_res (2048 x 1024)"),
        ({"batch": 8, "spp": 4, "layers": 2}, "batch (8), train_res (512 x 512), spp (4) or"),
        ({"display_res": (16384, 16384)}, "display_res (16384 x 16384)"),
        ({"texture_res": (8192, 8192)}, "texture_res (8192 x 8192)"),
        ({"dmtet_grid": 512}, "dmtet_grid (512)"),
        ({"diffrec": Extensions(light_res=4096)}, "diffrec.light_res (4096)"),
        ({"diffrec": Extensions(hashgrid_size_log2=24)}, "diffrec.hashgrid_size_log2 (24)"),
    ],
)
def test_what_cannot_fit_is_refused_by_the_field_to_lower(
    changes: dict[str, Any], named: str
) -> None:
    found = parts(dataclasses.replace(BOB, **changes))
    with pytest.raises(TooLittleMemory) as raised:
        verdict(found, 2 * GIB)
    text = str(raised.value)
    assert f"Lower {named}" in text and "2.0 GiB are free" in text
    assert isinstance(raised.value, DiffrecError)
    # What the job process knows a full GPU by: it may try again with half the batch.
    assert text.startswith("CUDA out of memory")


def test_photographs_may_be_what_takes_most() -> None:
    with pytest.raises(TooLittleMemory, match="photo_res"):
        verdict(parts(BOB, photographs=4 << 30), 2 * GIB)


def test_a_cpu_is_not_judged() -> None:
    device, lines = torch.device("cpu"), list[str]()
    gpu_memory.foresee(dataclasses.replace(BOB, batch=4096), device, lines.append)
    assert lines == [] and gpu_memory.used(BOB, device) == ""


class _Card:
    """Stands in for what PyTorch says of a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: float, own: float = 0.0) -> None:
        total = int(24 * GIB)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (int(free), total))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: int(own))
        monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _device: int(own))


def test_what_is_ours_already_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    device, lines = torch.device("cuda", 0), list[str]()
    _Card(monkeypatch, free=1 * GIB, own=7 * GIB)
    gpu_memory.foresee(BOB, device, lines.append)
    assert lines == []
    _Card(monkeypatch, free=1 * GIB)
    with pytest.raises(TooLittleMemory, match=r"1\.0 GiB are free"):
        gpu_memory.foresee(BOB, device, lines.append)


def test_what_was_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _Card(monkeypatch, free=16 * GIB, own=2.25 * GIB)
    line = gpu_memory.used(BOB, torch.device("cuda", 0))
    foreseen = sum(part.likely for part in parts(BOB)) / GIB
    assert line == f"GPU memory: 2.2 GiB at most, {foreseen:.1f} GiB were foreseen"


def test_a_full_gpu_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, whatever PyTorch calls it; other errors stay what they are."""
    _Card(monkeypatch, free=1 * GIB, own=20 * GIB)
    monkeypatch.setattr("diffrec.runtime.device.choose_device", lambda *_: torch.device("cuda", 0))
    monkeypatch.setattr("diffrec.runtime.device.device_name", lambda _device: "a card")
    monkeypatch.setattr("diffrec.runtime.compilation_ahead.WarmUp.compile_kernels", lambda *_: None)
    monkeypatch.setattr(
        "diffrec.runtime.compilation_ahead.WarmUp.compile_charting", lambda _self: None
    )
    monkeypatch.chdir(tmp_path)

    def failing(error: Exception) -> Any:
        def reconstruct(*_arguments: Any, **_options: Any) -> None:
            raise error

        return reconstruct

    for error in (torch.OutOfMemoryError("x"), RuntimeError("CUDA error: out of memory")):
        monkeypatch.setattr("diffrec.training.run.reconstruct", failing(error))
        assert cli.main(["--ref_mesh", "bob.obj"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("Error: CUDA out of memory: of the GPU's 24.0 GiB the training had")
        assert "20.0 GiB" in told and "3.0 GiB were taken" in told and "Traceback" not in told
        assert "diffrec.light_res (512)" in told or "batch (1)" in told
    monkeypatch.setattr("diffrec.training.run.reconstruct", failing(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["--ref_mesh", "bob.obj"])
