"""One XML-RPC request over HTTP, and everything that can be wrong with its answer.

The standard library's own transport sends a request a second time when a connection breaks, reads
an answer of any size, and waits anew after each byte of it; none of that may be done with
submissions to a farm. A farm's server is on the studio's network: it is connected to directly,
whatever proxies the environment names.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
import urllib.parse
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .problem import HQueueProblem

PORT = 5000
LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; the numbers of a submission's jobs, the largest answer that is asked for, take 20 kB."""
MOST_TAGS = 100_000
"""Tags in an answer, opening and closing ones: each value takes many times its tag in memory."""
_PATH = "/RPC2"
_LONGEST_TEXT = 300
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AIRPLAY = "on macOS switch AirPlay Receiver off, which occupies port 5000, or change HQueue's port"


class Trouble(Exception):
    """It may work later. ``sent``: the server may have done what it was asked to."""

    def __init__(self, reason: str, cure: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason, self.cure, self.sent = reason, cure, sent


class Fault(HQueueProblem):
    """The server has understood the request and refuses it; ``text`` is its own reason."""

    def __init__(self, address: str, method: str, text: str) -> None:
        super().__init__(f"the HQueue server {address} refuses '{method}': {text}")
        self.text = text


@dataclass(frozen=True)
class Place:
    """Where a server is."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """``http://host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def of(cls, address: str) -> Place:
        """``http://host:port``, ``host:port`` or ``host``. Raises HQueueProblem."""
        text = address.strip()
        if not text:
            raise HQueueProblem("no HQueue server is named", "name it as http://HOST:5000")
        try:
            parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname or "", parts.port
            rest = (parts.path.strip("/"), parts.query, parts.fragment)
            if parts.scheme not in ("http", "https") or "@" in parts.netloc or any(rest):
                raise ValueError
            if port == 0 or re.search(r"\s", text):
                raise ValueError
            if ":" in host:
                ipaddress.IPv6Address(host)
            elif not re.fullmatch(r"[\w.-]+", host):
                raise ValueError
            host.encode("idna")
        except ValueError:
            raise HQueueProblem(
                f"'{_short(text)}' is no address of an HQueue server", "write http://HOST:5000"
            ) from None
        return cls(parts.scheme, host, port or (PORT if parts.scheme == "http" else 443))


def encode(method: str, params: Sequence[Any]) -> bytes:
    """The body of a request. Raises HQueueProblem: a value cannot be sent."""
    try:
        text = xmlrpc.client.dumps(tuple(params), method, allow_none=True)
        if bad := _NOT_XML.search(text):
            raise ValueError(f"the character {bad[0]!r} cannot be sent")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise HQueueProblem(f"'{method}' cannot be asked of an HQueue server: {error}") from None
    # A reader of XML takes a bare carriage return for the end of a line.
    return text.replace("\r", "&#13;").encode("utf-8")


def decode(place: Place, method: str, data: bytes) -> Any:
    """What an answer says.

    Raises:
        Fault: the server refuses.
        HQueueProblem: this is no answer of XML-RPC.
    """
    try:
        if data.count(b"<") > MOST_TAGS:
            raise ValueError("so many values belong in no answer")
        text = data.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("no such declarations belong in an answer")
        values, called = xmlrpc.client.loads(text)
        if called is not None or len(values) != 1:
            raise ValueError("not one value")
    except xmlrpc.client.Fault as fault:
        said = fault.faultString if isinstance(fault.faultString, str) else ""
        said = re.sub(r"^<class '[\w.]*'>:", "", said)
        raise Fault(place.address, method, _short(said) or "no reason is given") from None
    except Exception:  # the reader fails on hostile text in many ways
        raise not_hqueue(place) from None
    return values[0]


def post(place: Place, body: bytes, timeout: float) -> bytes:
    """Send a request once and read its answer, all of it within ``timeout`` seconds.

    Raises:
        Trouble: the server cannot be reached, is cut off, too slow, or has an error of its own.
        HQueueProblem: somebody else answers, or too much.
    """
    end = time.monotonic() + timeout
    connection = (
        http.client.HTTPSConnection(place.host, place.port, timeout=timeout)
        if place.scheme == "https"
        else http.client.HTTPConnection(place.host, place.port, timeout=timeout)
    )
    sent = False
    try:
        connection.connect()
        sent = True
        connection.sock.settimeout(_left(end))
        headers = {"Content-Type": "text/xml", "User-Agent": "nvdiffrec-tops"}
        connection.request("POST", _PATH, body, {**headers, "Connection": "close"})
        stream: Any = _Timed(connection.sock, end)
        response = http.client.HTTPResponse(stream, method="POST")
        try:
            response.begin()
            _check(place, response)
            return _read(place, response)
        finally:
            response.close()
    except ssl.SSLCertVerificationError as error:
        raise HQueueProblem(
            f"the certificate of {place.address} is not trusted: {error.verify_message}",
            "have it signed by an authority that this machine knows, or use http://",
        ) from None
    except ssl.SSLError:
        raise not_hqueue(place, "try http:// in place of https://") from None
    except TimeoutError:
        raise Trouble(
            f"does not answer within {timeout:g} seconds", "look whether it is busy", sent=sent
        ) from None
    except (OSError, http.client.IncompleteRead) as error:
        cure = "" if sent else "check the address, and that the server runs"
        raise Trouble(_broken(error, sent), cure, sent=sent) from None
    except http.client.HTTPException:
        raise not_hqueue(place) from None
    finally:
        connection.close()


def _left(end: float) -> float:
    """Seconds until ``end``. Raises TimeoutError: it has passed."""
    left = end - time.monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left


class _Timed:
    """A connection of which nothing can be read after a moment, however little comes at a time.

    Status line, headers, ``100 Continue`` and pieces of the answer are all read through it.
    """

    def __init__(self, connected: socket.socket, end: float) -> None:
        self._connected, self._end = connected, end

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What an HTTP response reads from; it asks a socket for nothing else."""
        return io.BufferedReader(_TimedStream(self._connected, self._end))


class _TimedStream(io.RawIOBase):
    def __init__(self, connected: socket.socket, end: float) -> None:
        self._connected, self._end = connected, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(_left(self._end))
        return self._connected.recv_into(buffer)


def not_hqueue(place: Place, cure: str = "check the address") -> HQueueProblem:
    """Somebody else is at that address."""
    return HQueueProblem(f"{place.address} answers, but not as an HQueue server", cure)


def _check(place: Place, response: http.client.HTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status in (408, 429) or status >= 500:
        raise Trouble(
            f"answers with {status} {_short(response.reason)}".rstrip(),
            "look at errors.log in the server's folder",
            sent=status != 429,
        )
    if "AirTunes" in response.headers.get("Server", ""):
        raise not_hqueue(place, _AIRPLAY)
    if 300 <= status < 400 and (target := response.headers.get("Location")):
        raise not_hqueue(place, f"it sends one to {_short(target)}; is that the address?")
    raise not_hqueue(place)


def _read(place: Place, response: http.client.HTTPResponse) -> bytes:
    # read1 hands on what has come; it does not count the length down itself.
    length = response.length
    data = bytearray()
    while length is None or len(data) < length:
        part = response.read1(1 << 16 if length is None else min(1 << 16, length - len(data)))
        if not part:
            break
        data += part
        if len(data) > LARGEST_ANSWER:
            raise not_hqueue(place, f"its answer is larger than {LARGEST_ANSWER >> 20} MB")
    if length is not None and len(data) < length:
        raise http.client.IncompleteRead(b"", length - len(data))
    return bytes(data)


def _broken(error: Exception, sent: bool) -> str:
    if isinstance(error, OSError) and not sent:
        return f"cannot be reached: {_short(error.strerror or str(error))}"
    return "breaks the connection off before it has answered"


def _short(text: str) -> str:
    """A foreign text in one line that can be shown."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + "…"
