"""A stand-in for an HQueue server and its clients: real XML-RPC, real processes.

The documented methods, job properties and variables of a job are there. Where the documentation is
silent, the stand-in does this: ``triesLeft`` counts starts, and a job that fails or loses its
client starts again while there are some; a parent of a job that did not succeed fails without
running; cancelling a job cancels its children; a job given to a parent that has ended runs all the
same; an unknown job is a fault. Not done: pausing, several hosts, mail, onSuccess and the like.

``python standin.py --clients 2 --port 5000`` runs it alone.
"""

from __future__ import annotations

import argparse
import io
import signal
import socketserver
import threading
import time
import xmlrpc.client
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from standinfarm import StandInFarm
from standinjobs import (
    BLOCKED,
    ENDED,
    PAUSED,
    RUNNING,
    SUCCEEDED,
    WAITING,
    Client,
    Job,
    Spec,
    found,
)


class StandIn(StandInFarm):
    """The farm. Use as a context manager; ``with StandIn() as farm: farm.address``.

    ``clients``: their number or themselves. ``resources``: counters of the whole farm. ``instant``:
    jobs end at once with the code that the function returns (True: with 0), without a process.
    ``environment``: of the clients' service. ``folders``: the shared folder on every platform.
    ``missing``: methods that this server does not have.
    """

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
        super().__init__(clients, instant, resources or {}, environment or {}, folders or {})
        self.missing = missing
        self.groups = sorted({name for one in self.machines.values() for name in one.groups})
        self.calls: Counter[str] = Counter()
        self._port = port
        self._trouble: deque[str] = deque()
        self._times: list[float] = []
        self._web: tuple[_Web, threading.Thread] | None = None

    # -- the server's life ------------------------------------------------------------------
    @property
    def server(self) -> Any:
        """The server as the standard library's client sees it."""
        return xmlrpc.client.ServerProxy(self.address, allow_none=True)

    @property
    def clients(self) -> list[str]:
        return list(self.machines)

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

    def __enter__(self) -> StandIn:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self.close()

    def start(self) -> None:
        """Answer requests, on the same port as before."""
        if self._web is None:
            web = _Web(("127.0.0.1", self._port), self)
            self._port = int(web.server_address[1])
            self.address = f"http://127.0.0.1:{self._port}"
            thread = threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self._web = web, thread

    def stop(self) -> None:
        """Refuse connections. What the farm does and knows stays."""
        if self._web is not None:
            web, thread = self._web
            web.shutdown()
            web.server_close()
            thread.join()
            self._web = None

    def restart(self, *, lose_state: bool = False) -> None:
        """Stop and start; a server that has lost its state counts its jobs from 1 again."""
        self.stop()
        if lose_state:
            self.forget()
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


class _Web(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, place: tuple[str, int], farm: StandIn) -> None:
        super().__init__(place, _Requests, logRequests=False, allow_none=True)
        self.farm = farm
        self.methods = _Methods(farm)

    def _dispatch(self, method: str, params: Any) -> Any:
        function = getattr(self.methods, method, None)
        if method.startswith("_") or function is None or method in self.farm.missing:
            raise Exception(f'method "{method}" is not supported')
        with self.farm.changed:
            self.farm.calls[method] += 1
        return function(*params)


class _Requests(SimpleXMLRPCRequestHandler):
    server: _Web
    rpc_paths = ("/", "/RPC2")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        kind = self.server.farm.next_request()
        if kind in ("500", "drop"):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if kind == "500":
                self.send_error(500)
        elif kind == "lose":
            self.wfile, answer = io.BytesIO(), self.wfile
            super().do_POST()
            self.wfile = answer
        else:
            super().do_POST()
        self.close_connection = True


