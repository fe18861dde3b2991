"""`scripts/bench runs`: what it merges, reads of a log, measures and prints."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"

LOG = """\
diffrec on the CPU (2 threads), PyTorch 2.13.0
iter=    0, img_loss=0.417614, reg_loss=0.330426, lr=0.02999, time=1861.3 ms, rem=37.23 s
iter=   10, img_loss=0.340165, reg_loss=0.077901, lr=0.02985, time=50.0 ms, rem=0.56 s
iter=   20, img_loss=0.279524, reg_loss=0.016367, lr=0.02971, time=90.0 ms, rem=0.00 s
Texture coordinates: projection, 28 charts in 2.4 s (a note in 5 s)
    writing 664 faces
iter=    0, img_loss=0.273892, reg_loss=0.000190, lr=0.00009, time=118.8 ms, rem=2.38 s
iter=   10, img_loss=0.231149, reg_loss=0.000376, lr=0.00021, time=66.9 ms, rem=0.67 s
Mesh: 2 components (4 faces beside the largest), 3 self-intersecting faces (0.46%), 0.1% slivers, \
0 open and 0 non-manifold edges
    writing 650 faces
GPU memory: 3.4 GiB at most, 2.1 GiB were foreseen
"""

STAND_IN = """
import pathlib, sys
folder = pathlib.Path("out/run")
for name, psnr in (("dmtet_validate", 30.5), ("validate", 32.25)):
    (folder / name).mkdir(parents=True)
    rows = f"ID, MSE, PSNR\\n000000, 0.001, {psnr}\\nAVERAGES: 0.001, {psnr}\\n"
    (folder / name / "metrics.txt").write_text(rows)
