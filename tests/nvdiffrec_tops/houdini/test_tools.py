"""Buttons, menus and shelf tools, over a ``hou`` that records what is made and said."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nvdiffrec_tops import doctor, environment, presets
from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.headless import hou as stand_in

MODULES = ("messages", "callbacks", "load_result", "shelf")


class OperationFailed(stand_in.Error):
    """``hou.OperationFailed``."""


class Parm:
    def __init__(self, node: FakeNode, name: str) -> None:
        self._node, self._name = node, name

    def evalAsString(self) -> str:
        return str(self._node.values[self._name])

    def set(self, value: Any) -> None:
        if value == "refused":
            raise OperationFailed("no such token")
        self._node.values[self._name] = value


class FakeNode:
    """A node: parameters are whatever is asked for, less ``lacks``."""

    lacks: tuple[str, ...] = ()

    def __init__(self, type_name: str, name: str = "", parent: FakeNode | None = None) -> None:
        self.type_name, self._name, self._parent = type_name, name, parent
        self.values: dict[str, Any] = {}
        self.children: list[FakeNode] = []
        self.items: list[Any] = []
        self.wired: list[FakeNode] = []
        self.selected = self.displayed = False

    def createNode(self, type_name: str, name: str) -> FakeNode:
        if type_name.startswith("unknown"):
            raise OperationFailed("Invalid node type name")
        self.children.append(FakeNode(type_name, name, self))
        return self.children[-1]

    def parm(self, name: str) -> Parm | None:
        mine = (
            name in self.values
            or self.type_name in ("geo", "file", "envlight")
            or (self.type_name.startswith("principled"))
        )
        return Parm(self, name) if mine and name not in self.lacks else None

    def type(self) -> Any:
        return SimpleNamespace(name=lambda: self.type_name)

    def name(self) -> str:
        return self._name

    def path(self) -> str:
        return f"{self._parent.path() if self._parent else ''}/{self._name}"

    def inputs(self) -> list[FakeNode]:
        return self.wired

    def getPDGNode(self) -> Any:
        return SimpleNamespace(workItems=self.items) if self.items else None

    def getSelectedWorkItem(self) -> int:
        return -1

    def childTypeCategory(self) -> str:
        return "Top" if self.type_name == "topnet" else "Object"

    def moveToGoodPosition(self) -> None: ...

    def setDisplayFlag(self, on: bool) -> None:
        self.displayed = on

    def setRenderFlag(self, on: bool) -> None: ...

    def setSelected(self, on: bool, clear_all_selected: bool = False) -> None:
        self.selected = on


class Item:
    id = 1

    def __init__(self, **attributes: str) -> None:
        self._attributes = attributes

    def hasAttrib(self, name: str) -> bool:
        return name in self._attributes

    def stringAttribValue(self, name: str) -> str:
        return self._attributes[name]


@pytest.fixture
def hou(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The recording ``hou``; ``said`` are the messages, ``browsed`` the folders shown."""
    made: Any = ModuleType("hou")
    made.said, made.browsed, made.selection, made.chosen = [], [], [], ""
    made.networks = {f"/{name}": FakeNode("", name) for name in ("obj", "mat", "tasks")}
    made.Error, made.OperationFailed, made.TopNode = stand_in.Error, OperationFailed, FakeNode
    made.node = made.networks.get
    made.isUIAvailable = lambda: True
    made.severityType = SimpleNamespace(Error="error", Message="message")
    made.fileType = SimpleNamespace(Directory="directory")
    made.paneTabType = SimpleNamespace(NetworkEditor="network")
    made.topNodeTypeCategory = lambda: "Top"
    made.selectedNodes = lambda: made.selection
    made.undos = SimpleNamespace(group=lambda _label: nullcontext())
    made.text = SimpleNamespace(expandString=lambda text: text)
    made.ui = SimpleNamespace(
        displayMessage=lambda text, severity, title, details, details_expanded: made.said.append(
            (severity, text, details or "")
        ),
        showInFileBrowser=made.browsed.append,
        selectFile=lambda title, file_type: made.chosen,
    )
    monkeypatch.setitem(sys.modules, "hou", made)
    for name in MODULES:
        sys.modules.pop(f"nvdiffrec_tops.houdini.{name}", None)
        setattr(made, name, importlib.import_module(f"nvdiffrec_tops.houdini.{name}"))
    yield made
    for name in MODULES:
        sys.modules.pop(f"nvdiffrec_tops.houdini.{name}", None)


def _finding(severity: str, title: str, cure: str = "") -> Finding:
    return Finding("id", severity, title, "seen", cure, False)


