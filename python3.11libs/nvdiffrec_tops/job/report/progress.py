"""Reads nvdiffrec's log lines and tells how far a training run is.

Both engines print the same lines (the flags between two rules, ``iter=`` lines counted from zero in
each of the two passes, validation, mesh export), so one state machine serves both. It is fed line
by line and keeps no history.

A log may hold anything, so what is read of it is bounded: the length of a line, the digits of a
number, the blanks between two words. A line that goes beyond is a line of the log and nothing more.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from nvdiffrec_tops.job.patterns import Pattern

# Share of the whole job's time at the end of each stage, from a full run of 2 x 1000 iterations
# with validation: start 2 %, first pass, validation and export, second pass, validation, export.
TWO_PASSES = {1: (2.0, 58.0), 2: (64.0, 97.0)}
ONE_PASS = {1: (3.0, 95.0)}
# Seconds of an iteration of the second pass relative to the first (measured 101 ms : 166 ms).
SECOND_PASS_COST = 0.6
# The same by the clock, which also sees the reading of the data (measured 123 ms : 184 ms).
SECOND_PASS_COST_BY_CLOCK = 0.67

# Characters of a line that are looked at; the trainers' own lines have some hundred.
MAX_READ = 1000

# Each pattern can match a text in one way only, so that a search never tries the same digits twice.
_NUMBER = r"[-+]?(?:\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?|\.\d{1,20}|nan|inf)"
_COUNT = r"\d{1,12}"
_GAP = r"\s{0,20}"
_ITERATION = Pattern(
    rf"iter={_GAP}(?P<iter>{_COUNT}),{_GAP}img_loss={_GAP}(?P<img>{_NUMBER}),"
    rf"{_GAP}reg_loss={_GAP}(?P<reg>{_NUMBER}),{_GAP}lr={_GAP}(?P<lr>{_NUMBER}),"
    rf"{_GAP}time={_GAP}(?P<time>{_NUMBER}){_GAP}(?P<time_unit>ms|s|m|h),"
    rf"{_GAP}rem={_GAP}(?P<rem>{_NUMBER}){_GAP}(?P<rem_unit>ms|s|m|h){_GAP}$",
    re.IGNORECASE | re.ASCII,
)
_MEANS = Pattern(rf"{_GAP}({_NUMBER}),{_GAP}({_NUMBER}){_GAP}$", re.IGNORECASE | re.ASCII)
_MEANS_TITLE = Pattern(rf"MSE,\s{_GAP}PSNR{_GAP}$", re.ASCII)
_BASE_MESH = Pattern(rf"Base mesh has ({_COUNT}) triangles and ({_COUNT}) vertices", re.ASCII)
_WRITING = Pattern(rf"\s{_GAP}writing ({_COUNT}) (vertices|faces){_GAP}$", re.ASCII)
_RESUMED = Pattern(
    rf"Resuming from iteration ({_COUNT}) of pass ([12]) \(({_COUNT}) s so far"
    rf"(?:; pass 1: MSE ({_NUMBER}), PSNR ({_NUMBER}))?\)",
    re.IGNORECASE | re.ASCII,
)
_WENT_BACK = Pattern(
    rf"Warning: pass ([12]), .*; going back to iteration ({_COUNT}) of pass", re.ASCII
)
_PICTURE = Pattern(
    rf"Progress picture: ([A-Za-z0-9_.-]{{1,100}}\.png)(?:, PSNR ({_NUMBER}))?$",
    re.IGNORECASE | re.ASCII,
)
_RULE = Pattern(rf"-{{5,}}{_GAP}$", re.ASCII)
_FLAG_ITER = Pattern(rf"iter {_GAP}({_COUNT}){_GAP}$", re.ASCII)
_FLAG_BASE_MESH = Pattern(rf"base_mesh {_GAP}(None{_GAP}$)?", re.ASCII)
MOST_ITERATIONS = 1e9  # of a pass; a guess of more is none
MOST_SECONDS = 1e12
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Progress:
    """State of a training run. Losses are as printed; times are seconds, ``percent`` is 0 to 100.

    ``stage`` is one of starting, training, validating, texturing (between the two passes),
    exporting, done. ``remaining`` is an
    estimate for the whole job, both passes, without validation. ``psnr`` (dB) and ``mse`` are the
    newest means over the validation views, ``psnr_pass1`` those after the first of two passes.
    ``picture`` is the newest progress picture, below the trainer's output folder, and
    ``picture_psnr`` the dB of its views. ``earlier_seconds`` were trained before a run that goes
    on from a checkpoint.
    """

    stage: str = "starting"
    pass_number: int = 0
    pass_count: int = 2
    iteration: int = 0
    iterations: int | None = None
    image_loss: float | None = None
    regularizer_loss: float | None = None
    learning_rate: float | None = None
    iteration_seconds: float | None = None
    remaining: float | None = None
    mse: float | None = None
    psnr: float | None = None
    psnr_pass1: float | None = None
    faces: int | None = None
    vertices: int | None = None
    percent: float = 0.0
    earlier_seconds: float = 0.0
    picture: str = ""
    picture_psnr: float | None = None

    @property
    def pass_name(self) -> str:
        """``pass 1`` or ``pass 2``; empty before training."""
        return f"pass {self.pass_number}" if self.pass_number else ""

    @property
    def phase(self) -> str:
        """What is going on, in a word or two: ``pass 1`` and ``pass 2`` while they train."""
        if self.stage == "training" and self.pass_count > 1:
            return self.pass_name
        return self.stage


class ProgressParser:
    """State machine over the lines of one run.

    Args:
        iterations: iterations of each pass, when known beforehand; the flags in the log replace it.
        pass_count: 2, or 1 for a configuration with ``base_mesh``.
        clock: seconds now, where the lines are fed as they are printed. What the trainer prints as
            its time leaves out the reading of the data, so that the time left is told by the clock.
    """

    def __init__(
        self,
        iterations: int | None = None,
        pass_count: int = 2,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._since: tuple[int, int, float] | None = None  # pass and iteration, and when
        self.progress = Progress(iterations=iterations, pass_count=pass_count)
        self._in_flags = False
        self._flags_announced = False
        self._means_next = False
        self._exported = False

    def feed(self, line: str) -> Progress | None:
        """The new state when ``line`` says something about it, else None. Never raises."""
        line = line[: MAX_READ + 2].rstrip("\r\n")[:MAX_READ]
        if (self._in_flags or self._flags_announced) and self._flag_line(line):
            return None
        if self._means_next:
            self._means_next = False
            means = _MEANS.match(line)
            if means:
                return self._validated(float(means.group(1)), float(means.group(2)))
        match = _ITERATION.search(line)
        if match:
            return self._iterated(match)
        if line.startswith(("Resuming from ", "Warning: pass ")):
            return self._jumped(line)
        if line.startswith("Config / Flags:"):
            self._flags_announced = True
            return self._set(percent=1.0)
        match = _PICTURE.match(line)
        if match:
            psnr = float(match.group(2)) if match.group(2) else None
            known = psnr is not None and math.isfinite(psnr)
            return self._set(picture=match.group(1), picture_psnr=psnr if known else None)
        if line.startswith("Running validation"):
            return self._set(stage="validating", percent=self._after_pass(0.0))
        if _MEANS_TITLE.match(line):
            self._means_next = True
            return None
        match = _BASE_MESH.match(line)
        if match:
            return self._set(
                stage="texturing",
                faces=int(match.group(1)),
                vertices=int(match.group(2)),
                percent=self._after_pass(0.5),
            )
        if line.startswith("Writing mesh:"):
            return self._set(stage="exporting", percent=self._after_pass(0.7))
        match = _WRITING.match(line)
        if match:
            count = int(match.group(1))
            if match.group(2) == "faces":
                return self._set(faces=count)
            return self._set(vertices=count)
        if line.startswith("Done exporting mesh"):
            return self._done_exporting()
        return None

    def _flag_line(self, line: str) -> bool:
        """Whether ``line`` belongs to the block of flags."""
        if _RULE.match(line):
            self._in_flags, self._flags_announced = self._flags_announced, False
            return True
        if not self._in_flags:
            self._flags_announced = False
            return False
        match = _FLAG_ITER.match(line)
        if match and int(match.group(1)):
            self._set(iterations=int(match.group(1)))
        match = _FLAG_BASE_MESH.match(line)
        if match:
            self._set(pass_count=2 if match.group(1) else 1)
        return True

    def _jumped(self, line: str) -> Progress | None:
        """A line that says that iterations go on elsewhere."""
        match = _WENT_BACK.match(line)
        if match:
            return self._set(pass_number=int(match.group(1)), iteration=int(match.group(2)))
        match = _RESUMED.match(line)
        if not match:
            return None
        number, iteration = int(match.group(2)), int(match.group(1))
        changes: dict[str, object] = {}
        if match.group(4):
            mse, psnr = float(match.group(4)), float(match.group(5))
            changes = {"mse": mse, "psnr": psnr, "psnr_pass1": psnr}
        low, high = self._span(number)
        total = self.progress.iterations
        return self._set(
            stage="training",
            pass_number=number,
            iteration=iteration,
            earlier_seconds=float(match.group(3)),
            percent=low + (high - low) * (min(iteration / total, 1.0) if total else 0.0),
            **changes,
        )

    def _iterated(self, match: re.Match[str]) -> Progress:
        iteration = int(match.group("iter"))
        number = max(self.progress.pass_number, 1)
        again = self.progress.pass_number and iteration < self.progress.iteration
        if number == 1 and self.progress.pass_count == 2 and (self._exported or again):
            number = 2
        seconds = _seconds(match, "time")
        left = _seconds(match, "rem")
        total_now = self.progress.iterations
        if total_now is None and seconds and left is not None and left < seconds * MOST_ITERATIONS:
            total_now = iteration + round(left / seconds)
        done = min(iteration / total_now, 1.0) if total_now else 0.0
        low, high = self._span(number)
        remaining = left
        each, second = seconds, SECOND_PASS_COST
        spent = self._spent(number, iteration)
        if spent is not None and total_now and seconds and spent > seconds:
            each, second = spent, SECOND_PASS_COST_BY_CLOCK
            remaining = max(total_now - iteration, 0) * spent
        if number < self.progress.pass_count and total_now and remaining is not None and each:
            remaining += total_now * each * second
        return self._set(
            stage="training",
            pass_number=number,
            iteration=iteration,
            image_loss=float(match.group("img")),
            regularizer_loss=float(match.group("reg")),
            learning_rate=float(match.group("lr")),
            iteration_seconds=seconds,
            remaining=remaining,
            percent=low + (high - low) * done,
        )

    def _spent(self, number: int, iteration: int) -> float | None:
        """Seconds of an iteration by the clock, since the first line of the pass; None where it is
        not known yet."""
        if self._clock is None:
            return None
        now = self._clock()
        if self._since is None or self._since[0] != number or iteration <= self._since[1]:
            self._since = (number, iteration, now)
            return None
        return (now - self._since[2]) / (iteration - self._since[1])

    def _validated(self, mse: float, psnr: float) -> Progress:
        first = self.progress.pass_count == 2 and self.progress.pass_number == 1
        return self._set(
            mse=mse,
            psnr=psnr,
            psnr_pass1=psnr if first else self.progress.psnr_pass1,
            percent=self._after_pass(0.4),
        )

    def _done_exporting(self) -> Progress:
        self._exported = True
        if self.progress.pass_number >= self.progress.pass_count:
            return self._set(stage="done", remaining=0.0, percent=100.0)
        return self._set(percent=self._after_pass(1.0))

    def _span(self, number: int) -> tuple[float, float]:
        spans = TWO_PASSES if self.progress.pass_count == 2 else ONE_PASS
        low, high = spans[min(number, self.progress.pass_count)]
        return float(low), float(high)

    def _after_pass(self, share: float) -> float:
        """Percentage at ``share`` (0 to 1) of what follows the current pass."""
        if not self.progress.pass_number:
            return self.progress.percent
        end = self._span(self.progress.pass_number)[1]
        last = self.progress.pass_number >= self.progress.pass_count
        following = 99.0 if last else self._span(self.progress.pass_number + 1)[0]
        return end + (following - end) * share

    def _set(self, **changes: object) -> Progress:
        percent = changes.get("percent", self.progress.percent)
        assert isinstance(percent, float)
        # A log that counts back (a resumed run, a wrong guess of the total) must not.
        changes["percent"] = max(self.progress.percent, percent)
        self.progress = dataclasses.replace(self.progress, **changes)  # type: ignore[arg-type]
        return self.progress


def _seconds(match: re.Match[str], name: str) -> float | None:
    """A duration of an iteration's line in seconds; None where it can be none."""
    value = float(match.group(name)) * _SECONDS[match.group(f"{name}_unit").lower()]
    return value if 0.0 <= value < MOST_SECONDS else None
