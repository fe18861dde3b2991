"""metrics.csv: every row whole, every epoch once, whatever happens to the training."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffrec import Progress
from diffrec.measure.metrics_table import HEADER, NAME, MetricsTable

ITERATIONS = 40


def rows(folder: Path) -> list[dict[str, float]]:
    text = (folder / NAME).read_text()
    assert text.endswith("\n")
    found = [
        {name: float(cell) for name, cell in row.items()}
        for row in csv.DictReader(text.splitlines())
    ]
    epochs = [row["epoch"] for row in found]
    assert epochs == sorted(set(epochs))
    return found


def table(folder: Path, log: list[str] | None = None) -> MetricsTable:
    return MetricsTable(folder, ITERATIONS, (log if log is not None else []).append)


def progress(number: int, iteration: int, loss: float) -> Progress:
    return Progress(number, iteration, ITERATIONS, loss, 0.25, 0.03)


def test_two_passes_with_their_validation(tmp_path: Path) -> None:
    made = table(tmp_path)
    made.begin(resumed=False)
    assert (tmp_path / NAME).read_text() == HEADER + "\n"
    for number in (1, 2):
        for iteration in (0, 20, 40):
            made.add(progress(number, iteration, 0.5 / (1 + iteration)))
        made.validated(20.0 + number)
    found = rows(tmp_path)
    assert [row["epoch"] for row in found] == [0, 20, 40, 41, 61, 81]
    assert [row["pass"] for row in found] == [1, 1, 1, 2, 2, 2]
    assert [row["psnr"] for row in found if not math.isnan(row["psnr"])] == [21.0, 22.0]
    assert found[1]["image_loss"] == pytest.approx(0.5 / 21, abs=1e-6)


@given(
    cut=st.integers(0, 200),
    first=st.integers(0, 8),
    ended=st.integers(0, 8),
)
def test_a_file_cut_off_anywhere_goes_on_without_a_row_twice(
    tmp_path_factory: pytest.TempPathFactory, cut: int, first: int, ended: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    made = table(folder)
    made.begin(resumed=False)
    for number in range(ended + 1):
        made.add(progress(1, number, 0.1))
    path = folder / NAME
    path.write_bytes(path.read_bytes()[: len(HEADER) + 1 + cut])
    again = table(folder)
    again.begin(resumed=True)
    for number in range(min(first, ended), 10):
        again.add(progress(1, number, 0.3))
    found = rows(folder)
    assert [row["epoch"] for row in found][-1] == 9
    assert {row["image_loss"] for row in found if row["epoch"] >= min(first, ended)} == {0.3}


def test_going_back_takes_out_what_is_done_again(tmp_path: Path) -> None:
    made = table(tmp_path)
    made.begin(resumed=False)
    for iteration in (0, 10, 20, 10):
        made.add(progress(1, iteration, 0.1 * iteration))
    assert [row["iteration"] for row in rows(tmp_path)] == [0, 10]


def test_a_new_training_begins_a_new_table(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(HEADER + "\n7,1,7,1,1,1,nan\n")
    table(tmp_path).begin(resumed=False)
    assert rows(tmp_path) == []


@given(st.binary(max_size=120))
def test_a_foreign_file_is_no_table(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / NAME).write_bytes(data)
    made = table(folder)
    made.begin(resumed=True)
    made.add(progress(1, 10, 0.1))
    assert [row["epoch"] for row in rows(folder)] == [10]


def test_a_table_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    log: list[str] = []
    made = table(tmp_path, log)
    made.begin(resumed=True)
    made.add(progress(1, 0, 0.1))
    made.validated(20.0)
    assert len(log) == 1 and log[0].startswith("Warning: ") and NAME in log[0]
