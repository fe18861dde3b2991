"""What a node is (``.init``) and how it lies and is wired (``.def``); sticky notes likewise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from houfiles.errors import HouFileError, shown
from houfiles.quoting import QUOTED, quote, unescape

from . import statements
from .statements import SHARED, Lines, Placement, Reader, Rows, Stat, block, flag_text, rest

__all__ = ["FLAGS", "Definition", "Init", "NoteDefinition", "Stat", "Wire"]

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
_OUTPUT = re.compile(r"(\d{1,9})\s+", re.ASCII)
_NAMED = re.compile(r"(\d{1,9})\s+(\S+)\s+(\d{1,9}|\"\")\s+(\d{1,9})\s+", re.ASCII)
# Very old scenes leave the output out.
_WIRE = re.compile(r"(\d{1,9})\s+(\S+)(?:\s+(\d{1,9}))?(?:\s+(\d{1,9}))?\s*", re.ASCII)
NOTHING = '""'
"""The source of an input that nothing is wired into."""


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
    the enclosing asset, or ``(__dot1)`` for a network dot; ``source_output`` counts that node's
    outputs from 0.
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

    ``source_id`` is None for an input of the enclosing asset and for a network dot.
    """

    id: int
    source: str
    source_id: int | None
    name: str
    mark: int = 1


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


def _fields(pattern: re.Pattern[str], line: str) -> tuple[re.Match[str], str]:
    """The fields of a wire line and the quoted name at its end, if the line has one."""
    found = pattern.match(line)
    if found is not None and found.end() == len(line):
        return found, ""
    name = QUOTED.fullmatch(line.rstrip(), found.end()) if found is not None else None
    if found is None or name is None:
        raise HouFileError(f"this wire is damaged: '{shown(line)}'")
    return found, unescape(name[1])


def _outputs(lines: Lines) -> tuple[NamedOutput, ...]:
    rows = [_fields(_OUTPUT, line) for line in lines.block()]
    return tuple(NamedOutput(int(row[1]), name) for row, name in rows)


def _named_inputs(lines: Lines) -> tuple[NamedInput, ...]:
    rows = [_fields(_NAMED, line) for line in lines.block()]
    return tuple(
        NamedInput(int(row[1]), row[2], None if row[3] == '""' else int(row[3]), name, int(row[4]))
        for row, name in rows
    )


def _wires(lines: Lines) -> tuple[Wire, ...]:
    rows = [_fields(_WIRE, line)[0] for line in lines.block()]
    return tuple(Wire(int(row[1]), row[2], int(row[3] or 0), int(row[4] or 1)) for row in rows)


_NODE: dict[str, tuple[str, Reader]] = {
    "comment ": ("comment", statements.words),
    "position ": SHARED["position "],
    "connectornextid ": ("connector_next_id", rest(statements.whole)),
    "flags =": SHARED["flags ="],
    "outputsNamed3\n": ("outputs", block(_outputs)),
    "inputsNamed3\n": ("named_inputs", block(_named_inputs)),
    "inputs\n": ("inputs", block(_wires)),
    "stat\n": SHARED["stat\n"],
    "color UT_Color RGB ": SHARED["color UT_Color RGB "],
    "delscript ": ("delete_script", statements.words),
    "exprlanguage ": ("expression_language", rest(str)),
}
_NOTE: dict[str, tuple[str, Reader]] = {
    "text ": ("text", statements.words),
    "position ": SHARED["position "],
    "size ": ("size", rest(lambda text: statements.floats(text, 2))),
    "flags =": SHARED["flags ="],
    "stat\n": SHARED["stat\n"],
    "color UT_Color RGB ": SHARED["color UT_Color RGB "],
}


def decode(text: str) -> Definition:
    lines = statements.read(text, _NODE)
    found = Definition(extra=tuple(lines.extra), **lines.found)  # type: ignore[arg-type]
    return found if _node_text(found) == text else replace(found, source=text)


def decode_note(text: str) -> NoteDefinition:
    lines = statements.read(text, _NOTE)
    found = NoteDefinition(extra=tuple(lines.extra), **lines.found)  # type: ignore[arg-type]
    return found if _note_text(found) == text else replace(found, source=text)


def encode(definition: Definition) -> str:
    """The text of a definition; the very text it was read from when nothing was changed."""
    if definition.source and decode(definition.source) == definition:
        return definition.source
    return _node_text(definition)


def encode_note(note: NoteDefinition) -> str:
    """The text of a note; the very text it was read from when nothing was changed."""
    if note.source and decode_note(note.source) == note:
        return note.source
    return _note_text(note)


def _node_text(one: Definition) -> str:
    rows: Rows = []
    if one.comment is not None:
        rows.append(("comment", [f"comment {quote(one.comment)}"]))
    if one.position is not None:
        rows.append(("position", ["position " + " ".join(one.position)]))
    if one.connector_next_id is not None:
        rows.append(("connector_next_id", [f"connectornextid {one.connector_next_id}"]))
    if one.flags is not None:
        rows.append(("flags", ["flags =  " + flag_text(one.flags)]))
    if one.outputs is not None:
        lines = [f"{out.id} {quote(out.name)}" for out in one.outputs]
        rows.append(("outputs", ["outputsNamed3", "{", *lines, "}"]))
    if one.named_inputs is not None:
        lines = [_named_text(wire) for wire in one.named_inputs]
        rows.append(("named_inputs", ["inputsNamed3", "{", *lines, "}"]))
    if one.inputs is not None:
        lines = [f"{w.input_index} \t{w.source} {w.source_output} {w.mark}" for w in one.inputs]
        rows.append(("inputs", ["inputs", "{", *lines, "}"]))
    rows += statements.tail(one)
    if one.delete_script is not None:
        rows.append(("delete_script", [f"delscript {quote(one.delete_script)}"]))
    if one.expression_language is not None:
        rows.append(("expression_language", [f"exprlanguage {one.expression_language}"]))
    return statements.joined(rows, one.extra)


def _note_text(note: NoteDefinition) -> str:
    rows: Rows = []
    if note.text is not None:
        rows.append(("text", [f"text {quote(note.text)}"]))
    if note.position is not None:
        rows.append(("position", ["position " + " ".join(note.position)]))
    if note.size is not None:
        rows.append(("size", ["size " + " ".join(note.size)]))
    if note.flags is not None:
        rows.append(("flags", ["flags = " + flag_text(note.flags)]))
    return statements.joined(rows + statements.tail(note), note.extra)


def _named_text(wire: NamedInput) -> str:
    source = '""' if wire.source_id is None else str(wire.source_id)
    return f"{wire.id} \t{wire.source} {source} {wire.mark} {quote(wire.name)}"
