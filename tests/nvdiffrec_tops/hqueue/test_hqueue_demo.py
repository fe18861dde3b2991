"""The farm in a box: who may ask it, how it begins, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.hqueue.demo import server as demo
from nvdiffrec_tops.hqueue.demo.share import CONFIGURATIONS

CALL = xmlrpc.client.dumps((), "ping").encode()


def ask(farm: Any, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    connection = http.client.HTTPConnection(farm.address.removeprefix("http://"), timeout=20.0)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_programs_are_answered_and_pages_in_a_browser_are_not(standin: Any) -> None:
    farm = standin(1)
    own = farm.address.removeprefix("http://")
    assert ask(farm, "POST", "/RPC2", CALL, Content_Type="text/xml; charset=utf-8")[0] == 200
    refused: list[dict[str, str]] = [
        {"Content_Type": "text/plain"},
        {},
        {"Content_Type": "text/xml", "Origin": "http://page.example"},
        {"Content_Type": "text/xml", "Host": f"page.example:{own.rpartition(':')[2]}"},
    ]
    for headers in refused:
        assert ask(farm, "POST", "/RPC2", CALL, **headers)[0] == 403
    assert ask(farm, "GET", "/", Host="page.example")[0] == 403
    long = {"Content_Type": "text/xml", "Content_Length": str(1 << 40)}
    assert ask(farm, "POST", "/RPC2", **long)[0] == 413


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells whose it is")
def test_another_users_program_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server((demo.HOST, 0)) as listener,
        socket.create_connection(listener.getsockname()) as theirs,
    ):
        ours, _ = listener.accept()
        with ours:
            assert demo._ours(ours)
            if os.getuid():
                monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
                assert not demo._ours(ours)
            theirs.close()
            assert not demo._ours(ours), "who has gone is nobody"


def test_a_jobs_page_shows_what_it_has_said(standin: Any) -> None:
    farm = standin(1)
    [job] = farm.server.newjob({"name": "a <b>", "command": "echo said"})
    farm.wait(job)
    assert ask(farm, "GET", f"/jobs/view/{job}") == (200, f"job {job}: a <b>\nsucceeded\n\nsaid\n")
    assert f"{job}  succeeded  a <b>" in ask(farm, "GET", "/")[1]
    for path in ("/jobs/view/99", "/jobs/view/x", "/jobs/view/%C2%B2"):
        assert ask(farm, "GET", path)[0] == 404


def test_it_is_on_this_computer_alone(standin: Any) -> None:
    assert standin(1).address.startswith("http://127.0.0.1:")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if os.name != "posix":
        pytest.skip("the machines of the demo farm run sh")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "demo farm"


def test_from_the_first_line_to_ctrl_c(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a newcomer: start it, copy the command that it shows, and end it in the middle."""
    words = ["farm", "demo", "--folder", str(folder), "--port", "0", "--clients", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "nvdiffrec_tops", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": os.defpath},
    ) as running:
        assert running.stdout is not None
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = running.stdout.readline()
                assert line, said
                said += line
            assert str(folder / "shared") in said and "machine1, machine2" in said
            [shown] = [line for line in said.splitlines() if " submit " in line]
            command = shlex.split(shown)
            command = command[command.index("submit") :]
            command.remove("--follow")
            address = command[command.index("--server") + 1]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            assert main([*command, "--json"]) == 0
            sent = json.loads(capsys.readouterr().out)
            assert len(sent["jobs"]) == len(CONFIGURATIONS)
            assert Path(sent["folder"]).is_relative_to(folder / "shared")
            assert main(["farm", "demo", "--folder", str(folder), "--port", "0"]) == 1
            assert "runs already" in capsys.readouterr().err
        finally:
            running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait(60.0) == 0
    assert re.search(r"\d jobs? (was|were) ended", rest) and str(folder) in rest
    mark = os.fsencode(f"HQSERVER={address}")
    left = [
        one
        for one in Path("/proc").glob("[0-9]*/environ")
        if os.access(one, os.R_OK) and mark in readable(one)
    ]
    assert not left


def readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_folder_of_somebody_else_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "mine.hip").write_text("x")
    assert main(["farm", "demo", "--folder", str(folder)]) == 1
    assert "not of a demo farm" in capsys.readouterr().err
    assert [one.name for one in folder.iterdir()] == ["mine.hip"]


def test_a_port_that_is_taken_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["farm", "demo", "--folder", str(folder), "--port", port]) == 1
    assert "--port 0" in capsys.readouterr().err
    assert main(["farm", "demo", "--folder", str(folder), "--port", "70000"]) == 1
