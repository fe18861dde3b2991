"""What the doctor says before a training: noted, never in the way, an explanation at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job import preflight


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
    known = Failure("out-of-memory", "full", "lower batch")
    assert preflight.explained(known, found) is known
    assert preflight.explained(unknown, found[:1]) is unknown
