"""Small scenes for cooks: a .hip archive with just the members that describe TOP nodes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main

Values = str | int | float | Sequence[int | float]


@dataclass
class TopNode:
    """A node to write: type, parameters, names of the nodes wired in, flags that are on.

    ``name:1`` wires in the second output of a node.
    """

    name: str
    type: str
    parms: Mapping[str, Values] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    flags: Sequence[str] = ()
    expressions: Mapping[str, str] = field(default_factory=dict)
    interface: str = ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parm_line(name: str, value: Values, driven: bool) -> str:
    if isinstance(value, str):
        texts = [_quoted(value)]
    elif isinstance(value, int | float):
        texts = [str(value)]
    else:
        texts = [str(one) for one in value]
    if driven:
        texts = [f"[ {name}\t{texts[0]} ] "]
    return f"{name}\t[ 0\tlocks=0 ]\t(\t" + "\t".join(texts) + "\t)"


def _wire(text: str) -> str:
    source, _colon, output = text.partition(":")
    return f"{source} {output or 0}"


def _definition(node: TopNode) -> str:
    names = "lock model template footprint xray bypass display render highlight unload savedata"
    flags = " ".join(
        f"{one} {'on' if one in node.flags else 'off'}"
        for one in [*names.split(), "compress", "colordefault", "exposed"]
    )
    lines = [
        'comment ""',
        "position 0 0",
        f"connectornextid {len(node.inputs) + 1}",
        f"flags =  {flags}",
        "outputsNamed3",
        "{",
        '0 "output1"',
        '1 "output2"',
        "}",
        "inputsNamed3",
        "{",
        *(f'{i + 1} \t{_wire(one)} 1 "input1"' for i, one in enumerate(node.inputs)),
        "}",
        "inputs",
        "{",
        *(f"{i} \t{_wire(one)} 1" for i, one in enumerate(node.inputs)),
        "}",
        "stat",
        "{",
        "  create -1",
        "  modify -1",
        "  author artist@studio",
        "  access 0777",
        "}",
        "color UT_Color RGB 0.8 0.8 0.8 ",
        'delscript ""',
        "exprlanguage hscript",
        "end",
        "",
    ]
    return "\n".join(lines)


def _channels(node: TopNode) -> str:
    lines = ["{"]
    for name, expression in node.expressions.items():
        lines += [
            f"    channel {name} {{",
            "      lefttype = extend",
            "      righttype = extend",
            "      flags = 0",
            f"      segment {{ length = 0 expr = {_quoted(expression)} }}",
            "    }",
        ]
    return "\n".join([*lines, "  }", ""])


def _members(prefix: str, node: TopNode) -> list[tuple[str, str]]:
    path = f"{prefix}{node.name}"
    lines = [_parm_line(n, v, n in node.expressions) for n, v in node.parms.items()]
    found = [
        (f"{path}.init", f"type = {node.type}\nmatchesdef = 0\n"),
        (f"{path}.def", _definition(node)),
    ]
    if node.interface:
        found.append((f"{path}.spareparmdef", node.interface))
    if node.expressions:
        found.append((f"{path}.chn", _channels(node)))
    found.append((f"{path}.parm", "\n".join(["{", "version 0.8", *lines, "}", ""])))
    return found


def write_scene(path: Path, nodes: Sequence[TopNode], scheduler: Mapping[str, Values]) -> Path:
    """Write a scene with one TOP network, /tasks/topnet1, and its local scheduler."""
    local = TopNode("localscheduler", "localscheduler", scheduler, flags=("render",))
    children = [local, *nodes]
    top = TopNode("topnet1", "topnet", {"topscheduler": "localscheduler"})
    members = [
        (".start", "fplayback -i on\ntcur 0\nfps 24\n"),
        (".variables", "set -g HIP = '/elsewhere'\nset -g SHOW = 'city'\n"),
        ("tasks.def", _definition(TopNode("tasks", ""))),
        ("tasks.parm", "{\nversion 0.8\n}\n"),
        *_members("tasks/", top),
        *(member for node in children for member in _members("tasks/topnet1/", node)),
        ("tasks/topnet1.order", "\n".join([str(len(children)), *(n.name for n in children), ""])),
        ("tasks/topnet1.net", "1\n"),
        ("tasks.net", "1\n"),
    ]
    out = b""
    for name, text in [*members, ("TRAILER!!!", "")]:
        data, label = text.encode(), name.encode() + b"\0"
        out += b"070707" + b"%06o%06o%06o%06o%06o%06o%06o" % (1, 0, 0o666, 0, 0, 1, 0)
        out += b"%011o%06o%011o" % (0, len(label), len(data)) + label + data
    path.write_bytes(out)
    return path


SceneWriter = Callable[..., Path]


@pytest.fixture
def scene(tmp_path: Path) -> SceneWriter:
    """``scene(node, node, ..., scheduler={...})`` writes a scene and returns its path."""

    def write(*nodes: TopNode, scheduler: Mapping[str, Values] | None = None) -> Path:
        settings: dict[str, Values] = {
            "tempdirmenu": "2",
            "tempdircustom": str(tmp_path / "temp"),
            "tempdirappendpid": "off",
            "maxprocsmenu": "1",
            "maxprocs": 2,
            **(scheduler or {}),
        }
        return write_scene(tmp_path / "shot.hip", nodes, settings)

    return write


@pytest.fixture
def top() -> type[TopNode]:
    return TopNode


@pytest.fixture
def python() -> Callable[[str], str]:
    """A command that runs a line of Python; the line may not hold double quotes."""

    def command(code: str) -> str:
        assert '"' not in code
        return f'"{sys.executable}" -c "{code}"'

    return command


Items = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def items(capsys: pytest.CaptureFixture[str]) -> Items:
    """Dry-run a scene; returns the work items of one node."""

    def run(scene: Path, node: str, *arguments: str) -> list[dict[str, Any]]:
        code = main(["cook", str(scene), "--dry-run", "--json", *arguments])
        captured = capsys.readouterr()
        if code:
            raise RuntimeError(captured.err)
        printed = [one["workitem"] for one in json.loads(captured.out)]
        return [one for one in printed if one["nodeName"] == node]

    return run
