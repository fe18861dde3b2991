"""Changes to a scene: what was meant changes, every other member keeps its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from houfiles import HouFileError, Scene, load, loads
from houfiles.describe import NodeDescription, Token
from houfiles.edit import add_node, remove_node, rewire, set_parm

TOP = "/tasks/topnet1"


@pytest.fixture
def scene(rich: bytes) -> Scene:
    return loads(rich, "rich.hip")


def _changed(before: bytes, scene: Scene) -> set[str]:
    """Members that are new, gone or different; the written file reads back as the scene is."""
    old, new = loads(before).members, loads(scene.to_bytes()).members
    assert new == scene.members
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def test_setting_a_parameter(scene: Scene, rich: bytes) -> None:
    set_parm(scene, f"{TOP}/step1", "mode", Token("1"))
    assert scene.node(f"{TOP}/step1").parms["mode"].values[0].text == "1"
    assert _changed(rich, scene) == {"tasks/topnet1/step1.parm"}
    set_parm(scene, f"{TOP}/step1", "mode", Token("4"))
    assert scene.to_bytes() == rich


def test_a_new_parameter_and_a_driven_one(scene: Scene, rich: bytes) -> None:
    set_parm(scene, f"{TOP}/numbers", "added", (1, 2.5))
    set_parm(scene, f"{TOP}/numbers", "count", 9)
    found = scene.node(f"{TOP}/numbers").parms
    assert [one.text for one in found["added"].values] == ["1", "2.5"]
    assert found["count"].values[0].expression is None and found["count"].values[0].text == "9"
    assert found["label"].values[0].expression is not None
    assert _changed(rich, scene) == {"tasks/topnet1/numbers.parm", "tasks/topnet1/numbers.chn"}
    set_parm(scene, f"{TOP}/numbers", "label", "plain")
    assert "tasks/topnet1/numbers.chn" not in scene.members


def test_adding_and_removing_a_node(scene: Scene, rich: bytes) -> None:
    new = NodeDescription("last", "waitforall", inputs=("gather", "step1"))
    node = add_node(scene, TOP, new)
    assert [one.source for one in node.inputs] == ["gather", "step1"]
    assert scene.node(TOP).children[-1] is node
    parts = {f"tasks/topnet1/last.{kind}" for kind in ("init", "def", "parm", "userdata")}
    assert _changed(rich, scene) == parts | {"tasks/topnet1/gather.def", "tasks/topnet1.order"}
    assert (
        scene.members["tasks/topnet1/step1.def"] == loads(rich).members["tasks/topnet1/step1.def"]
    )
    remove_node(scene, f"{TOP}/last")
    assert _changed(rich, scene) == {"tasks/topnet1/gather.def"}
    remove_node(scene, f"{TOP}/numbers")
    assert scene.node(f"{TOP}/step1").inputs == []
    assert [one.source for one in scene.node(f"{TOP}/gather").inputs] == ["step1"]


def test_the_first_nodes_of_a_network(scene: Scene) -> None:
    for name in ("localscheduler", "gather", "numbers", "step1"):
        remove_node(scene, f"{TOP}/{name}")
    assert scene.node(TOP).children == [] and "tasks/topnet1.order" not in scene.members
    add_node(scene, TOP, NodeDescription("a", "merge"))
    assert "tasks/topnet1.order" not in scene.members
    add_node(scene, TOP, NodeDescription("b", "merge", inputs=("a",)))
    assert scene.members["tasks/topnet1.order"] == b"2\na\nb\n"
    assert [one.name for one in loads(scene.to_bytes()).node(TOP).children] == ["a", "b"]


def test_rewiring(scene: Scene) -> None:
    rewire(scene, f"{TOP}/gather", ("step1",))
    gather = scene.node(f"{TOP}/gather")
    assert [(one.input_index, one.source) for one in gather.inputs] == [(0, "step1")]
    rewire(scene, f"{TOP}/step1", ())
    assert scene.node(f"{TOP}/step1").inputs == []
    rewire(scene, f"{TOP}/step1", ("numbers",))
    own = scene.node(f"{TOP}/step1").definition
    ids = [one.id for one in (*(own.outputs or ()), *(own.named_inputs or ()))]
    assert len(set(ids)) == 2 and own.connector_next_id == max(ids) + 1


def test_a_real_scene_is_edited(real: list[Path]) -> None:
    scene = load(real[-1])
    before = real[-1].read_bytes()
    set_parm(scene, f"{TOP}/shell_tokens", "stringvalue4", "configs/spot.json")
    new = NodeDescription("after", "waitforall", inputs=("waitforall1",), flags=("display",))
    add_node(scene, TOP, new)
    assert _changed(before, scene) == {
        "tasks/topnet1/shell_tokens.parm",
        "tasks/topnet1.order",
        *(f"tasks/topnet1/after.{kind}" for kind in ("init", "def", "parm", "userdata")),
    }
    old = loads(before).members["tasks/topnet1/shell_tokens.parm"]
    text = scene.members["tasks/topnet1/shell_tokens.parm"]
    assert text == old.replace(b"configs/bob.json", b"configs/spot.json")


def test_refused_changes_leave_the_scene_as_it_was(scene: Scene, rich: bytes) -> None:
    refused = [
        lambda: set_parm(scene, f"{TOP}/nobody", "a", 1),
        lambda: set_parm(scene, f"{TOP}/step1", "a b", 1),
        lambda: add_node(scene, TOP, NodeDescription("step1", "merge")),
        lambda: add_node(scene, TOP, NodeDescription("x", "merge", inputs=("nobody",))),
        lambda: add_node(scene, f"{TOP}/step1", NodeDescription("x", "merge")),
        lambda: add_node(scene, TOP, NodeDescription("../../x", "merge")),
        lambda: remove_node(scene, "/tasks"),
        lambda: rewire(scene, f"{TOP}/step1", ("step1",)),
        lambda: rewire(scene, "/tasks", ()),
    ]
    for change in refused:
        with pytest.raises(HouFileError):
            change()
        assert scene.to_bytes() == rich
