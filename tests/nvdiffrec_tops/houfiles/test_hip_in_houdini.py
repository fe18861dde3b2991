"""The second way to the shipped scene: through Houdini's own interface, here a recording one."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nvdiffrec_tops.houfiles import static
from nvdiffrec_tops.houfiles.describe import NodeDescription, Token, Value


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_hip", root / "scripts" / "build_hip.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeNode:
    """Records what is done to it; a new TOP network has a local scheduler as in Houdini."""

    def __init__(self, name: str, type_name: str) -> None:
        self.name, self.type = name, type_name
        self.children: dict[str, FakeNode] = {}
        self.parms: dict[str, tuple[Any, ...]] = {}
        self.inputs: dict[int, FakeNode] = {}
        self.notes: list[dict[str, Any]] = []
        self.set: dict[str, Any] = {}
        if type_name == "topnet":
            self.createNode("localscheduler", "localscheduler")

    def createNode(self, type_name: str, name: str) -> FakeNode:
        assert name not in self.children
        self.children[name] = FakeNode(name, type_name)
        return self.children[name]

    def node(self, name: str) -> FakeNode | None:
        return self.children.get(name)

    def path(self) -> str:
        return self.name

    def parmTuple(self, name: str) -> Any:
        if name == "unknown":
            return None
        return SimpleNamespace(set=lambda values: self.parms.__setitem__(name, values))

    def setInput(self, index: int, source: FakeNode) -> None:
        self.inputs[index] = source

    def createStickyNote(self) -> Any:
        note: dict[str, Any] = {}
        self.notes.append(note)
        return Recorder(note)

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self.set.__setitem__(name, value)


class Recorder:
    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self._found.__setitem__(name, value)


def _fake() -> tuple[Any, FakeNode, list[str]]:
    tasks = FakeNode("tasks", "")
    saved: list[str] = []
    files = SimpleNamespace(clear=lambda suppress_save_prompt: None, save=saved.append)
    hou = SimpleNamespace(hipFile=files, node={"/tasks": tasks}.get, Vector2=tuple, Color=tuple)
    return hou, tasks, saved


def _plain(value: Value) -> tuple[Any, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(one.text if isinstance(one, Token) else one for one in values)


def test_houdini_gets_the_same_network(script: ModuleType) -> None:
    hou, tasks, saved = _fake()
    script.build_in_houdini(hou, static.describe(), "out.hip")
    assert saved == ["out.hip"]
    described = static.describe().tasks[0]
    top = tasks.children["topnet1"]
    assert set(top.children) == {one.name for one in described.children}
    for one in described.children:
        node = top.children[one.name]
        assert node.type == one.type
        assert node.parms == {name: _plain(value) for name, value in one.parms.items()}
        assert [source.name for source in node.inputs.values()] == list(one.inputs)
        assert ("setDisplayFlag" in node.set) == ("display" in one.flags)
    assert top.notes[0]["setText"] == static.NOTE


def test_a_parameter_that_this_houdini_does_not_have(script: ModuleType) -> None:
    hou, _tasks, saved = _fake()
    scene = static.describe()
    node = NodeDescription("a", "merge", {"unknown": 1})
    with pytest.raises(SystemExit, match="no parameter 'unknown'"):
        script.build_in_houdini(hou, type(scene)("s", (node,)), "out.hip")
    assert saved == []
