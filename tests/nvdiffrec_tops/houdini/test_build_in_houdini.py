"""The second way to the example scenes: through Houdini's own interface, here a recording one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from houfiles.describe import NodeDescription, SceneDescription, Token, Value
from nvdiffrec_tops.scenes.shipped import SCENES


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
        return _Components(self.parms, name)

    def parm(self, name: str) -> Any:
        return None if name == "unknown" else SimpleNamespace(setExpression=lambda *_: None)

    def setInput(self, index: int, source: FakeNode) -> None:
        self.inputs[index] = source

    def createStickyNote(self) -> Any:
        note: dict[str, Any] = {}
        self.notes.append(note)
        return Recorder(note)

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self.set.__setitem__(name, value)


class _Components:
    """As many components as the scene asks for; each keeps what it is set to."""

    def __init__(self, parms: dict[str, tuple[Any, ...]], name: str) -> None:
        self._parms, self._name = parms, name
        self._parms[name] = ()

    def __iter__(self) -> Any:
        def put(value: Any) -> None:
            self._parms[self._name] += (value,)

        yield SimpleNamespace(set=put)


class Recorder:
    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self._found.__setitem__(name, value)


@pytest.fixture
def houdini(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, FakeNode, list[str]]:
    """The module under test, ``/tasks``, and the names of the saved scenes."""
    tasks = FakeNode("tasks", "")
    saved: list[str] = []
    files = SimpleNamespace(clear=lambda suppress_save_prompt: None, save=saved.append)
    hou: Any = ModuleType("hou")
    hou.hipFile, hou.node, hou.Vector2, hou.Color = files, {"/tasks": tasks}.get, tuple, tuple
    hou.exprLanguage = SimpleNamespace(Hscript="hscript")
    monkeypatch.setitem(sys.modules, "hou", hou)
    monkeypatch.delitem(sys.modules, "nvdiffrec_tops.houdini.build", raising=False)
    return importlib.import_module("nvdiffrec_tops.houdini.build"), tasks, saved


def _plain(value: Value) -> tuple[Any, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(one.text if isinstance(one, Token) else one for one in values)


@pytest.mark.parametrize("name", SCENES)
def test_houdini_gets_the_network_that_the_file_holds(
    name: str, houdini: tuple[ModuleType, FakeNode, list[str]]
) -> None:
    module, tasks, saved = houdini
    described = SCENES[name]()
    assert module.build(described, "out.hip") == []
    assert saved == ["out.hip"]
    network = described.tasks[0]
    top = tasks.children["topnet1"]
    assert set(top.children) == {one.name for one in network.children}
    for one in network.children:
        node = top.children[one.name]
        assert node.type == one.type
        assert node.parms == {name: _plain(value) for name, value in one.parms.items()}
        assert [source.name for source in node.inputs.values()] == list(one.inputs)
        assert ("setDisplayFlag" in node.set) == ("display" in one.flags)
    assert top.notes[0]["setText"] == network.notes[0].text


def test_a_parameter_that_this_houdini_does_not_have_is_named(
    houdini: tuple[ModuleType, FakeNode, list[str]],
) -> None:
    module, _tasks, saved = houdini
    node = NodeDescription("a", "merge", {"unknown": 1})
    assert module.build(SceneDescription("s", (node,)), "out.hip") == ["a/unknown"]
    assert saved == ["out.hip"]
