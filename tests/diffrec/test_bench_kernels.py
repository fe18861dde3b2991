"""`scripts/bench kernels`: which kernel is whose, what it has to do, what is printed."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from diffrec.ops.hashgrid import HashGridLayout
from diffrec.runtime.compilation_ahead import warp_files
from diffrec.training.iteration import Iteration

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts" / "benchmarks"
KERNEL = r"^@wp\.kernel(?:\(.*\))?\ndef (\w+)\("

# Names as a card's profiler gives them, times made up.
LISTING = (
    ("_shade_backward_7054f342_cuda_kernel_forward", 0.5),
    ("_backward_table_fb3b4634_cuda_kernel_forward", 0.25),
    ("_forward_2233d21d_cuda_kernel_forward", 0.25),
    ("_spread_97b05e4d_cuda_kernel_forward", 0.125),
    ("void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x64_32x6_tn_align4>(Params)", 0.5),
    ("sm80_xmma_gemm_f32f32_f32f32_f32_nn_n_tilesize64x32x8_stage3_ffma", 0.125),
    (
        "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<at::native::(anonymous "
        "namespace)::FusedOptimizerTensorListMetadata<4> >(int)",
        0.25,
    ),
    (
        "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float> >(int)",
        0.5,
    ),
    ("Memcpy DtoD (Device -> Device)", 0.125),
    ("_of_tomorrow_00000000_cuda_kernel_forward", 0.25),
    ("void at::native::elementwise_kernel<128, 2, something_new>(int)", 0.125),
)


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


def _extent(**changes: Any) -> Any:
    sizes: dict[str, Any] = {
        "views": 4,
        "frame": 4 * 512 * 512,
        "pixels": 352_256,
        "vertices": 5628,
        "triangles": 11_256,
        "light": 512,
        "trained": 18_000_000,
        "grid": HashGridLayout.geometric(),
        "tets": 200_000,
        "edges": 300_000,
    }
    return _script("bench_kernels_model").Extent(**{**sizes, **changes})


@pytest.mark.parametrize(
    ("name", "title", "direction"),
    [
        (LISTING[0][0], "shade", "backward"),
        (LISTING[1][0], "hash grid, hashed levels", "backward"),
        (LISTING[4][0], "matrix products", "both"),
        (LISTING[5][0], "matrix products", "both"),
        (LISTING[6][0], "optimizer", "step"),
        (LISTING[7][0], "clearing", "both"),
        (LISTING[8][0], "copies", "both"),
        (LISTING[9][0], "other Warp kernels", "both"),
        (LISTING[10][0], "other PyTorch kernels", "both"),
    ],
)
def test_a_kernel_is_recognised(name: str, title: str, direction: str) -> None:
    found = _script("bench_kernels_names").operation(name)
    assert (found.title, found.direction) == (title, direction)


def test_a_name_that_two_folders_use_needs_the_compiled_names() -> None:
    names = _script("bench_kernels_names")
    known = {
        "_forward_2233d21d": "hashgrid._forward",
        "_spread_97b05e4d": "cubefilter._spread",
    }
    assert names.operation(LISTING[2][0]).title == "other Warp kernels"
    assert names.operation(LISTING[2][0], known).title == "hash grid"
    assert names.operation(LISTING[3][0], known).title == "light's filter"


def test_the_compiled_names_are_found() -> None:
    from diffrec.ops.hashgrid import warp as warp_hashgrid

    layout = HashGridLayout((2, 4), log2_entries=6)
    encoded = torch.empty(layout.channels, 3)
    warp_hashgrid.forward(torch.rand(3, 3), layout.new_table(), layout, encoded)
    found = _script("bench_kernels_names").compiled_names()
    assert "hashgrid._forward" in found.values()


def _source(module: str) -> str:
    return (ROOT / "python3.11libs" / (module.replace(".", "/") + ".py")).read_text("utf-8")


def test_the_kernels_that_are_named_are_those_of_the_product() -> None:
    names = _script("bench_kernels_names")
    kernels = {
        f"{names.folder_of(module)}.{name}"
        for module in warp_files()
        for name in re.findall(KERNEL, _source(module), re.MULTILINE)
    }
    assert set(names._BY_KERNEL) == kernels


def test_nothing_is_left_out_of_the_table() -> None:
    bench = _script("bench_kernels")
    kernels = [bench.Kernel(name, 2.0, time) for name, time in LISTING]
    rows = bench.by_operation(kernels, {})
    assert sum(time for _, _, time in rows) == sum(time for _, time in LISTING)
    assert sum(count for _, count, _ in rows) == 2.0 * len(LISTING)
    assert [time for _, _, time in rows] == sorted((time for _, _, time in rows), reverse=True)


@pytest.mark.parametrize("changes", [{}, {"grid": None, "texels": 1 << 20, "tets": 0}])
def test_every_need_follows_from_the_sizes(changes: dict[str, Any]) -> None:
    names = _script("bench_kernels_names")
    small, large = _extent(**changes), _extent(**{**changes, "frame": 1 << 24, "pixels": 1 << 23})
    for one in names.OPERATIONS:
        if one.need is None or ("hash grid" in one.title and small.grid is None):
            continue
        needs = one.need(small), one.need(large)
        assert 0 <= needs[0].bytes <= needs[1].bytes, one.title
        assert needs[0].atomics <= needs[1].atomics
        assert needs[0].bytes < 10e9


def test_some_needs_counted_by_hand() -> None:
    model = _script("bench_kernels_model")
    extent = _extent()
    assert model.optimizer(extent).bytes == 18_000_000 * 28
    assert model.image_loss(extent).bytes == 4 * 512 * 512 * 4 * (4 + 4 + 3 + 4)
    hashed = sum(not dense for dense in extent.grid.dense)
    assert model.hash_fine_back(extent).atomics == 2 * 352_256 * hashed * 8
    network = 2 * 3 * (32 * 32 + 32 * 32 + 32 * 9) * 2 * 352_256
    # Outputs of edges 16, 16 and 32 (the widest two lobes, the cosine), of which the symmetries
    # leave so many rows; forward and backward.
    rows = 36 + 36 + 136
    light = 2 * 2 * rows * 1536 * 48 * 3
    assert model.products(extent).flops == network + light


def test_the_table_has_shares_of_the_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _script("bench_kernels")
    monkeypatch.setattr(bench, "heading", lambda name, notes: "\n\n".join([name, *notes]))
    ceilings = _script("bench_kernels_ceilings").Ceilings(
        2e12, {1: 1e11, 2: 5e10, 4: 2e10}, 1e9, {"FP32": 5e13, "TF32": 4e14}
    )
    kernels = [bench.Kernel(name, 1.0, time) for name, time in LISTING]
    found = bench.Profiled(5.0, kernels, _extent())
    text = bench.report([found, bench.Profiled()], ceilings)
    assert "### Pass 1" in text
    assert "### Pass 2" not in text
    assert "2,000 GB/s" in text
    lines = text.splitlines()
    heads = next(line for line in lines if line.startswith("| operation"))
    rows = [line for line in lines if line.startswith(("| shade", "| optimizer", "| all |"))]
    assert all(row.count("|") == heads.count("|") for row in rows)
    # 18 M floats of 28 bytes in a quarter of a millisecond: 2016 GB/s.
    optimizer = next(row for row in rows if "optimizer" in row)
    assert "| 504.0 MB | 2,016 | 101% |" in optimizer
    shade = next(row for row in rows if row.startswith("| shade"))
    assert "| 4.2 M of 4 | 42% |" in shade
    assert "| all |  | 11.0 | 3.000 ms | 100% |" in text


def test_additions_reach_every_row() -> None:
    ceilings, _ = _script("bench_kernels_ceilings"), _script("bench_kernels_additions")
    for width in ceilings.WIDTHS:
        target = torch.zeros(8, width)
        ceilings.add(width, target, 4000)
        assert float(target.sum()) == 4000 * width
        assert float(target.min()) > 300
    alone = torch.zeros(8, 1)
    ceilings.add(1, alone, 100, rows=1)
    assert alone[:, 0].tolist() == [100.0] + [0.0] * 7


def test_a_watch_sees_the_passes_and_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _script("bench_kernels")
    monkeypatch.setattr(bench, "extent", lambda *_: None)
    watch = bench.Watch(iterations=20, passes=2, device="cpu")
    batch = SimpleNamespace(image=torch.zeros(2, 8, 4, 4))

    def train(count: int) -> None:
        iteration = object()
        for number in range(count):
            watch.begin(iteration, number)
            watch.work(batch, 4)
            with torch.profiler.record_function("loss"):
                torch.ones(3).sum()

    train(21)
    assert watch.passes[0].parts["loss"] == 1.0
    assert watch.passes[0].clock > 0
    with pytest.raises(bench.Enough):
        train(21)
    assert (watch._frame, len(watch.passes)) == (2 * 8 * 4 * 4, 2)


def test_iterations_are_as_before_when_the_watch_is_over() -> None:
    bench = _script("bench_kernels")
    before = Iteration.begin, Iteration.work
    with bench.watched(bench.Watch(20, 2, "cpu")):
        assert Iteration.begin is not before[0]
    assert (Iteration.begin, Iteration.work) == before
