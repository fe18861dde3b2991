"""Cooking a TOP network in hython, from the command line.

The options and the JSON report are those of the cook without Houdini. Houdini itself looks only at
the node that it cooks; here every node's work items are examined, and anything that is not cooked
is a failure.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import hou

from nvdiffrec_tops import cookcommand, cookreport
from nvdiffrec_tops.cookcommand import CookCommandError, Override
from nvdiffrec_tops.cookreport import Ending, ReportedNode

if TYPE_CHECKING:
    from nvdiffrec_tops.headless import pdg

FAILED = 1
_SCHEDULED_BY = "localscheduler"


class BatchError(Exception):
    """Something in the scene or on the command line that keeps it from being cooked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Cook as the command line says; returns the exit code, 0 only when everything is cooked."""
    parser = argparse.ArgumentParser(
        prog="batch_cook.py", description="Cook a TOP network of a scene with Houdini (hython)."
    )
    cookcommand.add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        return run(arguments, sys.stdout, sys.stderr)
    except (BatchError, CookCommandError, hou.Error) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Load, set, cook, report.

    Raises:
        BatchError: the scene, a node or a parameter does not exist.
    """
    words = stderr if arguments.json else stdout
    top = open_network(arguments.scene, arguments.top)
    for text in arguments.overrides:
        set_parm(top, Override.parse(text))
    if arguments.jobs is not None:
        _set_slots(top, arguments.jobs)
    ends = chosen(top, arguments.node, arguments.all_ends)
    if arguments.force:
        # The files stay; what they were made for is forgotten, so that every item runs.
        for node in top.children():
            if _makes_items(node):
                cast("hou.TopNode", node).dirtyAllWorkItems(False)
    began = time.monotonic()
    context, events = _cook(top, ends, arguments.dry_run, words)
    document = _report(context, events, time.monotonic() - began, arguments.dry_run)
    for line in summary(document):
        words.write(line + "\n")
    if arguments.json:
        json.dump(document, stdout, indent=1)
        stdout.write("\n")
    if arguments.report is not None:
        cookcommand.write_report(arguments.report, document)
    return 0 if document["successful"] else FAILED


# -- the scene --------------------------------------------------------------------------------
def open_network(scene: str, path: str | None) -> hou.TopNode:
    """Load a scene; gives its TOP network.

    Raises:
        BatchError: there is no such scene or network, or there are several and none is chosen.
    """
    if not Path(scene).is_file():
        raise BatchError(f"the scene {scene} does not exist")
    try:
        hou.hipFile.load(
            str(Path(scene).absolute()), suppress_save_prompt=True, ignore_load_warnings=True
        )
    except hou.OperationFailed as error:
        raise BatchError(f"Houdini cannot load {scene}: {error}") from None
    if path is not None:
        node = hou.node(path)
        if node is None or not isinstance(node, hou.TopNode):
            listed = ", ".join(one.path() for one in _networks()) or "none"
            raise BatchError(f"--top {path}: the scene has no such TOP network; it has {listed}")
        return node
    networks = _networks()
    if len(networks) != 1:
        listed = ", ".join(one.path() for one in networks)
        raise BatchError(
            f"the scene has {len(networks)} TOP networks ({listed}); choose one with --top PATH"
            if networks
            else "the scene has no TOP network"
        )
    return networks[0]


def _networks() -> list[hou.TopNode]:
    root = hou.node("/")
    every = root.allSubChildren() if root is not None else ()
    return [cast("hou.TopNode", node) for node in every if node.type().name() == "topnet"]


def _makes_items(node: hou.Node) -> bool:
    return isinstance(node, hou.TopNode) and not node.isScheduler()


def chosen(top: hou.TopNode, names: Sequence[str], all_ends: bool) -> list[hou.TopNode]:
    """The nodes to cook: the named ones, every end, or the display node.

    Raises:
        BatchError: a node does not exist, or there is nothing to cook.
    """
    if names:
        return [_child(top, name, f"--node {name}") for name in names]
    display = top.displayNode()
    if not all_ends and display is not None:
        return [cast("hou.TopNode", display)]
    tasks = [node for node in top.children() if _makes_items(node)]
    ends = [node for node in tasks if not node.outputs()]
    if not ends:
        raise BatchError(f"{top.path()} has no nodes to cook")
    return [cast("hou.TopNode", node) for node in ends]


def _child(top: hou.TopNode, name: str, what: str) -> hou.TopNode:
    node = hou.node(name) if name.startswith("/") else top.node(name)
    if node is None:
        listed = ", ".join(one.name() for one in top.children())
        raise BatchError(f"{what}: {top.path()} has no node '{name}'; it has {listed}")
    return cast("hou.TopNode", node)


def set_parm(top: hou.TopNode, override: Override) -> None:
    """Set a parameter from the command line's text.

    Raises:
        BatchError: the node or parameter does not exist, or does not take the value.
    """
    what = f"--set {override.node}.{override.parm}"
    same = override.node in (top.name(), top.path())
    node = top if same else _child(top, override.node, what)
    parms = node.parmTuple(override.parm)
    if parms is None:
        raise BatchError(f"{what}: {node.path()} has no parameter '{override.parm}'")
    texts = override.value.split() if len(parms) > 1 else [override.value]
    if len(texts) != len(parms):
        raise BatchError(f"{what}: it takes {len(parms)} values, not {len(texts)}")
    for parm, text in zip(parms, texts, strict=True):
        parm.deleteAllKeyframes()
        try:
            parm.set(_value(parm, text))
        except (hou.Error, TypeError, ValueError) as error:
            raise BatchError(f"{what}: it does not take '{text}' ({error})") from None


