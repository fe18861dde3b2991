"""A scene as a tree of nodes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from . import channels, cpio, definition, dialogscript, options, parms, texts
from .definition import Definition, Init, NoteDefinition, Wire
from .dialogscript import Interface
from .errors import MAX_FILE_BYTES, MAX_NODES, MAX_SCENE_ITEMS, HouFileError, shown, text_of
from .indexdata import Library, decode_library, split_type
from .options import DataBlock, OptionValue
from .parms import Expression, Parm

_T = TypeVar("_T")

_FOREIGN = (
    (b"HouLC", "it is a Houdini Indie scene (.hiplc); save it as .hip in Houdini"),
    (b"HouNC", "it is a non-commercial scene (.hipnc); save it as .hip in Houdini"),
    (b"Hou", "it is a scene of another licence than .hip; save it as .hip in Houdini"),
    (b"INDX", "it is a digital asset library, not a scene"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"PK", "it is a zip archive, not a scene"),
)
_TOP_NETWORK = "topnet"
_ASSET_INPUT = re.compile(r"\([0-9]{1,4}\)")


@dataclass(frozen=True)
class StickyNote:
    """A note in a network."""

    name: str
    definition: NoteDefinition

    @property
    def text(self) -> str:
        return self.definition.text or ""


@dataclass(eq=False)
class Node:
    """A node of the scene; ``type`` is '' for the managers (``/obj``, ``/tasks`` ...).

    ``children`` stand in saved order. ``complete`` says that the scene holds all of them, which
    it does not for a locked asset.
    """

    name: str
    path: str
    type: str = ""
    matches_definition: bool = False
    parent: Node | None = field(default=None, repr=False)
    children: list[Node] = field(default_factory=list, repr=False)
    definition: Definition = field(default_factory=Definition, repr=False)
    parms: dict[str, Parm] = field(default_factory=dict, repr=False)
    user_data: dict[str, OptionValue] = field(default_factory=dict, repr=False)
    notes: list[StickyNote] = field(default_factory=list, repr=False)
    data_blocks: tuple[DataBlock, ...] = ()
    spare_interface: str | None = None
    entry_links: tuple[tuple[str, str], ...] = ()
    complete: bool = False

    @property
    def flags(self) -> dict[str, bool]:
        return dict(self.definition.flags or {})

    @property
    def inputs(self) -> list[Wire]:
        return list(self.definition.inputs or ())

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


class Scene:
    """A scene that was read; ``members`` are its parts as they stand in the file, in order."""

    def __init__(self, archive: cpio.Archive, source: str = "the scene") -> None:
        self._source = source
        self.adopt(archive)

    @property
    def source(self) -> str:
        """The file's name for messages."""
        return self._source

    @property
    def archive(self) -> cpio.Archive:
        return self._archive

    def adopt(self, archive: cpio.Archive) -> None:
        """Take another archive; nothing changes when it cannot be read."""
        members = {one.name: one.data for one in archive.members}
        tree = _Tree(members, self._source)
        tree.build()
        variables = tree.read(".variables", lambda data: texts.decode_variables(text_of(data)))
        self._archive = archive
        self.members: Mapping[str, bytes] = MappingProxyType(members)
        self.roots: list[Node] = tree.roots
        self._nodes = tree.nodes
        self.variables: dict[str, str] = variables or {}
        for name in ("fallbacks", "library", "selected_work_item"):
            self.__dict__.pop(name, None)

    @cached_property
    def selected_work_item(self) -> dict[str, Any] | None:
        """Houdini's record of the work item that was selected when the scene was saved."""
        data = self.members.get(".selectedworkitem")
        if data is None:
            return None
        return _decoded(
            self._source,
            ".selectedworkitem",
            data,
            lambda one: texts.decode_work_item(text_of(one)),
        )

    @cached_property
    def fallbacks(self) -> tuple[tuple[str, str], ...]:
        """Section names of the assets used, and libraries that may hold them."""
        data = self.members.get(".OPfallbacks", b"")
        return _decoded(
            self._source, ".OPfallbacks", data, lambda one: texts.decode_fallbacks(text_of(one))
        )

    @cached_property
    def library(self) -> Library:
        """The dummies of the asset types used; empty in a scene without them."""
        data = self.members.get(".OPdummydefs")
        if data is None:
            return Library((), ())
        return _decoded(self._source, ".OPdummydefs", data, decode_library)

    def interface(self, type_name: str, table: str = "Top") -> Interface | None:
        """The parameter interface of an asset type, from the dummies that the scene carries."""
        namespace, base, version = split_type(type_name)
        section = "::".join(one for one in (namespace, f"{table}/{base}", version) if one)
        asset = self.library.definition(section)
        if asset is None:
            return None

        def read(_data: bytes) -> Interface | None:
            text = asset.text("DialogScript")
            return None if text is None else dialogscript.decode(text)

        return _decoded(self._source, f".OPdummydefs, {section}", b"", read)

    def find(self, path: str) -> Node | None:
        """The node at an absolute path, or None."""
        return self._nodes.get(path.strip("/"))

    def node(self, path: str) -> Node:
        """The node at an absolute path such as ``/tasks/topnet1``. Raises HouFileError."""
        found = self.find(path)
        if found is None:
            raise HouFileError(f"{self._source}: there is no node '{shown(path, 200)}'")
        return found

    def walk(self) -> Iterator[Node]:
        """All nodes in saved order."""
        for root in self.roots:
            yield from root.walk()

    def to_bytes(self) -> bytes:
        """The scene as a file; equal to what was read when nothing was changed."""
        return cpio.encode(self._archive)


