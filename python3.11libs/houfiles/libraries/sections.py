"""Names of sections on disk, and ``Sections.list``: the table of contents of an expanded library.

The first line is two double quotes; then one line per entry: the file's name, a tab, the section's
name. Names are mangled character by character: ``_`` to ``__``, ``/`` to ``_1``, ``:`` to ``_8``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from houfiles.errors import MAX_ITEMS, HouFileError, shown

LIST = "Sections.list"
CONTENTS_FOLDER = "Contents.dir"
"""Holds the network, whose section is called otherwise."""
_ESCAPES = {"_": "__", "/": "_1", ":": "_8"}
# Characters that occur in Houdini's own files; how others are mangled is not known.
_PLAIN = re.compile(r"[A-Za-z0-9_/:. ()-]{1,500}", re.ASCII)
# What a folder holds beside the sections; a section called so would overwrite it.
_TAKEN = (".", "..", LIST, CONTENTS_FOLDER)


def mangle(section: str) -> str:
    """The file name of a section. Raises HouFileError for a name that cannot be one."""
    if not _PLAIN.fullmatch(section) or section in _TAKEN:
        raise HouFileError(f"'{shown(section)}' cannot be the name of a section")
    return "".join(_ESCAPES.get(letter, letter) for letter in section)


def decode_list(text: str) -> tuple[str, ...]:
    """The sections of a ``Sections.list``, in order. Raises HouFileError."""
    lines = text.split("\n")
    if lines[0] != '""' or lines[-1] != "" or len(lines) > MAX_ITEMS:
        raise HouFileError("it is not a list of sections")
    found: dict[str, None] = {}
    for line in lines[1:-1]:
        name, tab, section = line.partition("\t")
        if not tab or mangle(section) != name:
            raise HouFileError(f"this line does not name a section: '{shown(line)}'")
        if section in found:
            raise HouFileError(f"the section '{shown(section)}' is listed twice")
        found[section] = None
    return tuple(found)


def encode_list(sections: Sequence[str]) -> str:
    return "\n".join(['""', *(f"{mangle(one)}\t{one}" for one in sections), ""])
