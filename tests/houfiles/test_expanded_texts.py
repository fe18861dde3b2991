"""The texts of expanded libraries come back letter by letter; damaged ones are refused."""

from __future__ import annotations

import json
import locale
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import HouFileError
from houfiles.containers import mime
from houfiles.containers.indexdata import Record
from houfiles.libraries import indextext, sections
from houfiles.members import options, optionstext

NAMES = st.text("abcXYZ019_/:. ()-", min_size=1, max_size=40).filter(lambda one: one not in "..")


@given(NAMES)
def test_names_come_back(name: str) -> None:
    mangled = sections.mangle(name)
    marks = {"__": "_", "_1": "/", "_8": ":"}
    assert re.sub("_.", lambda found: marks[found[0]], mangled) == name
    assert "/" not in mangled and ":" not in mangled


def test_the_names_of_the_documentation() -> None:
    assert sections.mangle("labs::Top/archive_project::1.0") == (
        "labs_8_8Top_1archive__project_8_81.0"
    )


@pytest.mark.parametrize(
    "name",
    ["..", ".", "a\nb", "a\tb", "a\\b", "", "ü", "a*", "a\0", "Sections.list", "Contents.dir"],
)
def test_names_that_are_no_sections(name: str) -> None:
    with pytest.raises(HouFileError, match="cannot be the name of a section"):
        sections.mangle(name)


@given(st.lists(NAMES, unique=True, max_size=6))
def test_lists_come_back(names: list[str]) -> None:
    assert sections.decode_list(sections.encode_list(names)) == tuple(names)


@pytest.mark.parametrize(
    "text",
    ["", '""', "a\ta\n", '""\na\n', '""\na\tb\n', '""\na\ta\na\ta\n', '""\r\na\ta\r\n', '""\na\ta'],
)
def test_lists_that_are_refused(text: str) -> None:
    with pytest.raises(HouFileError):
        sections.decode_list(text)


WHOLE = st.text(st.characters(codec="utf-8"))
VALUES = st.booleans() | WHOLE | st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple)


@given(st.dictionaries(WHOLE, VALUES))
def test_options_come_back(values: dict[str, bool | str | tuple[int, ...]]) -> None:
    text = optionstext.encode_text(values)
    assert optionstext.decode_text(text) == values
    assert options.decode(options.encode(values)) == values


def test_the_options_of_the_documentation() -> None:
    text = (
        '{\n\t"OnCreated/IsPython":{\n\t\t"type":"bool",\n\t\t"value":true\n\t},\n'
        '\t"OnCreated/Cursor":{\n\t\t"type":"intarray",\n\t\t"value":[1,1]\n\t},\n'
        '\t"OnCreated/Source":{\n\t\t"type":"string",\n\t\t"value":""\n\t}\n}\n'
    )
    known: dict[str, bool | str | tuple[int, ...]] = {
        "OnCreated/IsPython": True,
        "OnCreated/Cursor": (1, 1),
        "OnCreated/Source": "",
    }
    assert optionstext.decode_text(text) == known
    assert optionstext.encode_text(known) == text
    assert optionstext.encode_text({}) == "{\n}\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "value", "a"]), inner),
    max_leaves=6,
)


@given(st.text() | st.dictionaries(st.text(), JSON).map(json.dumps))
def test_any_text_is_options_or_refused(text: str) -> None:
    try:
        known = optionstext.decode_text(text)
    except HouFileError as error:
        assert "\n" not in str(error)
        return
    assert optionstext.decode_text(optionstext.encode_text(known)) == known


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":{"type":"string","value":"\\ud800"}}',
        '{"\\udfff":{"type":"bool","value":true}}',
        '{"a":{"type":"bool","value":1}}',
        '{"a":{"type":"intarray","value":[true]}}',
        '{"a":{"type":"intarray","value":[9223372036854775808]}}',
        '{"a":{"type":"bool","value":true},"a":{"type":"bool","value":true}}',
        '{"a":' + "9" * 5000 + "}",
    ],
)
def test_options_that_are_refused(text: str) -> None:
    with pytest.raises(HouFileError):
        optionstext.decode_text(text)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)


@given(WORDS, WORDS, st.integers(0, 9), st.integers(0, 9), st.booleans(), st.integers(1, 3))
def test_records_come_back(
    label: str, icon: str, least: int, most: int, subnet: bool, outputs: int
) -> None:
    record = Record(
        "a::b::1.0",
        label,
        "oplib:/x?x",
        icon,
        min_inputs=least,
        max_inputs=most,
        modified=1759581016,
        is_subnet=subnet,
        outputs=outputs,
        version=4 if outputs == 1 else 5,
    )
    assert indextext.decode(indextext.encode([record])) == (record,)


RECORD = """Operator:     demo::step::1.0
Label:        Demo Step
Path:         oplib:/demo::Top/step::1.0?demo::Top/step::1.0
Icon:         TOP_pythonprocessor
Table:        Top
License:      \nExtra:        \nUser:         \nInputs:       0 to 1
Subnet:       true
Python:       false
Empty:        false
Modified:     Sat Oct  4 12:30:16 2025

"""