def test_check_environment_shows_the_worst_first(hou: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def examine(**settings: Any) -> list[Finding]:
        asked.update(settings)
        return [
            _finding("ok", "Interpreter"),
            _finding("warning", "Driver", "update it"),
            _finding("error", "CUDA", "pip install torch"),
        ]

    monkeypatch.setattr(doctor, "examine", examine)
    node = FakeNode("kartaverse::nvdiffrec_attributes::1.0", "a")
    node.values = {"miniconda_env": "/envs/x", "working_dir": "/w/", "config_name": "c.json"}
    hou.callbacks.check_environment({"node": node})
    assert (asked["environment"], asked["working_dir"], asked["config"]) == (
        "/envs/x",
        "/w/",
        "c.json",
    )
    [(severity, text, details)] = hou.said
    assert severity == "error" and text == "/envs/x: 2 findings to look at."
    assert details.splitlines()[:2] == ["Wrong: CUDA. seen", "    pip install torch"]
    assert details.splitlines()[-1] == "Good: Interpreter. seen"


def test_check_environment_reads_the_work_items_upstream(
    hou: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(doctor, "examine", lambda **given: asked.append(given) or [])
    above = FakeNode("attributecreate", "above")
    above.items = [Item(MINICONDA_ENV="/envs/y/", ENGINE="nvdiffrec")]
    node = FakeNode("kartaverse::nvdiffrec_environment::1.0", "e")
    node.values, node.wired = {"source": "attribute"}, [above]
    hou.callbacks.check_environment({"node": node})
    assert asked[0]["environment"] == "/envs/y/" and asked[0]["engine"] == "nvdiffrec"
    node.values = {"source": "prefix", "prefix": "/envs/z"}
    hou.callbacks.check_environment({"node": node})
    assert asked[1]["environment"] == "/envs/z"


def test_without_an_environment_the_message_says_what_to_do(hou: Any) -> None:
    hou.callbacks.check_environment({"node": FakeNode("x", "x")})
    [(severity, text, _details)] = hou.said
    assert severity == "error" and "there is no environment to check" in text


def test_open_result(hou: Any, tmp_path: Path) -> None:
    node = FakeNode("kartaverse::nvdiffrec_train::1.0", "t")
    node.items = [Item(OUTPUT_DIR=str(tmp_path))]
    hou.callbacks.open_result({"node": node})
    assert hou.browsed == [str(tmp_path)]
    node.items = [Item(OUTPUT_DIR=str(tmp_path / "none"))]
    hou.callbacks.open_result({"node": node})
    assert "there are no results" in hou.said[0][1]


def test_menus_are_pairs_and_never_raise(hou: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    menu = hou.callbacks.preset_menu()
    assert menu[:2] == ["", "None"] and menu[2::2] == list(presets.names())
    assert all(isinstance(one, str) for one in menu) and len(menu) % 2 == 0
    assert len(hou.callbacks.environment_menu()) % 2 == 0

    def broken() -> Any:
        raise RuntimeError

    monkeypatch.setattr(environment, "known", broken)
    monkeypatch.setattr(presets, "names", broken)
    assert hou.callbacks.environment_menu() == []
    assert hou.callbacks.preset_menu() == ["", "None"]


def test_static_scene_goes_into_the_network_in_front(hou: Any) -> None:
    network = FakeNode("topnet", "mine")
    pane = SimpleNamespace(type=lambda: "network", pwd=lambda: network)
    hou.shelf.static_scene({"pane": pane})
    [node] = network.children
    assert node.type_name == hou.shelf.STATIC and node.displayed and node.selected
    hou.shelf.static_scene({})
    [made] = hou.networks["/tasks"].children
    assert made.type_name == "topnet" and made.children[0].type_name == hou.shelf.STATIC


def test_a_missing_asset_is_explained(hou: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hou.shelf, "STATIC", "unknown::asset")
    hou.shelf.static_scene({})
    assert "check that the package is installed" in hou.said[0][1]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    mesh = tmp_path / "bob v2" / "mesh"
    mesh.mkdir(parents=True)
    for name in ("mesh.obj", "probe.hdr"):
        (mesh / name).write_bytes(b"")
    return mesh.parent


def test_load_result_makes_mesh_material_and_light(hou: Any, trained: Path) -> None:
    selected = FakeNode("kartaverse::nvdiffrec_train::1.0", "t")
    selected.items = [Item(OUTPUT_DIR=str(trained)), Item(OUTPUT_DIR=str(trained / "none"))]
    hou.selection = [selected]
    hou.shelf.load_results({})
    assert hou.said == []
    [shader] = hou.networks["/mat"].children
    mesh = f"{trained.as_posix()}/mesh"
    assert shader.type_name == "principledshader::2.0"
    assert shader.values["basecolor_texture"] == f"{mesh}/texture_kd.png"
    assert shader.values["rough_texture"] == shader.values["metallic_texture"]
    assert (shader.values["rough_monoChannel"], shader.values["metallic_monoChannel"]) == (2, 3)
    geometry, light = hou.networks["/obj"].children
    assert geometry.name() == "nvdiffrec_bob_v2"
    assert geometry.values["shop_materialpath"] == shader.path()
    assert geometry.children[0].values["file"] == f"{mesh}/mesh.obj"
    assert light.type_name == "envlight" and light.values["env_map"] == f"{mesh}/probe.hdr"


def test_parameters_that_this_houdini_lacks_are_named(
    hou: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeNode, "lacks", ("rough_monoChannel", "env_map"))
    hou.chosen = str(trained)
    hou.shelf.load_results({})
    [(_severity, text, details)] = hou.said
    assert "lacks some parameters" in text
    assert "rough_monoChannel = 2" in details and "envlight: env_map" in details


def test_a_folder_without_a_mesh_is_refused(hou: Any, tmp_path: Path) -> None:
    hou.chosen = str(tmp_path)
    hou.shelf.load_results({})
    assert "holds no trained mesh" in hou.said[0][1]
    assert hou.networks["/obj"].children == []
