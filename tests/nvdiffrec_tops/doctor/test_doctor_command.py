"""The doctor's command line."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nvdiffrec_tops.doctor import command


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(words))


@pytest.fixture
def usable(
    environment: Path,
    put_torch: Callable[..., None],
    put_package: Callable[..., None],
    clean: Path,
) -> Path:
    """An environment that diffrec could train in, as far as stand-ins go."""
    put_torch(environment)
    put_package(environment, "numpy", "2.1.0")
    for name, module in (
        ("warp-lang", "warp"), ("numba", "numba"), ("xatlas", "xatlas"),
        ("opencv-python-headless", "cv2"),
    ):  # fmt: skip
        put_package(environment, name, "1.0", {f"{module}.py": "__version__ = '1.0'\n"})
    return environment


def test_a_usable_environment(usable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--env", str(usable), "--quick") == 0
    said = capsys.readouterr().out
    assert "\x1b[" not in said  # no terminal, no colours
    lines = said.splitlines()
    severities = [line.split()[0] for line in lines[:-1] if not line.startswith(" ")]
    assert severities == sorted(severities, key=["error", "warning", "note", "ok"].index)
    assert "skipped" not in severities
    assert lines[-1].endswith("ok")


def test_a_broken_environment(
    environment: Path, clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--env", str(environment), "--quick", "--all") == 1
    said = capsys.readouterr().out
    assert said.startswith("error ")
    assert "-m pip install torch" in said
    assert "\nskipped " in said


def test_json(environment: Path, clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--env", str(environment), "--quick", "--json", "--engine", "nvdiffrec") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["engine"] == "nvdiffrec"
    assert document["repaired"] == []
    assert set(document["findings"][0]) == {
        "check", "severity", "title", "evidence", "cure", "repair",
    }  # fmt: skip
    assert document["findings"][0]["severity"] == "error"


def test_fix(usable: Path, clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = clean / ".cache" / "torch_extensions" / "py311" / "renderutils_plugin"
    plugin.mkdir(parents=True)
    lock = plugin / "lock"
    lock.write_text("")
    os.utime(lock, (1_600_000_000, 1_600_000_000))
    words = ("--env", str(usable), "--quick", "--engine", "nvdiffrec")
    run(*words)
    assert "--fix mends" in capsys.readouterr().out
    assert lock.exists()
    run(*words, "--fix")
    said = capsys.readouterr().out
    assert f"mended   removed {lock}" in said
    assert "--fix mends" not in said
    assert not lock.exists()


def test_names_that_would_steer_a_terminal(
    tmp_path: Path, clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--env", str(tmp_path / "a\x1b[31m[bold]\udcff"), "--quick") == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[bold]" in said
