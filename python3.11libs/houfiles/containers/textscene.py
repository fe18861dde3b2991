"""A scene saved as text (``File > Save As Text``): one MIME part per member.

Text members stand as they are, binary ones as base64 with 128 bytes a line; user data is JSON.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from houfiles.errors import MAX_FILE_BYTES, MAX_MEMBERS, HouFileError, shown
from houfiles.members import options
from houfiles.members.optionstext import encode_text

from .cpio import Archive, Member, name_problem
from .mime import BOUNDARY

MAGIC = b"MIME-Version: 1.0\n"
_BOUNDARY = BOUNDARY.encode()
_HEAD = MAGIC + b'Content-Type: multipart/mixed; boundary="' + _BOUNDARY + b'"\n\n'
_MARK = b"--" + _BOUNDARY
_PART = re.compile(
    rb'Content-Disposition: attachment; filename="([^"\n]{1,4096})"\n'
    rb"Content-Type: ([!-~]{1,100})\n"
    rb"(Content-Transfer-Encoding: base64\n)?\n"
)
_ROW = 128


@dataclass(frozen=True)
class TextMember(Member):
    """A member of a scene saved as text: what the file calls its content, and how it is written."""

    kind: str = "text/plain"
    base64: bool = False


@dataclass(frozen=True)
class TextArchive(Archive):
    """The members of a scene saved as text."""


def decode(data: bytes) -> TextArchive:
    """The members in order. Raises HouFileError, also where Houdini would write it otherwise."""
    if len(data) > MAX_FILE_BYTES:
        raise HouFileError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    end = _MARK + b"--\n"
    if not data.startswith(_HEAD):
        raise HouFileError("it is text, but not a scene that Houdini saved as text")
    if not data.endswith(end):
        raise HouFileError("the file is cut off: the text has no end mark")
    parts = data[len(_HEAD) : -len(end)].split(_MARK + b"\n")
    if parts[0] or len(parts) > MAX_MEMBERS:
        raise HouFileError("something stands before its first part, or it has too many")
    members = [_member(part) for part in parts[1:]]
    archive = TextArchive(tuple(members))
    if encode(archive) != data:
        raise HouFileError("a part of the text is not written as Houdini writes it")
    return archive


def _member(part: bytes) -> TextMember:
    head = _PART.match(part)
    if head is None or not part.endswith(b"\n"):
        raise HouFileError(f"a part is damaged: '{shown(part[:80].decode('utf-8', 'replace'))}'")
    try:
        name = head[1].decode("utf-8")
    except UnicodeDecodeError:
        raise HouFileError("the name of a part is not UTF-8") from None
    if problem := name_problem(name):
        raise HouFileError(f"a part {problem}")
    body = part[head.end() : -1]
    if head[3]:
        try:
            body = b"".join(base64.b64decode(row, validate=True) for row in body.splitlines())
        except (binascii.Error, ValueError):
            raise HouFileError(f"the part '{shown(name)}' is not base64") from None
    return TextMember(name, body, kind=head[2].decode("ascii"), base64=bool(head[3]))


def encode(archive: TextArchive) -> bytes:
    """The bytes of a scene saved as text; the inverse of ``decode``. Raises HouFileError."""
    out = [_HEAD]
    for one in archive.members:
        if problem := name_problem(one.name):
            raise HouFileError(f"a member {problem}")
        if '"' in one.name:
            raise HouFileError(f"the name '{shown(one.name)}' cannot stand in a text")
        member = one if isinstance(one, TextMember) else _written(one)
        coding = b"Content-Transfer-Encoding: base64\n" if member.base64 else b""
        name, kind = member.name.encode("utf-8"), member.kind.encode("ascii")
        body = _rows(member.data) if member.base64 else member.data
        out.append(
            _MARK
            + b'\nContent-Disposition: attachment; filename="%s"\nContent-Type: %s\n' % (name, kind)
            + coding
            + b"\n"
            + body
            + b"\n"
        )
    out.append(_MARK + b"--\n")
    return b"".join(out)


def _written(member: Member) -> TextMember:
    """A member from elsewhere, in the form that a text has it."""
    data = member.data
    if member.name.endswith(".userdata") and not data.startswith(b"{"):
        data = encode_text(options.decode(data)).encode()
    try:
        data.decode("utf-8")
        binary = b"\0" in data or _MARK in data
    except UnicodeDecodeError:
        binary = True
    kind = "application/octet-stream" if binary else "text/plain"
    return TextMember(member.name, data, member.header, kind, binary)


def _rows(data: bytes) -> bytes:
    rows = [data[at : at + _ROW] for at in range(0, len(data), _ROW)]
    return b"".join(base64.b64encode(row) + b"\n" for row in rows)
