"""Completion scripts, run by the shells themselves where they are here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops import cli, completion

pytest.importorskip("shtab", reason="shtab comes with the package")


@pytest.fixture
def scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Path]:
    found = {}
    for shell in completion.SHELLS:
        assert cli.main(["completion", shell]) == 0
        found[shell] = tmp_path / f"completion.{shell}"
        found[shell].write_text(capsys.readouterr().out, encoding="utf-8")
    return found


def test_every_shell_has_every_command(scripts: dict[str, Path]) -> None:
    for script in scripts.values():
        text = script.read_text(encoding="utf-8")
        assert all(name in text for name in cli._COMMANDS)


def completed(script: Path, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    program = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
        'COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
        "_shtab_nvdiffrec_tops nvdiffrec-tops; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "--norc", "-c", program, "bash", str(script), "nvdiffrec-tops", *words],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split("\n")) - {""}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes(scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "scene.hip").write_text("")
    script = scripts["bash"]
    assert completed(script, tmp_path, "do") == {"doctor"}
    assert completed(script, tmp_path, "env", "") >= {"create", "list", "show", "remove"}
    assert completed(script, tmp_path, "doctor", "--eng") == {"--engine"}
    assert completed(script, tmp_path, "doctor", "--engine", "") == {"diffrec", "nvdiffrec"}
    assert completed(script, tmp_path, "completion", "po") == {"powershell"}
    offered = completed(script, tmp_path, "new", "ph")
    assert {one.rstrip("/") for one in offered} == {"photographs"}
    assert "scene.hip" in completed(script, tmp_path, "cook", "sc")


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"]), ("powershell", [])],
)
def test_a_shell_takes_its_script(shell: str, words: list[str], scripts: dict[str, Path]) -> None:
    program = shutil.which("pwsh" if shell == "powershell" else shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    if shell == "powershell":
        words = ["-NoProfile", "-File"]
    done = subprocess.run([program, *words, scripts[shell]], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_missing_package_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "bash"]) == 1
    assert "pip install shtab" in capsys.readouterr().err
