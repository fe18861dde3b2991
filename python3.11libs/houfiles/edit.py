"""Changes to a scene that was read. Each function changes the scene only when all of it works.

Members that a change does not concern keep their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .build import node_definition, node_members, parm_values
from .containers import cpio
from .describe import NodeDescription, SceneDescription, Value
from .errors import HouFileError, shown, text_of
from .members import channels, definition, parms, texts
from .members.definition import NamedOutput
from .members.parms import Parm, ParmFile
from .scene import Node, Scene


def replace_members(scene: Scene, changed: Mapping[str, bytes | None]) -> None:
    """Give members other bytes, or remove them (None). New ones need a place: see ``add_node``."""
    unknown = [name for name in changed if name not in scene.members]
    if unknown:
        raise HouFileError(f"{scene.source}: there is no member '{shown(unknown[0])}'")
    kept: list[cpio.Member] = []
    for one in scene.archive.members:
        data = changed.get(one.name, one.data)
        if data is not None:
            kept.append(replace(one, data=data))
    scene.adopt(replace(scene.archive, members=tuple(kept)))


def set_parm(scene: Scene, path: str, name: str, value: Value) -> None:
    """Set a parameter of a node; one that the scene does not have yet is put at the end.

    A channel that drove it is removed.
    """
    node = scene.node(path)
    base = node.path[1:]
    file = parms.decode(text_of(_member(scene, f"{base}.parm")))
    values = parm_values(value)
    found = next((one for one in file.parms if one.name == name), None)
    if found is None:
        changed = (*file.parms, Parm(name, values))
    else:
        new = replace(found, values=values)
        changed = tuple(new if one.name == name else one for one in file.parms)
    encoded = parms.encode(ParmFile(changed, file.version)).encode()
    members: dict[str, bytes | None] = {f"{base}.parm": encoded}
    driven = {one.channel for one in found.values if one.channel} if found else set()
    if driven and f"{base}.chn" in scene.members:
        old = channels.decode(text_of(scene.members[f"{base}.chn"]))
        left = [one for one in old if one.name not in driven]
        members[f"{base}.chn"] = channels.encode(left).encode() if left else None
    replace_members(scene, members)


def add_node(scene: Scene, network: str, node: NodeDescription) -> Node:
    """Put a node at the end of a network and wire it to the nodes that its inputs name."""
    parent = scene.node(network)
    base = parent.path[1:]
    if not parent.complete:
        raise HouFileError(f"{scene.source}: {parent.path} is no open network")
    if parent.child(node.name) is not None:
        raise HouFileError(f"{scene.source}: {parent.path} already has a node '{node.name}'")
    outputs: dict[str, int] = {}
    changed: dict[str, bytes] = {}
    for source in dict.fromkeys(node.inputs):
        sibling = parent.child(source)
        if sibling is None:
            raise HouFileError(f"{scene.source}: {parent.path} has no node '{shown(source)}'")
        outputs[source] = _output(sibling, changed)
    order = [child.name for child in parent.children] + [node.name]
    time = scene.archive.trailer.mtime
    version = scene.variables.get("_HIP_SAVEVERSION", "20.5.445")
    around = SceneDescription("edit", (), houdini_version=version, saved=time)
    header = cpio.Header(mtime=time)
    new = [
        cpio.Member(name, data, header) for name, data in node_members(around, base, node, outputs)
    ]
    listing = cpio.Member(f"{base}.order", texts.encode_order(order).encode(), header)
    kept: list[cpio.Member] = []
    for one in scene.archive.members:
        if one.name == f"{base}.net":
            kept += [*new, *([listing] if len(order) > 1 else [])]
        if one.name != listing.name:
            kept.append(replace(one, data=changed.get(one.name, one.data)))
    scene.adopt(replace(scene.archive, members=tuple(kept)))
    return scene.node(f"{parent.path}/{node.name}")


def _output(node: Node, changed: dict[str, bytes]) -> int:
    """The id of a node's first output; a new connector when it was not wired before."""
    where = node.definition
    if where.outputs:
        return where.outputs[0].id
    used = [one.id for one in where.named_inputs or ()]
    number = max([(where.connector_next_id or 0) - 1, *used]) + 1
    new = replace(where, outputs=(NamedOutput(number, "output1"),), connector_next_id=number + 1)
    changed[f"{node.path[1:]}.def"] = definition.encode(new).encode()
    return number


def remove_node(scene: Scene, path: str) -> None:
    """Take a node out, with all in it and the wires that come from it."""
    node = scene.node(path)
    parent = node.parent
    if parent is None:
        raise HouFileError(f"{scene.source}: {node.path} cannot be removed")
    base, above = node.path[1:], parent.path[1:]
    changed: dict[str, bytes] = {}
    for sibling in parent.children:
        where = sibling.definition
        named = tuple(one for one in where.named_inputs or () if one.source != node.name)
        wires = tuple(one for one in where.inputs or () if one.source != node.name)
        if len(named) != len(where.named_inputs or ()) or len(wires) != len(where.inputs or ()):
            new = replace(where, named_inputs=named, inputs=wires)
            changed[f"{sibling.path[1:]}.def"] = definition.encode(new).encode()
    order = [child.name for child in parent.children if child is not node]
    changed[f"{above}.order"] = texts.encode_order(order).encode()
    kept = [
        replace(one, data=changed.get(one.name, one.data))
        for one in scene.archive.members
        if one.name.rpartition(".")[0] != base
        and not one.name.startswith(f"{base}/")
        and (one.name != f"{above}.order" or len(order) > 1)
    ]
    scene.adopt(replace(scene.archive, members=tuple(kept)))
    # Outputs that nothing is wired to any more keep their connector, as in scenes of Houdini.


def rewire(scene: Scene, path: str, sources: tuple[str, ...]) -> None:
    """Wire a node's inputs 0, 1, ... to these siblings, in place of what was wired before."""
    node = scene.node(path)
    parent = node.parent
    if parent is None:
        raise HouFileError(f"{scene.source}: {node.path} has no inputs")
    changed: dict[str, bytes] = {}
    outputs: dict[str, int] = {}
    for source in dict.fromkeys(sources):
        sibling = parent.child(source)
        if sibling is None or sibling is node:
            raise HouFileError(f"{scene.source}: {node.path} cannot be wired to '{shown(source)}'")
        outputs[source] = _output(sibling, changed)
    around = SceneDescription("edit", ())
    plain = node_definition(around, NodeDescription(node.name, node.type, inputs=sources), outputs)
    own = {one.id for one in node.definition.outputs or ()}
    first = max([-1, *own]) + 1 if own else 0
    named = tuple(replace(one, id=first + one.id) for one in plain.named_inputs or ())
    new = replace(
        node.definition,
        named_inputs=named,
        inputs=plain.inputs,
        connector_next_id=max([-1, *own, *(one.id for one in named)]) + 1,
    )
    changed[f"{node.path[1:]}.def"] = definition.encode(new).encode()
    replace_members(scene, changed)


def _member(scene: Scene, name: str) -> bytes:
    if name not in scene.members:
        raise HouFileError(f"{scene.source}: there is no member '{shown(name)}'")
    return scene.members[name]
