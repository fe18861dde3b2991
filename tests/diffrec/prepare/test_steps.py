"""A step is done once, again when what it reads has changed, and goes on after it was ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffrec.prepare.steps import Progress, Steps


class Work:
    """Two steps: the second copies what the first made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.done: list[str] = []

    def go(self, first: object = 1, second: object = 1, fail: bool = False) -> list[str]:
        self.done = []
        steps = Steps(self.folder / "stamps", self.lines.append)
        steps.take("first", {"x": first}, lambda told: self._make("first", told))
        if fail:
            raise InterruptedError
        steps.take("second", {"x": second}, lambda told: self._make("second", told))
        return self.done

    def _make(self, name: str, told: Progress) -> list[Path]:
        self.done.append(name)
        told.of(1, 1)
        path = self.folder / name
        path.write_text(str(len(self.lines)))
        return [path]


def test_steps_are_done_once(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert work.go() == ["first", "second"]
    assert work.go() == []
    assert "first: up to date" in work.lines and any("1 of 1" in line for line in work.lines)


def test_a_change_concerns_what_follows(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.go()
    assert work.go(second=2) == ["second"]
    assert work.go(first=2, second=2) == ["first", "second"]


def test_what_was_lost_is_made_again(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.go()
    (tmp_path / "second").unlink()
    assert work.go() == ["second"]
    (tmp_path / "stamps" / "first.json").write_text("{half")
    assert work.go() == ["first"]


def test_a_step_that_was_ended_before_goes_on(tmp_path: Path) -> None:
    work = Work(tmp_path)
    with pytest.raises(InterruptedError):
        work.go(fail=True)
    assert work.go() == ["second"]


def test_files_that_change_later_need_only_be_there(tmp_path: Path) -> None:
    path, done = tmp_path / "database", []

    def make(told: Progress) -> list[Path]:
        done.append(1)
        path.write_text("x")
        return [path]

    def go() -> int:
        Steps(tmp_path / "stamps", lambda line: None).take("one", {}, make, changing=True)
        return len(done)

    assert go() == 1
    path.write_text("changed since")
    assert go() == 1
    path.unlink()
    assert go() == 2
