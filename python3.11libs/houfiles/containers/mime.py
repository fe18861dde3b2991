"""``Contents.mime``: the network inside an asset, as text.

One MIME part per member with a constant boundary. Text members stand as they are; user data is
shown as JSON; binary members are base64, 128 bytes a line; an external reference names a file that
lies beside the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from houfiles.errors import MAX_ITEMS, MAX_TEXT_BYTES, HouFileError, shown
from houfiles.members import options
from houfiles.members.optionstext import decode_text, encode_text

from .cpio import name_problem

BOUNDARY = "HOUDINIMIMEBOUNDARY0xD3ADD339-0x00000F49-0x56B122C9-0x00000001HOUDINIMIMEBOUNDARY"
EXTERNAL = (".OPfallbacks", ".OPdummydefs")
_HEAD = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{BOUNDARY}"\n\n'
_PART = re.compile(
    r'Content-Disposition: attachment; filename="([^"\n]{1,4096})"\n'
    r"Content-Type: (text/plain|application/octet-stream|application/external-reference)\n"
    r"(Content-Transfer-Encoding: base64\n)?\n"
)
_ROW = 128

Members = tuple[tuple[str, bytes], ...]


def decode(text: str) -> Members:
    """The members in order. Raises HouFileError, also where Houdini would write it otherwise.

    User data comes as Houdini's binary options; an external reference as the name of its file.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise HouFileError("it is too large")
    end = f"--{BOUNDARY}--\n"
    if not text.startswith(_HEAD) or not text.endswith(end):
        raise HouFileError("it is not the contents of an asset")
    parts = text[len(_HEAD) : -len(end)].split(f"--{BOUNDARY}\n")
    if parts[0] or len(parts) > MAX_ITEMS:
        raise HouFileError("something stands before its first part")
    found: dict[str, bytes] = {}
    for part in parts[1:]:
        head = _PART.match(part)
        if head is None or not part.endswith("\n"):
            raise HouFileError(f"a part is damaged: '{shown(part)}'")
        name, kind, encoded = head[1], head[2], bool(head[3])
        if problem := name_problem(name):
            raise HouFileError(f"a part's name is refused: {problem}")
        if name in found:
            raise HouFileError(f"the part '{shown(name)}' occurs twice")
        binary = kind == "application/octet-stream"
        if binary != encoded or (kind == "application/external-reference") != (name in EXTERNAL):
            raise HouFileError(f"the part '{shown(name)}' is of another kind than its name")
        body = part[head.end() : -1]
        found[name] = _from_rows(name, body) if binary else _from_text(name, body)
    members = tuple(found.items())
    if encode(members) != text:
        raise HouFileError("a part is not written as Houdini writes it")
    return members


def encode(members: Sequence[tuple[str, bytes]]) -> str:
    """The text of members in order. Raises HouFileError."""
    out = [_HEAD]
    seen: set[str] = set()
    for name, data in members:
        if problem := name_problem(name):
            raise HouFileError(f"a member {problem}")
        if '"' in name or name in seen:
            raise HouFileError(f"the name '{shown(name)}' cannot stand there, or not twice")
        seen.add(name)
        kind, coding = "text/plain", ""
        if name in EXTERNAL:
            kind = "application/external-reference"
            if data != reference(name):
                raise HouFileError(f"'{name}' is a reference to a file of that name, no data")
        body = _to_text(name, data)
        if body is None:
            kind, coding = "application/octet-stream", "Content-Transfer-Encoding: base64\n"
            body = _to_rows(data)
        out.append(
            f'--{BOUNDARY}\nContent-Disposition: attachment; filename="{name}"\n'
            f"Content-Type: {kind}\n{coding}\n{body}\n"
        )
    out.append(f"--{BOUNDARY}--\n")
    return "".join(out)


def reference(name: str) -> bytes:
    """The data of an external reference: it names the file of its own name."""
    return f"{name}\n".encode()


def _from_text(name: str, body: str) -> bytes:
    if name.endswith(".userdata"):
        return options.encode(decode_text(body))
    return body.encode("utf-8")


def _to_text(name: str, data: bytes) -> str | None:
    """The text of a member; None for one that is binary."""
    if name.endswith(".userdata"):
        return encode_text(options.decode(data))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or f"--{BOUNDARY}" in text else text


def _from_rows(name: str, body: str) -> bytes:
    try:
        return b"".join(base64.b64decode(row, validate=True) for row in body.splitlines())
    except (binascii.Error, ValueError):
        raise HouFileError(f"the part '{shown(name)}' is not base64") from None


def _to_rows(data: bytes) -> str:
    rows = [data[at : at + _ROW] for at in range(0, len(data), _ROW)]
    return "".join(base64.b64encode(row).decode("ascii") + "\n" for row in rows)