def test_the_record_of_the_documentation() -> None:
    (record,) = indextext.decode(RECORD)
    assert (record.name, record.label, record.table) == ("demo::step::1.0", "Demo Step", "Top")
    assert (record.is_subnet, record.is_python, record.is_dummy) == (True, False, False)
    assert (record.min_inputs, record.max_inputs, record.outputs) == (0, 1, 1)
    assert record.modified == 1759581016
    assert indextext.encode([record, record]) == RECORD + RECORD
    assert indextext.decode(RECORD + RECORD) == (record, record)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Operator:     ", "Operator: "),
        ("License:      \n", "License:\n"),
        ("License:      \n", ""),
        ("Label:        Demo", "Label:        Demo\nLabel:        Demo"),
        ("User:         ", "User:me"),
        ("0 to 1", "0 - 1"),
        ("0 to 1", "00 to 1"),
        ("0 to 1", "0 to 1\nOutputs:      1"),
        ("true", "yes"),
        ("Sat", "Sun"),
        ("Oct  4", "Oct 04"),
        ("Oct  4", "Okt  4"),
        ("Oct  4", "Feb 30"),
        ("12:30", "25:30"),
        ("\n\n", "\n"),
        ("\n", "\r\n"),
    ],
)
def test_records_that_are_refused(old: str, new: str) -> None:
    with pytest.raises(HouFileError):
        indextext.decode(RECORD.replace(old, new))


def test_records_do_not_depend_on_the_language() -> None:
    """Houdini sets the user's language in its process; months stay those of the file."""
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert indextext.decode(RECORD)[0].modified == 1759581016
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_a_record_with_a_line_end_is_not_written() -> None:
    with pytest.raises(HouFileError, match="line end"):
        indextext.encode([Record("a", "two\nlines", "", "")])


@given(st.text("Operat:\n Labe", max_size=60))
def test_any_text_is_records_or_refused(text: str) -> None:
    with pytest.raises(HouFileError):
        indextext.decode(text)


# -- the network's text -----------------------------------------------------------------------
MEMBERS = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,4})?\.[a-z]{1,4}", fullmatch=True),
    st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "replace")),
    max_size=5,
)


@given(MEMBERS, st.dictionaries(WHOLE, VALUES, max_size=3))
def test_members_come_back(
    members: dict[str, bytes], values: dict[str, bool | str | tuple[int, ...]]
) -> None:
    listed = (
        (".OPdummydefs", mime.reference(".OPdummydefs")),
        *members.items(),
        ("hdaroot.userdata", options.encode(values)),
    )
    text = mime.encode(listed)
    assert mime.decode(text) == listed
    assert mime.encode(mime.decode(text)) == text


def test_the_text_of_a_network() -> None:
    rule = f"--{mime.BOUNDARY}"
    text = (
        f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{mime.BOUNDARY}"\n\n'
        f'{rule}\nContent-Disposition: attachment; filename=".OPfallbacks"\n'
        "Content-Type: application/external-reference\n\n.OPfallbacks\n\n"
        f'{rule}\nContent-Disposition: attachment; filename="node_type"\n'
        "Content-Type: text/plain\n\nTop\n\n"
        f'{rule}\nContent-Disposition: attachment; filename="hdaroot.blob"\n'
        "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
        f"{'AAAA' * 42 + 'AAA='}\nAAE=\n\n{rule}--\n"
    )
    members = (
        (".OPfallbacks", b".OPfallbacks\n"),
        ("node_type", b"Top\n"),
        ("hdaroot.blob", bytes(129) + b"\x01"),
    )
    assert mime.encode(members) == text
    assert mime.decode(text) == members


def _part(name: str, kind: str = "text/plain", body: str = "Top\n") -> str:
    start = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{mime.BOUNDARY}"\n\n'
    head = f'Content-Disposition: attachment; filename="{name}"\nContent-Type: {kind}\n'
    return f"{start}--{mime.BOUNDARY}\n{head}\n{body}\n--{mime.BOUNDARY}--\n"


BASE64 = "application/octet-stream\nContent-Transfer-Encoding: base64"


@pytest.mark.parametrize(
    "text",
    [
        "",
        _part("../../etc/passwd"),
        _part("/etc/passwd"),
        _part("a\\b"),
        _part("a\0b"),
        _part("C:/x"),
        _part("a" * 5000),
        _part("/".join("a" * 100)),
        _part("node_type", "text/html"),
        _part("node_type", BASE64, "????\n"),
        _part("node_type", BASE64, "VG9w\n"),
        _part("node_type", "application/external-reference", "node_type\n"),
        _part(".OPfallbacks", "application/external-reference", "../../etc/passwd\n"),
        _part(".OPfallbacks"),
        _part("hdaroot.userdata", body="no JSON\n"),
        _part("hdaroot.userdata", body='{ "a": { "type": "bool", "value": true } }\n'),
        _part("node_type").replace("\n", "\r\n"),
        _part("node_type").replace("text/plain\n", "text/plain\n\0"),
        _part("node_type")[:-10],
        _part("node_type") + "more",
        _part("node_type").replace(f"--{mime.BOUNDARY}--", f"{_part('node_type')[222:]}"),
    ],
)
def test_networks_that_are_refused(text: str) -> None:
    with pytest.raises(HouFileError):
        mime.decode(text)


@pytest.mark.parametrize("name", ["../x", "", "a\nb", 'a"b', "/x"])
def test_member_names_that_are_not_written(name: str) -> None:
    with pytest.raises(HouFileError):
        mime.encode([(name, b"x")])


def test_a_part_that_occurs_twice() -> None:
    body = _part("node_type").split(f"--{mime.BOUNDARY}\n")[1].split(f"--{mime.BOUNDARY}--")[0]
    again = _part("node_type").replace(
        f"--{mime.BOUNDARY}--", f"--{mime.BOUNDARY}\n{body}--{mime.BOUNDARY}--"
    )
    with pytest.raises(HouFileError, match="twice"):
        mime.decode(again)
    with pytest.raises(HouFileError, match="twice"):
        mime.encode([("a", b""), ("a", b"")])
