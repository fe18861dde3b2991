"""Libraries between the expanded and the binary form."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import HouFileError, load
from houfiles.containers import cpio, indexdata, mime
from houfiles.containers.indexdata import decode_library, encode_library
from houfiles.libraries import hda
from houfiles.libraries.expanded import (
    ExpandedDefinition,
    ExpandedLibrary,
    encode_expanded,
    read_expanded,
)
from houfiles.members import options
from nvdiffrec_tops.assets.shipped import ASSETS

from .conftest import write_library


@pytest.fixture
def library(root: Path) -> ExpandedLibrary:
    return read_expanded(root / "otls" / ASSETS["nvdiffrec_train"].library)


def test_both_forms_of_every_shipped_asset(root: Path) -> None:
    for asset in ASSETS.values():
        library = read_expanded(root / "otls" / asset.library)
        data = hda.collapse(library)
        assert encode_expanded(hda.expand(data)) == encode_expanded(library)
        assert encode_library(decode_library(data)) == data


def test_what_differs_in_the_binary_form(library: ExpandedLibrary) -> None:
    """Options are binary, the network is packed, everything else is the same bytes."""
    [record], [definition] = library.records, library.definitions
    known = decode_library(hda.collapse(library))
    assert (known.records, known.modified) == (library.records, (record.modified,) * 2)
    [binary] = known.definitions
    assert [one.name for one in binary.sections] == list(definition.order)
    assert {one.modified for one in binary.sections} == {binary.modified} == {record.modified}
    found = {one.name: one.data for one in binary.sections}
    packed = found.pop("Contents.gz")
    assert packed[:10] == bytes.fromhex("1f8b08000000000000ff")
    payload = gzip.decompress(packed)
    assert struct.unpack("<I", payload[:4]) == (len(payload) - 4,)
    archive = cpio.decode(payload[4:])
    assert tuple((one.name, one.data) for one in archive.members) == definition.members
    assert {one.header for one in archive.members} == {cpio.Header(mtime=record.modified)}
    flags = {"nodeconntype": False, "nodeparmtype": False}
    assert options.decode(found.pop("InternalFileOptions")) == flags
    assert options.decode(found.pop("ExtraFileOptions"))["PythonModule/IsPython"] is True
    assert found == {name: definition.files[name] for name in found}
    assert hda.collapse(library) == hda.collapse(library)


def test_the_libraries_of_real_scenes(shared: Path, tmp_path: Path) -> None:
    """Byte for byte as data; through the text form on disk, all but the sections' own times."""
    counted = 0
    for path in sorted((shared / "data" / "kartaverse").glob("*.hip")):
        data = load(path).members[".OPdummydefs"]
        known = decode_library(data)
        assert encode_library(known) == data
        folder = tmp_path / f"{path.stem}.hda"
        write_library(hda.expand(data), folder)
        again = decode_library(hda.collapse(read_expanded(folder)))
        assert again.records == known.records
        for one, other in zip(known.definitions, again.definitions, strict=True):
            assert one.section == other.section
            assert [(s.name, s.data) for s in one.sections] == [
                (s.name, s.data) for s in other.sections
            ]
            counted += 1
        assert encode_library(_with_times_of(again, known)) == data
    assert counted >= 10


def _with_times_of(library: indexdata.Library, other: indexdata.Library) -> indexdata.Library:
    """The library with the times of another; the text form keeps those of the records alone."""
    definitions = []
    for one, like in zip(library.definitions, other.definitions, strict=True):
        pairs = zip(one.sections, like.sections, strict=True)
        timed = tuple(replace(mine, modified=its.modified) for mine, its in pairs)
        definitions.append(replace(one, sections=timed, modified=like.modified))
    return replace(library, definitions=tuple(definitions), modified=other.modified)


def _changed(library: ExpandedLibrary, definition: ExpandedDefinition) -> ExpandedLibrary:
    return replace(library, definitions=(definition,))


def test_what_the_network_refers_to_is_packed_with_it(library: ExpandedLibrary) -> None:
    [definition] = library.definitions
    references = tuple((name, mime.reference(name)) for name in mime.EXTERNAL)
    dummies = bytes(range(256))
    whole = replace(
        definition,
        members=(*references, *(definition.members or ())),
        beside={".OPdummydefs": dummies, ".OPfallbacks": b"a b\n"},
    )
    changed = _changed(library, whole)
    assert encode_expanded(hda.expand(hda.collapse(changed))) == encode_expanded(changed)
    # A file that is missing, as in many published assets, is left out with its reference.
    part = replace(whole, beside={".OPdummydefs": dummies})
    [again] = hda.expand(hda.collapse(_changed(library, part))).definitions
    assert again.beside == part.beside
    assert again.members == (references[1], *(definition.members or ()))


