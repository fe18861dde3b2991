"""What a farm says and leaves, for the fuzzing of readers."""

from __future__ import annotations

import socket
import threading
import xmlrpc.client
from pathlib import Path
from random import Random
from typing import Any

import bench_fuzz_damage as damage
from bench_fuzz_reader import Reader, each

JOB = {
    "id": 7, "status": "running", "progress": 0.5, "children": [8, 9], "name": "train",
    "resources": {"cpus": 4}, "folders": [{"linux": "/mnt", "windows": "H:"}],
}  # fmt: skip


class FarmAnswers(Reader):
    """A server on this machine that answers every request with a case."""

    name = "farm answers"

    def __init__(self) -> None:
        from nvdiffrec_tops.hqueue.problem import HQueueProblem

        self.errors = (HQueueProblem,)
        self._answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connected, _ = self._listening.accept()
            with connected:
                try:
                    connected.settimeout(5)
                    connected.recv(1 << 16)
                    connected.sendall(self._answer)
                    connected.shutdown(socket.SHUT_WR)
                    while connected.recv(1 << 16):
                        pass
                except OSError:
                    pass

    def write(self, folder: Path, chance: Random) -> None:
        said: Any = chance.choice(([7, 8], JOB, [JOB], "pong", True, ["running", "failed"], 7))
        if chance.random() < 0.5:
            said = damage.document_of({"said": said}, chance)
        try:
            body = xmlrpc.client.dumps((said,), methodresponse=True, allow_none=True).encode()
        except (OverflowError, UnicodeError, RecursionError):
            body = b"<methodResponse/>"
        if chance.random() < 0.6:
            body = damage.bytes_of(body, chance)
        length = chance.choice((len(body), len(body), len(body), -1, 0, 10**18, "x"))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n"
        data = head.encode()
        if chance.random() < 0.25:
            data = damage.bytes_of(data, chance)
        (folder / "answer").write_bytes(data + body)

    def read(self, folder: Path) -> None:
        from nvdiffrec_tops.hqueue.server import Server

        self._answer = (folder / "answer").read_bytes()

        def server() -> Server:
            return Server(self._address, timeout=2.0, patience=0.0, requests_per_second=1e6)

        each(
            lambda: server().ping(),
            lambda: server().job(7),
            lambda: server().new_jobs([{"name": "a"}]),
            lambda: server().status_names(),
            lambda: server().network_folders(),
            lambda: server().cancel([7]),
            errors=self.errors,
            enough=1,
        )


class Submissions(Reader):
    """The record of a submission, as `submit` leaves it in a shared folder."""

    name, files = "farm records", ("submission.json",)

    def __init__(self) -> None:
        from nvdiffrec_tops.hqueue.problem import HQueueProblem
        from nvdiffrec_tops.hqueue.record import VERSION

        self.errors = (HQueueProblem,)
        item = {
            "name": "train_1", "log": "a.log", "node": "train", "type": "x", "label": "l",
            "job": 8, "id": 1, "index": 0, "attributes": {"a": [1]}, "expected": [["p", "t"]],
        }  # fmt: skip
        self.sound = {
            "version": VERSION, "token": "abc", "server": "http://farm:5000", "scene": "s.hip",
            "working": "/w", "container": 7, "jobs": [8], "items": [item], "complete": True,
        }  # fmt: skip

    def write(self, folder: Path, chance: Random) -> None:
        (folder / "submission.json").write_bytes(damage.json_of(self.sound, chance))

    def read(self, folder: Path) -> None:
        from nvdiffrec_tops.hqueue import record

        found = record.read(folder / "submission.json")
        assert found.state.cancelled in (True, False) and found.abandoned in (True, False)
