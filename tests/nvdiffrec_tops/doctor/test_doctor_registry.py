"""What holds for all checks, and how they are run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nvdiffrec_tops.doctor import Finding, checks, examination, worst_first
from nvdiffrec_tops.doctor.check import STAGES, Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.examination import examined, repaired
from nvdiffrec_tops.doctor.registry import all_checks
from nvdiffrec_tops.job import engines

FOLDER = Path(checks.__file__).parent


def test_one_check_per_file() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {one.id for one in all_checks()} == files
    assert len({one.title for one in all_checks()}) == len(files)


def concerns(check: Check) -> set[str]:
    return {name for name in engines.names() if check.concerns(engines.engine(name))}


@pytest.mark.parametrize("check", all_checks(), ids=lambda one: one.id)
def test_a_check_is_well_described(check: Check) -> None:
    known = {one.id: one for one in all_checks()}
    assert re.fullmatch(r"[a-z_]+", check.id)
    assert check.stage in STAGES
    assert concerns(check) and concerns(check) <= set(engines.names())
    for needed in check.needs:
        assert concerns(check) <= concerns(known[needed])
        assert STAGES.index(known[needed].stage) <= len(STAGES)


@pytest.mark.parametrize("check", all_checks(), ids=lambda one: one.id)
def test_a_check_is_tested(check: Check) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_doctor_*.py"))
    assert f'"{check.id}"' in tests


def stand_in(id: str, run: Callable[[Context], list[Finding]], **more: object) -> Check:
    return Check(id, id, "data", run, **more)  # type: ignore[arg-type]


def test_a_check_that_fails_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: Context) -> list[Finding]:
        raise RuntimeError("of its own")

    good = stand_in("good", lambda context: good.ok("fine"))
    waits = stand_in("waits", lambda context: waits.ok("never"), needs=("bad",))
    bad = stand_in("bad", fail, repair=lambda context: fail(context) and [])
    monkeypatch.setattr(examination, "all_checks", lambda: (bad, good, waits))
    found = {one.check: one for one in examined(Context(None))}
    assert found["bad"].severity == "skipped"
    assert "RuntimeError: of its own" in found["bad"].evidence
    assert found["good"].severity == "ok"
    assert found["waits"].severity == "skipped"


def test_checks_that_need_each_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand_in("one", lambda context: one.ok(""), needs=("two",))
    two = stand_in("two", lambda context: two.ok(""), needs=("one",))
    monkeypatch.setattr(examination, "all_checks", lambda: (one, two))
    assert {found.severity for found in examined(Context(None))} == {"ok"}


def test_what_a_quick_examination_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = stand_in("slow", lambda context: slow.ok(""), quick=False)
    monkeypatch.setattr(examination, "all_checks", lambda: (slow,))
    assert examined(Context(None, quick=True)) == []
    assert len(examined(Context(None))) == 1


def test_a_repair_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: Context) -> list[str]:
        raise PermissionError("read-only")

    bad = stand_in("bad", lambda context: [bad.warning("a", "b", repair=True)], repair=fail)
    good = stand_in("good", lambda context: good.ok(""), repair=lambda context: ["never"])
    monkeypatch.setattr(examination, "all_checks", lambda: (bad, good))
    assert repaired(Context(None)) == ["bad: not mended (PermissionError: read-only)"]
    assert repaired(Context(None), ["good"]) == []


def test_the_worst_first() -> None:
    names = ["ok", "error", "note", "skipped", "warning", "error"]
    findings = [Finding(str(i), name, "", "") for i, name in enumerate(names)]
    assert [one.check for one in worst_first(findings)] == ["1", "5", "4", "2", "3", "0"]


TOY = """
from nvdiffrec_tops.doctor.check import Check

CHECK = Check("toy", "A toy", "data", lambda context: [CHECK.warning("a toy is here", "tidy up")])
"""


def test_one_more_file_is_one_more_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    all_checks.cache_clear()
    try:
        found = {one.check: one for one in examined(Context(None))}
    finally:
        all_checks.cache_clear()
    assert (found["toy"].severity, found["toy"].evidence) == ("warning", "a toy is here")
