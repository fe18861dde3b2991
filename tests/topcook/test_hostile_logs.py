"""No line of a job's log stops its cook, whatever it holds."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.files import Place
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.cook.view import Running
from topcook import pdg
from topcook.jobs import loglines
from topcook.jobs.processes import ChildProcess
from topcook.parameters.evaluation import NodeParameters, Surroundings

LINE = "iter=   10, img_loss={}, reg_loss=0.1, lr=0.02, time={} ms, rem={} s"
HOSTILE = (
    LINE.format("0.1", "10", "inf"),
    LINE.format("9" * 60_000, "10", "1"),
    LINE.format("0.1", "1e999", "1e999"),
    LINE.format("0.1", "0", "nan"),
    "Config / Flags:",
    "-----",
    "iter {[]: 1}",
    "iter " + "9" * 400,
    "base_mesh " + "[" * 5000,
    "-----",
    "Base mesh has " + "9" * 5000 + " triangles and 1 vertices",
    "ALF_PROGRESS " + "9" * 400 + "%",
    "PDG_ATTRIB: 1;psnr;" + "9" * 30_000,
    "PDG_ATTRIB: 1;deep;" + '{"a":' * 900 + "1" + "}" * 900,
    'PDG_ATTRIB: 1;large;{"a": 1e999}',
    "PDG_RESULT: 1;" + ";" * 60_000,
    "PDG_WARNING: 1;" + "w" * 60_000,
    "PDG_SET_CUSTOM_STATE: 1;-1;" + "\\x1b[31m" * 8000,
)


def test_a_cook_survives_a_hostile_log(scene, top, tmp_path, capsys) -> None:
    script = tmp_path / "job.py"
    # More than a pipe holds, so that a reader that has died stops the job.
    script.write_text(
        f"import sys\nfor line in {list(HOSTILE)!r}:\n    print(line)\n"
        "sys.stdout.flush()\nsys.stdout.buffer.write(bytes(range(256)) * 1024)\n"
        "print()\nprint('PDG_ATTRIB: 1;last;5', flush=True)\n"
    )
    node = top("run", "genericgenerator", {"pdg_command": f'"{sys.executable}" "{script}"'})
    assert main(["cook", str(scene(node)), "--json"]) == 0
    captured = capsys.readouterr()
    [item] = json.loads(captured.out)["items"]
    assert item["stateName"] == "CookedSuccess"
    assert item["attributes"]["last"] == [5]
    assert not {"deep", "large", "psnr"} & set(item["attributes"])
    assert "could not be read" not in captured.err
    log = (tmp_path / "temp/logs/run_1.log").read_bytes()
    assert log.endswith(b"PDG_ATTRIB: 1;last;5\n") and len(log) > 256 * 1024


@pytest.mark.skipif(os.name != "posix", reason="POSIX commands")
def test_a_reader_whose_listener_fails_reads_on(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(f"no sense in {line[:3]}")

    code = "print('one line', flush=True); print('x' * 500_000)"
    codes: list[int] = []
    child = ChildProcess(
        [sys.executable, "-c", code],
        os.environ,
        tmp_path / "log",
        shell=False,
        window=False,
        on_line=fail,
        on_exit=codes.append,
    )
    child.join()
    assert codes == [0]
    assert (tmp_path / "log").stat().st_size == 500_010
    assert child.trouble.startswith("a line of its log could not be read (RuntimeError: no sense")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_log_on_a_full_disk_does_not_stop_the_job(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Place, "end", lambda _place: os.open("/dev/full", os.O_WRONLY))
    lines: list[str] = []
    child = ChildProcess(
        [sys.executable, "-c", "for n in range(20_000): print('line', n)"],
        os.environ,
        tmp_path / "log",
        shell=False,
        window=False,
        on_line=lines.append,
        on_exit=lambda _code: None,
    )
    child.join()
    assert lines[-1] == "line 19999" and len(lines) == 20_000
    assert "its log cannot be written whole" in child.trouble


@pytest.fixture(scope="module")
def item() -> pdg.WorkItem:
    context = pdg.GraphContext()
    node = pdg.Node(
        context.graph, "run", pdg.nodeType.Processor, NodeParameters([], "/run", {}, Surroundings())
    )
    return pdg.WorkItemHolder(node, static=True).addWorkItem()


digits = st.text("0123456789.eE+-", max_size=30) | st.sampled_from(["inf", "nan", "9" * 400])
pieces = st.sampled_from(
    [b"PDG_RESULT: ", b"PDG_ATTRIB: ", b"PDG_WARNING: ", b"PDG_SET_CUSTOM_STATE: ", b"1;", b"-1;",
     b"ALF_PROGRESS ", b"%", b";", b"psnr;", b"{\"a\":", b"[", b"]", b"}", b"NaN", b"1e999",
     b"9" * 5000]
)  # fmt: skip
raw_lines = st.one_of(
    st.binary(max_size=300),
    st.lists(pieces | st.binary(max_size=6), max_size=12).map(b"".join),
    st.builds(lambda *numbers: LINE.format(*numbers).encode(), digits, digits, digits),
)


@given(st.lists(raw_lines, max_size=15))
def test_any_bytes_are_read_and_shown(item, raws: list[bytes]) -> None:
    running = Running(item)
    for raw in raws:
        line = raw.decode("utf-8", "replace")
        said = loglines.read(line, 1)
        if isinstance(said, loglines.Attribute):
            json.dumps(said.value, indent=1, allow_nan=False)
        running.feed(line)
        assert 0.0 <= running.percent <= 100.0
        running.facts()


@pytest.mark.parametrize(
    "text",
    [LINE.format("9" * 65_000, "1", "1"), "iter=" + " " * 65_000, "iter=1," * 9000,
     "PDG_RESULT: 1;1;" + ";a" * 32_000, "PDG_RESULT: 1;1;" + "a" * 65_000,
     "PDG_ATTRIB: 1;a;" + "[" * 65_000, "ALF_PROGRESS" + " " * 65_000, "ALF_PROGRESS  " * 4000],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_the_time_for_a_line_grows_with_its_length_only(item, text: str) -> None:
    def seconds(line: str) -> float:
        """Of the processor, for ten readings; the least of three tries."""
        tries = []
        for _ in range(3):
            began = time.thread_time()
            for _ in range(10):
                loglines.read(line, 1)
                Running(item).feed(line)
            tries.append(time.thread_time() - began)
        return min(tries)

    # Four times the length takes four times as long; where digits are tried again, sixteen times.
    assert seconds(text) < 8 * seconds(text[: len(text) // 4]) + 0.01
