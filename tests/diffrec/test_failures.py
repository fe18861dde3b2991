"""A failed run ends with one sentence for people and ``failure.json`` for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffrec import cli
from nvdiffrec_contract import failurefile
from nvdiffrec_contract.failure import EXIT_USAGE, Failure


def failed(argv: list[str], told: Path) -> Failure:
    assert cli.main(argv) == 1
    failure = failurefile.read(told)
    assert failure is not None
    return failure


def test_a_wrong_field_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told.json"
    monkeypatch.setenv(failurefile.PLACE, str(told))
    (tmp_path / "job.json").write_text(json.dumps({"iter": 0}))
    failure = failed(["--config", str(tmp_path / "job.json")], told)
    assert (failure.id, failure.exit_code, failure.retry) == ("configuration", EXIT_USAGE, False)
    assert '"iter": found 0' in failure.cause
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1


def test_data_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / "scene").mkdir(parents=True)
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "transforms_train.json").write_text("{")
    (tmp_path / "scene.json").write_text(json.dumps({"ref_mesh": "scan"}))
    argv = ["--config", "scene.json", "--device", "cpu"]
    failure = failed(argv, tmp_path / "out" / "scene" / "failure.json")
    assert failure.id == "data"
    assert "transforms_train.json" in failure.cause


def test_without_an_output_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(failurefile.PLACE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--config", "nothing.json"]) == 1
    assert list(tmp_path.iterdir()) == []
