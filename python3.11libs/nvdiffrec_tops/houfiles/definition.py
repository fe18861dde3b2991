"""What a node is (``.init``) and how it lies and is wired (``.def``); sticky notes likewise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .errors import MAX_ITEMS, HouFileError, shown
from .quoting import QUOTED, quote, unescape

FLAGS = (
    "lock",
    "model",
    "template",
    "footprint",
    "xray",
    "bypass",
    "display",
    "render",
    "highlight",
    "unload",
    "savedata",
    "compress",
    "colordefault",
    "exposed",
)
"""The flags of a node in the order of the file."""

_INIT = re.compile(r"type = (\S+)\nmatchesdef = ([01])\n", re.ASCII)
_OUTPUT = re.compile(r"(\d{1,9}) ", re.ASCII)
_NAMED = re.compile(r"(\d{1,9}) \t(\S+) (\d{1,9}|\"\") (\d{1,9}) ", re.ASCII)
_WIRE = re.compile(r"(\d{1,9}) \t(\S+) (\d{1,9}) (\d{1,9})", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Init:
    """``type`` without table; ``matches_definition``: a locked instance of an asset."""

    type: str
    matches_definition: bool = False


def decode_init(text: str) -> Init:
    found = _INIT.fullmatch(text)
    if found is None:
        raise HouFileError("it does not say which type the node is of")
    return Init(found[1], found[2] == "1")


def encode_init(init: Init) -> str:
    return f"type = {init.type}\nmatchesdef = {int(init.matches_definition)}\n"


@dataclass(frozen=True, slots=True)
class Wire:
    """An input that is connected.

    ``source`` is the name of the sibling node it comes from, or ``(0)`` for the first input of
    the enclosing asset; ``source_output`` counts that node's outputs from 0.
    """

    input_index: int
    source: str
    source_output: int = 0
    mark: int = 1


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """A wired output connector and its id."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class NamedInput:
    """A wired input connector: its id, the node and the output id it comes from.

    ``source_id`` is None for an input of the enclosing asset.
    """

    id: int
    source: str
    source_id: int | None
    name: str
    mark: int = 1


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
    """

    position: tuple[str, ...] | None = None
    flags: Mapping[str, bool] | None = None
    stat: Stat | None = None
    color: tuple[str, ...] | None = None
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def xy(self) -> tuple[float, float]:
        """The position in the network editor, y up."""
        numbers = [float(one) for one in self.position or ()]
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (0.0, 0.0)

    @property
    def rgb(self) -> tuple[float, ...] | None:
        """The colour in the network editor, sRGB 0..1."""
        return None if self.color is None else tuple(float(one) for one in self.color)


@dataclass(frozen=True)
class Definition(Placement):
    """A ``.def`` member; a part that the file does not have is None."""

    comment: str | None = None
    connector_next_id: int | None = None
    outputs: tuple[NamedOutput, ...] | None = None
    named_inputs: tuple[NamedInput, ...] | None = None
    inputs: tuple[Wire, ...] | None = None
    delete_script: str | None = None
    expression_language: str | None = None


@dataclass(frozen=True)
class NoteDefinition(Placement):
    """A ``.postitdef`` member: a sticky note."""

    text: str | None = None
    size: tuple[str, ...] | None = None


@dataclass
class _Lines:
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


def _fields(pattern: re.Pattern[str], line: str) -> tuple[re.Match[str], str]:
    """The fields of a wire line and the quoted name at its end, if the line has one."""
    found = pattern.match(line)
    if found is not None and found.end() == len(line):
        return found, ""
    name = QUOTED.fullmatch(line, found.end()) if found is not None else None
    if found is None or name is None:
        raise HouFileError(f"this wire is damaged: '{shown(line)}'")
    return found, unescape(name[1])


def _outputs(lines: _Lines) -> tuple[NamedOutput, ...]:
    rows = [_fields(_OUTPUT, line) for line in lines.block()]
    return tuple(NamedOutput(int(row[1]), name) for row, name in rows)


def _named_inputs(lines: _Lines) -> tuple[NamedInput, ...]:
    rows = [_fields(_NAMED, line) for line in lines.block()]
    return tuple(
        NamedInput(int(row[1]), row[2], None if row[3] == '""' else int(row[3]), name, int(row[4]))
        for row, name in rows
    )


def _wires(lines: _Lines) -> tuple[Wire, ...]:
    rows = [_fields(_WIRE, line)[0] for line in lines.block()]
    return tuple(Wire(int(row[1]), row[2], int(row[3]), int(row[4])) for row in rows)


def _stat(lines: _Lines) -> Stat:
    values: dict[str, str] = {}
    for line in lines.block():
        key, _space, value = line.removeprefix("  ").partition(" ")
        values[key] = value
    if list(values) != ["create", "modify", "author", "access"]:
        raise HouFileError("its times and author are damaged")
    return Stat(_int(values["create"]), _int(values["modify"]), values["author"], values["access"])


def _int(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise HouFileError(f"'{shown(text)}' is not a whole number")
    return int(text)


def _floats(text: str, count: int) -> tuple[str, ...]:
    words = text.split(" ")
    if len(words) != count or not all(_FLOAT.fullmatch(one) for one in words):
        raise HouFileError(f"'{shown(text)}' is not {count} numbers")
    return tuple(words)


def _flags(text: str) -> dict[str, bool]:
    words = text.split(" ")
    names, states = words[::2], words[1::2]
    if len(names) != len(states) or set(states) - {"on", "off"} or len(set(names)) != len(names):
        raise HouFileError("its flags are damaged")
    return {name: state == "on" for name, state in zip(names, states, strict=True)}


_Reader = Callable[[_Lines, int], object]
"""Reads a statement's value; the place given is where the value begins."""


