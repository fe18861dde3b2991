"""The page's server: it reads, answers its own visitors alone, and gives nothing from outside."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.monitor import page
from nvdiffrec_tops.monitor.server import Server
from nvdiffrec_tops.monitor.watching import Folder

from .folders import finished, png, result, table


@contextmanager
def served(folder: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    with Server(Folder(folder), host) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: Server, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """The path as it is: no client makes it tidy before."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    with connection.sock or socket.create_connection(("127.0.0.1", server.server_port)) as sock:
        connection.sock = sock
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def asked(server: Server, path: str) -> dict[str, object]:
    status, _, body = ask(server, path)
    assert status == 200, (path, body)
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    finished(tmp_path / "out" / "cape")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "out" / "cape" / "notes.txt").write_text("secret")
    return tmp_path / "out"


def key_of(server: Server) -> str:
    [row] = server.answers.overview()["trainings"]
    return str(row["key"])


def test_the_page_and_all_its_parts_come_from_the_package(folder: Path) -> None:
    with served(folder) as server:
        for name, kind in page.PARTS.items():
            status, headers, body = ask(server, f"/{name}")
            assert (status, headers["content-type"]) == (200, kind)
            assert body
            assert headers["x-content-type-options"] == "nosniff"
        policy = ask(server, "/")[1]["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy and "*" not in policy


def test_a_finished_training_is_told_with_everything_that_was_made(folder: Path) -> None:
    with served(folder) as server:
        key = key_of(server)
        found = asked(server, f"/data/{key}/detail")
        assert (found["state"], found["psnr"], found["faces"]) == ("done", 27.5, 1200)
        assert found["warnings"] == [{"text": "the mask of 3 views is empty", "cure": ""}]
        groups = {one["label"]: one["count"] for one in found["groups"]}
        assert groups == {"Validation": 2, "Contact sheet": 1}
        views = asked(server, f"/data/{key}/views/validate/0")["views"]
        assert [one["psnr"] for one in views] == [30.0, 31.0]
        picture = views[0]["files"]["opt"]["key"]
        status, headers, body = ask(server, f"/files/{key}/{picture}")
        assert (status, headers["content-type"], body) == (200, "image/png", png(90))
        head = ask(server, f"/files/{key}/{picture}", "HEAD")
        assert head[0] == 200 and head[2] == b""
        assert head[1]["content-length"] == str(len(body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(folder: Path, method: str) -> None:
    with served(folder) as server:
        assert ask(server, "/", method)[0] == 501


FOREIGN = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1:1",
    "127.0.0.1",
    "",
    "localhost.evil:{port}",
]


def test_a_foreign_host_is_refused(folder: Path) -> None:
    with served(folder) as server:
        port = server.server_port
        for host in FOREIGN:
            assert ask(server, "/", host=host.format(port=port) or " ")[0] == 403, host
        for host in ("localhost", "LOCALHOST", "127.0.0.1"):
            assert ask(server, "/", host=f"{host}:{port}")[0] == 200


def test_where_others_can_reach_it_the_address_holds_a_token(folder: Path) -> None:
    with served(folder, "0.0.0.0") as server:
        assert len(server.token) >= 20
        assert urlsplit(server.address).path == f"/{server.token}/"
        for path in (
            "/",
            "/data/overview",
            f"/{server.token[:-1]}/",
            f"/{server.token}",
            "//",
            "/x/",
        ):
            assert ask(server, path)[0] == 404, path
        assert ask(server, f"/{server.token}/data/overview")[0] == 200
        assert (
            ask(server, f"/{server.token}/", host=f"{socket.gethostname()}:{server.server_port}")[0]
            == 200
        )
        assert ask(server, f"/{server.token}/", host=f"evil.example:{server.server_port}")[0] == 403


PIECES = [
    "..",
    ".",
    "",
    "validate",
    "secret.png",
    "notes.txt",
    "job.log",
    "result.json",
    "mesh",
    "%2e%2e",
    "..%2f",
    "%00",
    "etc",
    "passwd",
    "C:",
    "\\..\\",
    "//",
    "run",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7))
def test_no_path_leads_to_a_file_that_is_not_in_the_index(
    shared_server: tuple[Server, str], parts: list[str]
) -> None:
    server, key = shared_server
    path = "/".join(parts)
    for address in (f"/files/{key}/{path}", f"/files/{path}", f"/{path}", f"/data/{path}"):
        status, _, body = ask(server, address)
        if address not in ("/", "//"):
            assert status in (403, 404) or address.strip("/") == "", (address, status)
        assert b"secret" not in body


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    place = tmp_path_factory.mktemp("shared")
    finished(place / "out" / "cape")
    (place / "secret.png").write_bytes(b"secret")
    (place / "out" / "cape" / "notes.txt").write_text("secret")
    with served(place / "out") as server:
        yield server, key_of(server)


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_no_link_is_followed(tmp_path: Path) -> None:
    cape = finished(tmp_path / "out" / "cape")
    secret = tmp_path / "elsewhere"
    finished(secret)
    (secret / "secret.png").write_bytes(png(1))
    (cape / "linked.png").symlink_to(secret / "secret.png")
    (tmp_path / "out" / "linked").symlink_to(secret)
    (cape / "dmtet_validate").symlink_to(secret / "validate")
    with served(tmp_path / "out") as server:
        key = key_of(server)
        found = server.answers.training(key)
        assert found is not None
        assert not [name for name in found.files() if "linked" in name or "dmtet" in name]
        # One that takes a file's place after it was listed is not followed either.
        picture = cape / "contact_sheet.png"
        picture.unlink()
        picture.symlink_to(secret / "secret.png")
        assert ask(server, f"/files/{key}/contact_sheet.png")[0] == 404


def test_hostile_names_stay_data(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'"
    result(
        tmp_path / "out" / name,
        status="failed",
        host="</script><script>alert(1)</script>",
        failure={"id": "x", "cause": "<b>cause</b>", "cure": "\u2028<i>cure", "exit_code": 1},
    )
    finished(tmp_path / "out" / "plain")
    with served(tmp_path / "out") as server:
        status, headers, body = ask(server, "/data/overview")
        assert status == 200
        assert headers["content-type"] == "application/json"
        rows = json.loads(body)["trainings"]
        assert name in [row["name"] for row in rows]
        for row in rows:
            assert ask(server, f"/data/{row['key']}/detail")[0] == 200
        # The page itself holds nothing of them.
        assert b"onerror" not in ask(server, "/")[2]
        assert ask(server, "/" + quote(name))[0] == 404


def test_two_hundred_trainings_five_thousand_pictures_and_a_million_lines(tmp_path: Path) -> None:
    out = tmp_path / "out"
    outputs = [{"path": f"validate/v{i}.png", "tag": "x", "sha256": "0" * 64} for i in range(200)]
    for number in range(200):
        result(out / f"item_{number}", outputs=outputs)
    large = out / "item_0"
    (large / "validate").mkdir()
    picture = png()
    for number in range(2500):
        for channel in ("opt", "ref"):
            (large / "validate" / f"val_{number:06d}_{channel}.png").write_bytes(picture)
    with (large / "job.log").open("w") as log:
        log.write("Warning: the first\n")
        for block in range(1000):
            log.write(f"iter={block:5d}, some line of a log that has many lines\n" * 1000)
        log.write("Warning: the last\nCure: none\n")
    (large / "training.csv").write_text(table(20_000))
    with served(out) as server:
        began = time.monotonic()
        overview = asked(server, "/data/overview")
        assert time.monotonic() - began < 2
        rows = overview["trainings"]
        assert isinstance(rows, list) and len(rows) == 200
        while any(row["state"] == "reading" for row in server.answers.overview()["trainings"]):
            assert time.monotonic() - began < 30
        key = next(row["key"] for row in rows if row["name"] == "item_0")
        began = time.monotonic()
        status, _, body = ask(server, f"/data/{key}/detail")
        assert status == 200
        assert time.monotonic() - began < 2
        assert len(body) < 1_000_000
        found = json.loads(body)
        assert [one["text"] for one in found["warnings"]] == ["the first", "the last"]
        assert found["groups"][0]["count"] == 2500
        views = asked(server, f"/data/{key}/views/validate/52")
        assert views["pages"] == 53 and len(views["views"]) == 4
