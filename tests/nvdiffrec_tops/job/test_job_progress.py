"""Progress out of log lines."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job.report.progress import MAX_READ, Progress, ProgressParser


def feed(lines: list[str], parser: ProgressParser | None = None) -> list[Progress]:
    parser = parser or ProgressParser()
    return [state for state in map(parser.feed, lines) if state is not None]


def line(iteration: int, time: str = "100.0 ms", rem: str = "1.50 m") -> str:
    return (
        f"iter={iteration:5d}, img_loss=0.007175, reg_loss=0.015584, lr=0.02660, "
        f"time={time}, rem={rem}\n"
    )


def test_a_complete_log(shared):
    lines = (shared / "data/bob/nvdiffrec_h100_log.txt").read_text().splitlines(keepends=True)
    states = feed(lines)
    percents = [state.percent for state in states]
    assert percents == sorted(percents) and percents[-1] == 100.0
    last = states[-1]
    assert (last.psnr_pass1, last.psnr, last.mse) == (29.255, 30.788, 0.000939)
    assert (last.faces, last.vertices, last.stage) == (10440, 5220, "done")
    training = [state for state in states if state.stage == "training"]
    assert len(training) == 202
    assert [state.pass_number for state in training] == [1] * 101 + [2] * 101
    assert {state.iterations for state in training} == {1000}
    first = training[1]
    assert (first.iteration, first.image_loss, first.regularizer_loss) == (10, 0.167394, 0.322065)
    assert first.learning_rate == 0.02985
    assert first.iteration_seconds == pytest.approx(0.1664)
    # The first pass took 166 s and the second 101 s: the first estimate foresees both.
    assert first.remaining == pytest.approx(165 + 101, rel=0.05)
    assert training[-1].remaining == 0.0
    halfway = next(state for state in training if state.pass_number == 2)
    assert 60 < halfway.percent < 68


def test_one_pass_with_a_base_mesh():
    lines = ["Config / Flags:", "---------", "iter 100", "base_mesh data/x.obj", "---------"]
    lines += [line(i) for i in range(0, 101, 10)]
    lines += ["Running validation", "MSE,      PSNR", "0.001, 31.5", "Writing mesh:  x"]
    states = feed([*lines, "Done exporting mesh"])
    assert {state.pass_count for state in states[1:]} == {1}
    assert states[-1].percent == 100.0 and states[-1].psnr == 31.5
    assert states[-1].psnr_pass1 is None
    assert states[-2].percent < 100.0


def test_without_flags_the_total_comes_from_the_remaining_time():
    (state,) = feed([line(50, "100.0 ms", "5.00 s")])
    assert state.percent == pytest.approx(2 + 56 * 0.5)
    assert state.remaining == pytest.approx(5.0 + 100 * 0.1 * 0.6)


@pytest.mark.parametrize(
    ("rem", "seconds"), [("500.00 ms", 0.5), ("2.00 s", 2.0), ("3.00 m", 180.0), ("1.50 h", 5400.0)]
)
def test_units_of_the_remaining_time(rem, seconds):
    (state,) = feed([line(10, rem=rem)], ProgressParser(iterations=1000, pass_count=1))
    assert state.remaining == seconds


def test_a_diverged_loss_is_read():
    text = line(10).replace("0.007175", "nan")
    (state,) = feed([text])
    assert state.image_loss is not None and math.isnan(state.image_loss)


def test_a_pair_of_numbers_counts_only_after_its_heading():
    assert feed(["0.00127800, 29.255"]) == []
    assert feed(["MSE,      PSNR", "not numbers", "0.00127800, 29.255"]) == []


@given(
    st.lists(
        st.one_of(
            st.text(max_size=80),
            st.integers(0, 5000).map(line),
            st.sampled_from(
                [
                    "Config / Flags:", "---------", "iter 5", "iter -3", "iter [[[", "base_mesh 1",
                    "Running validation", "MSE,      PSNR", "1e-3, inf", "Writing mesh: x",
                    "Done exporting mesh", "Base mesh has 3 triangles and 4 vertices.",
                ]
            ),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_no_log_makes_it_fail_or_count_back(lines):
    percents = [state.percent for state in feed(lines)]
    assert percents == sorted(percents)
    assert all(0.0 <= percent <= 100.0 for percent in percents)


odd_numbers = st.text("0123456789.eE+-", max_size=25) | st.sampled_from(
    ["inf", "-inf", "nan", "9" * 400, "1e999", "0", "1e-300", "-5", "." * 9, "1" * 5000]
)
odd_lines = st.one_of(
    st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "replace")),
    st.builds(
        "iter={:>5}, img_loss={}, reg_loss={}, lr=0.1, time={} ms, rem={} h\n".format,
        odd_numbers, odd_numbers, odd_numbers, odd_numbers, odd_numbers,
    ),
    st.builds(
        "Resuming from iteration {} of pass 2 ({} s so far)".format, odd_numbers, odd_numbers
    ),
    st.builds("{}, {}".format, odd_numbers, odd_numbers),
    st.builds("iter {}".format, odd_numbers | st.sampled_from(["{[]: 1}", "True", "[" * 500])),
    st.builds("Base mesh has {} triangles and {} vertices".format, odd_numbers, odd_numbers),
    st.sampled_from(["Config / Flags:", "-----", "MSE,   PSNR", "base_mesh {[]: 1}"]),
)  # fmt: skip


@given(st.lists(odd_lines, max_size=30))
def test_any_bytes_and_numbers_leave_a_state_that_can_be_shown(lines):
    for state in feed(lines):
        assert 0.0 <= state.percent <= 100.0
        for seconds in (state.remaining, state.iteration_seconds, state.earlier_seconds):
            assert seconds is None or 0.0 <= seconds < math.inf
        assert state.iterations is None or isinstance(state.iterations, int)


def test_a_line_is_read_to_a_certain_length_only():
    text = line(10).rstrip("\n")
    assert len(feed([text + " " * 10 + "\r\n"])) == 1
    assert feed([" " * (MAX_READ - len(text)) + text + "\n"]) != []
    assert feed([" " * (MAX_READ - len(text) + 1) + text + "\n"]) == []
