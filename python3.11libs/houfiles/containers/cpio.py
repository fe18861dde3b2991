"""The container of a scene: a portable ASCII (odc) cpio archive, read strictly.

Per member: magic ``070707``, then octal fields dev, ino, mode, uid, gid, nlink, rdev (6 digits
each), mtime (11), name size with its NUL (6), data size (11), then the name and the data without
padding. The last member is ``TRAILER!!!``; nothing follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from houfiles.errors import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_MEMBERS,
    MAX_NAME_BYTES,
    HouFileError,
    shown,
)

MAGIC = b"070707"
TRAILER = "TRAILER!!!"
_HEADER = re.compile(rb"070707" + rb"([0-7]{6})" * 7 + rb"([0-7]{11})([0-7]{6})([0-7]{11})")
_HEADER_BYTES = 76
_MAX_FIELD = 0o777777
_MAX_LONG = 0o77777777777


@dataclass(frozen=True)
class Header:
    """The fields of a member that say nothing about its content; Houdini's constants."""

    dev: int = 1
    ino: int = 0
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    rdev: int = 0
    mtime: int = 0


@dataclass(frozen=True)
class Member:
    """One member: ``name`` is a path with ``/``, ``data`` its bytes."""

    name: str
    data: bytes
    header: Header = Header()


@dataclass(frozen=True)
class Archive:
    """All members in order, and the header of the trailer."""

    members: tuple[Member, ...]
    trailer: Header = Header()


def name_problem(name: str) -> str | None:
    """Why a member must not be called so, or None.

    A name is a relative path: no ``..``, nothing absolute, no control characters.
    """
    if not name:
        return "has no name"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"has a name longer than {MAX_NAME_BYTES} bytes"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return f"has a control character in its name '{shown(name)}'"
    if name.startswith("/") or "\\" in name or name[1:2] == ":":
        return f"has an absolute or foreign path for a name ('{shown(name)}')"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return f"has a name that leaves its folder ('{shown(name)}')"
    if len(parts) > MAX_DEPTH:
        return f"lies more than {MAX_DEPTH} folders deep ('{shown(name)}')"
    return None


def decode(data: bytes, *, repeats: bool = False) -> Archive:
    """Read an archive; ``repeats``: a name may occur more than once, as the form allows.

    Raises HouFileError (without the file's name) on anything unexpected.
    """
    if len(data) > MAX_FILE_BYTES:
        raise HouFileError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    members: list[Member] = []
    seen: set[str] = set()
    for member in _members(data):
        if member.name == TRAILER:
            return Archive(tuple(members), member.header)
        if member.name in seen and not repeats:
            raise HouFileError(f"member '{shown(member.name)}' occurs twice")
        if len(members) >= MAX_MEMBERS:
            raise HouFileError(f"the archive has more than {MAX_MEMBERS} members")
        seen.add(member.name)
        members.append(member)
    raise HouFileError("the file is cut off: the archive has no end mark")


def _members(data: bytes) -> Iterator[Member]:
    at, previous = 0, "the start of the file"
    while at < len(data):
        fields = _HEADER.match(data, at)
        if fields is None:
            what = "is cut off" if len(data) - at < _HEADER_BYTES else "is damaged"
            raise HouFileError(f"the file {what} at byte {at}, after {previous}")
        numbers = [int(field, 8) for field in fields.groups()]
        name_size, size = numbers[8], numbers[9]
        at += _HEADER_BYTES
        if not 2 <= name_size <= MAX_NAME_BYTES + 1:
            raise HouFileError(f"a member after {previous} has a name of {name_size - 1} bytes")
        if at + name_size + size > len(data):
            raise HouFileError(f"the file is cut off in the member after {previous}")
        raw = data[at : at + name_size]
        at += name_size
        if raw[-1] != 0:
            raise HouFileError(f"the name of the member after {previous} has no end")
        try:
            name = raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise HouFileError(f"the name of the member after {previous} is not UTF-8") from None
        if problem := name_problem(name):
            raise HouFileError(f"a member {problem}")
        if numbers[2] & 0o170000 not in (0, 0o100000):
            raise HouFileError(f"member '{shown(name)}' is not a plain file")
        previous = f"member '{shown(name)}'"
        member = Member(name, data[at : at + size], Header(*numbers[:8]))
        at += size
        if name == TRAILER and (size or at != len(data)):
            raise HouFileError("something follows the end mark of the archive")
        yield member


def encode(archive: Archive, *, repeats: bool = False) -> bytes:
    """The bytes of an archive; the inverse of ``decode`` with the same ``repeats``.

    Raises HouFileError for names, sizes and numbers that the form cannot hold.
    """
    parts: list[bytes] = []
    seen: set[str] = set()
    for member in _with_trailer(archive):
        if problem := name_problem(member.name):
            raise HouFileError(f"a member {problem}")
        if member.name in seen and not repeats:
            raise HouFileError(f"member '{shown(member.name)}' occurs twice")
        seen.add(member.name)
        name = member.name.encode("utf-8", "surrogatepass") + b"\0"
        head = member.header
        short = (head.dev, head.ino, head.mode, head.uid, head.gid, head.nlink, head.rdev)
        if not all(0 <= one <= _MAX_FIELD for one in short) or not 0 <= head.mtime <= _MAX_LONG:
            raise HouFileError(f"member '{shown(member.name)}' has a number that does not fit")
        if len(member.data) > MAX_FILE_BYTES:
            raise HouFileError(f"member '{shown(member.name)}' is too large")
        parts.append(MAGIC + b"%06o%06o%06o%06o%06o%06o%06o" % short)
        parts.append(b"%011o%06o%011o" % (head.mtime, len(name), len(member.data)))
        parts += [name, member.data]
    return b"".join(parts)


def _with_trailer(archive: Archive) -> Iterable[Member]:
    yield from archive.members
    yield Member(TRAILER, b"", archive.trailer)
