"""The toolkit's digital assets, as the cook without Houdini sees them.

An asset is read from the library that is shipped in ``otls``: its parameters from its
DialogScript, its network from its contents. Definitions that a scene carries are never used, so
that no code comes from a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from houfiles import HouFileError, Node
from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets.shipped import ASSETS

from .. import pdg
from ..nodes import TYPES, NodeType
from ..parameters.table import from_interface

ROOT = Path(__file__).resolve().parents[3]
"""The package's folder: ``$TOPS_NVDIFFREC``."""


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
    """The asset of a type name such as ``kartaverse::nvdiffrec_train::1.0``; None if not ours.

    Raises:
        HouFileError: its library is missing or damaged.
    """
    ours = next((one for one in ASSETS.values() if one.type == name), None)
    if ours is None:
        return None
    definition = read_expanded(ROOT / "otls" / ours.library).definition(name)
    contents = definition.contents
    if not any(child.type == "output" for child in contents.children):
        raise HouFileError(f"{ours.library}: the network of {name} has no output")
    table = from_interface(definition.interface)
    return Asset(NodeType(name, table, pdg.nodeType.Processor, pdg.PyProcessor), contents)


def node_type(name: str) -> NodeType | None:
    """The node type of that name: a stock one, or one of our assets."""
    found = TYPES.get(name)
    if found is None and (asset := find(name)) is not None:
        return asset.node_type
    return found
