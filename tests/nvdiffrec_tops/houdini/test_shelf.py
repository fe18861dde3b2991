"""The shelf's tools, over a ``hou`` that records what is made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nvdiffrec_tops import doctor
from nvdiffrec_tops.doctor import Finding


def _pane(network: Any) -> Any:
    return SimpleNamespace(type=lambda: "network", pwd=lambda: network)


@pytest.mark.parametrize("given", [True, False])
def test_static_scene_goes_into_the_network_in_front(hou: Any, node: Any, given: bool) -> None:
    network = node("topnet", "mine")
    hou.pane = _pane(network)
    hou.shelf.static_scene({"pane": hou.pane} if given else {})
    [made] = network.made
    assert made.type_name == hou.shelf.STATIC and made.displayed and made.selected
    assert hou.steps == ["nvdiffrec Static Scene"]


def test_static_scene_makes_a_network_with_a_scheduler(hou: Any) -> None:
    hou.shelf.static_scene({})
    [network] = hou.networks["/tasks"].made
    assert network.type_name == "topnet"
    assert [one.type_name for one in network.made] == ["localscheduler", hou.shelf.STATIC]


def test_a_network_that_brings_its_scheduler_gets_no_second_one(
    hou: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = node.createNode

    def with_scheduler(self: Any, type_name: str, name: str) -> Any:
        made = created(self, type_name, name)
        if type_name == "topnet":
            created(made, "hqueuescheduler", "farm")
        return made

    monkeypatch.setattr(node, "createNode", with_scheduler)
    hou.shelf.static_scene({})
    [network] = hou.networks["/tasks"].made
    assert [one.type_name for one in network.made] == ["hqueuescheduler", hou.shelf.STATIC]


def test_a_locked_network_is_left_alone(hou: Any, node: Any) -> None:
    network = node("topnet", "inside_an_asset")
    network.locked = True
    hou.shelf.static_scene({"pane": _pane(network)})
    assert network.made == [] and len(hou.networks["/tasks"].made) == 1


def test_a_missing_asset_is_explained_and_nothing_is_made(
    hou: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hou.shelf, "STATIC", "unknown::asset")
    hou.shelf.static_scene({})
    assert "check that the package is installed" in hou.said[0][1]
    assert hou.networks["/tasks"].made == [] and hou.steps == []


def test_check_environment_of_the_selected_node_else_of_a_folder(
    hou: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def examine(**given: Any) -> list[Finding]:
        asked.append(given)
        return []

    monkeypatch.setattr(doctor, "examine", examine)
    selected = node("kartaverse::nvdiffrec_static::1.0", "s")
    selected.values = {"miniconda_env": "/envs/x"}
    hou.selection = [selected]
    hou.shelf.check_environment({})
    hou.selection, hou.chosen = [], "/envs/y"
    hou.shelf.check_environment({})
    assert [one["environment"] for one in asked] == ["/envs/x", "/envs/y"]
    hou.chosen = ""
    hou.shelf.check_environment({})
    assert len(hou.said) == 2


def test_load_result_takes_each_folder_once_in_one_step(
    hou: Any, node: Any, item: Any, trained: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "mesh").mkdir(parents=True)
    (other / "mesh" / "mesh.obj").write_bytes(b"")
    first, second = node("train", "t1"), node("train", "t2")
    first.items = [item(OUTPUT_DIR=str(trained)), item(OUTPUT_DIR=str(tmp_path / "none")), item()]
    second.items = [item(OUTPUT_DIR=str(trained)), item(OUTPUT_DIR=str(other))]
    hou.selection = [first, second, node("null", "n")]
    hou.shelf.load_results({})
    names = [one.name() for one in hou.networks["/obj"].made]
    assert names == ["nvdiffrec_bob_v2", "nvdiffrec_bob_v2_light", "nvdiffrec_other"]
    assert hou.steps == ["nvdiffrec Load Result"]
    [(severity, text, details)] = hou.said
    assert severity == "message" and "some things could not be set" in text
    assert "probe.hdr does not exist" in details and "bob" not in details


def test_load_result_without_a_selection_or_a_folder(hou: Any, trained: Path) -> None:
    hou.shelf.load_results({})
    assert "choose an output folder" in hou.said[0][1]
    hou.chosen = str(trained)
    hou.shelf.load_results({})
    assert len(hou.said) == 1 and len(hou.networks["/obj"].made) == 2
