"""Which nodes of a TOP network are cooked, and what is wired into each of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from ..houfiles import Node
from ..houfiles.indexdata import split_type
from . import assets, pdg


class NetworkError(pdg.CookError):
    """Something in the scene or on the command line that keeps the network from being cooked.

    ``problems`` holds one sentence each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the known name most like a mistyped one, or ''."""
    close = difflib.get_close_matches(name, list(names), 1, 0.4)
    return f"; did you mean '{close[0]}'?" if close else ""


def sources(node: Node, children: Mapping[str, Node]) -> list[Node]:
    """The nodes wired into a node, seen through bypassed ones, in input order."""
    found: list[Node] = []
    for wire in sorted(node.inputs, key=lambda one: one.input_index):
        source = children.get(wire.source)
        if source is None:
            continue
        for one in _through(source, children, ()):
            if one not in found:
                found.append(one)
    return found


def _through(node: Node, children: Mapping[str, Node], seen: tuple[str, ...]) -> list[Node]:
    """A node itself, or, when it is bypassed, what its first input leads to."""
    if not node.flags.get("bypass") or node.name in seen:
        return [] if node.name in seen else [node]
    first = sorted(node.inputs, key=lambda one: one.input_index)[:1]
    return [
        one
        for wire in first
        if wire.source in children
        for one in _through(children[wire.source], children, (*seen, node.name))
    ]


def is_task(node: Node) -> bool:
    """Whether a node makes work items: anything but a scheduler."""
    known = assets.node_type(node.type)
    return not split_type(node.type)[1].endswith("scheduler") and (
        known is None or known.kind is not pdg.nodeType.Mapper
    )


def end_nodes(
    topnet: Node, children: Mapping[str, Node], names: Sequence[str], all_ends: bool
) -> tuple[list[Node], list[str]]:
    tasks = [node for node in topnet.children if is_task(node)]
    if not tasks:
        raise NetworkError(f"{topnet.path} has no nodes to cook")
    fed = {wire.source for node in tasks for wire in node.inputs}
    ends = [node for node in tasks if node.name not in fed]
    if names:
        chosen = []
        for name in names:
            node = children.get(name.removeprefix(topnet.path + "/"))
            if node is None or node not in tasks:
                raise NetworkError(
                    f"--node {name}: {topnet.path} has no such node"
                    + nearest(name, [one.name for one in tasks])
                )
            chosen.append(node)
    else:
        chosen = [node for node in tasks if node.flags.get("display")]
        if all_ends or not chosen:
            chosen = ends
    if not chosen:
        raise NetworkError(f"the nodes of {topnet.path} are wired in a circle")
    start = [one for node in chosen for one in _through(node, children, ())]
    covered = {node.name for node in upstream(start, children)}
    left = [node.name for node in ends if node.name not in covered and node not in chosen]
    notes = []
    if left and not names:
        notes.append(
            f"not cooked, because the display flag is elsewhere: {', '.join(left)} "
            "(--node NAME or --all-ends cooks them)"
        )
    return start, notes


def upstream(ends: Sequence[Node], children: Mapping[str, Node]) -> list[Node]:
    """The ends and everything upstream of them, upstream first. Raises NetworkError on a loop."""
    order: list[Node] = []
    done: set[str] = set()

    def visit(node: Node, below: tuple[str, ...]) -> None:
        if node.name in below:
            raise NetworkError(f"{node.path} is wired in a circle")
        if node.name in done:
            return
        for source in sources(node, children):
            visit(source, (*below, node.name))
        done.add(node.name)
        order.append(node)

    for end in ends:
        visit(end, ())
    return order
