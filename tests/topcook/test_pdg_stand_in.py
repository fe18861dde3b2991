"""The stand-in for the documented pdg interface."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from topcook import pdg
from topcook.cook import Cook, Watcher
from topcook.jobs import serialise
from topcook.nodes.localscheduler import PARAMETERS
from topcook.parameters.evaluation import NodeParameters, Surroundings, TypedValue
from topcook.parameters.table import ParmTable, integer, string
from topcook.schedulers.local import LocalScheduler


@pytest.fixture
def context() -> pdg.GraphContext:
    return pdg.GraphContext("test")


def _node(context: pdg.GraphContext, name: str, values: dict[str, str] | None = None) -> pdg.Node:
    texts = {key: [TypedValue(value)] for key, value in (values or {}).items()}
    table = ParmTable([string("text"), integer("number")])
    parameters = NodeParameters(table, f"/tasks/top/{name}", texts, Surroundings())
    node = pdg.Node(context.graph, name, pdg.nodeType.Processor, parameters)
    return context.graph.addNode(node)


def _item(node: pdg.Node, **options: Any) -> pdg.WorkItem:
    holder = pdg.WorkItemHolder(node, static=True)
    item = holder.addWorkItem(**options)
    node.addItems(holder.workItems)
    return item


def test_ids_indices_and_names(context: pdg.GraphContext) -> None:
    a, b = _node(context, "a"), _node(context, "b")
    first, second = _item(a), _item(a)
    child = _item(b, parent=second)
    chosen = _item(b, parent=first, index=7, name="my item")
    assert [item.id for item in (first, second, child, chosen)] == [1, 2, 3, 4]
    assert [item.index for item in (first, second, child, chosen)] == [0, 1, 1, 7]
    assert (first.name, chosen.name) == ("a_1", "my_item")
    assert context.graph.workItemById(3) is child
    assert child.dependencies == [second] and second.dependents == [child]
    with pytest.raises(ValueError, match="my_item"):
        _item(b, name="my item")


def test_children_inherit_copies_flags_environment_and_frame(context: pdg.GraphContext) -> None:
    a, b = _node(context, "a"), _node(context, "b")
    parent = _item(a, frame=12.0)
    parent.setStringAttrib("words", ["x", "y"])
    parent.addEnvironmentVar("CUDA_HOME", "/env")
    hidden = parent.addAttrib("hidden", pdg.attribType.Int)
    assert hidden is not None
    hidden.setFlag(pdg.attribFlag.NoCopy)
    parent.setCommand("run me")
    child = _item(b, parent=parent)
    child.setStringAttrib("words", "changed", 0)
    assert parent.stringAttribArray("words") == ["x", "y"]
    assert child.stringAttribArray("words") == ["changed", "y"]
    assert child.environment == {"CUDA_HOME": "/env"}
    assert not child.hasAttrib("hidden") and not child.hasCommand
    assert (child.frame, child.hasFrame) == (12.0, True)
    assert child["CUDA_HOME"].flags == pdg.attribFlag.EnvExport


def test_environment_is_text_of_the_first_value(context: pdg.GraphContext) -> None:
    item = _item(_node(context, "a"))
    item.setIntAttrib("LEVEL", [4, 5])
    item.setFloatAttrib("SCALE", 2.0)
    for name in ("LEVEL", "SCALE"):
        item.setAttribFlag(name, pdg.attribFlag.EnvExport, True)
    assert item.environment == {"LEVEL": "4", "SCALE": "2"}
    item.clearEnvironment()
    assert item.environment == {} and not item.hasAttrib("LEVEL")


def test_typed_attributes(context: pdg.GraphContext) -> None:
    item = _item(_node(context, "a"))
    item.setIntAttrib("n", 3)
    assert item.intAttribValue("n") == 3 and item.stringAttribValue("n") is None
    with pytest.raises(TypeError, match="'n' exists with type Int"):
        item.addAttrib("n", pdg.attribType.String)
    quiet = item.addAttrib("n", pdg.attribType.String, error_level=pdg.attribErrorLevel.Quiet)
    assert quiet is None
    with pytest.raises(pdg.AttributeTypeError, match="cannot hold"):
        item["n"].setValue("many")
    item.setStringAttrib("slots", "third", 2)
    assert item.stringAttribArray("slots") == ["", "", "third"]
    item.setDictAttrib("d", {"a": [1, 2]})
    item.setFileAttrib("f", "/x/mesh.obj")
    assert item.dictAttribValue("d") == {"a": [1, 2]}
    assert item["f"].asFile().path == "/x/mesh.obj"
    assert item.attribMatch("* ^s*") == ["d", "f", "n"]
    assert serialise.reduced(item)["workitem"]["attributes"]["n"] == {
        "type": 0,
        "flag": 0,
        "own": True,
        "concat": False,
        "value": [3],
    }


def test_command_is_internal_and_decides_the_cook_type(context: pdg.GraphContext) -> None:
    item = _item(_node(context, "a"))
    assert item.cookType is pdg.workItemCookType.Generate
    item.setCommand("run")
    saved = serialise.reduced(item)["workitem"]
    assert saved["attributes"]["__pdg_commandstring"]["flag"] == 9
    assert saved["cookType"] == 2 and saved["state"] == 2
    assert item.attribNames() == []
    inside = _item(_node(context, "b"), inProcess=True)
    assert inside.isInProcess


def test_files_and_tags(context: pdg.GraphContext) -> None:
    parent = _item(_node(context, "a"))
    parent.addOutputFile("/x/mesh.obj")
    parent.addOutputFile("/x/kd.png", "file/image/albedo")
    parent.addOutputFile("/x/mesh.obj", "file/mesh")
    child = _item(_node(context, "b"), parent=parent, cloneOutputFiles=True)
    assert [(one.path, one.tag) for one in parent.outputFiles] == [
        ("/x/kd.png", "file/image/albedo"),
        ("/x/mesh.obj", "file/mesh"),
    ]
    assert [one.path for one in child.inputFilesForTag("file/image")] == ["/x/kd.png"]
    assert [one.path for one in child.outputFilesForTag("file")] == ["/x/kd.png", "/x/mesh.obj"]


def test_events_run_on_another_thread(context: pdg.GraphContext) -> None:
    seen: list[tuple[pdg.Event, int]] = []

    def handle(event: pdg.Event) -> None:
        seen.append((event, threading.get_ident()))

    handler = context.addEventHandler(handle, pdg.EventType.WorkItemStateChange)
    item = _item(_node(context, "a"))
    item.setState(pdg.workItemState.Cooking)
    context.waitAllEvents()
    handler.removeFromAllEmitters()
    item.setState(pdg.workItemState.CookedSuccess)
    context.waitAllEvents()
    assert len(seen) == 1
    event, thread = seen[0]
    assert thread != threading.get_ident()
    assert (event.workItemId, event.currentState) == (item.id, pdg.workItemState.Cooking)
    assert not hasattr(event, "workItem")


def test_a_failing_handler_does_not_stop_the_others(context: pdg.GraphContext) -> None:
    seen: list[str] = []

    def broken(_event: pdg.Event) -> None:
        raise RuntimeError("handler")

    context.addEventHandler(broken, pdg.EventType.All)
    context.addEventHandler(lambda event: seen.append(event.type.name), pdg.EventType.All)
    context.emit(pdg.Event(pdg.EventType.CookStart))
    context.waitAllEvents()
    assert seen == ["CookStart"]


class _Processor(pdg.PyProcessor):
    """As a processor of an asset would be written."""

    def onGenerate(self, item_holder, upstream_items, generation_type):  # type: ignore[no-untyped-def]
        for upstream in upstream_items or [None]:
            for number in range(self["number"].evaluateInt(upstream)):
                item = item_holder.addWorkItem(parent=upstream, index=number, inProcess=True)
                item.setStringAttrib("text", self["text"].evaluateString(item))

    def onCookTask(self, work_item):  # type: ignore[no-untyped-def]
        if work_item.index == 1:
            raise ValueError("one is not allowed")
        work_item.addOutputFile(f"/out/{work_item.stringAttribValue('text')}")
        return pdg.result.Success


def test_a_processor_cooks_in_process(context: pdg.GraphContext, tmp_path: Any) -> None:
    node = _node(context, "mine", {"text": "item `@pdg_index`", "number": "2"})
    node.callbacks = _Processor(node)
    around = Surroundings({"HIP": str(tmp_path), "HIPNAME": "x"})
    scheduler = LocalScheduler(NodeParameters(PARAMETERS, "/local", {}, around))
    states: list[str] = []
    context.addEventHandler(
        lambda event: states.append(event.currentState.name), pdg.EventType.WorkItemStateChange
    )
    result = Cook(context, scheduler, Watcher()).run()
    good, bad = context.graph.workItems()
    assert not result.successful
    assert good.state is pdg.workItemState.CookedSuccess
    assert good.outputFiles[0].path == "/out/item 0"
    assert bad.state is pdg.workItemState.CookedFail
    assert "one is not allowed" in bad.failure
    assert states == ["Cooking", "CookedSuccess", "Cooking", "CookedFail"]


def test_generation_faults_name_the_node(context: pdg.GraphContext, tmp_path: Any) -> None:
    node = _node(context, "mine", {"number": "`@nothing.`"})
    node.callbacks = _Processor(node)
    around = Surroundings({"HIP": str(tmp_path), "HIPNAME": "x"})
    scheduler = LocalScheduler(NodeParameters(PARAMETERS, "/local", {}, around))
    with pytest.raises(pdg.CookError, match="/tasks/top/mine"):
        Cook(context, scheduler, Watcher()).run()


def test_import_pdg_finds_the_stand_in() -> None:
    import sys

    before = sys.modules.get("pdg")
    with pdg.standing_in() as module:
        assert sys.modules["pdg"] is module and module.result.Success is pdg.result.Success
    assert sys.modules.get("pdg") is before


def _saved(item: pdg.WorkItem) -> dict[str, Any]:
    attributes: dict[str, Any] = serialise.full(item)["workitem"]["attributes"]
    return attributes


def test_platform_commands_are_one_array(context: pdg.GraphContext) -> None:
    item = _item(_node(context, "a"))
    item.setPlatformCommands({pdg.platform.Windows: "dir", pdg.platform.Linux: "ls"})
    command = _saved(item)["__pdg_commandstring"]
    assert (command["value"], command["flag"]) == (["ls", "", "dir"], 9)
    assert item.hasPlatformCommand and item.platformCommand(pdg.platform.Windows) == "dir"
    item.setShouldRunInShell(True)
    assert _saved(item)["__pdg_commandstring"]["flag"] == 11
    assert item.environment == {} and item.cookType is pdg.workItemCookType.OutOfProcess
    item.setCommand("echo")
    command = _saved(item)["__pdg_commandstring"]
    assert (command["value"], command["flag"]) == (["echo"], 11)
    assert item.platformCommand(pdg.platform.Mac) == "echo" and not item.hasPlatformCommand


def test_only_what_an_item_sets_is_its_own(context: pdg.GraphContext) -> None:
    parent = _item(_node(context, "a"))
    for name in ("kept", "set", "flagged", "renamed", "slot"):
        parent.setStringAttrib(name, "x")
    child = _item(_node(context, "b"), parent=parent)
    assert not any(one["own"] for one in _saved(child).values())
    child.setStringAttrib("set", "y")
    child.setAttribFlag("flagged", pdg.attribFlag.EnvExport, True)
    child.renameAttrib("renamed", "new")
    child.setStringAttrib("slot", "z", 1)
    own = {name for name, one in _saved(child).items() if one["own"]}
    assert own == {"set", "flagged", "new", "slot"}
    assert all(one["own"] for one in _saved(parent).values())
    loaded = serialise.reduced(child)["workitem"]["attributes"]
    assert all(one["own"] for one in loaded.values())


def test_files_by_the_moment_they_are_added(context: pdg.GraphContext, tmp_path: Any) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("o x")
    stamp = int(path.stat().st_mtime)
    item = _item(_node(context, "a"))
    item.setCommand("run")
    item.addOutputFile(str(path))
    item.setState(pdg.workItemState.Cooking)
    item.addOutputFile(f"{path}.later", "file/geo")
    saved = _saved(item)
    shown = [
        (one["data"], one["hash"], one["size"], one["own"], one["type"])
        for one in saved["__pdg_outputfiles"]["value"]
    ]
    assert shown == [(str(path), stamp, 3, False, 0), (f"{path}.later", 0, 0, True, 2)]
    assert [one["data"] for one in saved["__pdg_addedfiles"]["value"]] == [f"{path}.later"]
    flags = {name: one["flag"] for name, one in saved.items()}
    assert flags["__pdg_outputfiles"] == 8 and flags["__pdg_addedfiles"] == 9
    child = _item(_node(context, "b"), parent=item, cloneOutputFiles=True)
    copied = _saved(child)
    assert copied["__pdg_outputfiles"]["value"] == saved["__pdg_outputfiles"]["value"]
    assert copied["__pdg_inputfiles"]["flag"] == 13 and "__pdg_addedfiles" not in copied


def test_members_that_are_not_true_are_left_out(context: pdg.GraphContext) -> None:
    item = _item(_node(context, "a"))
    plain = set(serialise.full(item)["workitem"])
    assert plain == {
        "nodeName",
        "schedulerName",
        "customDataType",
        "customData",
        "attributes",
        "id",
        "index",
        "isStatic",
        "state",
        "type",
        "executionType",
        "cookType",
    }
    item.setFrame(3, 2)
    item.isPostCook, item.isStatic = True, False
    more = set(serialise.full(item)["workitem"])
    assert more - plain == {"frame", "hasFrame", "isPostCook"} and plain - more == {"isStatic"}
    assert set(serialise.reduced(item)["workitem"]) == more - {
        "nodeName",
        "schedulerName",
        "frame",
        "hasFrame",
    }
