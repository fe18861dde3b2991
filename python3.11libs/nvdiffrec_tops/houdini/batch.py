"""Cooking a TOP network in hython, from the command line.

The options and the JSON report are those of the cook without Houdini. Houdini's own script looks
only at the node that it cooks; here every node's work items are examined, and anything wanted that
is not cooked is a failure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import hou

from nvdiffrec_contract.terminal import guarded, plain
from nvdiffrec_tops.cook import options, reporting
from nvdiffrec_tops.cook.options import INTERRUPTED, CookCommandError
from nvdiffrec_tops.cook.reporting import Ending, ReportedNode
from nvdiffrec_tops.houdini import batchscene
from nvdiffrec_tops.houdini.batchcook import BatchCook
from nvdiffrec_tops.houdini.batchscene import BatchError
from topcook.network.overrides import Entry

if TYPE_CHECKING:
    from topcook import pdg

FAILED = 1
_BROKEN = ("CookedFail", "CookedCancel")


def main(argv: Sequence[str] | None = None) -> int:
    """Cook as the command line says; returns the exit code, 0 only when everything is cooked."""
    parser = argparse.ArgumentParser(
        prog="batch_cook.py", description="Cook a TOP network of a scene with Houdini (hython)."
    )
    options.add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        return run(arguments, guarded(sys.stdout), guarded(sys.stderr))
    except (BatchError, CookCommandError, hou.Error) as error:
        for line in str(error).splitlines():
            print(f"error: {plain(line)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Load, set, cook, report.

    Raises:
        BatchError: the scene, a node or a parameter does not exist.
        CookCommandError: the report cannot be written.
    """
    options.check(arguments)
    overrides = options.overrides(arguments)
    words = stderr if arguments.json else stdout
    for note in batchscene.load_scene(arguments.scene):
        words.write(note + "\n")
    top = batchscene.find_network(arguments.top)
    for override in overrides:
        if isinstance(override, Entry):
            batchscene.add_entry(top, override)
        else:
            batchscene.set_parm(top, override)
    if arguments.jobs is not None:
        batchscene.set_slots(top, arguments.jobs)
    if arguments.force:
        for path in batchscene.force(top):
            words.write(f"warning: --force: {path} is locked; its items may count as cooked\n")
    if arguments.grace is not None:
        words.write("note: --grace means nothing here; Houdini's scheduler stops jobs itself\n")
    ends = batchscene.chosen(top, arguments.node, arguments.all_ends)
    wanted = batchscene.upstream_of(ends)
    began = time.monotonic()
    cook = BatchCook(top, ends, words)
    cook.run(arguments.dry_run)
    document = report(cook, wanted, time.monotonic() - began, arguments.dry_run)
    items = [item for node in cook.context.graph.nodes() for item in node.workItems]
    if arguments.dry_run:
        for item in items if not arguments.json else ():
            for line in reporting.planned(item, item.command):
                words.write(line + "\n")
        for error in document["errors"]:
            stderr.write(f"error: {error}\n")
    else:
        for line in summary(document):
            words.write(line + "\n")
    shown: Any = None
    if arguments.json and arguments.dry_run:
        # As in the cook without Houdini: a dry run gives the items as Houdini saves them.
        shown = [json.loads(item.saveJSONString()) for item in items]
    options.give_report(arguments, document, stdout, shown=shown)
    if document["stopped"]:
        return INTERRUPTED
    return 0 if document["successful"] else FAILED


def report(
    cook: BatchCook, wanted: set[str], seconds: float, generate_only: bool
) -> dict[str, Any]:
    """The report of every node of the graph, not only of the cooked one.

    ``wanted`` are the paths of the nodes that were to be cooked. Elsewhere in the graph an item
    that is not cooked is none of ours, but one that failed is told all the same.
    """
    nodes: list[pdg.Node] = list(cook.context.graph.nodes())
    reported = [_reported(node) for node in nodes]
    errors = list(dict.fromkeys(cook.errors))
    for node, one in zip(nodes, reported, strict=True):
        if not _is_wanted(node, wanted):
            continue
        if node.hasErrors and not one.errors and not _broken(node.workItems):
            errors.append(f"{node.name}: the node has errors")
        errors += [f"{node.name}: {error}" for error in one.errors if error not in errors]
    items = [item for node in nodes for item in node.workItems]
    if not items and not errors:
        errors.append("no work items were made")
    needed = [item for node in nodes if _is_wanted(node, wanted) for item in node.workItems]
    good = not errors and not _broken(items)
    if not generate_only:
        good = good and reporting.successful(needed)
    stopped = cook.stopped or any(item.state.name == "CookedCancel" for item in items)
    return reporting.report(reported, Ending(good and not stopped, stopped, seconds, errors))


def _broken(items: Sequence[pdg.WorkItem]) -> bool:
    return any(item.state.name in _BROKEN for item in items)


def _reported(node: pdg.Node) -> ReportedNode:
    top = _top_node(node)
    return ReportedNode(
        node,
        type=top.type().name() if top is not None else "",
        generated=bool(node.workItems) or bool(node.isCooked),
        errors=[line for line in top.errors() if line] if top is not None else [],
    )


def _is_wanted(node: pdg.Node, wanted: set[str]) -> bool:
    """Whether a node of the graph is one of those to be cooked, or lies inside of one."""
    top = _top_node(node)
    return top is None or any(
        top.path() == path or top.path().startswith(path + "/") for path in wanted
    )


def _top_node(node: Any) -> hou.TopNode | None:
    found = node.topNode()
    return found if isinstance(found, hou.TopNode) else None


def summary(document: dict[str, Any]) -> list[str]:
    """The report for people: states per node, outputs of items, what failed and why."""
    lines = []
    for node in document["nodes"]:
        counts = ", ".join(f"{count} {state}" for state, count in node["states"].items())
        lines.append(f"{node['name']}: {counts or 'no items'}")
    for item in document["items"]:
        outputs = item["outputs"]
        lines += [f"{item['name']} -> {one['path']} ({one['tag']})" for one in outputs[:8]]
        if len(outputs) > 8:
            lines.append(f"{item['name']} -> and {len(outputs) - 8} more")
        if item["cause"]:
            lines.append(f"NOT COOKED {item['name']} ({item['stateName']}): {item['cause']}")
            if item["log"]:
                lines += [f"  log: {item['log']}"]
                lines += [f"  | {line}" for line in reporting.tail(item["log"])]
    lines += [f"error: {one}" for one in document["errors"]]
    word = "finished" if document["successful"] else "FAILED"
    word = "stopped" if document["stopped"] else word
    return [*lines, f"Cook {word} after {document['seconds']:.1f} s"]
