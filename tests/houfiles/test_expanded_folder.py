"""Folders of expanded libraries come back file by file; nothing leaves them, nothing is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from houfiles import HouFileError
from houfiles.containers import mime
from houfiles.containers.indexdata import Record
from houfiles.libraries.expanded import (
    CONTENTS,
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


def _on_disk(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


# -- what is refused --------------------------------------------------------------------------
def _folder(library: ExpandedLibrary, tmp_path: Path) -> tuple[Path, Path]:
    write_library(library, tmp_path / "a.hda")
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


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
@pytest.mark.parametrize("which", [".", "Contents.dir"])
def test_a_folder_that_is_a_link(library: ExpandedLibrary, tmp_path: Path, which: str) -> None:
    folder, inside = _folder(library, tmp_path)
    (inside / which).resolve().rename(tmp_path / "elsewhere")
    (folder / inside.name / which).resolve().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HouFileError, match="is a link"):
        read_expanded(folder)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_library_that_is_installed_as_a_link(library: ExpandedLibrary, tmp_path: Path) -> None:
    write_library(library, tmp_path / "real.hda")
    (tmp_path / "link.hda").symlink_to(tmp_path / "real.hda")
    assert encode_expanded(read_expanded(tmp_path / "link.hda")) == encode_expanded(library)


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
        ExpandedLibrary((other,), library.definitions)


def test_sections_and_their_order_must_agree(library: ExpandedLibrary) -> None:
    [definition] = library.definitions
    for wrong in (
        replace(definition, members=None),
        replace(definition, order=(*definition.order, "Help")),
        replace(definition, order=definition.order[1:]),
        replace(definition, files={**definition.files, "More": b""}),
        replace(definition, beside={"../escape": b""}),
    ):
        with pytest.raises(HouFileError):
            replace(library, definitions=(wrong,))


def test_sections_that_would_overwrite_each_other(library: ExpandedLibrary) -> None:
    [definition] = library.definitions
    for name in ("Sections.list", "Contents.dir"):
        wrong = replace(
            definition,
            order=(*definition.order, name),
            files={**definition.files, name: b""},
        )
        with pytest.raises(HouFileError, match="cannot be the name of a section"):
            encode_expanded(replace(library, definitions=(wrong,)))


# -- libraries as other builds write them -----------------------------------------------------
def test_two_definitions_and_files_beside_the_network(tmp_path: Path) -> None:
    """A network with references, times and versions in files, and an asset without a network."""
    records = (
        Record("demo::step::1.0", "Step", "", "TOP_wedge", is_subnet=True, modified=1759581016),
        Record("plain", "Plain", "", "TOP_wedge", table="Sop", outputs=2, version=5),
    )
    members = (
        *((name, mime.reference(name)) for name in mime.EXTERNAL),
        ("node_type", b"Top\n"),
        ("hdaroot.init", b"type = demo::step::1.0\nmatchesdef = 0\n"),
        ("hdaroot.userdata", options.encode({"___Version___": "___EXTERNAL___"})),
    )
    beside = {".OPdummydefs": b"INDX\xff", "Contents.modtimes": b"{}\n"}
    library = ExpandedLibrary(
        records,
        (
            ExpandedDefinition(
                "demo::Top/step::1.0",
                ("Version", CONTENTS, "icon one.png"),
                {"Version": b"\0\0\0\x011", "icon one.png": b"\x89PNG\r\n"},
                members,
                beside,
            ),
            ExpandedDefinition("Sop/plain", ("Help",), {"Help": b""}, None),
        ),
    )
    write_library(library, tmp_path / "two.hda")
    assert read_expanded(tmp_path / "two.hda") == library
    assert _on_disk(tmp_path / "two.hda") == encode_expanded(library)
    first = library.definition("demo::step::1.0")
    assert first is library.definitions[0] and first.text("Version") == "\0\0\0\x011"
    with pytest.raises(HouFileError, match="there is no section 'DialogScript'"):
        _ = first.dialog_script
    with pytest.raises(HouFileError, match="not UTF-8"):
        first.text("icon one.png")
    with pytest.raises(HouFileError, match="has no network"):
        _ = library.definition("plain").contents
    with pytest.raises(HouFileError, match="does not define 'other'"):
        library.definition("other")


def test_the_network_inside_as_nodes(library: ExpandedLibrary) -> None:
    contents = library.definition("kartaverse::nvdiffrec_train::1.0").contents
    processor, output = contents.children
    assert (contents.name, processor.type, output.type) == ("hdaroot", "pythonprocessor", "output")
    assert [wire.source for wire in processor.inputs] == ["(0)"]
    assert [wire.source for wire in output.inputs] == ["pythonprocessor1"]
    [code] = processor.parms["generate"].values
    assert code.text.startswith("from nvdiffrec_tops.houdini import processors; ")
    [scheduler] = processor.parms["topscheduler"].values
    assert scheduler.expression is not None
    assert scheduler.expression.text == 'chsop("../topscheduler")'