(folder / "validate" / "quality.json").write_text('{"ssim": 0.9876, "flip": null, "views": []}')
print(sys.argv[1])
"""


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


def _read(text: str) -> Any:
    record = _script("bench_runs_record").Record()
    for number, line in enumerate(text.splitlines()):
        record.read(line, float(number))
    return record


def test_a_log_is_read() -> None:
    record = _read(LOG)
    assert record.first_iteration == 1.0
    assert (record.charting, record.faces, record.memory) == (2.4, 650, "3.4 GiB")
    assert record.mesh == "2, 0.46%, 0.1%"
    first, second = record.passes
    assert (first.mean, first.best) == (70.0, 50.0)
    assert str(first) == "70.0 / 50.0 ms"
    assert str(second) == "66.9 / 66.9 ms"


def test_a_pass_that_was_put_back_is_no_new_one() -> None:
    lines = [
        f"iter= {number:4d}, lr=0.1, time={ms} ms"
        for number, ms in ((0, 9), (10, 1), (20, 2), (30, 3), (20, 4), (30, 5))
    ]
    (only,) = _read("\n".join(lines)).passes
    assert only.readings == [(0, 9.0), (10, 1.0), (20, 4.0), (30, 5.0)]


def test_a_pass_of_one_iteration_has_no_mean() -> None:
    (only,) = _read("iter=    0, lr=0.1, time=9.0 ms").passes
    assert str(only) == "—"


def test_the_reason_of_a_failure_is_what_the_trainer_says() -> None:
    assert _read("Config\nError: no such file\nclosing").reason(1) == "failed (1): no such file"
    assert _read("Killed\n\n").reason(137) == "failed (137): Killed"
    assert _read("").reason(1) == "failed (1): it said nothing"
    assert len(_read("x" * 5000).reason(1)) < 250


def test_a_variant_changes_what_it_names() -> None:
    merged = _script("bench_runs").merged
    base = {"iter": 5, "diffrec": {"seed": 1, "dssim": 0.0}}
    changed = merged(base, {"diffrec": {"dssim": 0.2}, "batch": 2})
    assert changed == {"iter": 5, "batch": 2, "diffrec": {"seed": 1, "dssim": 0.2}}
    assert base == {"iter": 5, "diffrec": {"seed": 1, "dssim": 0.0}}
    assert merged({}, {"diffrec": {"dssim": 0.2}}) == {"diffrec": {"dssim": 0.2}}


def test_paths_are_of_the_current_folder_or_the_configurations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = _script("bench_runs").placed
    beside = tmp_path / "beside"
    beside.mkdir()
    for path in (tmp_path / "both.obj", beside / "both.obj", beside / "sky.hdr"):
        path.touch()
    monkeypatch.chdir(tmp_path)
    found = placed({"ref_mesh": "both.obj", "envmap": "sky.hdr", "mtl_override": None}, beside)
    assert found["ref_mesh"] == str((tmp_path / "both.obj").resolve())
    assert found["envmap"] == str((beside / "sky.hdr").resolve())
    assert found["mtl_override"] is None


def test_the_base_comes_first_for_all_configurations(tmp_path: Path) -> None:
    runs = _script("bench_runs")
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"iter": 3}')
    (tmp_path / "dssim.json").write_text('{"diffrec": {"dssim": 0.5}}')
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    found = runs.plans(files, [tmp_path / "dssim.json"], caches=tmp_path / "caches")
    assert [plan.name for plan in found] == [
        "a, first run on a machine",
        "a, base",
        "b, base",
        "a, dssim",
        "b, dssim",
    ]
    assert [plan.caches is not None for plan in found] == [True, False, False, False, False]
    assert found[-1].configuration == {"iter": 3, "diffrec": {"dssim": 0.5}}
    twice = runs.plans(files[:1], [], repeat=2, processes=(1, 2))
    assert [plan.name for plan in twice] == [
        "a, base (1)",
        "a, base (2)",
        "a, base, 2 processes (1)",
        "a, base, 2 processes (2)",
    ]
    command = twice[-1].command(Path("c.json"))
    assert command[1:7] == [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
    ]
    assert command[-4:] == ["diffrec", "--config", "c.json", "--restart"]


def test_a_run_becomes_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _script("bench_runs")
    monkeypatch.setattr(
        runs.Plan, "command", lambda self, file: [sys.executable, "-c", STAND_IN, LOG]
    )
    log = tmp_path / "log"
    own = tmp_path / "own"
    own.mkdir()
    plan = runs.Plan("name", {"iter": 20}, caches=tmp_path / "caches")
    outcome = runs.run(plan, own, 60.0, log)
    assert json.loads((own / "configuration.json").read_text())["out_dir"] == "run"
    row = runs.row(plan, outcome)
    assert row[:5] == [
        "name",
        "30.50 dB, —, —",
        "32.25 dB, 0.9876, —",
        "70.0 / 50.0 ms",
        "66.9 / 66.9 ms",
    ]
    assert row[6] == "2.4 s"
    assert row[8:] == ["650", "2, 0.46%, 0.1%", "3.4 GiB"]
    assert "writing 650 faces" in log.read_text(encoding="utf-8")
    known_mesh = runs.row(runs.Plan("name", {"base_mesh": "a.obj"}), outcome)
    assert known_mesh[3:5] == ["—", "70.0 / 50.0 ms"]


def test_the_first_run_has_caches_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _script("bench_runs")
    ask = "import os; print('Error:', os.environ['WARP_CACHE_PATH']); raise SystemExit(1)"
    monkeypatch.setattr(runs.Plan, "command", lambda self, file: [sys.executable, "-c", ask])
    outcome = runs.run(runs.Plan("name", {}, caches=tmp_path / "new"), tmp_path, 60.0)
    assert outcome.failure == "failed (1): new/warp_cache_path"


def test_a_run_ends_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _script("bench_runs")
    ask = "import time; time.sleep(60)"
    monkeypatch.setattr(runs.Plan, "command", lambda self, file: [sys.executable, "-c", ask])
    plan = runs.Plan("name", {})
    outcome = runs.run(plan, tmp_path, 0.5)
    assert outcome.failure == "ended after 0 s"
    assert runs.row(plan, outcome)[1] == outcome.failure


def test_what_the_trainer_refuses_is_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _script("bench_runs")
    (tmp_path / "bad.json").write_text('{"itre": 5}')
    target = tmp_path / "runs.md"
    arguments = ["bench_runs.py", str(tmp_path / "bad.json"), "--output", str(target)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(runs.signal, "signal", lambda *_: None)
    monkeypatch.setattr(runs, "heading", lambda *_: "head\n")
    assert runs.main() == 0
    text = target.read_text(encoding="utf-8")
    assert '| bad, base | failed (1): configuration.json: unknown field "itre"; did you' in text
    assert text in capsys.readouterr().out
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(SystemExit):
        runs.main()
    assert "bad.json: line 1" in capsys.readouterr().err


def test_a_bar_does_not_end_a_cell() -> None:
    text = _script("bench_machine").table(("a", "b"), [("1|2", "3")])
    assert text == "| a | b |\n|---|---|\n| 1\\|2 | 3 |\n"
