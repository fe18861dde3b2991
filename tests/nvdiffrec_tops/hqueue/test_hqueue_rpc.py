"""Addresses, what may be sent, and answers of servers that are no HQueue servers."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import xmlrpc.client
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nvdiffrec_tops.hqueue import rpc
from nvdiffrec_tops.hqueue.rpc import Place, decode, encode
from nvdiffrec_tops.hqueue.server import HQueueProblem, Server


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://farm:5001", "http://farm:5001"),
        (" http://Farm.studio.lan/ ", "http://farm.studio.lan:5000"),
        ("farm_1", "http://farm_1:5000"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
        ("https://farm", "https://farm:443"),
        ("https://farm:5000", "https://farm:5000"),
        ("http://[::1]", "http://[::1]:5000"),
        ("[fe80::1]:5001", "http://[fe80::1]:5001"),
        ("bücher.example", "http://bücher.example:5000"),
    ],
)
def test_addresses(given: str, address: str) -> None:
    assert Server(given).address == address


@pytest.mark.parametrize(
    "given",
    [
        *("", " ", "http://", "ftp://farm", "farm:port", "farm:0", "farm:65536", "farm/path"),
        *("http://farm?x", "http://farm#x", "user:word@farm", "a b", "farm\n:5000", "http://[::1"),
        *("::1", "a..b", "x" * 70, "http://farm;rm", "http:\\\\farm", "http://[farm]", "-" * 300),
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(HQueueProblem) as problem:
        Server(given)
    assert "http://HOST:5000" in problem.value.cure


@given(st.text(max_size=40))
@example("http://\u2100")
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        place = Place.of(text)
    except HQueueProblem:
        return
    assert Place.of(place.address) == place


PLAIN = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text()
DATA = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(DATA)
@example("a\r\nb\rc]]>&lt;")
def test_what_is_sent_arrives_or_is_refused(data: Any) -> None:
    try:
        body = encode("newjob", [data])
    except HQueueProblem as problem:
        assert "cannot be sent" in str(problem)
        return
    (arrived,), method = xmlrpc.client.loads(body)
    assert method == "newjob"
    assert arrived == data


@pytest.mark.parametrize("wrong", [object(), 2**31, "\0", "\x1b[0m", "\ud800", {1: "a"}])
def test_what_cannot_be_sent_is_told(wrong: Any) -> None:
    with pytest.raises(HQueueProblem, match="'newjob' cannot be asked"):
        encode("newjob", [{"name": wrong}])


# -- somebody else --------------------------------------------------------------------------
WRONG = "answers, but not as an HQueue server"
BOMB = "<!DOCTYPE m [<!ENTITY a 'aa'>]><methodResponse>&a;</methodResponse>"
ARRAY = "<methodResponse><params><param><value><array><data>"


@pytest.mark.parametrize(
    "said",
    [
        ("<html><body>hello</body></html>",),
        ("",),
        (b"\xff\xfe\x00",),
        ("<methodResponse><params></params></methodResponse>",),
        ("<methodResponse><params><param><value><int>x</int></value></param></params>",),
        (ARRAY * 2000,),
        (BOMB,),
        (xmlrpc.client.dumps(("a",), "ping"),),
        (xmlrpc.client.dumps(("a", "b")),),
        ("", "404 Not Found"),
        ("", "401 Unauthorized"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n",
    ],
)
def test_somebody_else_s_answer_is_told(scripted: Any, said: Any) -> None:
    server = scripted.server(said if isinstance(said, bytes) else scripted.http(*said))
    with pytest.raises(HQueueProblem, match=WRONG) as problem:
        server.ping()
    assert problem.value.cure
    assert len(scripted.asked) == 1


def test_airplay_and_redirections_are_recognised(scripted: Any) -> None:
    airplay = scripted.http("", "403 Forbidden", Server="AirTunes/675.4.1")
    with pytest.raises(HQueueProblem, match=WRONG) as problem:
        scripted.server(airplay).ping()
    assert "AirPlay Receiver" in problem.value.cure
    moved = scripted.http("", "301 Moved Permanently", Location="https://farm:5443/\x1b[31m")
    with pytest.raises(HQueueProblem, match=WRONG) as problem:
        scripted.server(moved).ping()
    assert "https://farm:5443/ [31m" in problem.value.cure


def test_https_where_there_is_none(scripted: Any) -> None:
    scripted.answers = [scripted.http("", "400 Bad Request")]
    server = Server(scripted.address.replace("http:", "https:"), patience=0.0)
    with pytest.raises(HQueueProblem, match=WRONG) as problem:
        server.ping()
    assert "try http://" in problem.value.cure


def test_a_certificate_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: http.client.HTTPSConnection) -> None:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(http.client.HTTPSConnection, "connect", refused)
    with pytest.raises(HQueueProblem, match="not trusted: self-signed certificate"):
        Server("https://farm").ping()


@pytest.mark.parametrize("length", ["", "99999999999"])
def test_an_answer_that_is_too_large_is_refused(
    scripted: Any, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(rpc, "LARGEST_ANSWER", 1 << 20)
    server = scripted.server(scripted.http(b" " * (3 << 20), Content_Length=length))
    with pytest.raises(HQueueProblem, match="larger than 1 MB"):
        server.ping()


def test_answers_in_pieces_and_without_a_length_are_read(scripted: Any) -> None:
    body = xmlrpc.client.dumps(({"status": "running"},), methodresponse=True).encode()
    pieces = b"".join(f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in (body[:9], body[9:]))
    chunked = scripted.http(pieces + b"0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked")
    endless = scripted.http(body, Content_Length="")
    server = scripted.server(chunked, endless, chunked[:-5])
    assert server.job(1) == server.job(1) == {"status": "running"}
    with pytest.raises(HQueueProblem, match="breaks the connection off"):
        server.job(1)


HEAD = b"HTTP/1.1 200 OK\r\n"
VALUE = xmlrpc.client.dumps((True,), methodresponse=True).encode()
DRIPS = {
    "nothing": (b"", b""),
    "status line": (b"", b"H"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a header": (HEAD + b"x: ", b"y"),
    "headers": (HEAD, b"x", b":", b"y", b"\r", b"\n"),
    "a counted answer": (HEAD + b"Content-Length: 1000000\r\n\r\n", b"<"),
    "an endless answer": (HEAD + b"\r\n", b"<"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n"),
    "a chunk's length": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
}


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_given_up(dripping: Any, what: str) -> None:
    place = Place.of(dripping(*DRIPS[what]))
    begin = time.monotonic()
    with pytest.raises(rpc.Trouble, match=r"does not answer within 0\.3 seconds") as trouble:
        rpc.post(place, b"", 0.3)
    assert trouble.value.sent
    assert time.monotonic() - begin < 5.0


def test_an_answer_that_drips_and_ends_in_time_is_read(dripping: Any) -> None:
    place = Place.of(dripping(HEAD + b"\r\n", *(bytes([one]) for one in VALUE), times=1))
    assert decode(place, "ping", rpc.post(place, b"", 10.0)) is True


@given(st.integers(1, 4), st.sampled_from(["<nil/>", "<value/>", "<i4>1</i4>", "<a></a>", "<"]))
def test_an_answer_of_many_values_is_refused_before_it_is_read(times: int, tag: str) -> None:
    many = ARRAY.encode() + tag.encode() * (times * rpc.MOST_TAGS)
    with pytest.raises(HQueueProblem, match=WRONG):
        decode(Place.of("farm"), "getJob", many)


def test_the_largest_answers_that_are_asked_for_are_read() -> None:
    jobs = list(range(10_000))
    answer = xmlrpc.client.dumps((jobs,), methodresponse=True).encode()
    assert len(answer) < rpc.LARGEST_ANSWER
    assert decode(Place.of("farm"), "newjob", answer) == jobs


PIECES = st.sampled_from(
    [
        *("<methodResponse>", "</methodResponse>", "<fault>", "</fault>", "<params>", "</params>"),
        *("<param>", "</param>", "<value>", "</value>", "<int>", "</int>", "<struct>", "</struct>"),
        *("<member>", "</member>", "<name>", "</name>", "<array>", "</array>", "<data>", "</data>"),
        *("<base64>", "</base64>", "<double>", "</double>", "<nil/>", "<boolean>", "</boolean>"),
        *("<dateTime.iso8601>", "</dateTime.iso8601>", "<bigdecimal>", "</bigdecimal>"),
        *("1", "x", "faultString", "faultCode", "9" * 5000, "&amp;", "<![CDATA[", "]]>", "<?xml?>"),
    ]
)


@given(st.binary() | st.text().map(str.encode) | st.lists(PIECES).map("".join).map(str.encode))
def test_any_answer_is_understood_or_refused(data: bytes) -> None:
    with contextlib.suppress(HQueueProblem):
        decode(Place.of("farm"), "getJob", data)
