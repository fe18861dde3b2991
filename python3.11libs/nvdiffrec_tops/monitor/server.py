"""The live page: a small web server that answers questions about what is watched, and no others.

It reads, and only what the index of a training names (see ``files``). A page of another site cannot
ask it: requests under a foreign ``Host`` are refused, and nothing is told to other origins.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from . import page, views
from .training import Training
from .watching import Watched

LOOPBACK = "127.0.0.1"
OVERVIEW_SECONDS = 0.4
"""Looking at trainings for the list takes about so long at most; the rest follows next time."""
SEARCH_SECONDS = 2.0
"""New trainings are looked for this often at most."""
MOST_CONNECTIONS = 64
_BLOCK = 1 << 16
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Answers:
    """What the server knows of the watched trainings; safe to ask from several threads."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._lock = threading.Lock()
        self._trainings: dict[str, Training] = {}
        self._looked = float("-inf")
        self._rows: dict[str, dict[str, Any]] = {}
        self._when: dict[str, float] = {}

    def overview(self) -> dict[str, Any]:
        """The list of trainings. Those that there was no time for have the state ``reading``."""
        with self._lock:
            trainings = self._found()
            deadline = time.monotonic() + OVERVIEW_SECONDS
            order = sorted(trainings.values(), key=lambda one: self._when.get(one.key, 0.0))
            for number, one in enumerate(order):
                if number and time.monotonic() > deadline:
                    break
                row = dict(one.summary())
                row |= self._watched.told(one, row["state"])
                self._rows[one.key] = row
                self._when[one.key] = time.monotonic()
            blank = {"state": "reading", "percent": 0.0, "mesh": None}
            rows = [
                self._rows.get(one.key, {**blank, "key": one.key, "name": one.name})
                for one in trainings.values()
            ]
        return {"title": self._watched.title, "trainings": rows, "live": True}

    def training(self, key: str) -> Training | None:
        """The training of that key."""
        with self._lock:
            return self._found().get(key)

    def _found(self) -> dict[str, Training]:
        if time.monotonic() - self._looked > SEARCH_SECONDS:
            self._trainings = {one.key: one for one in self._watched.trainings()}
            self._rows = {key: row for key, row in self._rows.items() if key in self._trainings}
            self._looked = time.monotonic()
        return self._trainings

    def data(self, path: str) -> dict[str, Any] | None:
        """The JSON of an address below ``data/``; None where there is none."""
        if path == "overview":
            return self.overview()
        match = re.fullmatch(r"([0-9a-f]{16})/(detail|scene|views/([a-z_]{1,20})/(\d{1,6}))", path)
        one = self.training(match[1]) if match else None
        if match is None or one is None:
            return None
        if match[2] == "detail":
            detail = one.detail()
            return detail | self._watched.told(one, detail["state"])
        if match[2] == "scene":
            return one.scene()
        return views.page(one.files(), one.prefix(), match[3], int(match[4]))


class Server(ThreadingHTTPServer):
    """The server; ``address`` is what a person opens.

    Args:
        watched: what is shown.
        host: where it listens.
        port: 0 takes a free one.

    Raises:
        OSError: it cannot listen there.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"

    def __init__(self, watched: Watched, host: str = LOOPBACK, port: int = 0) -> None:
        self.answers = Answers(watched)
        self.slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self.host = host
        self.token = "" if _is_loopback(host) else secrets.token_urlsafe(18)
        self.names = _names(host)

    def server_bind(self) -> None:
        """Bind without asking a name server for our name, as the library's own method does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        host = self.host
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        shown = f"[{host}]" if ":" in host else host
        token = f"{self.token}/" if self.token else ""
        return f"http://{shown}:{self.server_port}/{token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is nothing to tell of."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(host: str) -> set[str]:
    """The names that a browser may know this server by."""
    if _is_loopback(host):
        return {"localhost", "127.0.0.1", "[::1]", host}
    own = {socket.gethostname().lower(), host.lower()}
    return own | {"localhost", "127.0.0.1", "[::1]"}


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "nvdiffrec-tops"
    sys_version = ""
    timeout = 30

    def handle(self) -> None:
        """As many connections at once as there are slots; others are closed."""
        if not self.server.slots.acquire(blocking=False):
            return
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self.server.slots.release()

    def do_GET(self) -> None:
        """The page, its parts, data and files."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """As GET, without content."""
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self, *, body: bool) -> None:
        if not self._is_ours():
            self._refuse(HTTPStatus.FORBIDDEN, "this page is not served under that name")
            return
        path = self._path()
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        if path in page.PARTS:
            self._send(page.part(path), page.PARTS[path], body)
        elif path.startswith("data/"):
            found = self.server.answers.data(path[len("data/") :])
            if found is None:
                self._refuse(HTTPStatus.NOT_FOUND, "nothing is known of that")
            else:
                text = json.dumps(found, allow_nan=False, separators=(",", ":"))
                self._send(text.encode(), "application/json", body)
        else:
            self._file(path, body)

    def _is_ours(self) -> bool:
        """Whether the request names this server: a page of another site that has its name lead
        here would name its own."""
        given = self.headers.get_all("Host") or []
        if len(given) != 1:
            return False
        name, mark, port = given[0].strip().lower().rpartition(":")
        if not mark or not port.isdecimal():
            name, port = given[0].strip().lower(), "80"
        local = str(self.connection.getsockname()[0])
        names = self.server.names | {f"[{local}]" if ":" in local else local}
        return name in names and int(port) == self.server.server_port

    def _path(self) -> str | None:
        """The address below the token, decoded; None where it is not below it."""
        path = self.path.partition("?")[0].partition("#")[0]
        token = self.server.token
        if token:
            given, mark, path = path.removeprefix("/").partition("/")
            if not mark or not secrets.compare_digest(given.encode(), token.encode()):
                return None
        return unquote(path.removeprefix("/"), errors="surrogateescape")

    def _file(self, path: str, body: bool) -> None:
        match = re.fullmatch(r"files/([0-9a-f]{16})/(.+)", path, re.DOTALL)
        one = self.server.answers.training(match[1]) if match else None
        file = one.files().get(match[2]) if match and one else None
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        try:
            descriptor = file.open()
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND, "the file is there no more")
            return
        with open(descriptor, "rb") as stream:
            left = os.fstat(stream.fileno()).st_size
            self._begin(HTTPStatus.OK, file.kind, left, "private, max-age=86400")
            while body and left and (block := stream.read(min(_BLOCK, left))):
                self.wfile.write(block)
                left -= len(block)
            if body and left:  # it became shorter: the browser must not take it for whole
                self.close_connection = True

    def _send(self, data: bytes, kind: str, body: bool) -> None:
        self._begin(HTTPStatus.OK, kind, len(data), "no-store")
        if body:
            self.wfile.write(data)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        data = f"{why}\n".encode()
        self._begin(status, "text/plain; charset=utf-8", len(data), "no-store")
        if self.command != "HEAD":
            self.wfile.write(data)

    def _begin(self, status: HTTPStatus, kind: str, length: int, keeping: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", keeping)
        html = kind.startswith("text/html")
        self.send_header("Content-Security-Policy", page.POLICY if html else "default-src 'none'")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
