"""Index data (``INDX``): the container of asset libraries and of a scene's ``.OPdummydefs``.

All integers are 32-bit big-endian: magic, 8 zero bytes, number of entries, per entry name, offset,
size and time, then the entries' data back to back. A library's entry ``INDEX_SECTION`` describes
its definitions; each definition is an entry that is such a container again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from houfiles.errors import HouFileError, shown
from houfiles.members.options import ByteReader, counted

MAGIC = b"INDX"
INDEX = "INDEX_SECTION"
LIBRARY = "houdini.hdalibrary"
_ZERO = bytes(8)
_SMALLEST_ENTRY = 16
_SMALLEST_RECORD = 4 + 11 * 4 + 12 + 3
_OUTPUTS_VERSION = 5
_USER_VERSION = 6
# Where records of version 6 have the text about the user and the number of outputs. No document
# tells; the first order in which an index is read to its very end is the right one.
_USER_ORDERS = ("outputs user", "user outputs", "user, outputs", "user", "outputs")


@dataclass(frozen=True)
class Section:
    """One entry: ``modified`` in Unix seconds."""

    name: str
    data: bytes
    modified: int = 0


def decode(data: bytes) -> tuple[Section, ...]:
    """The entries. Raises HouFileError unless they fill the container without gap or overlap."""
    reader = ByteReader(data)
    if reader.take(4) != MAGIC or reader.take(8) != _ZERO:
        raise HouFileError("it is not index data")
    rows: list[tuple[str, int, int]] = []
    total = 0
    seen: set[str] = set()
    for _ in range(reader.count(4, _SMALLEST_ENTRY)):
        name, offset, size, modified = reader.text(4), *(reader.number(4) for _ in range(3))
        if name in seen:
            raise HouFileError(f"the section '{shown(name)}' occurs twice")
        if offset != total:
            raise HouFileError(f"the section '{shown(name)}' does not follow the one before it")
        seen.add(name)
        total += size
        rows.append((name, size, modified))
    if total != reader.left:
        raise HouFileError(f"its sections take {total} bytes, but {reader.left} are there")
    return tuple(Section(name, reader.take(size), modified) for name, size, modified in rows)


def encode(sections: Sequence[Section]) -> bytes:
    table = [MAGIC, _ZERO, struct.pack(">I", len(sections))]
    offset = 0
    for one in sections:
        table.append(counted(one.name, 4))
        try:
            table.append(struct.pack(">III", offset, len(one.data), one.modified))
        except struct.error:
            raise HouFileError(f"the section '{shown(one.name)}' does not fit") from None
        offset += len(one.data)
    return b"".join(table) + b"".join(one.data for one in sections)


@dataclass(frozen=True)
class Record:
    """What a library says about one definition.

    ``name`` is the operator type, ``path`` where its section lies. ``is_dummy`` marks a
    definition that only keeps the parameters of a missing asset alive. ``user`` and ``order``
    belong to records of version 6: a text about the user, and how the file orders it.
    """

    name: str
    label: str
    path: str
    icon: str
    author: str = ""
    copyright: str = ""
    table: str = "Top"
    index_path: str = ""
    index_file: str = ""
    license: str = ""
    extra: str = ""
    min_inputs: int = 0
    max_inputs: int = 1
    modified: int = 0
    is_subnet: bool = False
    is_dummy: bool = False
    is_python: bool = False
    outputs: int = 1
    version: int = 4
    user: str = ""
    order: str = ""


_TEXTS = (
    "name",
    "label",
    "path",
    "icon",
    "author",
    "copyright",
    "table",
    "index_path",
    "index_file",
    "license",
    "extra",
)


def decode_index(data: bytes) -> tuple[Record, ...]:
    """The records of an index. Raises HouFileError."""
    problem: HouFileError | None = None
    for order in _USER_ORDERS:
        try:
            found = _records(data, order)
        except HouFileError as error:
            problem = problem or error
            continue
        if all(one.outputs <= _MOST_OUTPUTS for one in found):
            return found
    raise problem or HouFileError("its records are damaged")


def _records(data: bytes, order: str) -> tuple[Record, ...]:
    reader = ByteReader(data)
    found: list[Record] = []
    for _ in range(reader.count(4, _SMALLEST_RECORD)):
        version = reader.number(4)
        if version not in (4, _OUTPUTS_VERSION, _USER_VERSION):
            raise HouFileError(f"a definition is described in an unknown version ({version})")
        fields = _fields(order) if version == _USER_VERSION else _fields(_ORDERS[version])
        values: dict[str, str | int] = {}
        marks = b""
        for name in fields:
            if name == "marks":
                marks = reader.take(3)
            else:
                values[name] = reader.number(4) if name in _NUMBERS else reader.text(4)
        if max(marks) > 1:
            raise HouFileError(f"the definition '{shown(str(values['name']))}' has damaged marks")
        found.append(
            Record(
                **values,  # type: ignore[arg-type]
                is_subnet=bool(marks[0]),
                is_dummy=bool(marks[1]),
                is_python=bool(marks[2]),
                version=version,
                order=order if version == _USER_VERSION else "",
            )
        )
    reader.end()
    return tuple(found)


_NUMBERS = ("min_inputs", "max_inputs", "modified", "outputs")
_ORDERS = {4: "", _OUTPUTS_VERSION: "outputs"}
_MOST_OUTPUTS = 99_999


def _fields(order: str) -> tuple[str, ...]:
    """The fields of a record in the file's order: a word before a comma follows the other texts."""
    early, _comma, late = order.rpartition(",")
    head = (*_TEXTS, *early.split(), *_NUMBERS[:3], "marks")
    return (*head, *late.split())


