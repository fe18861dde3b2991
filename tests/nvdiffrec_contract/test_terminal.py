"""Nothing that steers a terminal reaches it, whoever wrote the text."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.terminal import guarded, plain, raw
from nvdiffrec_tops import cli
from nvdiffrec_tops.cook.view import LiveView, Running, View
from topcook import pdg

HOSTILE = (
    "\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\x9d0;title\x9c", "\u202egnp.exe", "\u2066x\u2069",
    "a\rb", "\x08\x08", "\x7f", "\x1bP+q\x1b\\", "\udc9b31m",
)  # fmt: skip
TEXTS = st.text(st.characters() | st.sampled_from([chr(code) for code in range(0xA0)]))


def steers(text: str) -> bool:
    """By the Unicode database: controls but line end and tab, overrides, halves of characters."""
    return any(
        unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") and one not in "\n\t"
        for one in text
    ) or any(
        unicodedata.bidirectional(one) in {"LRE", "RLE", "LRO", "RLO", "PDF"}
        or unicodedata.bidirectional(one) in {"LRI", "RLI", "FSI", "PDI"}
        for one in text
    )  # fmt: skip


@given(TEXTS)
def test_no_text_steers(text):
    shown = plain(text)
    assert not steers(shown)
    shown.encode("utf-8")
    assert (shown == text) == (not steers(text) and not set(text) & set("\ufff9\ufffa\ufffb"))
    stream = io.StringIO()
    print(text, file=guarded(guarded(stream)))
    assert stream.getvalue() == shown + "\n" and raw(guarded(stream)) is stream


@pytest.mark.parametrize(
    "text", ["Бюст — 胸像 🗿", "مشهد", "👩\u200d🎨", "naïve\tand\nnext", "שלום\u200e.", "e\u0301"]
)
def test_ordinary_text_of_any_script_stays(text):
    assert plain(text) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", [View, LiveView])
def test_a_cook_shows_names_and_states_plainly(hostile, kind, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    graph = pdg.GraphContext("top").graph
    node = pdg.Node(graph, f"node{hostile}", pdg.nodeType.Processor, None, "x")
    graph.addNode(node)
    item = pdg.WorkItem(node, 1, f"item{hostile}", static=True)
    node.addItems([item])
    item.setCustomState(f"state{hostile}")
    stream = Terminal()
    view = kind(graph, guarded(stream))
    view.say(f"said{hostile}")
    view.running[1] = Running(item)
    view.progress(view.running[1])
    if isinstance(view, LiveView):
        view.console.print(view.render())
    assert hostile not in stream.getvalue()
    for part in ("\x1b]", "\x1b[2J", "\x9b", "\x9d", "\u202e", "\u2066", "\x1bP"):
        assert part not in stream.getvalue()


@pytest.mark.parametrize("hostile", [one for one in HOSTILE if "\r" not in one])
def test_commands_and_a_job_on_a_terminal(hostile, capsys, tmp_path):
    assert cli.main(["cook", str(tmp_path / f"none{hostile}.hip")]) == 1
    assert not steers(capsys.readouterr().err)


def test_a_job_by_hand_on_a_terminal(root, tmp_path):
    pty = pytest.importorskip("pty")
    script = root / "python3.11libs/nvdiffrec_tops/job/__main__.py"
    words = ["--engine=diffrec", "--config=none\x1b]0;title\x07.json", f"--output={tmp_path / 'o'}"]
    above, below = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", str(script), *words], stdout=below, stderr=below
    ):
        os.close(below)
        said = b""
        while True:
            try:
                block = os.read(above, 4096)
            except OSError:
                break
            if not block:
                break
            said += block
    os.close(above)
    assert b"title" in said and b"\x1b" not in said
