"""The table of a training from its log: the same that the diffrec trainer writes itself."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffrec import Progress
from diffrec.measure import metrics_table as trainers
from diffrec.training.log import iteration_line
from nvdiffrec_tops.job.report import metricstable
from nvdiffrec_tops.job.report.metricstable import LIVE, NAME, MetricsTable
from nvdiffrec_tops.job.report.progress import ProgressParser

ITERATIONS = 30
FLAGS = ["Config / Flags:", "---------", f"iter {ITERATIONS}", "base_mesh None", "---------"]


def test_both_processes_name_the_file_and_its_columns_alike() -> None:
    assert (metricstable.NAME, metricstable.HEADER) == (trainers.NAME, trainers.HEADER)


class Told:
    """A training of the trainer's own table, and the lines that its log has for it."""

    def __init__(self, folder: Path) -> None:
        self.lines = list(FLAGS)
        self.table = trainers.MetricsTable(folder, ITERATIONS, self.lines.append)
        self.table.begin(resumed=False)

    def add(self, number: int, iteration: int, loss: float) -> None:
        self.lines.append(iteration_line(iteration, loss, loss / 2, 0.02, 0.01, 1.0))
        self.table.add(Progress(number, iteration, ITERATIONS, loss, loss / 2, 0.02))

    def validated(self, psnr: float) -> None:
        self.lines += ["Running validation", "MSE,      PSNR", f"0.00100000, {psnr:.3f}"]
        self.table.validated(psnr)


losses = st.lists(st.floats(0, 10), min_size=4, max_size=4)


@example([0.1] * 4, [0.1] * 4, 27.125, 27.125, True)
@given(losses, losses, st.floats(5, 50), st.floats(5, 50), st.booleans())
def test_the_log_gives_the_trainers_own_table(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[float],
    second: list[float],
    psnr1: float,
    psnr2: float,
    validate: bool,
) -> None:
    folder = tmp_path_factory.mktemp("job")
    (folder / "own").mkdir()
    (folder / "made").mkdir()
    told = Told(folder / "own")
    for number, (values, psnr) in enumerate([(first, psnr1), (second, psnr2)], 1):
        for index, loss in enumerate(values):
            told.add(number, index * 10, loss)
        if validate:
            told.validated(psnr)
    parser = ProgressParser()
    made = MetricsTable(str(folder / "made"), str(folder), own=False)
    for line in told.lines:
        if progress := parser.feed(line):
            made.feed(line, progress)
    made.finish()
    expected = (folder / "own" / NAME).read_bytes()
    assert (folder / "made" / NAME).read_bytes() == (folder / LIVE).read_bytes() == expected


def test_it_can_be_read_while_the_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a trainer that makes its folder late, and after going back."""
    monkeypatch.setattr(metricstable, "_SECONDS", 0.0)
    parser = ProgressParser(iterations=ITERATIONS)
    made = MetricsTable(str(tmp_path / "made"), str(tmp_path), own=False)
    line = "iter={:5d}, img_loss=0.1, reg_loss=0.1, lr=0.02000, time=10.0 ms, rem=1.00 s"

    def fed(text: str) -> list[str]:
        progress = parser.feed(text)
        assert progress is not None
        made.feed(text, progress)
        path = tmp_path / "made" / NAME
        return [row["epoch"] for row in csv.DictReader(path.open())] if path.exists() else []

    assert fed(line.format(0)) == []
    (tmp_path / "made").mkdir()
    assert fed(line.format(10)) == ["0", "10"]
    assert fed(line.format(20)) == ["0", "10", "20"]
    went_back = "Warning: pass 1, iteration 20: diverged; going back to iteration 8 of pass 1"
    assert fed(went_back) == ["0", "10", "20"]
    assert fed(line.format(10)) == ["0", "10"]


def test_a_trainer_that_prints_fast_makes_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metricstable, "time", SimpleNamespace(monotonic=lambda: 7.0))
    replaced: list[str] = []
    monkeypatch.setattr(
        metricstable.os, "replace", lambda _part, path, **_folders: replaced.append(Path(path).name)
    )
    (tmp_path / "made").mkdir()
    made = MetricsTable(str(tmp_path / "made"), str(tmp_path), own=False)
    parser = ProgressParser(iterations=ITERATIONS)
    for number in range(ITERATIONS):
        line = iteration_line(number, 0.1, 0.1, 0.1, 0.1, 1.0)
        progress = parser.feed(line)
        assert progress is not None
        made.feed(line, progress)
    assert replaced.count(NAME) == 1
    made.finish()
    assert replaced.count(NAME) == 2


@pytest.mark.parametrize("own", [False, True])
def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, own: bool) -> None:
    (tmp_path / "made").write_text("a file")
    made = MetricsTable(str(tmp_path / "made"), str(tmp_path / "absent"), own=own)
    parser = ProgressParser(iterations=ITERATIONS)
    line = iteration_line(0, 0.1, 0.1, 0.1, 0.1, 1.0)
    progress = parser.feed(line)
    assert progress is not None
    made.feed(line, progress)
    made.finish()
