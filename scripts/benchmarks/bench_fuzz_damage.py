"""Damage for the fuzzing of readers: of bytes, lines, JSON, pictures, and of the file itself.

All of it is drawn from one `random.Random`, so that a case can be made again by its number.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

TEXTS = (
    "", " ", "\0", "\n", "\x1b]0;title\x07", "\u202e", "é", "..", "../../outside/kept", "/dev/zero",
    "$HOME", "~", "`id`", "$(touch outside)", "; rm -rf .", "__import__('os').system('id')",
    "!!python/object/apply:os.system [id]", "%s%n", "-", "a" * 300, "x/" * 200, "C:\\x", "\ud800",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 0.5, -0.0, 1e-320, 1e30, 1e308, -1e308, 2**31, 2**53, 2**63, 2**64, -(2**63),
    10**30, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
SIGNS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b"\t", b"\n", b"\r", b"\0", b"/", b"#", b"-", b":", b",",
    b"<", b"&", b"\xff" * 4, b"9" * 40, b"1e999", b"nan", b"\xef\xbb\xbf", b"\xc3\x28", b"  " * 40,
)  # fmt: skip


def bytes_of(data: bytes, chance: Random) -> bytes:
    """A few bytes changed, cut out, put in, repeated, or the end cut off."""
    whole = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(whole))
        kind = chance.randrange(6)
        if kind == 0 and at < len(whole):
            whole[at] = chance.randrange(256)
        elif kind == 1:
            del whole[at : at + chance.randint(1, 40)]
        elif kind == 2:
            whole[at:at] = chance.choice(SIGNS)
        elif kind == 3:
            whole[at:at] = whole[max(0, at - chance.randint(1, 80)) : at] * chance.choice(
                (1, 2, 50)
            )
        elif kind == 4 and at < len(whole):
            whole[at] ^= 1 << chance.randrange(8)
        elif chance.random() < 0.3:
            del whole[at:]
    return bytes(whole)


def lines_of(text: str, chance: Random) -> str:
    """Lines and words that are exchanged, doubled, left out, or replaced by what is hostile."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 0:
            del lines[at : at + chance.randint(1, 3)]
            lines = lines or [""]
        elif kind == 1:
            lines[at:at] = [lines[at]] * chance.choice((1, 3, 200))
        elif kind == 2:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines.insert(at, chance.choice(TEXTS))
        else:
            words = lines[at].split(" ")
            which = chance.randrange(len(words))
            new = str(chance.choice(chance.choice((TEXTS, NUMBERS))))
            words[which] = new if kind == 4 else words[which] + new
            lines[at] = " ".join(words)
    return "\n".join(lines)


def value(chance: Random) -> Any:
    """Something that stands nowhere in a sound document."""
    kind = chance.randrange(8)
    if kind < 3:
        return chance.choice(TEXTS)
    if kind < 6:
        return chance.choice(NUMBERS)
    if kind == 6:
        return chance.choice((None, True, False, [], {}, [[]], {"": None}, [None] * 2000))
    deep: Any = 0
    for _ in range(chance.choice((3, 100, 400))):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return deep


def document_of(document: Any, chance: Random) -> Any:
    """A copy of plain data in which some values are others, and names are added or left out."""
    copy = json.loads(json.dumps(document))
    for _ in range(chance.randint(1, 4)):
        places = list(_places(copy))
        if not places:
            return value(chance)
        holder, key = chance.choice(places)
        kind = chance.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[str(chance.choice(TEXTS))] = value(chance)
        elif kind == 1:
            holder.insert(key, value(chance))
        elif kind == 2:
            holder[key] = [holder[key]] * chance.choice((1, 2, 3))
        else:
            holder[key] = value(chance)
    return copy


def _places(document: Any) -> Any:
    """Every (object or list, name or number) in plain data."""
    level = [document]
    while level:
        one = level.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            yield one, key
            if isinstance(one[key], dict | list):
                level.append(one[key])


def json_of(document: Any, chance: Random) -> bytes:
    """The bytes of a damaged JSON document: mostly its values, sometimes its text."""
    if chance.random() < 0.75:
        text = json.dumps(document_of(document, chance), ensure_ascii=chance.random() < 0.7)
        data = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.85:
            return data
    else:
        data = json.dumps(document, indent=1).encode()
    return bytes_of(data, chance)


def png_of(data: bytes, chance: Random) -> bytes:
    """A PNG that names another size or kind than it holds, with a check sum that is right."""
    at = data.index(b"IHDR") + 4
    head = list(struct.unpack(">IIBBBBB", data[at : at + 13]))
    which = chance.randrange(7)
    head[which] = (
        chance.choice((0, 1, 12_000, 30_000, 2**24, 2**31 - 1))
        if which < 2
        else chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    )
    if which == 0 and chance.random() < 0.5:
        head[1] = head[0]
    new = struct.pack(">IIBBBBB", *head)
    return data[:at] + new + struct.pack(">I", zlib.crc32(b"IHDR" + new)) + data[at + 17 :]


def bomb_png(side: int) -> bytes:
    """A square grey PNG of a few kilobytes that is `side` squared bytes when it is unpacked."""
    packer, rows = zlib.compressobj(9), bytes(side + 1)
    pixels = b"".join(packer.compress(rows) for _ in range(side)) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


STRANGE: Sequence[tuple[str, Callable[[Path], None]]] = (
    ("a pipe", os.mkfifo),
    ("a device", _linked("/dev/zero")),
    ("a folder", lambda path: path.mkdir()),
    ("a link to itself", lambda path: path.symlink_to(path.name)),
    ("a link to a file outside", _linked("../../outside/kept")),
    ("an empty file", _empty),
)


def file_of(path: Path, chance: Random) -> str:
    """Something else than a file where a file is expected; what, in a word or two."""
    name, make = chance.choice(STRANGE)
    path.unlink()
    make(path)
    return name
