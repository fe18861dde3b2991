"""Asset libraries in binary form (``.hda``, ``.otl``), to and from the expanded form.

The binary form is index data (see ``indexdata``). Three sections are coded differently in it: the
two options files are binary, and the network is a gzip stream of a 32-bit little-endian byte count
and a cpio archive, with the files that lie beside the text among its members. Everything else is
the same bytes.
"""

from __future__ import annotations

import struct
import zlib

from houfiles.containers import cpio, indexdata
from houfiles.containers.indexdata import AssetDefinition, Library, Section
from houfiles.containers.mime import EXTERNAL, Members, reference
from houfiles.errors import MAX_FILE_BYTES, HouFileError, text_of
from houfiles.members import options
from houfiles.members.optionstext import decode_text, encode_text

from .expanded import CONTENTS, ExpandedDefinition, ExpandedLibrary

_OPTIONS = ("ExtraFileOptions", "InternalFileOptions")
# Deflate, no name, no time, of unknown origin: the header that Houdini writes.
_GZIP = bytes.fromhex("1f8b08000000000000ff")
_LEVEL = 6
_MOVED_OUT = b"___EXTERNAL___"
"""Stands for a node's version that is kept beside the text."""


def collapse(library: ExpandedLibrary) -> bytes:
    """The binary library. Sections carry the time of their definition's record.

    A reference of the network to a file that is missing is left out.

    Raises:
        HouFileError: a part of the library cannot be coded, or times or versions of its nodes are
            kept in files beside the text.
    """
    definitions = []
    for record, one in zip(library.records, library.definitions, strict=True):
        sections = tuple(
            Section(name, _packed(one, name, record.modified), record.modified)
            for name in one.order
        )
        definitions.append(AssetDefinition(one.section, sections, record.modified))
    newest = max((record.modified for record in library.records), default=0)
    return indexdata.encode_library(Library(library.records, tuple(definitions), (newest, newest)))


def expand(data: bytes) -> ExpandedLibrary:
    """The library out of its binary form. Raises HouFileError."""
    library = indexdata.decode_library(data)
    made = []
    room = MAX_FILE_BYTES
    for one in library.definitions:
        files: dict[str, bytes] = {}
        beside: dict[str, bytes] = {}
        members: Members | None = None
        for section in one.sections:
            if section.name == CONTENTS:
                members = _members(section.data, room)
                room -= sum(len(data) for _name, data in members)
                beside = {name: data for name, data in members if name in EXTERNAL}
                members = tuple(
                    (name, reference(name) if name in EXTERNAL else data) for name, data in members
                )
            elif section.name in _OPTIONS:
                files[section.name] = encode_text(options.decode(section.data)).encode()
            else:
                files[section.name] = section.data
        order = tuple(section.name for section in one.sections)
        made.append(ExpandedDefinition(one.section, order, files, members, beside))
    return ExpandedLibrary(library.records, tuple(made))


def _packed(definition: ExpandedDefinition, name: str, modified: int) -> bytes:
    """A section as it stands in the binary form."""
    if name == CONTENTS:
        return _contents(_whole(definition), modified)
    data = definition.files[name]
    return options.encode(decode_text(text_of(data))) if name in _OPTIONS else data


def _whole(definition: ExpandedDefinition) -> Members:
    """The members of a network, the files that it refers to among them."""
    extern = definition.beside
    members = definition.members or ()
    if set(extern) - set(EXTERNAL) or any(_MOVED_OUT in data for _name, data in members):
        raise HouFileError(
            f"{definition.section}: times or versions of its nodes stand in files of their own; "
            "collapse it with Houdini's hotl -l"
        )
    found = ((name, extern.get(name) if name in EXTERNAL else data) for name, data in members)
    return tuple((name, data) for name, data in found if data is not None)


def _contents(members: Members, modified: int) -> bytes:
    """``Contents.gz`` of a network's members."""
    header = cpio.Header(mtime=modified)
    archive = cpio.Archive(tuple(cpio.Member(*one, header) for one in members), header)
    stream = cpio.encode(archive)
    payload = struct.pack("<I", len(stream)) + stream
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(payload) + packer.flush()
    return _GZIP + body + struct.pack("<II", zlib.crc32(payload), len(payload))


def _members(data: bytes, room: int) -> Members:
    """The members of a ``Contents.gz``. Raises HouFileError; unpacks no more than ``room``."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        payload = unpacker.decompress(data, room + 5)
    except zlib.error as error:
        raise HouFileError(f"the network is damaged: {error}") from None
    if len(payload) > room + 4:
        raise HouFileError("the network is too large")
    if not unpacker.eof or unpacker.unused_data or len(payload) < 4:
        raise HouFileError("the network is cut off, or something follows it")
    if int.from_bytes(payload[:4], "little") != len(payload) - 4:
        raise HouFileError("the network's size is not the announced one")
    return tuple((one.name, one.data) for one in cpio.decode(payload[4:]).members)