class _Methods:
    """The server's methods, by HQueue's names."""

    def __init__(self, farm: StandIn) -> None:
        self._farm = farm

    def ping(self) -> bool:
        return True

    def newjob(self, specs: Spec | list[Spec], parent: int | None = None) -> list[int]:
        return self._farm.submit(specs if isinstance(specs, list) else [specs], parent)

    def getJob(self, job: int, attributes: list[str] | None = None) -> dict[str, Any]:
        with self._farm.changed:
            return _chosen(_job(found(self._farm.jobs, job)), attributes)

    def getinfo(self, job: int) -> dict[str, Any]:
        return self.getJob(job, ["conditions", "priority", "parents", "children", "name"])

    def cancelJobs(self, jobs: list[int]) -> None:
        self._farm.cancel(jobs)

    def deleteJobs(self, jobs: list[int]) -> None:
        self._farm.delete(jobs)

    def ejectJobs(self, jobs: list[int]) -> None:
        self._farm.cancel(jobs, "ejected")

    def getClients(
        self, ids: list[int] | None = None, attributes: list[str] | None = None
    ) -> list[dict[str, Any]]:
        every = [self._client(one) for one in self._farm.machines.values()]
        return [_chosen(one, attributes) for one in every if ids is None or one["id"] in ids]

    def getClient(self, one: int, attributes: list[str] | None = None) -> dict[str, Any]:
        return self.getClients([one], attributes)[0]

    def getClientByName(self, name: str, attributes: list[str] | None = None) -> dict[str, Any]:
        return _chosen(self._client(self._farm.machines[name]), attributes)

    def getClientGroups(
        self, ids: list[int] | None = None, attributes: list[str] | None = None
    ) -> list[dict[str, Any]]:
        machines = self._farm.machines.values()
        every = [
            {"id": number, "name": name, "clients": [m.id for m in machines if name in m.groups]}
            for number, name in enumerate(self._farm.groups, 1)
        ]
        return [_chosen(one, attributes) for one in every if ids is None or one["id"] in ids]

    def createClientGroup(self, name: str) -> int:
        with self._farm.changed:
            self._farm.groups.append(name)
            return len(self._farm.groups)

    def addClientToGroup(self, group: int, client: int) -> None:
        with self._farm.changed:
            machine = next(one for one in self._farm.machines.values() if one.id == client)
            machine.groups = (*machine.groups, self._farm.groups[group - 1])
            self._farm.dispatch()

    def addNote(
        self,
        text: str,
        thread: int | None = None,
        job: int | None = None,
        client: int | None = None,
    ) -> bool:
        if [thread, job, client].count(None) != 2:
            raise ValueError("a note belongs to one thread, job or client")
        if job is not None:
            found(self._farm.jobs, job).notes.append(text)
        return True

    def getAllJobStatusNames(self) -> list[str]:
        return [WAITING, BLOCKED, RUNNING, PAUSED, *ENDED]

    def getRunningJobStatusNames(self) -> list[str]:
        return [RUNNING]

    def getSucceededStatusNames(self) -> list[str]:
        return [SUCCEEDED]

    def getFailedJobStatusNames(self) -> list[str]:
        return [name for name in ENDED if name != SUCCEEDED]

    def getPausedJobStatusNames(self) -> list[str]:
        return [PAUSED]

    def getNetworkFolders(self) -> list[dict[str, str]]:
        return [{"name": "shared", **self._farm.folders}]

    def _client(self, client: Client) -> dict[str, Any]:
        return {
            "id": client.id,
            "hostname": client.name,
            "cpus": client.cpus,
            "groups": list(client.groups),
            "available": client.alive,
        }


def _job(job: Job) -> dict[str, Any]:
    spec, whole = job.spec, len(job.children)
    progress = job.progress
    if whole and not job.runs and job.status not in ENDED:
        progress = 1.0 - job.open_children / whole
    return {
        "id": job.id,
        "name": spec["name"],
        "status": job.status,
        "progress": progress,
        "priority": int(spec.get("priority", 5)),
        "triesLeft": job.tries,
        "submittedBy": str(spec.get("submittedBy", "")),
        "description": str(spec.get("description", "")),
        "tags": list(spec.get("tags") or ()),
        "conditions": list(spec.get("conditions") or ()),
        "environment": dict(spec.get("environment") or {}),
        "parents": [one.id for one in job.parents],
        "children": [one.id for one in job.children],
        "clients": job.runs[-1:],
        "exitCode": job.code,
    }


def _chosen(facts: dict[str, Any], attributes: list[str] | None) -> dict[str, Any]:
    return {name: facts[name] for name in attributes} if attributes is not None else facts


def main() -> None:
    """Run a farm until the terminal or a signal ends it."""
    parser = argparse.ArgumentParser(description="A stand-in for an HQueue server and its clients.")
    parser.add_argument("--clients", type=int, default=2, help="number of machines")
    parser.add_argument("--cpus", type=int, default=1, help="slots of each machine")
    parser.add_argument("--port", type=int, default=5000, help="0: any that is free")
    parser.add_argument("--share", default="", help="the shared folder")
    parser.add_argument(
        "--instant", action="store_true", help="jobs end at once, without a process"
    )
    given = parser.parse_args()
    clients = [Client(f"client{number + 1}", given.cpus) for number in range(given.clients)]
    folders = {"linux": given.share} if given.share else None
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with StandIn(clients, port=given.port, instant=given.instant, folders=folders) as farm:
        print(farm.address, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
