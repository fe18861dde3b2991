"""The commands that begin with photographs start the right processes, and pass on their ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nvdiffrec_tops import cli, photographs
from nvdiffrec_tops.environment import Environment


def test_a_folder_that_is_not_there_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole way: this process, that of the environment, its answer."""
    pytest.importorskip("cv2", reason="OpenCV comes with the extra diffrec")
    asked = ["prepare", str(tmp_path / "no $folder"), "--out", str(tmp_path / "out")]
    assert cli.main([*asked, "--env", sys.executable]) == 2
    said = capfd.readouterr()
    assert "no $folder does not exist" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize(("ends", "trained"), [([0, 0], True), ([2], False), ([0, 1], True)])
def test_reconstruct_trains_what_was_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: list[int], trained: bool
) -> None:
    ran: list[list[str]] = []

    def run(argv: Sequence[str], place: Environment | None) -> int:
        ran.append(list(argv))
        return ends[len(ran) - 1]

    monkeypatch.setattr(photographs, "_run", run)
    out = tmp_path / "vase"
    asked = ["reconstruct", "shoot", "--out", str(out), "--env", sys.executable]
    code = cli.main([*asked, "--device", "cpu"])
    assert code == ends[-1] and len(ran) == 1 + trained
    assert ran[0][0] == sys.executable and f"--out={out}" in ran[0]
    if trained:
        assert f"--config={out / 'train.json'}" in ran[1] and "--device=cpu" in ran[1]
        assert f"--output={out / 'result'}" in ran[1]


def test_an_environment_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "no" / "env")
    assert cli.main(["prepare", "x", "--out", str(tmp_path), "--env", nowhere]) == 1
    assert nowhere in capsys.readouterr().err