def _rest(read: Callable[[str], object]) -> _Reader:
    """A statement whose value is the rest of its line."""

    def reader(lines: _Lines, start: int) -> object:
        before = lines.at
        return read(lines.line()[start - before :])

    return reader


def _block(read: Callable[[_Lines], object]) -> _Reader:
    """A statement whose value is the block after its line."""

    def reader(lines: _Lines, _start: int) -> object:
        lines.line()
        return read(lines)

    return reader


# Keyword with what follows it on the line, the field it fills, its reader; in the file's order.
_SHARED: dict[str, tuple[str, _Reader]] = {
    "position ": ("position", _rest(lambda text: _floats(text, 2))),
    "flags =  ": ("flags", _rest(_flags)),
    "stat\n": ("stat", _block(_stat)),
    "color UT_Color RGB ": ("color", _rest(lambda text: _floats(text.removesuffix(" "), 3))),
}
_NODE: dict[str, tuple[str, _Reader]] = {
    'comment "': ("comment", lambda lines, start: lines.quoted(start - 1)),
    "position ": _SHARED["position "],
    "connectornextid ": ("connector_next_id", _rest(_int)),
    "flags =  ": _SHARED["flags =  "],
    "outputsNamed3\n": ("outputs", _block(_outputs)),
    "inputsNamed3\n": ("named_inputs", _block(_named_inputs)),
    "inputs\n": ("inputs", _block(_wires)),
    "stat\n": _SHARED["stat\n"],
    "color UT_Color RGB ": _SHARED["color UT_Color RGB "],
    'delscript "': ("delete_script", lambda lines, start: lines.quoted(start - 1)),
    "exprlanguage ": ("expression_language", _rest(str)),
}
_NOTE: dict[str, tuple[str, _Reader]] = {
    'text "': ("text", lambda lines, start: lines.quoted(start - 1)),
    "position ": _SHARED["position "],
    "size ": ("size", _rest(lambda text: _floats(text, 2))),
    "flags = ": ("flags", _rest(_flags)),
    "stat\n": _SHARED["stat\n"],
    "color UT_Color RGB ": _SHARED["color UT_Color RGB "],
}
_END = "end"


