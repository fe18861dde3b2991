"""The toolkit's digital assets, as the cook without Houdini sees them.

An asset is read from the library that is shipped in ``otls``: its parameters from its
DialogScript, its network from its contents. Definitions that a scene carries are never used, so
that no code comes from a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..houfiles import HouFileError, Node
from . import pdg
from .nodes import TYPES, NodeType
from .parmtable import from_interface

if TYPE_CHECKING:
    from ..houfiles.expanded import ExpandedLibrary

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


def find(name: str) -> Asset | None:
    """The asset of a type name such as ``kartaverse::nvdiffrec_train::1.0``; None if not ours."""
    return _assets().get(name)


def node_type(name: str) -> NodeType | None:
    """The node type of that name: a stock one, or one of our assets."""
    found = TYPES.get(name)
    if found is None and (asset := find(name)) is not None:
        return asset.node_type
    return found


@cache
def _assets() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for folder in sorted((ROOT / "otls").glob("*.hda")):
        from ..houfiles.expanded import read_expanded

        if folder.is_dir():
            library = read_expanded(folder)
            for record in library.records:
                found[record.name] = _asset(library, record.name, folder.name)
    return found


def _asset(library: ExpandedLibrary, name: str, source: str) -> Asset:
    definition = library.definition(name)
    table = from_interface(definition.interface)
    contents = definition.contents
    if not any(child.type == "output" for child in contents.children):
        raise HouFileError(f"{source}: the network of {name} has no output")
    return Asset(NodeType(name, table, pdg.nodeType.Processor, pdg.PyProcessor), contents)
