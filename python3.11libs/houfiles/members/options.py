"""Binary options (user data of nodes) and data blocks: big-endian, counted."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from houfiles.errors import MAX_ITEMS, MAX_TEXT_BYTES, HouFileError, shown

OptionValue = bool | str | tuple[int, ...]
"""A bool, a string, or 64-bit integers."""

_BOOL, _STRING, _INTARRAY = 1, 3, 13


class ByteReader:
    """Takes big-endian numbers and counted texts from bytes; HouFileError when they run out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise HouFileError(f"it is cut off at byte {self._at}")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size_bytes: int) -> str:
        """A text after its length, which is a number of ``size_bytes`` bytes."""
        size = self.number(size_bytes)
        if size > MAX_TEXT_BYTES:
            raise HouFileError(f"a text in it claims {size} bytes")
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise HouFileError("a text in it is not UTF-8") from None

    def count(self, size_bytes: int, smallest: int) -> int:
        """A number of entries of which each takes at least ``smallest`` bytes."""
        count = self.number(size_bytes)
        if count > MAX_ITEMS or count * smallest > self.left:
            raise HouFileError(f"it claims {count} entries but has {self.left} bytes left")
        return count

    def end(self) -> None:
        if self.left:
            raise HouFileError(f"it has {self.left} bytes too many")


def decode(data: bytes) -> dict[str, OptionValue]:
    reader = ByteReader(data)
    found: dict[str, OptionValue] = {}
    for _ in range(reader.count(4, 8)):
        key = reader.text(2)
        if key in found:
            raise HouFileError(f"the option '{shown(key)}' occurs twice")
        kind = reader.number(4)
        if kind == _BOOL:
            flag = reader.number(4)
            if flag > 1:
                raise HouFileError(f"the option '{shown(key)}' is neither on nor off")
            found[key] = bool(flag)
        elif kind == _STRING:
            found[key] = reader.text(2)
        elif kind == _INTARRAY:
            count = reader.count(8, 8)
            found[key] = struct.unpack(f">{count}q", reader.take(8 * count))
        else:
            raise HouFileError(f"the option '{shown(key)}' has an unknown type ({kind})")
    reader.end()
    return found


def encode(options: Mapping[str, OptionValue]) -> bytes:
    parts = [struct.pack(">I", len(options))]
    for key, value in options.items():
        parts.append(counted(key, 2))
        if isinstance(value, bool):
            parts.append(struct.pack(">II", _BOOL, value))
        elif isinstance(value, str):
            parts += [struct.pack(">I", _STRING), counted(value, 2)]
        else:
            try:
                numbers = struct.pack(f">{len(value)}q", *value)
            except struct.error:
                raise HouFileError(f"the option '{shown(key)}' has a number too large") from None
            parts += [struct.pack(">IQ", _INTARRAY, len(value)), numbers]
    return b"".join(parts)


def counted(text: str, size_bytes: int) -> bytes:
    data = text.encode("utf-8")
    if len(data) >= 256**size_bytes:
        raise HouFileError(f"the text '{shown(text)}' is too long")
    return len(data).to_bytes(size_bytes, "big") + data


@dataclass(frozen=True)
class DataBlock:
    """A named text that a node keeps in the scene (``/stage`` does)."""

    name: str
    key: str
    text: str


def decode_blocks(data: bytes) -> tuple[DataBlock, ...]:
    reader = ByteReader(data)
    count = reader.count(8, 12)
    found = tuple(DataBlock(reader.text(2), reader.text(2), reader.text(8)) for _ in range(count))
    reader.end()
    return found


def encode_blocks(blocks: Sequence[DataBlock]) -> bytes:
    return len(blocks).to_bytes(8, "big") + b"".join(
        counted(one.name, 2) + counted(one.key, 2) + counted(one.text, 8) for one in blocks
    )
