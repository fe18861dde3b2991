"""A node of a scene, whose members are read when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from .errors import MAX_DEPTH, MAX_SCENE_ITEMS, HouFileError, shown, text_of
from .members import channels, definition, dots, options, parms, texts
from .members.definition import NOTHING, Definition, NoteDefinition, Wire
from .members.options import DataBlock, OptionValue
from .members.optionstext import decode_text
from .members.parms import Expression, Parm

_T = TypeVar("_T")

_ASSET_INPUT = re.compile(r"\([0-9]{1,4}\)")
_TYPE = re.compile(rb"type = (\S{1,1000})\s")


@dataclass(frozen=True)
class StickyNote:
    """A note in a network."""

    name: str
    definition: NoteDefinition

    @property
    def text(self) -> str:
        return self.definition.text or ""


class Reader:
    """Decodes members on demand, within the limits of the whole scene."""

    def __init__(
        self, members: Mapping[str, bytes], source: str, repeated: frozenset[str] = frozenset()
    ) -> None:
        self.members, self.source, self._repeated = members, source, repeated
        self._room = MAX_SCENE_ITEMS
        self._refused: dict[str, str] = {}

    def read(self, name: str, decode: Callable[[bytes], _T]) -> _T | None:
        """A decoded member, None when the scene does not have it."""
        data = self.members.get(name)
        if data is None:
            return None
        if name in self._repeated:
            raise HouFileError(f"{self.source}: member '{shown(name, 120)}' occurs twice")
        if name in self._refused:
            raise HouFileError(self._refused[name])
        try:
            return decoded(self.source, name, data, decode)
        except HouFileError as error:
            self._refused[name] = str(error)
            raise

    def spend(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise HouFileError(f"{self.source}: the scene has too many nodes or values")


class Node:
    """A node of the scene; ``type`` is '' for the managers (``/obj``, ``/tasks`` ...).

    ``children`` stand in saved order. ``complete`` says that the scene holds all of them, which
    it does not for a locked asset. What its members hold is read when it is asked for; those
    properties raise HouFileError when a member is damaged.
    """

    def __init__(self, name: str, base: str, parent: Node | None, reader: Reader) -> None:
        self.name, self.path, self.parent = name, f"/{base}", parent
        self._base, self._reader = base, reader
        self.children: list[Node] = []
        self._notes: list[str] = []
        self._dots: list[str] = []
        init = reader.members.get(f"{base}.init", b"")
        found = _TYPE.match(init)
        self.type = found[1].decode("utf-8", "replace") if found else ""
        self.matches_definition = init.endswith(b"\nmatchesdef = 1\n")
        self.complete = f"{base}.net" in reader.members

    def __repr__(self) -> str:
        return f"<Node {self.path} {self.type}>"

    def _read(self, kind: str, decode: Callable[[bytes], _T]) -> _T | None:
        return self._reader.read(f"{self._base}.{kind}", decode)

    @cached_property
    def definition(self) -> Definition:
        found = self._read("def", lambda data: definition.decode(text_of(data))) or Definition()
        lists = (found.outputs, found.named_inputs, found.inputs)
        self._reader.spend(sum(len(one or ()) for one in lists))
        return found

    @cached_property
    def parms(self) -> dict[str, Parm]:
        """The saved parameters by name, with the expressions that drive them.

        A parameter whose keyframes all have one value has that value and no expression.
        """
        saved = self._read("parm", lambda data: parms.decode(text_of(data)))
        if saved is None:
            return {}
        self._reader.spend(sum(len(one.values) for one in saved.parms))
        expressions: dict[str, Expression] = {}
        if any(value.channel for one in saved.parms for value in one.values):
            driven = self._read("chn", lambda data: channels.decode(text_of(data))) or ()
            for channel in driven:
                if channel.expression is not None and not channel.is_constant:
                    expressions[channel.name] = channel.expression
        filled = parms.with_expressions(saved.parms, expressions)
        return {parm.name: parm for parm in filled}

    @cached_property
    def user_data(self) -> dict[str, OptionValue]:
        def decode(data: bytes) -> dict[str, OptionValue]:
            return decode_text(text_of(data)) if data[:1] == b"{" else options.decode(data)

        return self._read("userdata", decode) or {}

    @cached_property
    def data_blocks(self) -> tuple[DataBlock, ...]:
        return self._read("datablocks", options.decode_blocks) or ()

    @cached_property
    def spare_interface(self) -> str | None:
        """The whole interface of a node with spare parameters, as a DialogScript."""
        return self._read("spareparmdef", text_of)

    @cached_property
    def entry_links(self) -> tuple[tuple[str, str], ...]:
        """Parameters of lists that follow another node's, as (parameter, channel) pairs."""
        return self._read("multiparm", lambda data: texts.decode_links(text_of(data))) or ()

    @cached_property
    def notes(self) -> list[StickyNote]:
        """The sticky notes in this network."""
        found: list[StickyNote] = []
        for base in self._notes:
            note = self._reader.read(
                f"{base}.postitdef", lambda data: definition.decode_note(text_of(data))
            )
            if note is not None:
                found.append(StickyNote(base.rpartition("/")[2], note))
        return found

    @cached_property
    def dots(self) -> dict[str, Wire | None]:
        """The network dots in this network by name: where each comes from, None when unwired."""
        found: dict[str, Wire | None] = {}
        for base in self._dots:
            wire = self._reader.read(
                f"{base}.networkdotinit", lambda data: dots.decode(text_of(data))
            )
            found[base.rpartition("/")[2]] = wire
        return found

    @property
    def flags(self) -> dict[str, bool]:
        """The flags by name: whether they are on, or set to another word than off."""
        return {name: state is not False for name, state in (self.definition.flags or {}).items()}

    @property
    def inputs(self) -> list[Wire]:
        """The wires into this node, each from the node it really comes from: network dots are
        followed, and inputs without a wire left out.
        """
        found = (self._followed(wire) for wire in self.definition.inputs or ())
        return [wire for wire in found if wire is not None]

    def _followed(self, wire: Wire) -> Wire | None:
        for _ in range(MAX_DEPTH):
            if wire.source == NOTHING:
                return None
            name = dots.name(wire.source)
            known = self.parent.dots if self.parent is not None and name is not None else {}
            if name is None or name not in known:
                return wire
            before = known[name]
            if before is None:
                return None
            wire = replace(wire, source=before.source, source_output=before.source_output)
        raise HouFileError(
            f"{self._reader.source}: {self.path} is wired to network dots in a circle"
        )

    @property
    def comment(self) -> str:
        return self.definition.comment or ""

    @property
    def position(self) -> tuple[float, float]:
        """Place in the network editor, y up."""
        return self.definition.xy

    @property
    def color(self) -> tuple[float, ...] | None:
        """Colour in the network editor, sRGB 0..1."""
        return self.definition.rgb

    def child(self, name: str) -> Node | None:
        return next((one for one in self.children if one.name == name), None)

    def source(self, wire: Wire) -> Node | None:
        """The sibling a wire comes from; None when it comes from the enclosing asset's input."""
        return self.parent.child(wire.source) if self.parent else None

    def walk(self) -> Iterator[Node]:
        """The node and everything in it, in saved order."""
        yield self
        for child in self.children:
            yield from child.walk()

    # -- while the tree is built --------------------------------------------------------
    def note(self, base: str) -> None:
        self._notes.append(base)

    def dot(self, base: str) -> None:
        self._dots.append(base)

    def sort(self) -> None:
        """Put the children in saved order; a damaged list leaves them as they stand."""
        try:
            names = self._order()
        except HouFileError:
            return
        place = {name: index for index, name in enumerate(names)}
        self.children.sort(key=lambda child: place.get(child.name, len(place)))

    def _order(self) -> tuple[str, ...]:
        return self._read("order", lambda data: texts.decode_order(text_of(data))) or ()

    def check(self) -> None:
        """Read what describes this network and the nodes in it. Raises HouFileError when a member
        is damaged, a listed node is missing or a wire comes from no node.
        """
        here = {child.name for child in self.children}
        if missing := next((name for name in self._order() if name not in here), None):
            raise HouFileError(
                f"{self._reader.source}: member '{shown(self._base, 120)}.order': the node "
                f"'{shown(missing)}' is listed but not in the scene"
            )
        for one in (self, *self.children):
            one._read("init", lambda data: definition.decode_init(text_of(data)))
            _ = one.definition, one.parms, one.spare_interface
        for child in self.children:
            for wire in child.inputs:
                if wire.source in here or (
                    self.name == "hdaroot" and _ASSET_INPUT.fullmatch(wire.source)
                ):
                    continue
                raise HouFileError(
                    f"{self._reader.source}: member '{shown(child.path[1:], 120)}.def': it is "
                    f"wired to '{shown(wire.source)}', which is no node of the network"
                )

    def check_all(self) -> None:
        """Like ``check``, for everything in the node and every member that is understood."""
        for node in self.walk():
            node.check()
            _ = node.user_data, node.data_blocks, node.notes
            node._read("chn", lambda data: channels.decode(text_of(data)))
            node._read("inp", lambda data: texts.decode_dots(text_of(data)))
            _ = node.entry_links
            node._read("net", lambda data: texts.decode_net(text_of(data)))
            ids = {
                child.name: {one.id for one in child.definition.outputs or ()}
                for child in node.children
            }
            for child in node.children:
                for wire in child.definition.named_inputs or ():
                    known = ids.get(wire.source)
                    if known is not None and wire.source_id not in known:
                        raise HouFileError(
                            f"{self._reader.source}: member '{shown(child.path[1:], 120)}.def': "
                            f"its wire from '{shown(wire.source)}' leads to no output of that node"
                        )


def decoded(source: str, name: str, data: bytes, decode: Callable[[bytes], _T]) -> _T:
    """The member decoded; an error of the decoder names the file and the member."""
    try:
        return decode(data)
    except HouFileError as error:
        raise HouFileError(f"{source}: member '{shown(name, 120)}': {error}") from None
