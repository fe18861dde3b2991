"""Lines of text files that any program of the last thirty years may have written."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from nvdiffrec_contract.regularfiles import open_regular, read_regular

LONGEST = 16 << 20
"""Bytes in a line, at most."""
MAX_UTF16_BYTES = 256 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line, UTF-8 for what is UTF-16; a line that ends in a backslash
    goes on in the next. A byte order mark is passed over.

    Raises:
        OSError: the file cannot be read, or is no regular one.
        ValueError: a line is too long, or no file can have that name.
    """
    number, begun, waiting = 0, 0, b""
    for number, line in enumerate(_raw(path), 1):
        if line.endswith(b"\\"):
            waiting += line[:-1] + b" "
            begun = begun or number
            if len(waiting) > LONGEST:
                raise ValueError(f"line {begun} is longer than {LONGEST >> 20} MB")
        elif waiting:
            yield begun, waiting + line
            waiting, begun = b"", 0
        else:
            yield number, line
    if waiting:
        yield begun, waiting


def blocks(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """The same lines, each with a line feed at its end: some `size` bytes of them at a time where
    they stand in the file as they are, with the number of the first, and one by one elsewhere.

    Raises:
        OSError, ValueError: as `lines`.
    """
    with open_regular(path) as stream:
        begin = stream.read(3)
        stream.seek(3 if begin == codecs.BOM_UTF8 else 0)
        number = 1
        while begin[:2] not in _UTF16 and (block := stream.read(max(1, size))):
            if not block.endswith(b"\n"):
                rest = stream.readline(LONGEST + 1)
                if len(rest) > LONGEST:
                    raise ValueError(f"a line is longer than {LONGEST >> 20} MB")
                block += rest
            block = block.replace(b"\r\n", b"\n")
            if b"\r" in block or b"\\\n" in block or block.endswith(b"\\"):
                break
            yield number, block if block.endswith(b"\n") else block + b"\n"
            number += block.count(b"\n")
        else:
            if begin[:2] not in _UTF16:
                return
    # From the first line that was not given.
    for one, line in lines(path):
        if one >= number:
            yield one, line + b"\n"


def _raw(path: Path) -> Iterator[bytes]:
    with open_regular(path) as stream:
        begin = stream.read(3)
        if begin[:2] in _UTF16:
            yield from _utf16(path)
            return
        stream.seek(3 if begin == codecs.BOM_UTF8 else 0)
        while line := stream.readline(LONGEST + 1):
            if len(line) > LONGEST:
                raise ValueError(f"a line is longer than {LONGEST >> 20} MB")
            line = line.rstrip(b"\r\n")
            # Line ends of an old Mac, with none of anyone else.
            yield from line.split(b"\r") if b"\r" in line else (line,)


def _utf16(path: Path) -> Iterator[bytes]:
    text = read_regular(path, MAX_UTF16_BYTES).decode("utf-16", "replace")
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        yield line.encode("utf-8", "replace")


def text(data: bytes) -> str:
    """Bytes as text: UTF-8, else as Western Windows programs write it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def without_comment(name: str) -> str:
    """A name up to a comment: ``#`` behind a space begins one, unless the name is that of a thing
    that exists (which the caller tries first)."""
    for sign in (" #", "\t#"):
        name = name.split(sign, 1)[0]
    return name.strip()