def load(path: str | os.PathLike[str]) -> Scene:
    """Read a ``.hip`` file. Raises HouFileError: one sentence with the file and the member."""
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise HouFileError(f"{shown(name, 300)}: it is not a file")
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HouFileError(f"{shown(name, 300)}: it cannot be read ({reason})") from None
    return loads(data, Path(name).name)


def loads(data: bytes, source: str = "the scene") -> Scene:
    """Read a scene from bytes; ``source`` names it in messages. Raises HouFileError."""
    label = shown(source, 300)
    if not data:
        raise HouFileError(f"{label}: the file is empty")
    for magic, problem in _FOREIGN:
        if data.startswith(magic):
            raise HouFileError(f"{label}: {problem}")
    if not data.startswith(cpio.MAGIC[: len(data)]):
        raise HouFileError(f"{label}: it is not a Houdini scene")
    try:
        archive = cpio.decode(data)
    except HouFileError as error:
        raise HouFileError(f"{label}: {error}") from None
    return Scene(archive, label)


def contents_tree(members: Mapping[str, bytes], source: str) -> Node:
    """The network inside an asset, from the members of its contents: the node ``hdaroot``.

    A wire whose source is ``(0)`` comes from the asset's first input. Raises HouFileError.
    """
    tree = _Tree(members, source)
    tree.build()
    root = next((one for one in tree.roots if one.name == "hdaroot"), None)
    if root is None or len(tree.roots) != 1:
        raise HouFileError(f"{source}: it is not the network of an asset")
    tree.check_wires(root)
    return root


def _decoded(source: str, name: str, data: bytes, decode: Callable[[bytes], _T]) -> _T:
    try:
        return decode(data)
    except HouFileError as error:
        raise HouFileError(f"{source}: member '{shown(name, 120)}': {error}") from None


