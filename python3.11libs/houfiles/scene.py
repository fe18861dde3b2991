"""A scene as a tree of nodes.

Opening a scene reads its container and which nodes there are, and nothing else: what a node's
members hold is read when it is asked for. So nothing in one network keeps another from being used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType

from . import dialogscript
from .containers import cpio, textscene
from .containers.indexdata import Library, decode_library, split_type
from .dialogscript import Interface
from .errors import MAX_NODES, HouFileError, shown
from .members import texts
from .node import Node, Reader, decoded

TOP_NETWORKS = ("topnet", "topnetmgr")
"""The types of a TOP network: of its own, and inside an object or a geometry network."""


class Scene:
    """A scene that was read; ``members`` are its parts as they stand in the file, in order."""

    def __init__(self, archive: cpio.Archive, source: str = "the scene") -> None:
        members: dict[str, bytes] = {}
        repeated: set[str] = set()
        for one in archive.members:
            if one.name in members:
                repeated.add(one.name)
            members[one.name] = one.data
        tree = _Tree(Reader(members, source, frozenset(repeated)))
        tree.build()
        self._source = source
        self._archive = archive
        self.members: Mapping[str, bytes] = MappingProxyType(members)
        self.roots: list[Node] = tree.roots
        self._nodes = tree.nodes

    @property
    def source(self) -> str:
        """The file's name for messages."""
        return self._source

    @property
    def archive(self) -> cpio.Archive:
        return self._archive

    @cached_property
    def variables(self) -> dict[str, str]:
        """The scene's ``$`` variables."""
        data = self.members.get(".variables", b"")
        return texts.decode_variables(data.decode("utf-8", "replace"))

    @cached_property
    def library(self) -> Library:
        """The dummies of the asset types used; empty in a scene without them."""
        data = self.members.get(".OPdummydefs")
        if not data:
            return Library((), ())
        return decoded(self._source, ".OPdummydefs", data, decode_library)

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

        return decoded(self._source, f".OPdummydefs, {section}", b"", read)

    def find(self, path: str) -> Node | None:
        """The node at an absolute path, or None."""
        return self._nodes.get(path.strip("/"))

    def node(self, path: str) -> Node:
        """The node at an absolute path such as ``/tasks/topnet1``. Raises HouFileError."""
        found = self.find(path)
        if found is None:
            raise HouFileError(f"{self._source}: there is no node '{shown(path, 200)}'")
        return found

    def networks(self) -> list[Node]:
        """The TOP networks of the scene, in saved order."""
        return [node for node in self.walk() if node.type in TOP_NETWORKS]

    def network(self, path: str) -> Node:
        """A network, read and checked: see ``Node.check``. Raises HouFileError."""
        found = self.node(path)
        found.check()
        return found

    def walk(self) -> Iterator[Node]:
        """All nodes in saved order."""
        for root in self.roots:
            yield from root.walk()

    def to_bytes(self) -> bytes:
        """The scene as a file; equal to what was read when nothing was changed."""
        if isinstance(self._archive, textscene.TextArchive):
            return textscene.encode(self._archive)
        return cpio.encode(self._archive, repeats=True)


def contents_tree(members: Mapping[str, bytes], source: str) -> Node:
    """The network inside an asset, from the members of its contents: the node ``hdaroot``.

    A wire whose source is ``(0)`` comes from the asset's first input. Raises HouFileError.
    """
    tree = _Tree(Reader(members, source))
    tree.build()
    root = next((one for one in tree.roots if one.name == "hdaroot"), None)
    if root is None or len(tree.roots) != 1:
        raise HouFileError(f"{source}: it is not the network of an asset")
    root.check_all()
    return root


class _Tree:
    """Builds the nodes from the names of the members."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.nodes: dict[str, Node] = {}
        self.roots: list[Node] = []

    def build(self) -> None:
        members = self._reader.members
        for name in members:
            base, dot, kind = name.rpartition(".")
            if not dot or not base or base.endswith("/"):
                continue
            if kind in ("init", "def", "parm", "userdata") and base not in self.nodes:
                if "/" in base or f"{base}.def" in members:
                    self._add(base)
            elif kind == "postitdef" and (parent := self._parent(base)) is not None:
                parent.note(base)
            elif kind == "networkdotinit" and (parent := self._parent(base)) is not None:
                parent.dot(base)
        for node in self.nodes.values():
            node.sort()

    def _parent(self, base: str) -> Node | None:
        """The node around a path, made up when the scene has only parts of an asset."""
        above = base.rpartition("/")[0]
        if not above:
            return None
        return self.nodes[above] if above in self.nodes else self._add(above)

    def _add(self, base: str) -> Node:
        parent = self._parent(base)
        node = Node(base.rpartition("/")[2], base, parent, self._reader)
        (parent.children if parent else self.roots).append(node)
        self.nodes[base] = node
        if len(self.nodes) > MAX_NODES:
            raise HouFileError(f"{self._reader.source}: the scene has too many nodes or values")
        return node
