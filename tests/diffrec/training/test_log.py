"""The training log, against lines that nvdiffrec wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diffrec.training import log


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        (
            (0, 0.449239, 0.334216, 0.02999, 0.3654, 365.4),
            "iter=    0, img_loss=0.449239, reg_loss=0.334216, lr=0.02999, "
            "time=365.4 ms, rem=6.09 m",
        ),
        (
            (990, 0.004643, 0.000648, 0.00199, 0.0968, 0.968),
            "iter=  990, img_loss=0.004643, reg_loss=0.000648, lr=0.00199, "
            "time=96.8 ms, rem=0.97 s",
        ),
        (
            (1000, 0.004912, 0.000590, 0.00198, 0.1032, 0.0),
            "iter= 1000, img_loss=0.004912, reg_loss=0.000590, lr=0.00198, "
            "time=103.2 ms, rem=0.00 s",
        ),
    ],
)
def test_lines(numbers: tuple[int, float, float, float, float, float], line: str) -> None:
    assert log.iteration_line(*numbers) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.004, "4.00 ms"), (59.99, "59.99 s"), (60, "1.00 m"), (3599, "59.98 m"), (5400, "1.50 h")],
)
def test_remaining(seconds: float, text: str) -> None:
    assert log.remaining(seconds) == text


def test_the_recorded_log_is_made_of_such_lines(shared: Path) -> None:
    lines = (shared / "data/bob/nvdiffrec_h100_log.txt").read_text(encoding="utf-8").splitlines()
    pattern = re.compile(
        r"iter= *(\d+), img_loss=(\S+), reg_loss=(\S+), lr=(\S+), time=(\S+) ms, rem=(\S+) ([sm])"
    )
    found = [(line, match) for line in lines if (match := pattern.fullmatch(line))]
    assert len(found) == 202
    for line, match in found:
        *numbers, rest, unit = match.groups()
        iteration, image, regulariser, rate, time = map(float, numbers)
        seconds = float(rest) * {"s": 1, "m": 60}[unit]
        again = log.iteration_line(int(iteration), image, regulariser, rate, time / 1000, seconds)
        assert again == line
