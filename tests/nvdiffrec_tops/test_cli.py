from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops import cli
from nvdiffrec_tops.cook import command


def test_module_and_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nvdiffrec_tops", "cook", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--top", "--set", "--jobs", "--dry-run", "--json", "--force"):
        assert option in done.stdout


def test_missing_scene_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cook", str(tmp_path / "no.hip")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_not_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "shot.hip"
    path.write_bytes(b"not a scene")
    assert cli.main(["cook", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said


def test_own_faults_point_to_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> int:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(command, "run", broken)
    assert cli.main(["cook", "x.hip"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in said and "Traceback" not in said
    log = Path(said.split("details are in ")[1].split(";")[0])
    assert "Traceback" in log.read_text()
    log.unlink()
    assert cli.main(["--debug", "cook", "x.hip"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["cook"], ["cook", "x.hip", "--jobs", "0"]])
def test_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert error.value.code == 2
