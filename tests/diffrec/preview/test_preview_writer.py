"""When the preview is due: after checkpoints, and never for more than its share of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.preview import model, writer
from nvdiffrec_contract.configuration import Config


class Time:
    """A clock that the test moves on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Shown(writer.Preview):
    """A preview that writes nothing and at once, and knows when it was taken."""

    def __init__(self, folder: Path, clock: Time, cost: float) -> None:
        super().__init__(Config(), folder, pytest.fail, clock)
        self.taken: list[float] = []
        self._time, self._each = clock, cost

    def _put(self, taken: model.Taken) -> None:
        pass

    def take(self, _scene: Any, _largest: int) -> object:
        self.taken.append(self._time.now)
        self._time.now += self._each
        return object()

    def settled(self) -> None:
        if self._written is not None:
            self._written.result()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cost=st.floats(0.001, 2),
    iteration=st.floats(0.05, 5),
    every=st.integers(1, 60),
    count=st.integers(1, 400),
)
def test_it_takes_less_than_its_share_whatever_it_costs(
    tmp_path: Path, cost: float, iteration: float, every: int, count: int
) -> None:
    clock = Time()
    shown = Shown(tmp_path, clock, cost)
    began = clock.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "take", shown.take)
        for number in range(count):
            clock.now += iteration
            shown.after_iteration(object(), saved=number % every == every - 1)  # type: ignore[arg-type]
            shown.settled()
    shown.close()
    # The first one comes before anybody knows what one costs.
    assert (len(shown.taken) - 1) * cost <= writer.LARGEST_SHARE * (clock.now - began)


def test_each_checkpoint_is_followed_by_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Time()
    shown = Shown(tmp_path, clock, cost=0.1)
    monkeypatch.setattr(model, "take", shown.take)
    saved = []
    for number in range(1, 1201):
        clock.now += 0.5
        if number % 120 == 0:  # every minute
            saved.append(clock.now)
        shown.after_iteration(object(), saved=number % 120 == 0)  # type: ignore[arg-type]
        shown.settled()
    shown.close()
    assert set(saved) <= set(shown.taken)
    assert len(shown.taken) > 2 * len(saved)  # between them, too


def test_a_checkpoint_while_one_is_written_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Time()
    shown = Shown(tmp_path, clock, cost=0.0)
    monkeypatch.setattr(model, "take", shown.take)
    busy: list[bool] = [True, False, False]

    class Written:
        def done(self) -> bool:
            return not busy.pop(0)

    shown._written = Written()  # type: ignore[assignment]
    shown.after_iteration(object(), saved=True)  # type: ignore[arg-type]
    assert shown.taken == []
    shown.after_iteration(object(), saved=False)  # type: ignore[arg-type]
    assert shown.taken == [clock.now]
    shown.close()
