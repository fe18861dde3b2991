"""Work items as JSON, in the form in which Houdini saves them (format version 7)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import replace_file

from . import pdg

VERSION = 7


def reduced(item: pdg.WorkItem) -> dict[str, Any]:
    """The form of a scene's record of the selected item: no node, frame or priority."""
    attributes = {name: one.asDict() for name, one in _attributes(item)}
    return {
        "version": VERSION,
        "workitem": {
            "customDataType": "genericdata",
            "customData": "",
            "attributes": attributes,
            "id": item.id,
            "index": item.index,
            "isStatic": item.isStatic,
            "state": int(item.state),
            "type": int(item.type),
            "executionType": int(item.executionType),
            "cookType": int(item.cookType),
        },
    }


def full(item: pdg.WorkItem, scheduler: str = "") -> dict[str, Any]:
    """The complete form, which a job reads: the reduced one with node, frame and priority."""
    saved = reduced(item)
    saved["workitem"] = {
        "nodeName": item.node.name,
        "schedulerName": scheduler,
        "name": item.name,
        **saved["workitem"],
        "batchIndex": item.batchIndex,
        "frame": item.frame,
        "frameStep": item.frameStep,
        "hasFrame": item.hasFrame,
        "priority": item.priority,
    }
    return saved


def _attributes(item: pdg.WorkItem) -> list[tuple[str, pdg.Attribute]]:
    found = {one.name: one for one in item.allAttribs()}
    flags = pdg.attribFlag.NoCopy | pdg.attribFlag.Internal
    for name, files in (
        ("__pdg_inputfiles", item.inputFiles),
        ("__pdg_outputfiles", item.outputFiles),
    ):
        if files:
            attribute = pdg.Attribute(name, pdg.attribType.File)
            attribute.setValues(files)
            attribute.setFlags(flags)
            found[name] = attribute
    return sorted(found.items())


def write(item: pdg.WorkItem, path: Path, scheduler: str) -> None:
    """Write the complete form; a path that ends in ``.gz`` is compressed."""
    data = json.dumps(full(item, scheduler), indent=1).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    write_bytes(path, data)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)
