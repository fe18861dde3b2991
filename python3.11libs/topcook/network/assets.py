"""The digital assets of a toolkit, as the cook without Houdini sees them.

An asset is read from the library that the toolkit has registered: its parameters from its
DialogScript, its network from its contents. Definitions that a scene carries are never used, so
that no code comes from a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from houfiles import HouFileError, Node
from houfiles.libraries import hda
from houfiles.libraries.expanded import read_expanded
from topcook import pdg
from topcook.host import registered
from topcook.nodes import TYPES, NodeType
from topcook.parameters.table import from_interface


@dataclass(frozen=True)
class Asset:
    """One asset: its parameters as a node type, and the network inside it."""

    node_type: NodeType
    contents: Node

    def inner(self) -> list[Node]:
        """The nodes that make work items, upstream first, the one that feeds the output last."""
        children = {child.name: child for child in self.contents.children}
        output = next(child for child in self.contents.children if child.type == "output")
        order: list[Node] = []

        def visit(node: Node) -> None:
            for wire in node.inputs:
                if wire.source in children:
                    visit(children[wire.source])
            if node not in order and node is not output:
                order.append(node)

        visit(output)
        return order


@cache
def find(name: str) -> Asset | None:
    """The asset of a type name such as ``studio::step::1.0``; None where no library has it.

    Raises:
        HouFileError: its library is missing or damaged.
    """
    library = registered().libraries.get(name)
    if library is None:
        return None
    # One file is the binary form, a folder the expanded one.
    known = hda.expand(library.read_bytes()) if library.is_file() else read_expanded(library)
    definition = known.definition(name)
    contents = definition.contents
    if not any(child.type == "output" for child in contents.children):
        raise HouFileError(f"{library.name}: the network of {name} has no output")
    table = from_interface(definition.interface)
    return Asset(NodeType(name, table, pdg.nodeType.Processor, pdg.PyProcessor), contents)


def node_type(name: str) -> NodeType | None:
    """The node type of that name: a stock one, or an asset of the toolkit."""
    found = TYPES.get(name)
    if found is None and (asset := find(name)) is not None:
        return asset.node_type
    return found
