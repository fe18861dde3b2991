"""The stand-in farm, servers that say what a test wants, and a clock that waits for nobody."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shlex
import socket
import sys
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.hqueue.server import Server

if TYPE_CHECKING:
    from standin import StandIn

Write = Callable[..., Path]
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def standin_module() -> Any:
    """The module of the stand-in, which is no package's."""
    if os.name != "posix":
        pytest.skip("the machines of the demo farm run sh")
    if "standin" not in sys.modules:
        spec = importlib.util.spec_from_file_location("standin", HERE / "standin.py")
        assert spec is not None and spec.loader is not None
        sys.modules["standin"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["standin"])
    return sys.modules["standin"]


@pytest.fixture
def standin(standin_module: Any) -> Iterator[Callable[..., StandIn]]:
    """``standin(clients=2, instant=True)``: a farm that answers; ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *given, **named: stack.enter_context(standin_module.StandIn(*given, **named))


class Clock:
    """Time that passes only while somebody sleeps. ``on_sleep(n)``: called before the n-th."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []
        self.on_sleep: Callable[[int], None] = lambda _number: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.on_sleep(len(self.pauses) + 1)
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture(scope="session")
def clocks() -> Callable[[], Clock]:
    """``clocks()``: a clock for a server's ``now`` and ``sleep``."""
    return Clock


@pytest.fixture
def clock() -> Clock:
    """A clock of this test."""
    return Clock()


class Scripted:
    """Whoever connects gets the next of the answers, the last one again and again.

    None: the connection is closed without an answer; silence: it stays open without one.
    """

    silence = b"silence"

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def http(body: bytes | str, status: str = "200 OK", **headers: str) -> bytes:
        """An HTTP answer; a header whose value is '' is left out."""
        data = body.encode() if isinstance(body, str) else body
        named = {"Content_Length": str(len(data)), **headers}
        pairs = [(name.replace("_", "-"), text) for name, text in named.items() if text]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in pairs)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    @staticmethod
    def value(result: Any) -> bytes:
        """An answer of XML-RPC."""
        text = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True)
        return Scripted.http(text)

    @staticmethod
    def fault(text: str) -> bytes:
        """A refusal of XML-RPC."""
        return Scripted.http(xmlrpc.client.dumps(xmlrpc.client.Fault(1, text)))

    def server(self, *answers: bytes | None, **options: Any) -> Server:
        self.answers = list(answers)
        return Server(self.address, **{"patience": 0.0, "timeout": 5.0, **options})

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in [self._socket, *self._open]:
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                stream, _ = self._socket.accept()
            except OSError:
                return
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            with contextlib.suppress(OSError):
                self.asked.append(self._request(stream))
                if answer == self.silence:
                    self._open.append(stream)
                    continue
                stream.sendall(answer or b"")
            stream.close()

    def _request(self, stream: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data and (part := stream.recv(65536)):
            data += part
            if data[:1] == b"\x16":  # the beginning of TLS has no lines
                return data
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]) and (part := stream.recv(65536)):
                    body += part
        return body


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A server that says what the test wants."""
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def dripping() -> Iterator[Callable[..., str]]:
    """``dripping(first, *pieces)``: the address of a server that never stops answering.

    After ``first`` it sends the pieces one by one with a little time between them, ``times`` over
    (without end when that is 0), to whoever connects.
    """
    ended = threading.Event()
    listening: list[socket.socket] = []

    def answer(stream: socket.socket, first: bytes, pieces: tuple[bytes, ...], times: int) -> None:
        with stream, contextlib.suppress(OSError):
            stream.recv(1 << 16)
            stream.sendall(first)
            turns = itertools.count() if not times else range(times)
            for piece in (piece for _ in turns for piece in pieces):
                if ended.wait(0.001):
                    return
                stream.sendall(piece)

    def serve(listener: socket.socket, *given: Any) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream, _ = listener.accept()
                threading.Thread(target=answer, args=(stream, *given), daemon=True).start()

    def start(first: bytes, *pieces: bytes, times: int = 0) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)
        threading.Thread(target=serve, args=(listener, first, pieces, times), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    ended.set()
    for listener in listening:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def scene(tmp_path: Path) -> Write:
    """A scene with generic commands on an HQueue scheduler; ``items`` of each.

    ``node``: more parameters of each command's node, the others are the scheduler's.
    """

    def write(
        *commands: str | list[str],
        items: int = 1,
        name: str = "shot",
        address: str = "",
        node: dict[str, Any] | None = None,
        **parms: Any,
    ) -> Path:
        scheduler = NodeDescription(
            "hqueuescheduler",
            "hqueuescheduler",
            {"address": address, "jobname": "a job of $HIPNAME", "pdg_workingdir": "$HIP", **parms},
        )
        nodes: list[NodeDescription] = []
        for number, one in enumerate(commands):
            text = one if isinstance(one, str) else shlex.join(one)
            nodes.append(
                NodeDescription(
                    f"run{number}",
                    "genericgenerator",
                    {"itemcount": items, "pdg_command": text, **(node or {})},
                    inputs=(nodes[-1].name,) if nodes else (),
                )
            )
        top = NodeDescription(
            "topnet1",
            "topnet",
            {"topscheduler": "hqueuescheduler"},
            children=(scheduler, *nodes),
            is_network=True,
        )
        path = tmp_path / "hip" / f"{name}.hip"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(build(SceneDescription(name, (top,))))
        return path

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    yield call