def _read(text: str, statements: Mapping[str, tuple[str, _Reader]]) -> _Lines:
    """All statements of a member, in any order; unknown lines are kept before the next one."""
    lines = _Lines(text)
    unknown: list[str] = []
    while True:
        keyword = next((one for one in statements if text.startswith(one, lines.at)), None)
        if keyword is None:
            line = lines.line()
            if line != _END:
                unknown.append(line)
                if len(unknown) + len(lines.extra) > MAX_ITEMS:
                    raise HouFileError(f"it has more than {MAX_ITEMS} lines")
                continue
            name = _END
        else:
            name, reader = statements[keyword]
            if name in lines.found:
                raise HouFileError(f"it has two lines '{keyword.split()[0]}'")
            lines.found[name] = reader(lines, lines.at + len(keyword))
        lines.extra += [(name, line) for line in unknown]
        unknown = []
        if name == _END:
            break
    if lines.at != len(text):
        raise HouFileError("something follows its end")
    return lines


def decode(text: str) -> Definition:
    lines = _read(text, _NODE)
    return Definition(extra=tuple(lines.extra), **lines.found)  # type: ignore[arg-type]


def decode_note(text: str) -> NoteDefinition:
    lines = _read(text, _NOTE)
    return NoteDefinition(extra=tuple(lines.extra), **lines.found)  # type: ignore[arg-type]


def encode(definition: Definition) -> str:
    one = definition
    rows: list[tuple[str, list[str]]] = []
    if one.comment is not None:
        rows.append(("comment", [f"comment {quote(one.comment)}"]))
    if one.position is not None:
        rows.append(("position", ["position " + " ".join(one.position)]))
    if one.connector_next_id is not None:
        rows.append(("connector_next_id", [f"connectornextid {one.connector_next_id}"]))
    if one.flags is not None:
        rows.append(("flags", ["flags =  " + _flag_text(one.flags)]))
    if one.outputs is not None:
        lines = [f"{out.id} {quote(out.name)}" for out in one.outputs]
        rows.append(("outputs", ["outputsNamed3", "{", *lines, "}"]))
    if one.named_inputs is not None:
        lines = [_named_text(wire) for wire in one.named_inputs]
        rows.append(("named_inputs", ["inputsNamed3", "{", *lines, "}"]))
    if one.inputs is not None:
        lines = [f"{w.input_index} \t{w.source} {w.source_output} {w.mark}" for w in one.inputs]
        rows.append(("inputs", ["inputs", "{", *lines, "}"]))
    rows += _tail(one)
    if one.delete_script is not None:
        rows.append(("delete_script", [f"delscript {quote(one.delete_script)}"]))
    if one.expression_language is not None:
        rows.append(("expression_language", [f"exprlanguage {one.expression_language}"]))
    return _joined(rows, one.extra)


def encode_note(note: NoteDefinition) -> str:
    rows: list[tuple[str, list[str]]] = []
    if note.text is not None:
        rows.append(("text", [f"text {quote(note.text)}"]))
    if note.position is not None:
        rows.append(("position", ["position " + " ".join(note.position)]))
    if note.size is not None:
        rows.append(("size", ["size " + " ".join(note.size)]))
    if note.flags is not None:
        rows.append(("flags", ["flags = " + _flag_text(note.flags)]))
    return _joined(rows + _tail(note), note.extra)


def _tail(one: Placement) -> list[tuple[str, list[str]]]:
    rows: list[tuple[str, list[str]]] = []
    if one.stat is not None:
        stat = [
            f"  create {one.stat.create}",
            f"  modify {one.stat.modify}",
            f"  author {one.stat.author}",
            f"  access {one.stat.access}",
        ]
        rows.append(("stat", ["stat", "{", *stat, "}"]))
    if one.color is not None:
        rows.append(("color", ["color UT_Color RGB " + " ".join(one.color) + " "]))
    return rows


def _flag_text(flags: Mapping[str, bool]) -> str:
    return " ".join(f"{name} {'on' if on else 'off'}" for name, on in flags.items())


def _named_text(wire: NamedInput) -> str:
    source = '""' if wire.source_id is None else str(wire.source_id)
    return f"{wire.id} \t{wire.source} {source} {wire.mark} {quote(wire.name)}"


def _joined(rows: list[tuple[str, list[str]]], extra: tuple[tuple[str, str], ...]) -> str:
    lines: list[str] = []
    for name, own in [*rows, (_END, [_END])]:
        lines += [line for before, line in extra if before == name]
        lines += own
    return "\n".join([*lines, ""])
