"""Which nodes of a TOP network are cooked, and what is wired into each of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from houfiles import Node
from houfiles.containers.indexdata import split_type
from topcook import pdg
from topcook.nodes.base import Passes
from topcook.parameters.evaluation import NodeParameters

from . import assets


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


class Source(NamedTuple):
    """One output, counted from 0, of a node."""

    node: Node
    output: int


Passing = Mapping[str, int | None]
"""Nodes that make no work items, by name, and the input in whose place they stand; None: none."""


class PassedThrough(Passing):
    """The bypassed nodes, nulls and switches of a network.

    Which input a node stands for is asked when a wire leads through it, so that a node that is
    not cooked cannot be at fault. ``notes``: one sentence each for the artist. Looking a node up
    raises CookError.
    """

    def __init__(self, children: Mapping[str, Node], values: Mapping[str, NodeParameters]) -> None:
        self.notes: list[str] = []
        self._values = values
        self._known: dict[str, int | None] = {}
        self._nodes = {
            name: node
            for name, node in children.items()
            if node.flags.get("bypass") or _passes(node) is not None
        }

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, name: str) -> int | None:
        if name not in self._known:
            node = self._nodes[name]
            inputs = sorted(wire.input_index for wire in node.inputs)
            choose = _passes(node)
            if node.flags.get("bypass") or choose is None:
                self._known[name] = inputs[0] if inputs else None
            else:
                self._known[name], note = choose(self._values[node.path], inputs)
                self.notes += [note] if note else []
        return self._known[name]


def _passes(node: Node) -> Passes | None:
    known = assets.node_type(node.type)
    return None if known is None else known.passes


def sources(node: Node, children: Mapping[str, Node], through: Passing) -> list[Source]:
    """What is wired into a node, seen through nodes that only pass on, in input order."""
    found: list[Source] = []
    for wire in sorted(node.inputs, key=lambda one: one.input_index):
        source = children.get(wire.source)
        if source is None:
            continue
        for one in _through(Source(source, wire.source_output), children, through, ()):
            if one not in found:
                found.append(one)
    return found


def _through(
    source: Source, children: Mapping[str, Node], through: Passing, seen: tuple[str, ...]
) -> list[Source]:
    """A source itself, or, where its node only passes on, what that node's input leads to."""
    node = source.node
    if node.name not in through or node.name in seen:
        return [] if node.name in seen else [source]
    return [
        one
        for wire in node.inputs
        if wire.input_index == through[node.name] and wire.source in children
        for one in _through(
            Source(children[wire.source], wire.source_output),
            children,
            through,
            (*seen, node.name),
        )
    ]


def is_task(node: Node) -> bool:
    """Whether a node makes work items: anything but a scheduler."""
    known = assets.node_type(node.type)
    return not split_type(node.type)[1].endswith("scheduler") and (
        known is None or known.kind is not pdg.nodeType.Mapper
    )


def end_nodes(
    topnet: Node,
    children: Mapping[str, Node],
    names: Sequence[str],
    all_ends: bool,
    through: Passing,
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
    start = [
        one.node for node in chosen for one in _through(Source(node, 0), children, through, ())
    ]
    if not start:
        raise NetworkError(
            f"{', '.join(node.path for node in chosen)}: nothing is wired in that could be cooked"
        )
    covered = {node.name for node in upstream(start, children, through)}
    left = [node.name for node in ends if node.name not in covered and node not in chosen]
    notes = []
    if left and not names:
        notes.append(
            f"not cooked, because the display flag is elsewhere: {', '.join(left)} "
            "(--node NAME or --all-ends cooks them)"
        )
    return start, notes


def upstream(ends: Sequence[Node], children: Mapping[str, Node], through: Passing) -> list[Node]:
    """The ends and everything upstream of them, upstream first. Raises NetworkError on a loop."""
    order: list[Node] = []
    done: set[str] = set()

    def visit(node: Node, below: tuple[str, ...]) -> None:
        if node.name in below:
            raise NetworkError(f"{node.path} is wired in a circle")
        if node.name in done:
            return
        for source in sources(node, children, through):
            visit(source.node, (*below, node.name))
        done.add(node.name)
        order.append(node)

    for end in ends:
        visit(end, ())
    return order
