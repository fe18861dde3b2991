"""``hou`` modules with the documented calls that are used: one that cooks, one that records."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from houfiles import HouFileError, Node, Scene, load
from topcook import hou as stand_in
from topcook import pdg
from topcook.cook import Cook, Watcher
from topcook.jobs import serialise
from topcook.network.opening import Network, open_network
from topcook.network.overrides import Override
from topcook.network.wiring import upstream
from topcook.planning import generate_all
from topcook.schedulers.local import LocalScheduler


class OperationFailed(stand_in.Error):
    """``hou.OperationFailed``."""


class Session:
    """What Houdini holds: the loaded scene, and the parameters set since."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.variables: dict[str, str] = {}
        self.all_ends = False
        self.exported: dict[str, int] = {}
        self.path = Path()
        self.scene: Scene | None = None
        self.set: list[Override] = []
        self.network: Network | None = None

    def load(self, path: str, suppress_save_prompt: bool, ignore_load_warnings: bool) -> None:
        assert suppress_save_prompt and ignore_load_warnings
        try:
            self.scene = load(path)
        except HouFileError as error:
            raise OperationFailed(str(error)) from None
        self.path = Path(path)

    def install(self, path: str, change_oplibraries_file: bool) -> None:
        assert not change_oplibraries_file
        self.installed.append(path)

    def node(self, path: str) -> Any:
        assert self.scene is not None
        if path == "/":
            return Root(self)
        found = self.scene.find(path)
        return None if found is None else TopNode(self, found)


class Root:
    def __init__(self, session: Session) -> None:
        self._session = session

    def allSubChildren(self, recurse_in_locked_nodes: bool) -> list[TopNode]:
        assert self._session.scene is not None
        return [TopNode(self._session, node) for node in self._session.scene.walk()]


class Parm:
    """``hou.Parm``: what is set goes to the scene as the cook without Houdini reads it."""

    KINDS: ClassVar = {
        "itemcount": "int",
        "sequential": "toggle",
        "pdg_workitemgeneration": "menu",
        "pdg_cachemode": "menu",
        "stringattribs": "folder",
        "maxprocs": "int",
        "maxprocsmenu": "menu",
        "reload": "button",
    }
    MENUS: ClassVar = {
        "pdg_workitemgeneration": ("1", "3", "0", "2"),
        "pdg_cachemode": ("auto", "ignore", "read", "write"),
        "maxprocsmenu": ("0", "-1", "1"),
    }

    def __init__(self, node: TopNode, name: str) -> None:
        self._node, self._name = node, name
        self._kind = self.KINDS.get(name, "string")

    def deleteAllKeyframes(self) -> None: ...

    def parmTemplate(self) -> Any:
        return SimpleNamespace(type=lambda: self._kind)

    def menuItems(self) -> tuple[str, ...]:
        if self._name not in self.MENUS:
            raise OperationFailed("this parameter has no menu")
        return self.MENUS[self._name]

    def evalAsInt(self) -> int:
        return 0

    def set(self, value: Any) -> None:
        assert isinstance(value, str) == (self._kind in ("string", "menu")) or (
            self._name == "pdg_cachemode"
        )
        self._node.session.exported[f"{self._node.name()}.{self._name}"] = value
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

    def isDisplayFlagSet(self) -> bool:
        return bool(self._node.flags.get("display"))

    def inputAncestors(self, include_ref_inputs: bool) -> list[TopNode]:
        assert not include_ref_inputs and self._node.parent is not None
        children = {one.name: one for one in self._node.parent.children}
        passed = {one.name: 0 for one in children.values() if one.flags.get("bypass")}
        above = [one for one in upstream([self._node], children, passed) if one is not self._node]
        return [TopNode(self.session, one) for one in above]

    def errors(self) -> tuple[str, ...]:
        return ()

    def parmTuple(self, name: str) -> list[Parm] | None:
        return None if name.startswith("no") else [Parm(self, name)]

    def parm(self, name: str) -> Parm | None:
        cached = name == "pdg_cachemode" and self._node.type == "genericgenerator"
        return Parm(self, name) if cached else None

    def getPDGGraphContext(self) -> pdg.GraphContext | None:
        network = self.session.network
        return None if network is None else network.context

    def cookWorkItems(
        self, block: bool, generate_only: bool = False, tops_only: bool = False, nodes: Any = ()
    ) -> None:
        assert block
        if tops_only:
            try:
                self.session.network = open_network(
                    self.session.path,
                    ends=[] if self.session.all_ends else [self.name()],
                    all_ends=self.session.all_ends,
                    overrides=self.session.set,
                )
            except pdg.CookError as error:
                raise OperationFailed(str(error)) from None
            for node in self.session.network.context.graph.nodes():
                node.houNode = TopNode(self.session, self._sibling(node.name))
            return
        network = self.session.network
        assert network is not None and bool(nodes) == self.session.all_ends
        if generate_only:
            generate_all(network, lambda _message: None)
            return
        cook = Cook(network.context, LocalScheduler(network.scheduler, grace=0.2), Watcher())
        network.context.cancelCook = cook.request_stop  # type: ignore[method-assign]
        try:
            cook.run()
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
    kinds = ("Toggle", "Int", "Float", "Menu", "Folder", "FolderSet", "Button", "Label")
    names = {one: one.lower() for one in (*kinds, "Separator", "String")}
    hou.parmTemplateType = SimpleNamespace(**names)
    hou.topNodeTypeCategory = lambda: SimpleNamespace(nodeType=lambda _name: None)
    hou.getenv, hou.putenv = made.variables.get, made.variables.__setitem__
    hou.hda = SimpleNamespace(installFile=made.install)
    monkeypatch.setitem(sys.modules, "hou", hou)
    return made