def encode_index(records: Sequence[Record]) -> bytes:
    parts = [struct.pack(">I", len(records))]
    for one in records:
        parts.append(struct.pack(">I", one.version))
        order = one.order if one.version == _USER_VERSION else _ORDERS.get(one.version, "")
        try:
            for name in _fields(order):
                if name == "marks":
                    parts.append(bytes((one.is_subnet, one.is_dummy, one.is_python)))
                elif name in _NUMBERS:
                    parts.append(struct.pack(">I", getattr(one, name)))
                else:
                    parts.append(counted(getattr(one, name), 4))
        except struct.error:
            raise HouFileError(f"the definition '{shown(one.name)}' does not fit") from None
    return b"".join(parts)


@dataclass(frozen=True)
class AssetDefinition:
    """A definition in a library: its section's name and the sections in it."""

    section: str
    sections: tuple[Section, ...]
    modified: int = 0

    def text(self, name: str) -> str | None:
        """A text section such as ``DialogScript``, None when there is none."""
        data = next((one.data for one in self.sections if one.name == name), None)
        if data is None:
            return None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise HouFileError(f"the section '{shown(name)}' is not UTF-8 text") from None


@dataclass(frozen=True)
class Library:
    """A whole library: records and definitions, both in the file's order.

    ``modified`` are the times of the entries that hold the records and the library's mark.
    """

    records: tuple[Record, ...]
    definitions: tuple[AssetDefinition, ...]
    modified: tuple[int, int] = (0, 0)

    def definition(self, section: str) -> AssetDefinition | None:
        return next((one for one in self.definitions if one.section == section), None)


def decode_library(data: bytes) -> Library:
    """A library. Raises HouFileError unless the records and the mark come first."""
    sections = decode(data)
    if [one.name for one in sections[:2]] != [INDEX, LIBRARY] or sections[1].data:
        raise HouFileError("it is not a library of assets")
    times = (sections[0].modified, sections[1].modified)
    definitions = tuple(
        AssetDefinition(one.name, decode(one.data), one.modified) for one in sections[2:]
    )
    return Library(decode_index(sections[0].data), definitions, times)


def encode_library(library: Library) -> bytes:
    sections = [
        Section(INDEX, encode_index(library.records), library.modified[0]),
        Section(LIBRARY, b"", library.modified[1]),
    ]
    sections += [
        Section(one.section, encode(one.sections), one.modified) for one in library.definitions
    ]
    return encode(sections)


def section_name(record: Record) -> str:
    """The section of a definition: ``ns::Table/name::version``, from its type name and table."""
    namespace, base, version = split_type(record.name)
    return "::".join(one for one in (namespace, f"{record.table}/{base}", version) if one)


def split_type(name: str) -> tuple[str, str, str]:
    """Namespace, base and version of a type name; absent parts are ''."""
    parts = name.split("::")
    version = parts.pop() if len(parts) > 1 and parts[-1][:1].isdigit() else ""
    return "::".join(parts[:-1]), parts[-1], version
