"""A ``hou`` module with the documented calls of a batch cook, over the headless cook."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nvdiffrec_tops.cookcommand import Override
from nvdiffrec_tops.headless import hou as stand_in
from nvdiffrec_tops.headless import pdg
from nvdiffrec_tops.headless.command import generate_all
from nvdiffrec_tops.headless.cook import Cook, Watcher
from nvdiffrec_tops.headless.localscheduler import LocalScheduler
from nvdiffrec_tops.headless.network import Network, open_network
from nvdiffrec_tops.houfiles import HouFileError, Node, Scene, load


class OperationFailed(stand_in.Error):
    """``hou.OperationFailed``."""


class Session:
    """What Houdini holds: the loaded scene, and the parameters set since."""

    def __init__(self) -> None:
        self.path = Path()
        self.scene: Scene | None = None
        self.set: list[Override] = []
        self.network: Network | None = None
        self.dirtied: list[str] = []

    def load(self, path: str, suppress_save_prompt: bool, ignore_load_warnings: bool) -> None:
        assert suppress_save_prompt and ignore_load_warnings
        try:
            self.scene = load(path)
        except HouFileError as error:
            raise OperationFailed(str(error)) from None
        self.path = Path(path)

    def node(self, path: str) -> Any:
        assert self.scene is not None
        if path == "/":
            return Root(self)
        found = self.scene.find(path)
        return None if found is None else TopNode(self, found)


class Root:
    def __init__(self, session: Session) -> None:
        self._session = session

    def allSubChildren(self) -> list[TopNode]:
        assert self._session.scene is not None
        return [TopNode(self._session, node) for node in self._session.scene.walk()]


class Parm:
    def __init__(self, node: TopNode, name: str, kind: str) -> None:
        self._node, self._name, self._kind = node, name, kind

    def deleteAllKeyframes(self) -> None: ...

    def parmTemplate(self) -> Any:
        return SimpleNamespace(type=lambda: self._kind)

    def set(self, value: Any) -> None:
        text = ("on" if value else "off") if self._kind == "toggle" else str(value)
        self._node.session.set.append(Override(self._node.name(), self._name, text))


class TopNode:
    """``hou.TopNode``."""

    def __init__(self, session: Session, node: Node) -> None:
        self.session, self._node = session, node

    def name(self) -> str:
        return self._node.name

    def path(self) -> str:
        return self._node.path

    def type(self) -> Any:
        return SimpleNamespace(name=lambda: self._node.type)

    def children(self) -> list[TopNode]:
        return [TopNode(self.session, one) for one in self._node.children]

    def node(self, name: str) -> TopNode | None:
        found = self._node.child(name)
        return None if found is None else TopNode(self.session, found)

    def outputs(self) -> list[str]:
        siblings = self._node.parent.children if self._node.parent else []
        return [one.name for one in siblings if self._node.name in {w.source for w in one.inputs}]

    def isScheduler(self) -> bool:
        return self._node.type.endswith("scheduler")

    def displayNode(self) -> TopNode | None:
        shown = [one for one in self._node.children if one.flags.get("display")]
        return TopNode(self.session, shown[0]) if shown else None

    def parmTuple(self, name: str) -> list[Parm] | None:
        if name.startswith("no"):
            return None
        kind = {"itemcount": "int", "sequential": "toggle"}.get(name, "string")
        return [Parm(self, name, kind)]

    def dirtyAllWorkItems(self, remove_outputs: bool) -> None:
        assert not remove_outputs
        self.session.dirtied.append(self._node.name)

    def getPDGGraphContext(self) -> pdg.GraphContext | None:
        network = self.session.network
        return None if network is None else network.context

    def cookWorkItems(
        self, block: bool, generate_only: bool = False, tops_only: bool = False, nodes: Any = ()
    ) -> None:
        assert block and not nodes
        if tops_only:
            try:
                self.session.network = open_network(
                    self.session.path, ends=[self.name()], overrides=self.session.set
                )
            except pdg.CookError as error:
                raise OperationFailed(str(error)) from None
            for node in self.session.network.context.graph.nodes():
                node.houNode = TopNode(self.session, self._sibling(node.name))
            return
        network = self.session.network
        assert network is not None
        if generate_only:
            generate_all(network, lambda _message: None)
            return
        try:
            Cook(network.context, LocalScheduler(network.scheduler), Watcher()).run()
        except pdg.CookError as error:
            raise OperationFailed(str(error)) from None

    def _sibling(self, name: str) -> Node:
        assert self._node.parent is not None
        found = self._node.parent.child(name)
        assert found is not None
        return found


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session of the fake Houdini; ``import hou`` and ``import pdg`` find it."""
    made = Session()
    hou: Any = ModuleType("hou")
    hou.Error, hou.NodeError = stand_in.Error, stand_in.NodeError
    hou.OperationFailed, hou.TopNode = OperationFailed, TopNode
    hou.hipFile = SimpleNamespace(load=made.load)
    hou.node = made.node
    hou.parmTemplateType = SimpleNamespace(Toggle="toggle", Int="int", Float="float")
    monkeypatch.setitem(sys.modules, "hou", hou)
    return made


@pytest.fixture
def batch(session: Session) -> Iterator[Any]:
    """The module under test, with the fake Houdini."""
    sys.modules.pop("nvdiffrec_tops.houdini.batch", None)
    with pdg.standing_in():
        yield importlib.import_module("nvdiffrec_tops.houdini.batch")
    sys.modules.pop("nvdiffrec_tops.houdini.batch", None)
