"""The demo farm's server: HQueue's documented methods over real XML-RPC, on this machine alone.

Whoever can hand jobs to a farm runs commands on it. So only this user's programs are answered, and
no page that a browser has open: requests must come over the loopback interface, be XML, name this
machine as their host, and, where the system tells whose a connection is, be of this user.
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from .farm import DemoFarm
from .jobs import (
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

HOST = "127.0.0.1"
_LARGEST_REQUEST = 64 << 20


class Requests(SimpleXMLRPCRequestHandler):
    """Answers requests of this user's programs; a browser is shown what the jobs say."""

    server: Web
    rpc_paths = ("/", "/RPC2")
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        sort = self.headers.get_content_type()
        length = self.headers.get("Content-Length", "")
        small = length.isascii() and length.isdigit() and int(length) <= _LARGEST_REQUEST
        if not self._allowed() or sort != "text/xml" or self.headers.get("Origin"):
            self.send_error(403)
        elif not small:
            self.send_error(413)
        else:
            self.answer()
        self.close_connection = True

    def answer(self) -> None:
        """Answer a request that may be answered."""
        super().do_POST()

    def do_GET(self) -> None:
        """A job's page, as text: what it has said."""
        parts = self.path.strip("/").split("/")
        text = self.server.farm.page(parts[-1] if parts[:2] == ["jobs", "view"] else "")
        if not self._allowed() or text is None:
            self.send_error(404 if text is None else 403)
            return
        data = text.encode("utf-8", "replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _allowed(self) -> bool:
        port = self.server.server_address[1]
        hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        return self.headers.get("Host", "") in hosts and self.of_this_user()

    def of_this_user(self) -> bool:
        """Whether a program of this user asks."""
        return _ours(self.connection)


class Web(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    """The HTTP server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, farm: DemoServer) -> None:
        super().__init__((HOST, port), farm.requests_handler, logRequests=False, allow_none=True)
        self.farm = farm

    def _dispatch(self, method: str, params: Any) -> Any:
        return self.farm.call(method, params)


class DemoServer(DemoFarm):
    """The farm with its server. Use as a context manager."""

    requests_handler: type[Requests] = Requests

    def __init__(
        self,
        root: Path,
        clients: Iterable[Client],
        *,
        port: int = 0,
        folders: Sequence[Mapping[str, str]],
        environment: Mapping[str, str] | None = None,
        resources: Mapping[str, int] | None = None,
    ) -> None:
        """As for the farm; ``port``: 0 for any that is free. Raises OSError."""
        super().__init__(
            root,
            clients,
            folders=folders,
            environment=environment or {},
            resources=resources or {},
        )
        self.groups = sorted({name for one in self.machines.values() for name in one.groups})
        self._methods = _Methods(self)
        self._port = port
        self._web: tuple[Web, threading.Thread] | None = None

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self.close()

    def start(self) -> None:
        """Answer requests, on the same port as before. Raises OSError: it is taken."""
        if self._web is None:
            web = Web(self._port, self)
            self._port = int(web.server_address[1])
            self.address = f"http://{HOST}:{self._port}"
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

    def call(self, method: str, params: Sequence[Any]) -> Any:
        """Carry a method of HQueue out. Raises what becomes a fault of XML-RPC."""
        function = None if method.startswith("_") else getattr(self._methods, method, None)
        if function is None:
            raise Exception(f'method "{method}" is not supported')
        return function(*params)

    def page(self, job: str) -> str | None:
        """A job's state and output, or a list of all jobs for ''; None: there is no such job."""
        with self.changed:
            if not job:
                rows = [f"{one.id}  {one.status}  {one.spec['name']}" for one in self.jobs.values()]
                return "\n".join([f"{len(rows)} jobs", *rows, ""])
            known = self.jobs.get(int(job)) if job.isascii() and job.isdigit() else None
            if known is None:
                return None
            head = f"job {known.id}: {known.spec['name']}\n{known.status}\n"
            children = [f"{one.id}  {one.status}  {one.spec['name']}" for one in known.children]
            return "\n".join([head, *children, *known.output, ""])


def _ours(connection: socket.socket) -> bool:
    """Whether a program of this user is at the other end; True where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return True
    ours, theirs = connection.getsockname()[1], connection.getpeername()[1]
    try:
        table = Path("/proc/net/tcp").read_text("ascii")
    except OSError:
        return True
    # Local and remote end, state (01: established), queues, timer, retransmissions, user.
    row = rf":{theirs:04X} [0-9A-F]+:{ours:04X} 01 \S+ \S+ \S+ +(\d+) "
    owner = re.search(row, table)
    return owner is not None and int(owner[1]) in (os.getuid(), 0)


class _Methods:
    """The server's methods, by HQueue's names."""

    def __init__(self, farm: DemoServer) -> None:
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
        folders = enumerate(self._farm.network_folders)
        return [{"name": f"shared{number}", **one} for number, one in folders]

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
