"""The stock scene: equal to its description and to the interfaces of the stock nodes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from houfiles import dialogscript, loads
from houfiles.build import build, parm_values
from houfiles.node import Node
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.job import commandline
from nvdiffrec_tops.scenes import stock

TOP = "/tasks/topnet1"
INTERFACES = {
    "attributecreate": "attributecreate__20.5.584",
    "environmentedit": "environmentedit__20.5.445",
    "genericgenerator": "genericgenerator__20.5.584",
    "localscheduler": "localscheduler__20.5.584",
    "waitforall": "waitforall__20.5.584",
}


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return build(stock.describe())


@pytest.fixture
def nodes(shipped: bytes) -> dict[str, Node]:
    return {node.name: node for node in loads(shipped).node(TOP).children}


def _value(node: Node, name: str) -> str:
    return node.parms[name].values[0].text


def test_building_is_deterministic(shipped: bytes) -> None:
    assert build(stock.describe()) == shipped


def test_the_scene_reads_back_as_described(nodes: dict[str, Node], shipped: bytes) -> None:
    described = stock.describe().tasks[0]
    assert list(nodes) == [one.name for one in described.children]
    for one in described.children:
        node = nodes[one.name]
        assert node.type == one.type
        assert [wire.source for wire in node.inputs] == list(one.inputs)
        assert {name: parm.values for name, parm in node.parms.items()} == {
            name: parm_values(value) for name, value in one.parms.items()
        }
        assert node.position == one.position and node.color == one.color
    assert [one.text for one in loads(shipped).node(TOP).notes] == [stock.NOTE]


def test_it_is_the_original_graph(nodes: dict[str, Node]) -> None:
    assert [wire.source for wire in nodes["waitforall1"].inputs] == ["train_genericgenerator1"]
    assert [one.name for one in nodes.values() if one.flags["display"]] == ["waitforall1"]
    tokens = nodes["shell_tokens"]
    count = int(_value(tokens, "stringattribs"))
    given = {
        _value(tokens, f"stringname{i}"): _value(tokens, f"stringvalue{i}")
        for i in range(1, count + 1)
    }
    assert given == stock.ATTRIBUTES
    assert list(given)[:4] == ["MINICONDA_ENV", "WORKING_DIR", "SCRIPT_NAME", "CONFIG_NAME"]


def test_no_python_variable_leaks_to_other_items(nodes: dict[str, Node]) -> None:
    environment = nodes["environmentedit"]
    names = {parm.values[0].text for name, parm in environment.parms.items() if "varname" in name}
    assert names == set()
    assert _value(nodes["localscheduler"], "local_envunset") == "PYTHONHOME PYTHONPATH"
    assert _value(nodes["localscheduler"], "local_single") == "on"


def test_the_declared_outputs(nodes: dict[str, Node]) -> None:
    train = nodes["train_genericgenerator1"]
    count = int(_value(train, "expectedoutputfiles"))
    found = [_value(train, f"expectedoutputfile{i}") for i in range(1, count + 1)]
    assert found == [f"`@OUTPUT_DIR`/{one.path}" for one in stock.OUTPUTS]
    assert "`@OUTPUT_DIR`/mesh/mesh.obj" in found and "`@OUTPUT_DIR`/result.json" in found


def test_every_parameter_and_token_exists_in_houdini(nodes: dict[str, Node], shared: Path) -> None:
    for node in nodes.values():
        script = shared / f"data/stock_dialogscripts/{INTERFACES[node.type]}.ds"
        interface = dialogscript.decode(script.read_text(encoding="utf-8"))
        for name, parm in node.parms.items():
            template = interface.find(name)
            assert template is not None, f"{node.path}: {name}"
            if isinstance(template, dialogscript.Folder):
                inside = [one for one in interface.parms if one.multiparm == template.name]
                assert inside and template.kind in dialogscript.MULTIPARMS
                continue
            assert len(parm.values) == template.size
            for value in parm.values:
                is_menu = template.type in ("ordinal", "toggle")
                assert value.quoted or not is_menu
                assert template.accepts(value.text), f"{node.path}: {name} = {value.text}"


def test_no_path_of_the_machine_that_built_it(shipped: bytes, root: Path) -> None:
    assert str(root).encode() not in shipped
    assert str(Path.home()).encode() not in shipped.replace(b"$HOME", b"")


def test_the_cook_makes_one_training_item(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the committed scene starts is this toolkit's job, whose options exist."""
    assert main(["cook", "--dry-run", "--json", str(root / "hip" / f"{stock.NAME}.hip")]) == 0
    items = {
        one["workitem"]["nodeName"]: one["workitem"] for one in json.loads(capsys.readouterr().out)
    }
    assert list(items) == [
        *("shell_tokens", "environmentedit", "train_genericgenerator1", "waitforall1"),
    ]
    attributes = items["train_genericgenerator1"]["attributes"]
    exported = {name for name, one in attributes.items() if one["flag"] == 2}
    assert exported == set(stock.ENVIRONMENT)
    words = shlex.split(attributes["__pdg_commandstring"]["value"][0])
    assert Path(words[4]).resolve() == (root / "python3.11libs/nvdiffrec_tops/job/__main__.py")
    done = subprocess.run(
        [sys.executable, *words[1:5], "--help"], capture_output=True, text=True, check=True
    )
    assert words[5] == commandline.ESCAPED
    assert all(word.partition("=")[0] in done.stdout for word in words[6:])
