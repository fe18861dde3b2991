"""Libraries between the expanded and the binary form, and everything that must be refused."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.houfiles import HouFileError, hda, indextext, load, mime, optionstext, sections
from nvdiffrec_tops.houfiles.assets import ASSETS
from nvdiffrec_tops.houfiles.expanded import (
    ExpandedLibrary,
    encode_expanded,
    read_expanded,
    write_expanded,
)
from nvdiffrec_tops.houfiles.indexdata import Record, decode_library, encode_library

NAMES = st.text("abcXYZ019_/:. ()-", min_size=1, max_size=40).filter(lambda one: one not in "..")


@pytest.fixture
def library(root: Path) -> ExpandedLibrary:
    return read_expanded(root / "otls" / ASSETS["nvdiffrec_train"].library)


@given(NAMES)
def test_names_come_back(name: str) -> None:
    mangled = sections.mangle(name)
    assert sections.unmangle(mangled) == name
    assert "/" not in mangled and ":" not in mangled


def test_the_names_of_the_documentation() -> None:
    assert sections.mangle("labs::Top/archive_project::1.0") == (
        "labs_8_8Top_1archive__project_8_81.0"
    )


@pytest.mark.parametrize("name", ["..", ".", "a\nb", "a\tb", "a\\b", "", "ü", "a*"])
def test_names_that_are_no_sections(name: str) -> None:
    with pytest.raises(HouFileError, match="cannot be the name of a section"):
        sections.mangle(name)


@pytest.mark.parametrize("name", ["a_b", "a/b", "../x", "_9", "_", "a:b"])
def test_file_names_that_are_no_sections(name: str) -> None:
    with pytest.raises(HouFileError, match="not the file name of a section"):
        sections.unmangle(name)


VALUES = st.booleans() | st.text() | st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple)


@given(st.dictionaries(st.text(), VALUES))
def test_options_come_back(values: dict[str, bool | str | tuple[int, ...]]) -> None:
    assert optionstext.decode_text(optionstext.encode_text(values)) == values


@given(st.text())
def test_any_text_is_options_or_refused(text: str) -> None:
    with pytest.raises(HouFileError):
        optionstext.decode_text("[" + text)


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


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.[a-z]{1,4}", fullmatch=True), st.binary()))
def test_members_come_back(members: dict[str, bytes]) -> None:
    listed = tuple((name, data) for name, data in members.items() if "userdata" not in name)
    assert mime.decode(mime.encode(listed)) == listed


def test_both_forms_of_every_shipped_asset(root: Path) -> None:
    for asset in ASSETS.values():
        library = read_expanded(root / "otls" / asset.library)
        data = hda.collapse(library)
        assert encode_expanded(hda.expand(data)) == encode_expanded(library)
        assert encode_library(decode_library(data)) == data


def test_the_libraries_of_real_scenes(shared: Path) -> None:
    """Byte for byte as data, and by content through the expanded form."""
    counted = 0
    for path in sorted((shared / "data" / "kartaverse").glob("*.hip")):
        data = load(path).members[".OPdummydefs"]
        known = decode_library(data)
        assert encode_library(known) == data
        again = decode_library(hda.collapse(hda.expand(data)))
        assert again.records == known.records
        for one, other in zip(known.definitions, again.definitions, strict=True):
            assert one.section == other.section
            assert [(s.name, s.data) for s in one.sections] == [
                (s.name, s.data) for s in other.sections
            ]
            counted += 1
    assert counted >= 10


# -- writing to disk --------------------------------------------------------------------------
def test_a_library_is_replaced_whole(library: ExpandedLibrary, tmp_path: Path) -> None:
    target = tmp_path / "a.hda"
    write_expanded(library, target)
    (target / "left over").write_text("x")
    write_expanded(library, target)
    assert encode_expanded(read_expanded(target)) == encode_expanded(library)
    assert [path.name for path in tmp_path.iterdir()] == ["a.hda"]
    assert not (target / "left over").exists()


def test_a_folder_that_is_no_library_is_left_alone(
    library: ExpandedLibrary, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("keep")
    with pytest.raises(HouFileError, match="left as it is"):
        write_expanded(library, tmp_path / "mine")
    assert (tmp_path / "mine" / "work.txt").read_text() == "keep"


def test_the_old_library_stays_when_writing_fails(
    library: ExpandedLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.hda"
    write_expanded(library, target)
    before = encode_expanded(read_expanded(target))
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(HouFileError, match="No space left"):
        write_expanded(library, target)
    monkeypatch.undo()
    assert encode_expanded(read_expanded(target)) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.hda"]


# -- what is refused --------------------------------------------------------------------------
def _folder(library: ExpandedLibrary, tmp_path: Path) -> tuple[Path, Path]:
    write_expanded(library, tmp_path / "a.hda")
    [inside] = [path for path in (tmp_path / "a.hda").iterdir() if path.is_dir()]
    return tmp_path / "a.hda", inside


def test_a_section_outside_of_the_folder(library: ExpandedLibrary, tmp_path: Path) -> None:
    folder, inside = _folder(library, tmp_path)
    (tmp_path / "secret").write_text("x")
    for name in ("../../secret", "/etc/hosts", "a\0b", "..", "_1etc_1hosts"):
        listing = inside / "Sections.list"
        listing.write_text(f'""\nDialogScript\tDialogScript\n{name}\t{name}\n')
        with pytest.raises(HouFileError):
            read_expanded(folder)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_section_that_is_a_link(library: ExpandedLibrary, tmp_path: Path) -> None:
    folder, inside = _folder(library, tmp_path)
    (inside / "Help").unlink()
    (inside / "Help").symlink_to("/etc/hosts")
    with pytest.raises(HouFileError, match="missing, or is no file"):
        read_expanded(folder)


def test_a_missing_section_and_a_cut_one(library: ExpandedLibrary, tmp_path: Path) -> None:
    folder, inside = _folder(library, tmp_path)
    contents = inside / "Contents.dir" / "Contents.mime"
    whole = contents.read_bytes()
    contents.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HouFileError, match="not the contents of an asset"):
        read_expanded(folder)
    contents.unlink()
    with pytest.raises(HouFileError, match="missing"):
        read_expanded(folder)


def test_index_and_list_must_agree(library: ExpandedLibrary) -> None:
    other = replace(library.records[0], name="kartaverse::else::1.0")
    with pytest.raises(HouFileError, match="do not agree"):
        encode_expanded(ExpandedLibrary((other,), library.definitions))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x01", struct.pack("<I", 9) + b"short", struct.pack("<I", 3) + b"abc"],
)
def test_networks_that_are_damaged(library: ExpandedLibrary, payload: bytes) -> None:
    known = decode_library(hda.collapse(library))
    [definition] = known.definitions
    changed = tuple(
        replace(one, data=gzip.compress(payload)) if one.name == "Contents.gz" else one
        for one in definition.sections
    )
    data = encode_library(replace(known, definitions=(replace(definition, sections=changed),)))
    with pytest.raises(HouFileError):
        hda.expand(data)


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_damage_anywhere_is_a_sentence(garbage: bytes, place: int) -> None:
    folder = Path(__file__).resolve().parents[3] / "otls" / ASSETS["nvdiffrec_environment"].library
    data = bytearray(hda.collapse(read_expanded(folder)))
    data[place : place + len(garbage)] = garbage
    try:
        hda.expand(bytes(data))
    except HouFileError as error:
        assert "\n" not in str(error)
