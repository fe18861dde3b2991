"""The end of a cook: a summary for people, a report for programs."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_tops.job.outputs import result as training
from topcook import pdg
from topcook.cook import CookResult

from . import reporting
from .reporting import Ending, ReportedNode, duration, tail
from .view import STATE_WORDS

_SHOWN_OUTPUTS = 8
_UNKNOWN = "unknown"  # the id of a failure that no table explains


def cause(item: pdg.WorkItem) -> str:
    """Why an item is not cooked, in one sentence."""
    if item.failure:
        return f"{item.told.sentence()} ({item.failure})" if item.told else item.failure
    failed = [one.name for one in item.dependencies if not one.isSuccessful]
    if failed:
        return f"it waits for {', '.join(failed[:3])}" + (" and others" if len(failed) > 3 else "")
    return STATE_WORDS.get(item.state, item.state.name)


NOTHING = (
    "warning: no node has made a work item, so there was nothing to do; a file pattern that "
    "matches nothing makes none"
)


def summary(result: CookResult) -> list[str]:
    """States per node, outputs per item, and each failure with its log's last lines."""
    out: list[str] = []
    for node in result.graph.nodes():
        counts = Counter(STATE_WORDS[item.state].split(",")[0] for item in node.workItems)
        shown = ", ".join(f"{number} {word}" for word, number in counts.items())
        out.append(f"{node.name}: {shown or ('no items' if node.isGenerated else 'not generated')}")
        for item in node.workItems:
            if not item.isPartition:
                out.extend(f"  {line}" for line in _outputs(item))
            for message in item.messagesOf(pdg.workItemLogType.Warning):
                out.append(f"  {item.name}: warning: {message}")
    for error in result.errors:
        out.append(f"error: {error}")
    for item in result.graph.workItems():
        if item.state is pdg.workItemState.CookedFail:
            out.append(f"FAILED {item.name}: {cause(item)}")
            if item.logPath is not None:
                out.append(f"  log: {item.logPath}")
            out.extend(f"  | {line}" for line in _untold(item))
    blocked = [item for item in result.graph.workItems() if not item.isCooked]
    for item in blocked[:10]:
        out.append(f"not cooked {item.name}: {cause(item)}")
    if len(blocked) > 10:
        out.append(f"and {len(blocked) - 10} more that are not cooked")
    if not result.graph.workItems():
        out.append(NOTHING)
    word = "stopped" if result.stopped else "finished" if result.successful else "FAILED"
    out.append(f"Cook {word} after {duration(result.seconds)}")
    return out


def _untold(item: pdg.WorkItem) -> list[str]:
    """The end of an item's log, without what was said already; empty where the cause is known."""
    if item.told is not None and item.told.id != _UNKNOWN:
        return []
    said = ("PDG_FAILURE: ", "Job: failed: ", "Cure: ")
    return [line for line in tail(item.logPath) if not line.startswith(said)]


def _outputs(item: pdg.WorkItem) -> list[str]:
    """What an item made: a training by its figures, anything else by its first files."""
    files = item.outputFiles
    for folder in dict.fromkeys(p for file in files for p in list(Path(file.path).parents)[:2]):
        if os.path.isfile(folder / training.NAME):
            return [f"{item.name}: {line}" for line in _training(folder.resolve())]
    lines = [f"{item.name} -> {file.path} ({file.tag})" for file in files[:_SHOWN_OUTPUTS]]
    if len(files) > _SHOWN_OUTPUTS:
        lines.append(f"{item.name} -> and {len(files) - _SHOWN_OUTPUTS} more")
    return lines


def _training(folder: Path) -> list[str]:
    """Where a training's results are, and how good they are."""
    lines = [f"results in {folder}"]
    document = training.read(str(folder))
    metrics = document.get("metrics", {}) if document else {}
    first, final = metrics.get("psnr_pass1"), metrics.get("psnr")
    if final is not None:
        before = "" if first is None else f", {first:.2f} dB after the first pass"
        lines.append(f"held-out views: PSNR {final:.2f} dB{before}")
    sheet = folder / layout.CONTACT_SHEET
    if os.path.isfile(sheet):
        lines.append(f"contact sheet {sheet}")
    return lines


def report(result: CookResult) -> dict[str, Any]:
    """The JSON report of a cook."""
    ending = Ending(result.successful, result.stopped, result.seconds, result.errors)
    return reporting.report(
        reported(result.graph), ending, why=cause, warnings=_warnings, told=lambda item: item.told
    )


def reported(graph: pdg.Graph) -> list[ReportedNode]:
    """The graph's nodes with what is said about them."""
    return [
        ReportedNode(node, node.typeName, node.isGenerated, list(node.cookErrors))
        for node in graph.nodes()
    ]


def _warnings(item: pdg.WorkItem) -> list[str]:
    return item.messagesOf(pdg.workItemLogType.Warning)