def _value(parm: hou.Parm, text: str) -> int | float | str:
    """The text as the parameter's own type; a menu's token stays text, which Houdini takes."""
    kind = parm.parmTemplate().type()
    if kind == hou.parmTemplateType.Toggle:
        words = {"on": 1, "1": 1, "true": 1, "off": 0, "0": 0, "false": 0}
        if text.lower() not in words:
            raise ValueError("write on or off")
        return words[text.lower()]
    if kind == hou.parmTemplateType.Int:
        return int(text)
    if kind == hou.parmTemplateType.Float:
        return float(text)
    return text


def _set_slots(top: hou.TopNode, jobs: int) -> None:
    schedulers = [node for node in top.children() if node.type().name() == _SCHEDULED_BY]
    if not schedulers:
        raise BatchError(f"--jobs {jobs}: {top.path()} has no local scheduler")
    for node in schedulers:
        set_parm(top, Override(node.name(), "maxprocsmenu", "1"))
        set_parm(top, Override(node.name(), "maxprocs", str(jobs)))


# -- the cook ---------------------------------------------------------------------------------
def _cook(
    top: hou.TopNode, ends: list[hou.TopNode], generate_only: bool, words: TextIO
) -> tuple[Any, Events]:
    """Cook once, on all ends together, telling each change of state as it comes."""
    import pdg

    ends[0].cookWorkItems(block=True, tops_only=True)
    # The stubs of hou leave this one out.
    context = cast("Any", ends[0]).getPDGGraphContext()
    if context is None:
        raise BatchError(f"Houdini made no task graph for {top.path()}; see the messages above")
    events = Events(context, words)
    kinds = (
        pdg.EventType.WorkItemStateChange,
        pdg.EventType.CookError,
        pdg.EventType.CookWarning,
    )
    handlers = [context.addEventHandler(events.put, kind) for kind in kinds]
    try:
        if len(ends) > 1:
            top.cookWorkItems(block=True, generate_only=generate_only, nodes=ends)
        else:
            ends[0].cookWorkItems(block=True, generate_only=generate_only)
    except hou.OperationFailed as error:
        events.errors.append(str(error))
    finally:
        for handler in handlers:
            context.removeEventHandler(handler)
        events.close()
    return context, events


class Events:
    """Takes events in on PDG's threads, and prints them on one of its own."""

    def __init__(self, context: Any, words: TextIO) -> None:
        import threading

        self.errors: list[str] = []
        self._context, self._words = context, words
        self._finished: set[int] = set()
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="batch cook", daemon=True)
        self._thread.start()

    def put(self, event: Any) -> None:
        """Called by PDG on any thread: nothing but queueing happens here."""
        import pdg

        if event.type == pdg.EventType.CookError:
            self.errors.append(str(event.message))
            text = f"error: {event.message}"
        elif event.type == pdg.EventType.CookWarning:
            text = f"warning: {event.message}"
        else:
            item_id, state = event.workItemId, event.currentState
            self._queue.put(lambda: self._state(item_id, state))
            return
        self._queue.put(lambda: self._say(text))

    def _state(self, item_id: int, state: Any) -> None:
        item = self._context.graph.workItemById(item_id)
        name = item.name if item is not None else f"work item {item_id}"
        word = getattr(state, "name", str(state))
        if word.startswith("Cooked"):
            self._finished.add(item_id)
        total = sum(len(node.workItems) for node in self._context.graph.nodes())
        self._say(f"[{len(self._finished)}/{total}] {name}: {word}")

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._words.write(text + "\n")
            self._words.flush()

    def _tell(self) -> None:
        while (told := self._queue.get()) is not None:
            told()

    def close(self) -> None:
        """Print what is left."""
        self._queue.put(None)
        self._thread.join()


# -- the report -------------------------------------------------------------------------------
def _report(context: Any, events: Events, seconds: float, generate_only: bool) -> dict[str, Any]:
    """Every node of the graph, not only the cooked one."""
    nodes: list[pdg.Node] = list(context.graph.nodes())
    items = [item for node in nodes for item in node.workItems]
    errors = list(dict.fromkeys(events.errors))
    broken = [node.name for node in nodes if node.hasErrors]
    errors += [f"{name}: the node has errors" for name in broken if not errors]
    good = not errors and bool(items) and (generate_only or cookreport.successful(items))
    if not items and not errors:
        errors.append("no work items were made")
    reported = [ReportedNode(node, str(_type_of(node))) for node in nodes]
    stopped = any(item.state.name == "CookedCancel" for item in items)
    return cookreport.report(reported, Ending(good, stopped, seconds, errors))


def _type_of(node: Any) -> str:
    top = node.topNode()
    return "" if top is None or not hasattr(top, "type") else top.type().name()


def summary(document: dict[str, Any]) -> list[str]:
    """The report for people: states per node, outputs of items, what failed and why."""
    lines = []
    for node in document["nodes"]:
        counts = ", ".join(f"{count} {state}" for state, count in node["states"].items())
        lines.append(f"{node['name']}: {counts or 'no items'}")
    for item in document["items"]:
        lines += [f"{item['name']} -> {one['path']} ({one['tag']})" for one in item["outputs"][:8]]
        if item["cause"]:
            lines.append(f"NOT COOKED {item['name']} ({item['stateName']}): {item['cause']}")
            if item["log"]:
                lines += [f"  log: {item['log']}"]
                lines += [f"  | {line}" for line in cookreport.tail(item["log"])]
    lines += [f"error: {one}" for one in document["errors"]]
    word = "finished" if document["successful"] else "FAILED"
    return [*lines, f"Cook {word} after {document['seconds']:.1f} s"]
