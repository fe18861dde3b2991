"""What the doctor says before a training: noted, never in the way, an explanation at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.doctor.registry import all_checks
from nvdiffrec_tops.job import engines, preflight


def test_the_doctor_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    settings = {"environment": sys.executable, "engine": "diffrec", "config": "none.json"}
    settings["working_dir"] = str(tmp_path)
    found = preflight.findings(settings, os.environ)
    assert "configuration_reads" in {one["check"] for one in found if one["severity"] == "error"}
    assert "nvdiffrec_tops.doctor" not in preflight.__dict__
    sentence = preflight.sentence(found[0])
    assert sentence.startswith("doctor: ") and "\n" not in sentence


@pytest.mark.parametrize("script", ["raise SystemExit(3)", "print('no json')", "print('[1]')"])
def test_a_doctor_that_fails_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    (tmp_path / "broken.py").write_text(script)
    monkeypatch.setattr(preflight, "_SCRIPT", str(tmp_path / "broken.py"))
    assert preflight.findings({"environment": "x"}, os.environ) == []
    monkeypatch.setattr(preflight, "_SCRIPT", str(tmp_path / "missing.py"))
    assert preflight.findings({"environment": "x"}, os.environ) == []


def test_an_unknown_failure_is_explained_and_a_known_one_left() -> None:
    found = [
        {"severity": "warning", "title": "W", "evidence": "w", "cure": ""},
        {"severity": "error", "title": "PyTorch", "evidence": "no CUDA", "cure": "pip install"},
    ]
    unknown = Failure("unknown", "it ended", "read the log")
    assert preflight.explained(unknown, found).cure == (
        "read the log. Before the training the doctor found: PyTorch: no CUDA (pip install)"
    )
    known = Failure("gpu-busy", "held", "wait")
    assert preflight.explained(known, found) is known
    assert preflight.explained(unknown, found[:1]) is unknown


@pytest.mark.parametrize("id", ["out-of-gpu-memory", "gpu-launch", "unknown"])
def test_a_warning_that_foresaw_the_failure_explains_it(id: str) -> None:
    memory = {
        "check": "memory_needed",
        "severity": "warning",
        "title": "Memory",
        "evidence": "about 1026.0 GiB are foreseen; the card has 139.8 GiB",
        "cure": '"batch": 8',
    }
    other = {"check": "user_packages", "severity": "warning", "title": "P", "evidence": "p"}
    told = preflight.explained(Failure(id, "it ended", "lower batch"), [other, memory])
    assert told.cure == (
        "lower batch. Before the training the doctor found: Memory: about 1026.0 GiB are foreseen; "
        'the card has 139.8 GiB ("batch": 8)'
    )


def test_what_foresees_failures_are_checks_and_kinds_that_exist() -> None:
    checks = {one.id for one in all_checks()}
    kinds = {one.id for name in engines.names() for one in engines.engine(name).failures}
    assert set(preflight.FORESEEN) <= checks | {preflight.PACKAGES}
    assert {id for ids in preflight.FORESEEN.values() for id in ids} <= kinds | {"crashed"}
