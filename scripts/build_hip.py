#!/usr/bin/env python3
"""Write the shipped scene hip/TOPs_nvdiffrec_Static.hip from its description.

python scripts/build_hip.py              write it, without Houdini
python scripts/build_hip.py --check      say whether the file is up to date (exit code 1: no)
hython scripts/build_hip.py --hou FILE   build the same network through Houdini's own interface
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from nvdiffrec_tops.houfiles import static  # noqa: E402
from nvdiffrec_tops.houfiles.build import build  # noqa: E402
from nvdiffrec_tops.houfiles.describe import (  # noqa: E402
    NodeDescription,
    Scalar,
    SceneDescription,
    Token,
)

TARGET = ROOT / "hip" / f"{static.NAME}.hip"


def build_in_houdini(hou: Any, scene: SceneDescription, target: str) -> None:
    """Make the described nodes in a new scene and save it. ``hou`` is Houdini's module."""
    hou.hipFile.clear(suppress_save_prompt=True)
    _make(hou, hou.node("/tasks"), scene.tasks)
    hou.hipFile.save(target)


def _make(hou: Any, network: Any, nodes: tuple[NodeDescription, ...]) -> None:
    made = {}
    for one in nodes:
        # A new TOP network comes with its local scheduler.
        node = network.node(one.name) or network.createNode(one.type, one.name)
        made[one.name] = node
        node.setPosition(hou.Vector2(one.position))
        node.setColor(hou.Color(one.color))
        node.setComment(one.comment)
        _make(hou, node, one.children)
        for note in one.notes:
            sticky = node.createStickyNote()
            sticky.setText(note.text)
            sticky.setPosition(hou.Vector2(note.position))
            sticky.setSize(hou.Vector2(note.size))
            sticky.setColor(hou.Color(note.color))
    for one in nodes:
        node = made[one.name]
        for name, value in one.parms.items():
            values = value if isinstance(value, tuple) else (value,)
            parms = node.parmTuple(name)
            if parms is None:
                raise SystemExit(f"{node.path()}: this Houdini has no parameter '{name}'")
            parms.set(tuple(_value(value) for value in values))
        for name, text in one.expressions.items():
            node.parm(name).setExpression(text, hou.exprLanguage.Hscript)
        for index, source in enumerate(one.inputs):
            node.setInput(index, made[source])
        if "display" in one.flags:
            node.setDisplayFlag(True)
        if "bypass" in one.flags:
            node.bypass(True)


def _value(value: Scalar) -> int | float | str:
    if isinstance(value, Token):
        return value.text
    return int(value) if isinstance(value, bool) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--hou", metavar="FILE", help="build with Houdini and save to FILE")
    arguments = parser.parse_args()
    if arguments.hou:
        try:
            hou = importlib.import_module("hou")
        except ImportError:
            parser.error("--hou needs Houdini's own Python; start this script with hython")
        build_in_houdini(hou, static.describe(), arguments.hou)
        print(f"Houdini wrote {arguments.hou}")
        return 0
    data = build(static.describe())
    if arguments.check:
        same = TARGET.is_file() and TARGET.read_bytes() == data
        print(f"{TARGET.name} is {'up to date' if same else 'NOT up to date'}")
        return 0 if same else 1
    TARGET.parent.mkdir(exist_ok=True)
    temporary = TARGET.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, TARGET)
    print(f"wrote {TARGET} ({len(data)} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
