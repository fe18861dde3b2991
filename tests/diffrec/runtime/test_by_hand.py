"""The trainer as a person starts it: finished results stay, and first minutes are not silent."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from diffrec import cli, side_work
from diffrec.commandline import command
from diffrec.progress import Progress
from diffrec.runtime import console, finished
from diffrec.runtime.signals import StopRequest
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import load_config


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished training of ``c.json``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(layout.KEEP_CHECKPOINT, raising=False)
    Path("mesh.obj").write_text("v 0 0 0\n")
    Path("c.json").write_text(json.dumps({"ref_mesh": "mesh.obj", "out_dir": "o", "iter": 5}))
    folder = tmp_path / "out/o"
    for name in layout.REQUIRED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    finished.finished(load_config("c.json"), folder)
    return folder


def test_finished_results_are_not_trained_again(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--config", "c.json"]) == 0
    said = capsys.readouterr().out
    assert "Up to date" in said and "--restart" in said and "Config / Flags" not in said


def test_what_was_asked_for_and_what_is_read_decide(results: Path) -> None:
    config = load_config("c.json")
    assert finished.is_finished(config, results)
    assert not finished.is_finished(load_config("c.json", {"diffrec": {"seed": 4}}), results)
    Path("mesh.obj").write_text("v 0 0 0\nv 1 1 1\n")
    assert not finished.is_finished(config, results)
    finished.finished(config, results)
    (results / layout.REQUIRED[0]).unlink()
    assert not finished.is_finished(config, results)
    for damaged in ("", "[]", "{}", '{"asked": 1, "sizes": []}', "\0"):
        (results / finished.NAME).write_text(damaged)
        assert not finished.is_finished(config, results)


def test_compiling_is_told_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_SECONDS", 0.01)
    monkeypatch.setattr(side_work, "_parts", {})
    side_work.announce(["an iteration"], parts=3)
    stream = io.StringIO()

    def wait_until(text: str) -> None:
        for _attempt in range(2000):
            if text in stream.getvalue():
                return
            shown._ended.wait(0.01)
        raise AssertionError(stream.getvalue())

    with console.Console(stream) as shown:
        wait_until("Compiling kernels, once on this machine: 0 of 3 done")
        side_work.part_done("an iteration")
        wait_until("1 of 3 done")
        side_work.done("an iteration")
        wait_until("Compiled kernels: 3 of 3")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_pipe_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for stream, bar in ((Terminal(), True), (io.StringIO(), False)):
        with console.Console(stream) as shown:
            assert ("getting ready" in stream.getvalue()) == bar
            shown.log("Running \x1b]0;title\x07validation")
            shown.log("iter=   10, img_loss=0.1")
            shown.progress(Progress(1, 10, 20, 0.1, 0.1, 0.01))
        assert ("iter=" in stream.getvalue()) != bar
        assert ("pass 1, loss 0.10000" in stream.getvalue()) == bar
        assert "\x1b]0" not in stream.getvalue() and "validation" in stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_that_pytorch_is_being_loaded(
    results: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError):
        cli._trained(command(["--config", "c.json", "--restart"]), StopRequest(), MagicMock())
    assert stream.getvalue() == ("Loading PyTorch\n" if terminal else "")