@pytest.fixture
def batch(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module under test, with the fake Houdini."""
    modules = ("batchscene", "batchcook", "batch")
    _forget(modules)

    def saved(item: pdg.WorkItem) -> str:
        return json.dumps(serialise.full(item, "localscheduler"))

    monkeypatch.setattr(pdg.WorkItem, "saveJSONString", saved, raising=False)
    with pdg.standing_in():
        yield importlib.import_module("nvdiffrec_tops.houdini.batch")
    _forget(modules)


def _forget(modules: Iterable[str]) -> None:
    """Have these modules imported anew: each test has a ``hou`` of its own."""
    package = importlib.import_module("nvdiffrec_tops.houdini")
    for name in modules:
        sys.modules.pop(f"nvdiffrec_tops.houdini.{name}", None)
        vars(package).pop(name, None)


# -- tools: a hou that records -----------------------------------------------------------------
MODULES = (
    *("messages", "callbacks", "load_result", "environment_setup", "result_files"),
    *("surfaces", "live_results", "result_nodes"),
    "shelf",
)
TOP = SimpleNamespace(nodeType=lambda name: None if name.startswith("unknown") else name)
"""``hou.topNodeTypeCategory()``."""


class RecordedParm:
    def __init__(self, node: RecordedNode, name: str) -> None:
        self._node, self._name = node, name

    def evalAsString(self) -> str:
        return str(self._node.values[self._name])

    def set(self, value: Any) -> None:
        if value == "refused":
            raise OperationFailed("no such token")
        self._node.values[self._name] = value


class RecordedNode:
    """A node that remembers what is made in it and set on it; ``lacks`` are missing parameters."""

    lacks: tuple[str, ...] = ()
    locked = False

    def __init__(self, type_name: str, name: str = "", parent: RecordedNode | None = None) -> None:
        self.type_name, self._name, self._parent = type_name, name, parent
        self.values: dict[str, Any] = {}
        self.made: list[RecordedNode] = []
        self.items: list[Any] = []
        self.wired: list[RecordedNode] = []
        self.selected = self.displayed = False
        self.comment = ""
        self.flags: dict[str, bool] = {}

    def createNode(self, type_name: str, name: str) -> RecordedNode:
        if type_name.startswith("unknown"):
            raise OperationFailed("Invalid node type name")
        self.made.append(RecordedNode(type_name, name, self))
        return self.made[-1]

    def parm(self, name: str) -> RecordedParm | None:
        mine = (
            name in self.values
            or self.type_name in ("geo", "file", "envlight", "material")
            or self.type_name.startswith(("principled", "kartaverse::nvdiffrec_result"))
        )
        return RecordedParm(self, name) if mine and name not in self.lacks else None

    def type(self) -> Any:
        return SimpleNamespace(name=lambda: self.type_name)

    def name(self) -> str:
        return self._name

    def path(self) -> str:
        return f"{self._parent.path() if self._parent else ''}/{self._name}"

    def inputs(self) -> list[RecordedNode]:
        return self.wired

    def getPDGNode(self) -> Any:
        return SimpleNamespace(workItems=self.items) if self.items else None

    def getSelectedWorkItem(self) -> int:
        return -1

    def childTypeCategory(self) -> Any:
        return TOP if self.type_name == "topnet" else None

    def children(self) -> list[RecordedNode]:
        return self.made

    def isLockedHDA(self) -> bool:
        return self.locked

    def isEditableInsideLockedHDA(self) -> bool:
        return not self.locked

    def setInput(self, index: int, node: RecordedNode) -> None:
        assert index == 0
        self.wired.append(node)

    def moveToGoodPosition(self) -> None: ...

    def setComment(self, text: str) -> None:
        self.comment = text

    def setGenericFlag(self, flag: str, on: bool) -> None:
        self.flags[flag] = on

    def setDisplayFlag(self, on: bool) -> None:
        self.displayed = on

    def setRenderFlag(self, on: bool) -> None: ...

    def setSelected(self, on: bool, clear_all_selected: bool = False) -> None:
        self.selected = on


class RecordedItem:
    id = 1

    def __init__(self, **attributes: str) -> None:
        self._attributes = attributes

    def hasAttrib(self, name: str) -> bool:
        return name in self._attributes

    def stringAttribValue(self, name: str) -> str:
        return self._attributes[name]


def made_groups(made: Any) -> Any:
    """``hou.undos.group``: an inner group is a part of the outer one."""

    @contextmanager
    def group(label: str) -> Iterator[None]:
        if not made.depth:
            made.steps.append(label)
        made.depth += 1
        try:
            yield
        finally:
            made.depth -= 1

    return group


@pytest.fixture
def hou(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A ``hou`` with windows that records: ``said`` are the messages, ``browsed`` the folders
    shown, ``steps`` what can be undone; ``messages``, ``callbacks`` … are the modules under test.
    """
    made: Any = ModuleType("hou")
    made.said, made.browsed, made.selection, made.chosen = [], [], [], ""
    made.steps, made.depth, made.pane = [], 0, None
    made.networks = {f"/{name}": RecordedNode("", name) for name in ("obj", "mat", "tasks")}
    made.Error, made.OperationFailed, made.TopNode = stand_in.Error, OperationFailed, RecordedNode
    made.node = made.networks.get
    made.isUIAvailable = lambda: True
    made.severityType = SimpleNamespace(Error="error", Message="message")
    made.nodeFlag = SimpleNamespace(DisplayComment="comment shown")
    made.fileType = SimpleNamespace(Directory="directory")
    made.paneTabType = SimpleNamespace(NetworkEditor="network")
    made.topNodeTypeCategory = lambda: TOP
    made.selectedNodes = lambda: made.selection
    made.undos = SimpleNamespace(group=made_groups(made))
    made.text = SimpleNamespace(expandString=lambda text: text)

    def show(text: str, *, severity: str, title: str, details: str | None, **_more: bool) -> None:
        made.said.append((severity, text, details or ""))

    made.callbacks_when_idle, made.status = [], []
    made.qt = SimpleNamespace(mainWindow=lambda: None)
    made.ui = SimpleNamespace(
        addEventLoopCallback=made.callbacks_when_idle.append,
        removeEventLoopCallback=made.callbacks_when_idle.remove,
        setStatusMessage=made.status.append,
        displayMessage=show,
        showInFileBrowser=made.browsed.append,
        selectFile=lambda title, file_type: made.chosen,
        paneTabOfType=lambda _type: made.pane,
    )
    monkeypatch.setitem(sys.modules, "hou", made)
    _forget(MODULES)
    for name in MODULES:
        setattr(made, name, importlib.import_module(f"nvdiffrec_tops.houdini.{name}"))
    yield made
    _forget(MODULES)


@pytest.fixture
def node() -> type[RecordedNode]:
    return RecordedNode


@pytest.fixture
def item() -> type[RecordedItem]:
    return RecordedItem


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The output folder of a training."""
    mesh = tmp_path / "bob v2" / "mesh"
    mesh.mkdir(parents=True)
    textures = ("texture_kd.png", "texture_ks.png", "texture_n.png")
    for name in ("mesh.obj", "probe.hdr", *textures):
        (mesh / name).write_bytes(b"")
    return mesh.parent
