"""Hostile files: one HouFileError with one sentence, soon; never anything else."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from houfiles import HouFileError, Scene, errors, load, loads
from houfiles.containers import cpio
from houfiles.containers.cpio import Archive, Header, Member

SLOW = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def read_all(data: bytes) -> Scene | None:
    """Read everything there is in a file; None when something is refused, properly."""
    refused: list[HouFileError] = []

    def look(read: Callable[[], object]) -> None:
        try:
            read()
        except HouFileError as error:
            refused.append(error)

    try:
        scene = loads(data, "shot.hip")
    except HouFileError as error:
        _is_one_sentence(error)
        return None
    assert scene.to_bytes() == data
    assert isinstance(scene.variables, dict)
    for node in scene.walk():
        assert node.path
        for name in PROPERTIES:
            look(lambda node=node, name=name: getattr(node, name))
        look(node.check)
    look(lambda: [scene.interface(one.name) for one in scene.library.records])
    for error in refused:
        _is_one_sentence(error)
    return None if refused else scene


PROPERTIES = ("definition", "parms", "user_data", "data_blocks", "spare_interface", "notes", "dots")
PROPERTIES += ("flags", "inputs", "comment", "position", "color")


def _is_one_sentence(error: HouFileError) -> None:
    text = str(error)
    assert text.startswith("shot.hip: ") and len(text) < 700
    assert "\n" not in text and text.isprintable()


@st.composite
def damage(draw: st.DrawFn, data: bytes) -> bytes:
    """A few bytes changed, cut out, put in, or the end cut off."""
    whole = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(whole)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "truncate", "repeat"]))
        if kind == "change" and at < len(whole):
            whole[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del whole[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            signs = [b'"', b"\\", b"{", b"}\n", b"\t", b"\n", b"[ ", b"\0", b"\xff" * 4, b"(0)"]
            whole[at:at] = draw(st.sampled_from(signs) | st.binary(min_size=1, max_size=6))
        elif kind == "truncate":
            del whole[at:]
        else:
            whole[at:at] = whole[max(0, at - draw(st.integers(1, 60))) : at]
    return bytes(whole)


@SLOW
@given(st.data())
def test_damaged_files(rich: bytes, shipped: bytes, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([rich, shipped]))
    read_all(data.draw(damage(whole)))


@SLOW
@given(st.data())
def test_damaged_members(rich: bytes, data: st.DataObject) -> None:
    """The container is intact, so that the damage reaches the decoders."""
    archive = cpio.decode(rich)
    members = list(archive.members)
    at = data.draw(st.integers(0, len(members) - 1))
    old = members[at]
    members[at] = Member(old.name, data.draw(damage(old.data)), old.header)
    read_all(cpio.encode(Archive(tuple(members), archive.trailer)))


@SLOW
@given(st.data())
def test_damaged_real_scenes(real: list[Path], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(real))
    archive = cpio.decode(path.read_bytes())
    members = list(archive.members)
    if data.draw(st.booleans()):
        read_all(data.draw(damage(path.read_bytes())))
        return
    at = data.draw(st.integers(0, len(members) - 1))
    old = members[at]
    members[at] = Member(old.name, data.draw(damage(old.data)), old.header)
    read_all(cpio.encode(Archive(tuple(members), archive.trailer)))


def test_every_truncation_is_refused(rich: bytes) -> None:
    for size in range(0, len(rich), 37):
        with pytest.raises(HouFileError):
            loads(rich[:size])


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    read_all(data)
    read_all(b"070707" + data)


FOREIGN = {
    b"": "empty",
    b"HouLC\x1a": r"Houdini Indie.*\.hiplc, whatever its name says.*only Houdini reads",
    b"HouNC\x1a": r"non-commercial.*\.hipnc.*only Houdini reads",
    b"HouXX": "another Houdini licence",
    b"\x1f\x8b\x08\0": "gzip",
    b"INDX\0": "library",
    b"PK\3\4": "zip",
    b"hello": "not a Houdini scene",
    b"0707": "cut off",
}


@pytest.mark.parametrize("data", FOREIGN)
def test_other_files_are_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "shot.hip"
    path.write_bytes(data)
    with pytest.raises(HouFileError, match=rf"^shot\.hip: .*{FOREIGN[data]}"):
        load(path)


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hip")
    for name, message in (("pipe.hip", "not a file"), (".", "not a file"), ("none.hip", "cannot")):
        with pytest.raises(HouFileError, match=message):
            load(tmp_path / name)
    with pytest.raises(HouFileError, match="cannot be read"):
        load("a\0b")


def archive(*members: tuple[str, bytes]) -> bytes:
    return cpio.encode(Archive(tuple(Member(*one) for one in members)))


def raw(name: bytes, data: bytes = b"", **header: int) -> bytes:
    """A member written without any check, and the end mark."""
    fields = {"dev": 1, "ino": 0, "mode": 0o666, "uid": 0, "gid": 0, "nlink": 1, "rdev": 0}
    parts = b""
    for one, content in ((name, data), (b"TRAILER!!!", b"")):
        numbers = {**fields, **header} if one == name else fields
        parts += b"070707" + b"".join(b"%06o" % number for number in numbers.values())
        parts += b"%011o%06o%011o" % (0, len(one) + 1, len(content)) + one + b"\0" + content
    return parts


@pytest.mark.parametrize(
    "name",
    [
        *(b"/etc/passwd", b"../x", b"a/../../x", b"a//b", b"./a", b"a/", b"a\0b", b"\xff"),
        *(b"a\\b", b"C:/x", b"a\nb", b"\x1b[31m", b"a/" * 70 + b"x", b"x" * 5000),
    ],
)
def test_names_that_leave_their_place(name: bytes) -> None:
    with pytest.raises(HouFileError) as caught:
        loads(raw(name))
    assert str(caught.value).isprintable()


def test_hostile_containers(rich: bytes) -> None:
    good = archive(("a", b"1"))
    cases: list[tuple[bytes, str]] = [
        (good.replace(b"000666", b"000668", 1), "damaged"),
        (good.replace(b"000666", b"00066x", 1), "damaged"),
        (raw(b"a", mode=0o120777), "plain file"),
        (good + b"\0", "follows"),
        (good[: good.rindex(b"070707")], "no end mark"),
        (raw(b"a")[:76] + raw(b"a")[76:].replace(b"a\0", b"ab", 1), "no end"),
        (good[:65] + b"77777777777" + good[76:], "cut off"),
        (good[:59] + b"000000" + good[65:], "name"),
        (good[:59] + b"777777" + good[65:], "name"),
        (raw(b"a", b"x" * 80)[:120] + raw(b"b"), "damaged|cut off"),
    ]
    for data, message in cases:
        with pytest.raises(HouFileError, match=message):
            loads(data)
    twice = archive(("a", b"1"), ("b", b"2")).replace(b"b\0", b"a\0")
    assert loads(twice).to_bytes() == twice
    with pytest.raises(HouFileError, match="'a' occurs twice"):
        cpio.decode(twice)


def test_limits(monkeypatch: pytest.MonkeyPatch, rich: bytes) -> None:
    for name, module in (
        ("MAX_MEMBERS", "containers.cpio"),
        ("MAX_NODES", "scene"),
        ("MAX_SCENE_ITEMS", "node"),
        ("MAX_ITEMS", "members.parms"),
        ("MAX_TEXT_BYTES", "errors"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"houfiles.{module}.{name}", 5)
            with pytest.raises(HouFileError):
                loads(rich).network("/tasks/topnet1")
    assert errors.MAX_FILE_BYTES >= 2**28


NETWORK = [
    ("tasks.def", b"end\n"),
    ("tasks/top.init", b"type = topnet\nmatchesdef = 0\n"),
    ("tasks/top/a.init", b"type = merge\nmatchesdef = 0\n"),
]


def _wired(inputs: bytes, named: bytes = b"") -> list[tuple[str, bytes]]:
    text = b"inputsNamed3\n{\n" + named + b"}\ninputs\n{\n" + inputs + b"}\nend\n"
    return [*NETWORK, ("tasks/top/a.def", text)]


def test_wires_that_lead_nowhere() -> None:
    cases = [
        (_wired(b"0 \tghost 0 1\n"), "'ghost', which is no node"),
        (_wired(b"0 \t(0) 0 1\n"), "no node"),
        ([*NETWORK, ("tasks/top.order", b"2\na\nghost\n")], "'ghost' is listed"),
        ([*NETWORK, ("tasks/top.order", b"3\na\n")], "announces"),
    ]
    for members, message in cases:
        scene = loads(archive(*members), "shot.hip")
        with pytest.raises(HouFileError, match=message) as caught:
            scene.network("/tasks/top")
        assert str(caught.value).startswith("shot.hip: member 'tasks/top")


def test_a_wire_to_the_outside_of_an_asset_is_kept() -> None:
    members = [
        ("tasks.def", b"end\n"),
        ("tasks/top.init", b"type = topnet\nmatchesdef = 0\n"),
        ("tasks/top/sub.init", b"type = my::asset::1.0\nmatchesdef = 1\n"),
        ("tasks/top/sub/x.def", b"inputs\n{\n0 \t(0) 0 1\n}\nend\n"),
    ]
    node = loads(archive(*members)).node("/tasks/top/sub/x")
    assert [one.source for one in node.inputs] == ["(0)"] and node.source(node.inputs[0]) is None


def _nested(text: str) -> list[tuple[str, bytes]]:
    return [*NETWORK, ("tasks/top/a.parm", text.encode())]


LINE = "p{}\t[ 0\tlocks=0 ]\t(\t0\t)\n"
LARGE: dict[str, Callable[[], list[tuple[str, bytes]]]] = {
    "open quote": lambda: _nested('{\nversion 0.8\na\t[ 0\tlocks=0 ]\t(\t"' + "x" * 1_000_000),
    "escapes": lambda: _nested('{\nversion 0.8\na\t[ 0\tlocks=0 ]\t(\t"' + '\\"' * 500_000),
    "no line": lambda: _nested("{\nversion 0.8\n" + "x" * 1_000_000),
    "autoscope": lambda: _nested("{\nversion 0.8\na\t[ 0\tlocks=0" + "\tx" * 500_000),
    "parms": lambda: _nested("{\nversion 0.8\n" + "".join(map(LINE.format, range(15_000))) + "}\n"),
    "values": lambda: _nested("{\nversion 0.8\na\t[ 0\tlocks=0 ]\t(" + "\t0" * 400_000),
    "braces": lambda: [*NETWORK, ("tasks/top/a.chn", b"{" * 500_000)],
    "channel": lambda: [*NETWORK, ("tasks/top/a.chn", b"{ channel a { b = " + b"1 " * 75_000)],
    "order": lambda: [*NETWORK, ("tasks/top.order", b"9999999\n" + b"a\n" * 250_000)],
    "lines": lambda: [*NETWORK, ("tasks/top/a.def", b"x\n" * 400_000)],
    "wires": lambda: _wired(b"0 \ta 0 1\n" * 50_000),
    "stat": lambda: [*NETWORK, ("tasks/top/a.def", b"stat\n{\n" + b"x y\n" * 75_000)],
    "json": lambda: [(".selectedworkitem", b"[" * 250_000)],
    "number": lambda: [(".selectedworkitem", b'{"a":' + b"9" * 250_000 + b"}")],
    "variables": lambda: [(".variables", b"set -g A = '" + b"'\nset -g " * 75_000 + b"'\n")],
    "userdata": lambda: [*NETWORK, ("tasks/top/a.userdata", b"\xff" * 250_000)],
    "depth": lambda: [("a/" * 60 + f"{n}.def", b"end\n") for n in range(750)],
    "chains": lambda: [(f"{n}/" + "b/" * 60 + "c.def", b"end\n") for n in range(1500)],
}


@pytest.mark.parametrize("case", LARGE)
def test_large_inputs_take_little_time(case: str) -> None:
    data = archive(*LARGE[case]())
    begin = time.process_time()
    read_all(data)
    assert time.process_time() - begin < 5


def test_a_header_that_claims_gigabytes_allocates_nothing() -> None:
    tracemalloc.start()
    try:
        good = archive(("a", b"1"))
        with pytest.raises(HouFileError):
            loads(good[:65] + b"77777777777" + good[76:])
        claims = b"\0\0\0\1\0\1a\0\0\0\x0d\0\0\0\0\0\x0f\xff\xff"
        with pytest.raises(HouFileError):
            _ = (
                loads(archive(*NETWORK, ("tasks/top/a.userdata", claims)))
                .node("/tasks/top/a")
                .user_data
            )
        index = b"INDX" + bytes(8) + b"\0\x0f\x42\x40" + b"\xff" * 16
        with pytest.raises(HouFileError):
            _ = loads(archive((".OPdummydefs", index))).library
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rich: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    read_all(rich)
    read_all(rich[:-500])
    assert list(tmp_path.iterdir()) == []


def test_headers_survive() -> None:
    header = Header(0o777777, 1, 0o100644, 2, 3, 4, 5, 0o77777777777)
    made = Archive((Member("a", b"x", header),), Header(mtime=9))
    assert cpio.decode(cpio.encode(made)) == made
    with pytest.raises(HouFileError, match="does not fit"):
        cpio.encode(Archive((Member("a", b"", Header(dev=-1)),)))