@pytest.mark.parametrize("name", ["Contents.modtimes", "Contents.houdini_versions"])
def test_times_and_versions_in_files_are_left_to_houdini(
    library: ExpandedLibrary, name: str
) -> None:
    [definition] = library.definitions
    with pytest.raises(HouFileError, match="hotl -l"):
        hda.collapse(_changed(library, replace(definition, beside={name: b"{}\n"})))
    version = ("a.userdata", options.encode({"___Version___": "___EXTERNAL___"}))
    members = (*(definition.members or ()), version)
    with pytest.raises(HouFileError, match="hotl -l"):
        hda.collapse(_changed(library, replace(definition, members=members)))


def test_options_that_are_no_options(library: ExpandedLibrary) -> None:
    [definition] = library.definitions
    files = {**definition.files, "ExtraFileOptions": b"no JSON"}
    with pytest.raises(HouFileError, match="not JSON"):
        hda.collapse(_changed(library, replace(definition, files=files)))


def _with_section(library: ExpandedLibrary, name: str, data: bytes) -> bytes:
    """The binary library with other data in one section."""
    known = decode_library(hda.collapse(library))
    [definition] = known.definitions
    changed = tuple(
        replace(one, data=data) if one.name == name else one for one in definition.sections
    )
    return encode_library(replace(known, definitions=(replace(definition, sections=changed),)))


def test_a_bomb_is_not_unpacked(library: ExpandedLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hda, "MAX_FILE_BYTES", 100_000)
    packed = gzip.compress(struct.pack("<I", 50_000_000) + bytes(50_000_000))
    assert len(packed) < 100_000
    with pytest.raises(HouFileError, match="too large"):
        hda.expand(_with_section(library, "Contents.gz", packed))


def test_bombs_in_many_networks_share_one_limit(
    library: ExpandedLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    [definition] = library.definitions
    record = library.records[0]
    big = replace(definition, members=(("a.blob", bytes(60_000)),))
    records = (record, replace(record, name="kartaverse::second::1.0"))
    second = replace(big, section="kartaverse::Top/second::1.0")
    data = hda.collapse(ExpandedLibrary(records, (big, second)))
    monkeypatch.setattr(hda, "MAX_FILE_BYTES", 100_000)
    with pytest.raises(HouFileError, match="too large"):
        hda.expand(data)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../b"])
def test_members_that_leave_their_folder(library: ExpandedLibrary, name: str) -> None:
    archive = cpio.encode(cpio.Archive((cpio.Member("x" * len(name), b""),)))
    stream = archive.replace(b"x" * len(name), name.encode())
    packed = gzip.compress(struct.pack("<I", len(stream)) + stream)
    with pytest.raises(HouFileError, match=r"has a name that leaves|absolute"):
        hda.expand(_with_section(library, "Contents.gz", packed))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x01", struct.pack("<I", 9) + b"short", struct.pack("<I", 3) + b"abc"],
)
def test_networks_that_are_damaged(library: ExpandedLibrary, payload: bytes) -> None:
    with pytest.raises(HouFileError):
        hda.expand(_with_section(library, "Contents.gz", gzip.compress(payload)))


SHIPPED = Path(__file__).resolve().parents[2] / "otls"


@pytest.fixture(scope="module")
def collapsed() -> bytes:
    return hda.collapse(read_expanded(SHIPPED / ASSETS["nvdiffrec_environment"].library))


@given(st.binary(min_size=1, max_size=200), st.data())
def test_damage_anywhere_is_a_sentence_or_a_library(
    collapsed: bytes, garbage: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(collapsed)
    place = data.draw(st.integers(0, 800) | st.integers(0, len(collapsed) - 1))
    damaged[place : place + len(garbage)] = garbage
    try:
        files = encode_expanded(hda.expand(bytes(damaged)))
    except HouFileError as error:
        assert "\n" not in str(error)
        return
    for name in files:
        assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


@given(st.integers(0, 3000))
def test_a_library_that_is_cut_off(collapsed: bytes, size: int) -> None:
    with pytest.raises(HouFileError):
        hda.expand(collapsed[:size])