class _Tree:
    """Builds the nodes from the members."""

    def __init__(self, members: Mapping[str, bytes], source: str) -> None:
        self._members = members
        self._source = source
        self.nodes: dict[str, Node] = {}
        self.roots: list[Node] = []
        self._room = MAX_SCENE_ITEMS

    def read(self, name: str, decode: Callable[[bytes], _T]) -> _T | None:
        """A decoded member, None when the scene does not have it."""
        data = self._members.get(name)
        return None if data is None else _decoded(self._source, name, data, decode)

    def build(self) -> None:
        for name in self._members:
            base, dot, kind = name.rpartition(".")
            if not dot or not base or base.endswith("/"):
                continue
            if kind in ("init", "def", "parm", "userdata") and base not in self.nodes:
                if "/" in base or f"{base}.def" in self._members:
                    self._add(base)
            elif kind == "postitdef":
                self._note(base)
        for base, node in self.nodes.items():
            self._order(base, node)
        for node in self.nodes.values():
            if node.type == _TOP_NETWORK:
                self.check_wires(node)

    def _parent(self, base: str) -> Node | None:
        """The node around a path, made up when the scene has only parts of an asset."""
        above = base.rpartition("/")[0]
        if not above:
            return None
        return self.nodes[above] if above in self.nodes else self._add(above)

    def _add(self, base: str) -> Node:
        init = self.read(f"{base}.init", lambda data: definition.decode_init(text_of(data)))
        init = init or Init("")
        parent = self._parent(base)
        name = base.rpartition("/")[2]
        node = Node(name, f"/{base}", init.type, init.matches_definition, parent)
        where = self.read(f"{base}.def", lambda data: definition.decode(text_of(data)))
        node.definition = where or node.definition
        driven = self.read(f"{base}.chn", lambda data: channels.decode(text_of(data))) or ()
        expressions: dict[str, Expression] = {}
        for channel in driven:
            if channel.expression is not None:
                expressions[channel.name] = channel.expression
        saved = self.read(f"{base}.parm", lambda data: parms.decode(text_of(data)))
        if saved is not None:
            filled = parms.with_expressions(saved.parms, expressions)
            node.parms = {parm.name: parm for parm in filled}
        node.user_data = self.read(f"{base}.userdata", options.decode) or {}
        node.data_blocks = self.read(f"{base}.datablocks", options.decode_blocks) or ()
        node.spare_interface = self.read(f"{base}.spareparmdef", text_of)
        self.read(f"{base}.inp", lambda data: texts.decode_dots(text_of(data)))
        links = self.read(f"{base}.multiparm", lambda data: texts.decode_links(text_of(data)))
        node.entry_links = links or ()
        net = self.read(f"{base}.net", lambda data: texts.decode_net(text_of(data)))
        node.complete = net is not None
        (parent.children if parent else self.roots).append(node)
        self.nodes[base] = node
        self._spend(node)
        return node

    def _spend(self, node: Node) -> None:
        """Hold the whole scene to its limits."""
        where = node.definition
        wires = sum(len(one or ()) for one in (where.outputs, where.named_inputs, where.inputs))
        self._room -= wires + sum(len(one.values) for one in node.parms.values())
        if len(self.nodes) > MAX_NODES or self._room < 0:
            raise HouFileError(f"{self._source}: the scene has too many nodes or values")

    def _note(self, base: str) -> None:
        note = self.read(f"{base}.postitdef", lambda data: definition.decode_note(text_of(data)))
        self.read(f"{base}.postitinit", lambda data: definition.decode_init(text_of(data)))
        parent = self._parent(base)
        if parent is not None and note is not None:
            parent.notes.append(StickyNote(base.rpartition("/")[2], note))

    def _order(self, base: str, node: Node) -> None:
        names = self.read(f"{base}.order", lambda data: texts.decode_order(text_of(data)))
        if names is None:
            return
        place = {name: index for index, name in enumerate(names)}
        if node.type == _TOP_NETWORK:
            here = {child.name for child in node.children}
            if missing := next((name for name in names if name not in here), None):
                raise HouFileError(
                    f"{self._source}: member '{shown(base, 120)}.order': the node "
                    f"'{shown(missing)}' is listed but not in the scene"
                )
        node.children.sort(key=lambda child: place.get(child.name, len(place)))

    def check_wires(self, network: Node) -> None:
        """In a TOP network each wire must come from an output of a node that exists.

        In an asset's network it may also come from an input of the asset.
        """
        outputs = {
            child.name: {one.id for one in child.definition.outputs or ()}
            for child in network.children
        }
        for node in network.children:
            for source, output in _sources(node.definition):
                problem = None
                if _ASSET_INPUT.fullmatch(source) and network.name == "hdaroot":
                    continue
                if source not in outputs:
                    problem = f"it is wired to '{shown(source)}', which is no node of the network"
                elif output >= 0 and output not in outputs[source]:
                    problem = f"its wire from '{shown(source)}' leads to no output of that node"
                if problem:
                    member = shown(f"{node.path[1:]}.def", 120)
                    raise HouFileError(f"{self._source}: member '{member}': {problem}")


def _sources(where: Definition) -> Iterator[tuple[str, int]]:
    """The nodes that a node is wired to, with the id of their output where the line gives one."""
    yield from ((wire.source, -1) for wire in where.inputs or ())
    yield from (
        (wire.source, -1 if wire.source_id is None else wire.source_id)
        for wire in where.named_inputs or ()
    )
