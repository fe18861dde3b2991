"""Parameter values (``.parm``): one line each, ``name [ 0 locks=0 ] ( value value )``.

Fields are separated by tabs. Menu and toggle values are quoted tokens, numbers are bare, strings
are quoted when empty or with white space. A value that a channel drives stands as
``[ channel value ]``; its expression is in the node's ``.chn`` member. Old versions write other
white space, no brackets, or, for a separator, no parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from houfiles.errors import MAX_ITEMS, HouFileError, shown
from houfiles.quoting import BLANK, needs_quotes, word_at, written

_HEAD = re.compile(
    r"([^\s\[\](){}]++)[ \t]*+"
    r"(?:\[(?:[ \t]++(\d{1,9}))?[ \t]*+(?:locks=(\d{1,20}))?"
    r"((?:[ \t]++[^\s\]]++)*+)[ \t]*+\])?[ \t]*+",
    re.ASCII,
)
_VERSION = re.compile(r"\{\s*+version[ \t]++(\S+)[ \t]*+\n", re.ASCII)
_OPEN = re.compile(r"\([ \t]*+")
# A string that is a bracket stands before a tab, the bracket of a channel before a space.
_CHANNEL = re.compile(r"\[ (\S+)\t", re.ASCII)
_CHANNEL_END = re.compile(r"[ \t]*+\][ \t]*+")
_BLANK = re.compile(r" ?\t")
_END = re.compile(r"\)[ \t]*+\r?\n")
_LINE_END = re.compile(r"[ \t]*+\r?\n")


@dataclass(frozen=True, slots=True)
class Expression:
    """What drives a value: ``language`` is ``hscript`` or ``python``."""

    text: str
    language: str = "hscript"


@dataclass(frozen=True, slots=True)
class ParmValue:
    """One component: ``text`` without quotes and escapes, ``channel`` the channel that drives it.

    ``expression`` is that channel's expression, when it has one.
    """

    text: str
    quoted: bool = False
    channel: str | None = None
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Parm:
    """A saved parameter and its components (none for a separator)."""

    name: str
    values: tuple[ParmValue, ...]
    flag: int = 0
    locks: int = 0
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParmFile:
    """A whole ``.parm`` member.

    ``source`` is the text as it was read, where Houdini wrote it otherwise than this package.
    """

    parms: tuple[Parm, ...]
    version: str = "0.8"
    source: str = field(default="", compare=False, repr=False)


def decode(text: str) -> ParmFile:
    head = _VERSION.match(text)
    if head is None:
        raise HouFileError("it does not begin as a list of parameters")
    at = head.end()
    found: list[Parm] = []
    seen: set[str] = set()
    room = MAX_ITEMS
    while not text.startswith("}", at):
        parm, at = _parm(text, at, room)
        room -= 1 + len(parm.values)
        if room < 0:
            raise HouFileError(f"it has more than {MAX_ITEMS} values")
        if parm.name in seen:
            raise HouFileError(f"the parameter '{shown(parm.name)}' occurs twice")
        seen.add(parm.name)
        found.append(parm)
    if text[at + 1 :].strip():
        raise HouFileError("something follows the list of parameters")
    file = ParmFile(tuple(found), head[1])
    return file if _text(file) == text else replace(file, source=text)


def _parm(text: str, at: int, room: int) -> tuple[Parm, int]:
    head = _HEAD.match(text, at)
    opened = _OPEN.match(text, head.end()) if head else None
    ended = _LINE_END.match(text, head.end()) if head else None
    if head is None or (opened is None and ended is None):
        stop = text.find("\n", at)
        line = text[at : stop if stop > 0 else None]
        raise HouFileError(f"this line is no parameter: '{shown(line)}'")
    flag, locks = int(head[2] or 0), int(head[3] or 0)
    extra = tuple((head[4] or "").split())
    if opened is None:
        assert ended is not None
        return Parm(head[1], (), flag, locks, extra), ended.end()
    at = opened.end()
    values: list[ParmValue] = []
    try:
        while (end := _END.match(text, at)) is None:
            value, at = _value(text, at)
            values.append(value)
            if len(values) > room:
                raise HouFileError(f"there are more than {MAX_ITEMS} values")
    except HouFileError as error:
        raise HouFileError(f"the parameter '{shown(head[1])}' is damaged ({error})") from None
    return Parm(head[1], tuple(values), flag, locks, extra), end.end()


def _value(text: str, at: int) -> tuple[ParmValue, int]:
    driven = _CHANNEL.match(text, at)
    word, quoted, at = word_at(text, driven.end() if driven else at)
    close = (_CHANNEL_END if driven else _BLANK).match(text, at)
    if close is None:
        raise HouFileError("a value does not end where it should")
    return ParmValue(word, quoted, driven[1] if driven else None), close.end()


def encode(file: ParmFile) -> str:
    """The text of parameters; the very text they were read from when nothing was changed."""
    if file.source and decode(file.source) == file:
        return file.source
    return _text(file)


def _text(file: ParmFile) -> str:
    lines = ["{", f"version {file.version}"]
    for parm in file.parms:
        if not parm.name or any(letter in BLANK for letter in parm.name):
            raise HouFileError(f"'{shown(parm.name)}' is no name for a parameter")
        state = "\t".join([f"{parm.flag}", f"locks={parm.locks}", *parm.extra])
        lines.append("\t".join([parm.name, f"[ {state} ]", "(", *map(_written, parm.values), ")"]))
    return "\n".join([*lines, "}", ""])


def _written(value: ParmValue) -> str:
    word = written(value.text, value.quoted)
    return word if value.channel is None else f"[ {value.channel}\t{word} ] "


def token(text: str) -> ParmValue:
    """The value of a menu or toggle."""
    return ParmValue(text, True)


def string(text: str) -> ParmValue:
    """The value of a string parameter."""
    return ParmValue(text, needs_quotes(text))


def number(value: int | float) -> ParmValue:
    """The value of a numeric parameter, in the shortest form that reads back equal."""
    text = repr(int(value)) if float(value).is_integer() else repr(value)
    return ParmValue(text)


def with_expressions(parms: Iterable[Parm], channels: dict[str, Expression]) -> tuple[Parm, ...]:
    """The parms with the expressions of their channels filled in."""

    def one(parm: Parm) -> Parm:
        if all(value.channel is None for value in parm.values):
            return parm
        values: Sequence[ParmValue] = [
            replace(value, expression=channels.get(value.channel)) if value.channel else value
            for value in parm.values
        ]
        return replace(parm, values=tuple(values))

    return tuple(one(parm) for parm in parms)
