r"""How scenes quote text: ``\`` and ``"`` are escaped with ``\``, and nothing else is.

A word is *bare* (no white space, not empty) or stands in double quotes, in which real line ends
are allowed.
"""

from __future__ import annotations

import re

from .errors import HouFileError, shown

# Possessive quantifiers: each text is read once, whatever it holds.
QUOTED = re.compile(r'"((?:[^"\\]++|\\["\\])*+)"')
BARE = re.compile(r'((?:[^\s"\\]++|\\["\\])++)', re.ASCII)
BLANK = " \t\n\r\v\f"
_ESCAPED = re.compile(r'\\(["\\])')
_SPECIAL = re.compile(r'(["\\])')


def unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def quote(text: str) -> str:
    """The text in double quotes."""
    return f'"{escape(text)}"'


def needs_quotes(text: str) -> bool:
    """Whether a string value is written with quotes: when empty or with white space in it."""
    return not text or any(letter in BLANK for letter in text)


def written(text: str, quoted: bool) -> str:
    """One word as it stands in the file. Raises HouFileError when it cannot stand bare."""
    if quoted:
        return quote(text)
    if needs_quotes(text):
        raise HouFileError(f"the text '{shown(text)}' cannot stand without quotes")
    return escape(text)


def word_at(text: str, at: int) -> tuple[str, bool, int]:
    """The word at a place: its text, whether it was quoted, and where it ends."""
    quoted = text.startswith('"', at)
    found = (QUOTED if quoted else BARE).match(text, at)
    if found is None:
        line = text.count("\n", 0, at) + 1
        what = "a quoted text is not closed" if quoted else "a value is missing or damaged"
        raise HouFileError(f"line {line}: {what}")
    return unescape(found[1]), quoted, found.end()
