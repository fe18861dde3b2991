"""The JSON report of a cook, from documented members of PDG's objects only.

Houdini's own nodes and work items have them, and so do those of the headless cook.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import Failure

VERSION = 1
_DONE = ("CookedSuccess", "CookedCache")
_FAILED = "CookedFail"


@dataclass(frozen=True)
class ReportedNode:
    """A node of the graph with what is said about it. ``node`` is a ``pdg.Node``."""

    node: Any
    type: str = ""
    generated: bool = True
    errors: Sequence[str] = ()


@dataclass(frozen=True)
class Ending:
    """How a cook ended."""

    successful: bool
    stopped: bool
    seconds: float
    errors: Sequence[str] = field(default_factory=tuple)


def successful(items: Iterable[Any]) -> bool:
    """Whether every work item is cooked, or stands in its files."""
    return all(item.state.name in _DONE for item in items)


def said(item: Any) -> list[str]:
    """What PDG logged for an item."""
    return [line for line in str(item.logMessages).splitlines() if line.strip()]


def cause(item: Any) -> str:
    """Why an item is not cooked, in one line."""
    failed = [one.name for one in item.dependencies if one.state.name not in _DONE]
    if failed:
        return f"it waits for {', '.join(failed[:3])}" + (" and others" if len(failed) > 3 else "")
    told = explained(item)
    return told.sentence() if told else (said(item)[-1:] or [item.state.name])[0]


def report(
    nodes: Iterable[ReportedNode],
    ending: Ending,
    *,
    why: Callable[[Any], str] = cause,
    warnings: Callable[[Any], list[str]] = said,
    told: Callable[[Any], Failure | None] | None = None,
) -> dict[str, Any]:
    """The report as plain data.

    Args:
        nodes: every node with its work items.
        ending: how the cook ended.
        warnings: what is said of an item beside its state.
        why: the cause of an item that is not cooked, for people.
        told: the failure as the item's job told it; by default read from the item's log.
    """
    listed = list(nodes)
    return {
        "version": VERSION,
        "successful": ending.successful,
        "stopped": ending.stopped,
        "seconds": round(ending.seconds, 3),
        "errors": list(ending.errors),
        "nodes": [
            {
                "name": one.node.name,
                "type": one.type,
                "generated": one.generated,
                "states": dict(Counter(item.state.name for item in one.node.workItems)),
                "errors": list(one.errors),
            }
            for one in listed
        ],
        "items": sorted(
            (
                _item(item, why, warnings, told or explained)
                for one in listed
                for item in one.node.workItems
            ),
            key=lambda document: int(document["id"]),
        ),
    }


def _item(
    item: Any,
    why: Callable[[Any], str],
    warnings: Callable[[Any], list[str]],
    told: Callable[[Any], Failure | None],
) -> dict[str, Any]:
    failure = told(item) if item.state.name == _FAILED else None
    return {
        "id": item.id,
        "name": item.name,
        "node": item.node.name,
        "index": item.index,
        "label": item.label,
        "state": int(item.state),
        "stateName": item.state.name,
        "command": item.command,
        "seconds": round(float(item.cookDuration), 3),
        "attributes": attributes(item),
        "outputs": [
            {"path": file.path, "tag": file.tag, "size": int(file.size)}
            for file in item.outputFiles
        ],
        "expectedOutputs": [file.path for file in item.expectedOutputFiles],
        "log": log_path(item),
        "warnings": warnings(item),
        "cause": "" if item.state.name in _DONE else why(item),
        "failure": failureline.document(failure) if failure else None,
    }


def attributes(item: Any) -> dict[str, list[Any]]:
    """The item's attributes as lists of plain values; PDG's own ones are left out."""
    found: dict[str, list[Any]] = {}
    for name in item.attribNames():
        if not name.startswith("__pdg"):
            found[name] = [_plain(value) for value in item.attrib(name).values]
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.path if hasattr(value, "path") else str(value)


def planned(item: Any, command: str) -> list[str]:
    """What would be run, for people: the item, its attributes, its command, what it should make.

    An attribute that is exported to the job's environment has ``$`` before its name.
    """
    when = "" if item.isStatic else ", generated during the cook"
    lines = [f"{item.name} (id {item.id}, index {item.index}{when})"]
    exported = item.environment
    for name, values in attributes(item).items():
        mark = "$" if name in exported else "@"
        lines.append(f"  {mark}{name} = {' '.join(str(value) for value in values)}")
    if command:
        shell = " (in the system shell)" if item.shouldRunInShell else ""
        lines.append(f"  command{shell}: {command}")
    return lines + [f"  expects: {one.path} ({one.tag})" for one in item.expectedOutputFiles]


def duration(seconds: float) -> str:
    """Seconds as ``4.2 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def log_path(item: Any) -> str | None:
    """The item's log file, where it has one."""
    scheme, mark, path = str(item.logURI or "").partition("://")
    if scheme != "file" or not mark:
        return None
    if not path.startswith("/"):
        # file://server/share/folder
        host, _slash, rest = path.partition("/")
        path = f"/{rest}" if host == "localhost" else f"//{path}"
    if re.match(r"/[A-Za-z]:", path):
        # file:///C:/folder
        path = path[1:]
    # PDG writes the path as it is; another scheduler may escape it as in any other address.
    return path if "%" not in path or os.path.exists(path) else unquote(path)


def tail(log: Path | str | None, lines: int = 12) -> list[str]:
    """The last lines of a log file that are not empty."""
    path = None if log is None else Path(log)
    if path is None or not os.path.isfile(path):
        return []
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 64 * 1024, 0))
        text = file.read().decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def explained(item: Any) -> Failure | None:
    """What the item's job told of its own failure, from the last lines of the item's log."""
    for line in reversed(tail(log_path(item), 200)):
        failure = failureline.read(line, item.id)
        if failure:
            return failure
    return None
