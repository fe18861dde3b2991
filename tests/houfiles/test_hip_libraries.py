"""Index data and interfaces: typed, given back byte for byte, refused when damaged."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import HouFileError, dialogscript, loads
from houfiles.containers import indexdata
from houfiles.containers.indexdata import Section
from houfiles.dialogscript import Folder, ParmTemplate

from .conftest import DIALOG

NAMES = st.lists(st.text(max_size=8), unique=True, max_size=5)


@given(NAMES, st.data())
def test_any_sections(names: list[str], data: st.DataObject) -> None:
    made = tuple(Section(one, data.draw(st.binary(max_size=9)), len(one)) for one in names)
    assert indexdata.decode(indexdata.encode(made)) == made


@given(st.binary(max_size=80))
def test_any_bytes_after_the_magic(tail: bytes) -> None:
    for decode in (indexdata.decode, indexdata.decode_library):
        try:
            decode(b"INDX" + bytes(8) + tail)
        except HouFileError as error:
            assert str(error)


@given(st.data())
def test_every_damaged_byte_is_an_error_or_another_library(
    rich: bytes, data: st.DataObject
) -> None:
    whole = bytearray(loads(rich).members[".OPdummydefs"])
    place = data.draw(st.integers(0, 300))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        library = indexdata.decode_library(bytes(whole))
    except HouFileError:
        return
    assert indexdata.encode_library(library) == whole


@pytest.mark.parametrize(
    ("place", "value"), [(3, b"Y"), (4, b"\1"), (12, b"\x7f\xff\xff\xff"), (16, b"\xff\xff")]
)
def test_damaged_heads(rich: bytes, place: int, value: bytes) -> None:
    whole = bytearray(loads(rich).members[".OPdummydefs"])
    whole[place : place + len(value)] = value
    with pytest.raises(HouFileError):
        indexdata.decode_library(bytes(whole))


def test_section_names() -> None:
    assert indexdata.split_type("demo::step::1.0") == ("demo", "step", "1.0")
    assert indexdata.split_type("step") == ("", "step", "")
    assert indexdata.split_type("demo::step") == ("demo", "step", "")
    record = indexdata.Record("demo::step::1.0", "", "", "")
    assert indexdata.section_name(record) == "demo::Top/step::1.0"


def test_the_interface_of_an_own_asset(rich: bytes) -> None:
    scene = loads(rich)
    found = scene.interface("demo::step::1.0")
    assert found is not None
    assert found == dialogscript.decode(DIALOG)
    assert found.name == "demo::step::1.0" and found.label == "Demo Step"
    mode, text, size, kind = found.parms
    assert mode.menu is not None and mode.menu.use_token_value
    assert mode.menu.items == (("1", "One"), ("4", "Four"))
    assert mode.accepts("4") and not mode.accepts("0") and not mode.accepts("on")
    assert text.multiparm == "rows" and text.folders == ("folder0", "rows")
    assert text.default == ('a "b" \\ c\nd',)
    assert text.tags == {"script_callback": "hou.phm().go(kwargs)"}
    assert (size.type, size.size, size.default) == ("vector", 3, ("0", "1", "2"))
    assert size.invisible and not text.invisible
    assert kind.menu is not None and kind.menu.language == "python"
    assert kind.menu.script == "import pdg\nreturn pdg.kinds()"
    assert found.multiparm("rows") == Folder("multiparm", "rows", "Rows", 2)
    rows = scene.members[".OPfallbacks"].decode().splitlines()
    assert [row for row in rows if "OPlibTop" not in row] == [
        "demo::Top/step::1.0 otls/demo.step.1.0.hda"
    ]
    assert scene.library.records[0].is_dummy


def test_instances_of_a_multiparm_are_found() -> None:
    found = dialogscript.decode(DIALOG)
    template = found.find("text12")
    assert isinstance(template, ParmTemplate) and template.name == "text#"
    assert found.find("text") is None and found.find("textx") is None
    assert isinstance(found.find("folder0"), Folder)
    assert found.find("size") is found.parms[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        '{ name "a }',
        "{\nparm {\n label x\n}\n}\n",
        "{\nparm {\n name a\n size x\n}\n}\n",
        "{\nparm {\n name a\n default { [ ] }\n}\n}\n",
        "{\n" * 100 + "}\n" * 100,
        "{\ngroup {\n name a\n" * 70 + "}\n" * 70,
    ],
)
def test_damaged_interfaces(text: str) -> None:
    with pytest.raises(HouFileError):
        dialogscript.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 500_000,
        '"' * 500_001,
        "\\" * 500_000 + '"',
        "\n" * 3_000_000,
        "# x\n" * 300_000,
        '{ a "' + '\\"' * 500_000,
        "{\n" + "a b\n" * 200_000 + "}",
    ],
)
def test_large_interfaces_end_quickly(text: str) -> None:
    begin = time.process_time()
    try:
        dialogscript.decode(text)
    except HouFileError as error:
        assert len(str(error)) < 300
    assert time.process_time() - begin < 8


@pytest.mark.parametrize(
    "order", ["outputs user", "user outputs", "user, outputs", "user", "outputs"]
)
def test_records_of_version_6(order: str) -> None:
    """Where their two further fields stand is in no document: each order is read and kept."""
    plain = indexdata.Record("demo::step::1.0", "Step", "oplib:/x", "TOP_x", modified=1700000000)
    newer = replace(plain, name="demo::other", outputs=2, version=5)
    old = replace(plain, name="old", user="me" if "user" in order else "", version=6, order=order)
    if "outputs" in order:
        old = replace(old, outputs=3)
    data = indexdata.encode_index((plain, old, newer, old))
    found = indexdata.decode_index(data)
    assert indexdata.encode_index(found) == data
    assert [one.name for one in found] == ["demo::step::1.0", "old", "demo::other", "old"]
    assert found[0] == plain and found[2] == newer
    assert (found[1].outputs, found[1].user) == (old.outputs, old.user)


def test_records_of_an_unknown_version() -> None:
    data = indexdata.encode_index((indexdata.Record("a", "", "", "", version=4),))
    with pytest.raises(HouFileError, match="unknown version"):
        indexdata.decode_index(data[:4] + b"\0\0\0\7" + data[8:])
