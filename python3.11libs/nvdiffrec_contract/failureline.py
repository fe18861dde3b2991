"""How a job tells the cook of its failure: one line of its standard output.

    PDG_FAILURE: <item id>;<the failure as JSON>

It has the form of PDG's own lines, so that any scheduler's log carries it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract import failurefile
from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.jsonfiles import JsonError, parse

MARK = "PDG_FAILURE"
_MOST_BYTES = 1 << 16
_MOST_CHARACTERS = 2000
_HEAD = re.compile(rf"(?:\[[\d:.]{{1,20}}\] )?{MARK}:\s{{0,20}}(-?\d{{1,18}});", re.ASCII)


def item_of(environ: Mapping[str, str]) -> str:
    """Id of the work item that a process with this environment is the job of; '' for none."""
    item = environ.get("PDG_ITEM_ID", "").strip()
    return "" if any(character in item for character in ";\r\n") else item


def document(failure: Failure) -> dict[str, Any]:
    """The failure for a cook: without the log's lines, and with texts of a bearable length."""
    plain = dataclasses.replace(failure, lines=()).document()
    del plain["lines"]
    return {
        name: value[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        if isinstance(value, str)
        else value
        for name, value in plain.items()
    }


def text(item: str, failure: Failure) -> str:
    """The line for the work item with this id."""
    return f"{MARK}: {item};{json.dumps(document(failure), ensure_ascii=True)}"


def read(line: str, item: int) -> Failure | None:
    """The failure that a line tells of the work item with this id; None for any other line."""
    head = _HEAD.match(line)
    if head is None or int(head[1]) != item:
        return None
    data = line[head.end() :].encode("utf-8", "replace")
    try:
        found = parse(data, "the line", _MOST_BYTES)
    except JsonError:
        return None
    return failurefile.of(found) if isinstance(found, dict) else None
