"""The graph of a TOP network: its nodes, and those inside our digital assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from houfiles import Node
from topcook import hou, nodes, pdg
from topcook.parameters.evaluation import NodeParameters

from . import assets
from .wiring import Passing, sources

_Output = tuple[pdg.Node, int]


def build_graph(
    topnet: Node,
    order: Sequence[Node],
    children: Mapping[str, Node],
    values: Mapping[str, NodeParameters],
    through: Passing,
) -> pdg.GraphContext:
    """The nodes of ``order`` (upstream first) with their callbacks, wired; nothing is generated."""
    context = pdg.GraphContext(topnet.name)
    made: dict[str, pdg.Node] = {}
    artists: dict[str, hou.OpNode] = {}
    network = hou.OpNode(values[topnet.path])
    top = values[topnet.path]
    label = top.raw("defaultlabel") if top.toggle("usedefaultlabel") else ""
    for node in order:
        wired = sources(node, children, through)
        above = [(made[one.node.name], one.output) for one in wired]
        inputs = tuple(artists[name] for name in dict.fromkeys(one.node.name for one in wired))
        artists[node.name] = hou.OpNode(values[node.path], network, inputs)
        asset = assets.find(node.type)
        if asset is None:
            known = nodes.TYPES[node.type]
            assert known.callbacks is not None
            one = _node(context, node.name, known, values[node.path], known.callbacks, above)
            one.houNode = artists[node.name]
        else:
            one = _inside(context, node, asset, values, above, artists[node.name])
        made[node.name] = one
    for one in context.graph.nodes():
        one.defaultLabel = label
    return context


def _node(
    context: pdg.GraphContext,
    name: str,
    known: nodes.NodeType,
    parameters: NodeParameters,
    callbacks: nodes.Callbacks,
    above: Sequence[_Output],
) -> pdg.Node:
    one = pdg.Node(context.graph, name, known.kind, parameters, parameters.path)
    one.typeName = known.name
    one.callbacks = callbacks(one)
    context.graph.addNode(one)
    for source, output in above:
        one.connect(source, output)
    return one


def _inside(
    context: pdg.GraphContext,
    node: Node,
    asset: assets.Asset,
    values: Mapping[str, NodeParameters],
    above: Sequence[_Output],
    artist: hou.OpNode,
) -> pdg.Node:
    """The nodes inside an asset, in the asset's place; gives the one that feeds its output.

    The last one takes the asset's name, which is what the artist knows.
    """
    inner = asset.inner()
    made: dict[str, pdg.Node] = {}
    for part in inner:
        wired = [
            above if wire.source == "(0)" else [(made[wire.source], wire.source_output)]
            for wire in part.inputs
        ]
        known = nodes.TYPES[part.type]
        last = part is inner[-1]
        callbacks = known.callbacks
        if part.type == "pythonprocessor":
            callbacks = nodes.AssetProcessor
        assert callbacks is not None
        name = node.name if last else f"{node.name}_{part.name}"
        parameters = values[f"{node.path}/{part.name}"]
        one = _node(context, name, known, parameters, callbacks, [x for xs in wired for x in xs])
        one.typeName = node.type if last else part.type
        one.referencing.append(values[node.path])
        one.houNode = hou.OpNode(parameters, artist)
        made[part.name] = one
    return made[inner[-1].name]
