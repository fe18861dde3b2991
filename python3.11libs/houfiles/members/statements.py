"""The statements of a node's or a note's definition: keyword and value or block, then ``end``.

What nodes and notes share is read here: flags, place, times, colour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from houfiles.errors import MAX_ITEMS, HouFileError, shown
from houfiles.quoting import QUOTED, unescape

END = "end"
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?", re.ASCII)

FlagState = bool | str
"""on or off, or another word or number: ``lock hard``, ``outputforview 4294967295``."""


@dataclass(frozen=True)
class Stat:
    """When (Unix seconds) and by whom a node was made and changed."""

    create: int = 0
    modify: int = 0
    author: str = "artist@local"
    access: str = "0777"


@dataclass(frozen=True)
class Placement:
    """What nodes and notes share. Numbers stay the text of the file, so they read back equal.

    ``extra`` holds lines this reader does not know, with the statement they stand before.
    ``source`` is the whole text as it was read, where Houdini wrote it otherwise than this
    package does; an unchanged definition goes out as that text.
    """

    position: tuple[str, ...] | None = None
    flags: Mapping[str, FlagState] | None = None
    stat: Stat | None = None
    color: tuple[str, ...] | None = None
    extra: tuple[tuple[str, str], ...] = ()
    source: str = field(default="", compare=False, repr=False)

    @property
    def xy(self) -> tuple[float, float]:
        """The position in the network editor, y up."""
        numbers = [float(one) for one in self.position or ()]
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (0.0, 0.0)

    @property
    def rgb(self) -> tuple[float, ...] | None:
        """The colour in the network editor, sRGB 0..1."""
        return None if self.color is None else tuple(float(one) for one in self.color)


@dataclass
class Lines:
    """The text of a member, statement by statement."""

    text: str
    at: int = 0
    found: dict[str, object] = field(default_factory=dict)
    extra: list[tuple[str, str]] = field(default_factory=list)

    def line(self) -> str:
        end = self.text.find("\n", self.at)
        if end < 0:
            raise HouFileError("it is cut off")
        line, self.at = self.text[self.at : end], end + 1
        return line

    def block(self) -> Iterator[str]:
        if self.line() != "{":
            raise HouFileError("a block does not begin with '{'")
        for _ in range(MAX_ITEMS):
            if (line := self.line()) == "}":
                return
            yield line
        raise HouFileError(f"a block has more than {MAX_ITEMS} lines")

    def quoted(self, start: int) -> str:
        found = QUOTED.match(self.text, start)
        if found is None or not self.text.startswith("\n", found.end()):
            raise HouFileError("a quoted text is not closed")
        self.at = found.end() + 1
        return unescape(found[1])


Reader = Callable[[Lines, int], object]
"""Reads a statement's value; the place given is where the value begins."""


def rest(read: Callable[[str], object]) -> Reader:
    """A statement whose value is the rest of its line."""

    def reader(lines: Lines, start: int) -> object:
        before = lines.at
        return read(lines.line()[start - before :])

    return reader


def block(read: Callable[[Lines], object]) -> Reader:
    """A statement whose value is the block after its line."""

    def reader(lines: Lines, _start: int) -> object:
        lines.line()
        return read(lines)

    return reader


def words(lines: Lines, start: int) -> object:
    """A text in quotes, or the rest of the line: old versions quote only when needed."""
    if lines.text.startswith('"', start):
        return lines.quoted(start)
    before = lines.at
    return lines.line()[start - before :]


def whole(text: str) -> int:
    """A whole number. Raises HouFileError."""
    if not _NUMBER.fullmatch(text):
        raise HouFileError(f"'{shown(text)}' is not a whole number")
    return int(text)


def floats(text: str, count: int) -> tuple[str, ...]:
    found = text.split(" ")
    if len(found) != count or not all(_FLOAT.fullmatch(one) for one in found):
        raise HouFileError(f"'{shown(text)}' is not {count} numbers")
    return tuple(found)


def _flags(text: str) -> dict[str, FlagState]:
    """Pairs of a name and a state; there may be none."""
    found = text.split()
    names, states = found[::2], found[1::2]
    if len(names) != len(states) or len(set(names)) != len(names):
        raise HouFileError("its flags are damaged")
    switch = {"on": True, "off": False}
    return {name: switch.get(state, state) for name, state in zip(names, states, strict=True)}


def flag_text(flags: Mapping[str, FlagState]) -> str:
    switch = {True: "on", False: "off"}
    return " ".join(
        f"{name} {switch[state] if isinstance(state, bool) else state}"
        for name, state in flags.items()
    )


def _stat(lines: Lines) -> Stat:
    values: dict[str, str] = {}
    for line in lines.block():
        key, _space, value = line.removeprefix("  ").partition(" ")
        values[key] = value
    if list(values) != ["create", "modify", "author", "access"]:
        raise HouFileError("its times and author are damaged")
    times = whole(values["create"]), whole(values["modify"])
    return Stat(*times, values["author"], values["access"])


# Keyword with what follows it on the line, the field it fills, its reader.
SHARED: dict[str, tuple[str, Reader]] = {
    "position ": ("position", rest(lambda text: floats(text, 2))),
    "flags =": ("flags", rest(_flags)),
    "stat\n": ("stat", block(_stat)),
    "color UT_Color RGB ": ("color", rest(lambda text: floats(text.removesuffix(" "), 3))),
}


def read(text: str, statements: Mapping[str, tuple[str, Reader]]) -> Lines:
    """All statements of a member, in any order; unknown lines are kept before the next one."""
    lines = Lines(text)
    unknown: list[str] = []
    while True:
        keyword = next((one for one in statements if text.startswith(one, lines.at)), None)
        if keyword is None:
            line = lines.line()
            if line != END:
                unknown.append(line)
                if len(unknown) + len(lines.extra) > MAX_ITEMS:
                    raise HouFileError(f"it has more than {MAX_ITEMS} lines")
                continue
            name = END
        else:
            name, reader = statements[keyword]
            if name in lines.found:
                raise HouFileError(f"it has two lines '{keyword.split()[0]}'")
            lines.found[name] = reader(lines, lines.at + len(keyword))
        lines.extra += [(name, line) for line in unknown]
        unknown = []
        if name == END:
            break
    if text[lines.at :].strip():
        raise HouFileError("something follows its end")
    return lines


Rows = list[tuple[str, list[str]]]
"""Names of fields, each with the lines that hold it."""


def tail(one: Placement) -> Rows:
    """The lines of times and colour."""
    found: Rows = []
    if one.stat is not None:
        stat = [
            f"  create {one.stat.create}",
            f"  modify {one.stat.modify}",
            f"  author {one.stat.author}",
            f"  access {one.stat.access}",
        ]
        found.append(("stat", ["stat", "{", *stat, "}"]))
    if one.color is not None:
        found.append(("color", ["color UT_Color RGB " + " ".join(one.color) + " "]))
    return found


def joined(rows: Rows, extra: tuple[tuple[str, str], ...]) -> str:
    lines: list[str] = []
    for name, own in [*rows, (END, [END])]:
        lines += [line for before, line in extra if before == name]
        lines += own
    return "\n".join([*lines, ""])
