"""Described networks, made through Houdini's documented interface."""

from __future__ import annotations

from typing import cast

import hou

from houfiles.describe import NodeDescription, Scalar, SceneDescription, Token


def build(scene: SceneDescription, target: str) -> list[str]:
    """Make the described nodes in a new scene and save it to ``target``.

    Returns the parameters (as paths) that this Houdini does not have; they keep their defaults.

    Raises:
        hou.OperationFailed: Houdini does not know a node type, or cannot save.
    """
    hou.hipFile.clear(suppress_save_prompt=True)
    missing: list[str] = []
    for one in scene.tasks:
        _make(cast("hou.OpNode", hou.node("/tasks")), (one,), missing)
    hou.hipFile.save(target)
    return missing


def _make(network: hou.OpNode, nodes: tuple[NodeDescription, ...], missing: list[str]) -> None:
    made: dict[str, hou.TopNode] = {}
    for one in nodes:
        # A new TOP network comes with its local scheduler.
        found = network.node(one.name) or network.createNode(one.type, one.name)
        node = cast("hou.TopNode", found)
        made[one.name] = node
        node.setPosition(hou.Vector2(one.position))
        node.setColor(hou.Color(one.color))
        node.setComment(one.comment)
        _make(node, one.children, missing)
        for note in one.notes:
            sticky = node.createStickyNote()
            sticky.setText(note.text)
            sticky.setPosition(hou.Vector2(note.position))
            sticky.setSize(hou.Vector2(note.size))
            sticky.setColor(hou.Color(note.color))
    for one in nodes:
        node = made[one.name]
        for name, value in one.parms.items():
            parms = node.parmTuple(name)
            if parms is None:
                missing.append(f"{node.path()}/{name}")
                continue
            values = value if isinstance(value, tuple) else (value,)
            for parm, component in zip(parms, values, strict=True):
                parm.set(_plain(component))
        for name, text in one.expressions.items():
            driven = node.parm(name)
            if driven is None:
                missing.append(f"{node.path()}/{name}")
            else:
                driven.setExpression(text, hou.exprLanguage.Hscript)
        for index, source in enumerate(one.inputs):
            node.setInput(index, made[source])
        if "display" in one.flags:
            node.setDisplayFlag(True)
        if "bypass" in one.flags:
            node.bypass(True)


def _plain(value: Scalar) -> int | float | str:
    if isinstance(value, Token):
        return value.text
    return int(value) if isinstance(value, bool) else value
