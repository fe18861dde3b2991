"""The demo farm as the tests need it: its machines fail, and its server misbehaves when told to."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
import xmlrpc.client
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from nvdiffrec_tops.hqueue.demo.jobs import ABANDONED, ENDED, FAILED, RUNNING, Client, Job, Run
from nvdiffrec_tops.hqueue.demo.server import DemoServer, Requests

__all__ = ["Client", "Job", "StandIn"]


class _Requests(Requests):
    def of_this_user(self) -> bool:
        return True  # asking the system for it takes its time with thousands of connections

    def answer(self) -> None:
        kind = self.server.farm.next_request()
        if kind in ("500", "drop"):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if kind == "500":
                self.send_error(500)
        elif kind == "lose":
            self.wfile, answer = io.BytesIO(), self.wfile
            super().answer()
            self.wfile = answer
        else:
            super().answer()


class StandIn(DemoServer):
    """The farm. Use as a context manager; ``with StandIn() as farm: farm.address``.

    ``clients``: their number or themselves. ``resources``: counters of the whole farm. ``instant``:
    jobs end at once with the code that the function returns (True: with 0), without a process.
    ``environment``: of the clients' service. ``folders``: the shared folder on every platform.
    ``missing``: methods that this server does not have.
    """

    requests_handler = _Requests

    def __init__(
        self,
        clients: int | Sequence[Client] = 1,
        *,
        port: int = 0,
        instant: bool | Callable[[Job], int] = False,
        resources: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        folders: Mapping[str, str] | None = None,
        missing: Collection[str] = (),
    ) -> None:
        root = Path(tempfile.mkdtemp(prefix="hqueue-"))
        (root / "shared").mkdir()
        if isinstance(clients, int):
            clients = [Client(f"client{number + 1}") for number in range(clients)]
        self.instant, self.missing = instant, missing
        self.folders = dict(folders or {"linux": str(root / "shared")})
        self.calls: Counter[str] = Counter()
        self._trouble: deque[str] = deque()
        self._times: list[float] = []
        self._untold: dict[str, list[tuple[Run, int]]] = {}
        super().__init__(
            root,
            clients,
            port=port,
            folders=[self.folders],
            environment=environment,
            resources=resources,
        )

    def close(self, grace: float = 0.0) -> int:
        ended = super().close(grace)
        shutil.rmtree(self.root, ignore_errors=True)
        return ended

    # -- what a test asks -------------------------------------------------------------------
    @property
    def server(self) -> Any:
        """The server as the standard library's client sees it."""
        return xmlrpc.client.ServerProxy(self.address, allow_none=True)

    @property
    def requests(self) -> int:
        """HTTP requests so far."""
        return len(self._times)

    @property
    def busiest_second(self) -> int:
        """The most requests within any one second."""
        most = first = 0
        for last, moment in enumerate(self._times):
            while moment - self._times[first] > 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most

    def wait(self, job: int, *statuses: str, timeout: float = 20.0) -> Job:
        """The job once it has one of the statuses (any in which it has ended, without any)."""
        wanted = statuses or ENDED
        with self.changed:
            done = self.changed.wait_for(lambda: self.jobs[job].status in wanted, timeout)
            assert done, f"job {job} is {self.jobs[job].status}: {list(self.jobs[job].output)}"
            return self.jobs[job]

    def lines(self, job: int, number: int, timeout: float = 20.0) -> list[str]:
        """A job's output once it has so many lines."""
        output = self.jobs[job].output
        with self.changed:
            assert self.changed.wait_for(lambda: len(output) >= number, timeout), list(output)
            return list(output)

    def status(self, job: int) -> str:
        """A job's status now."""
        with self.changed:
            return self.jobs[job].status

    def door(self, name: str = "door") -> Path:
        """A pipe in the shared folder: a job that reads it waits until it is written to."""
        path = Path(self.folders["linux"], name)
        os.mkfifo(path)
        return path

    # -- the server's fates -----------------------------------------------------------------
    def call(self, method: str, params: Sequence[Any]) -> Any:
        if method in self.missing:
            raise Exception(f'method "{method}" is not supported')
        with self.changed:
            self.calls[method] += 1
        return super().call(method, params)

    def restart(self, *, lose_state: bool = False) -> None:
        """Stop and start; a server that has lost its state counts its jobs from 1 again.

        What runs goes on, known to nobody.
        """
        self.stop()
        if lose_state:
            with self.changed:
                self.jobs.clear()
                self._queues.clear()
                self._last = 0
        self.start()

    def misbehave(self, *kinds: str) -> None:
        """What becomes of the next requests, one each: '500', 'drop' (unread), 'lose' (done, but
        not answered), 'ok'.
        """
        self._trouble.extend(kinds)

    def next_request(self) -> str:
        """Count a request; what is to become of it."""
        with self.changed:
            self._times.append(time.monotonic())
            return self._trouble.popleft() if self._trouble else "ok"

    # -- the clients' fates -----------------------------------------------------------------
    def kill_client(self, name: str) -> None:
        """The machine is lost with all that runs on it."""
        client = self.machines[name]
        with self.changed:
            client.alive = False
            runs = self._doom(client.runs, "lost")
        self._kill(runs)

    def silence_client(self, name: str) -> None:
        """The machine works on, but the server does not hear of it: its jobs are abandoned."""
        with self.changed:
            self.machines[name].alive = False
            for run in self.machines[name].runs:
                run.job.status = ABANDONED
            self.changed.notify_all()

    def revive_client(self, name: str) -> None:
        """The machine is back; jobs that it still has are running again."""
        client = self.machines[name]
        with self.changed:
            client.alive = True
            for run in client.runs:
                run.job.status = RUNNING
            for run, code in self._untold.pop(name, []):
                self._ended(run, code)
            self.dispatch()
            self.changed.notify_all()

    def _ended(self, run: Run, code: int) -> None:
        if run.client.alive or run.fate:
            super()._ended(run, code)
        else:
            self._untold.setdefault(run.client.name, []).append((run, code))

    def _fate(self, run: Run) -> str:
        return ABANDONED if run.fate == "lost" else FAILED

    # -- jobs without a process -------------------------------------------------------------
    def _run(self, run: Run) -> None:
        if self.instant:
            code = self.instant if callable(self.instant) else lambda _job: 0
            self._at_once.put((run, lambda: code(run.job)))
        else:
            super()._run(run)
