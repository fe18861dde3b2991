"""Work items as JSON, in the form in which Houdini saves them (format version 7)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import reached
from topcook import pdg

VERSION = 7


def reduced(item: pdg.WorkItem) -> dict[str, Any]:
    """The form of an item that was loaded and saved again: without node, frame and ownership."""
    saved = _members(item)
    for attribute in saved["attributes"].values():
        attribute["own"] = True
    return {"version": VERSION, "workitem": saved}


def full(item: pdg.WorkItem, scheduler: str = "") -> dict[str, Any]:
    """The form of an item of a graph that is being cooked, which a job reads."""
    saved = {"nodeName": item.node.name, "schedulerName": scheduler, **_members(item)}
    if item.hasFrame:
        saved |= {"frame": item.frame, "hasFrame": True}
    return {"version": VERSION, "workitem": saved}


def _members(item: pdg.WorkItem) -> dict[str, Any]:
    """What both forms have. Members that are true or false stand there only when they are true;
    a partition is never marked as static.
    """
    truths = {
        "isPostCook": item.isPostCook,
        "isStatic": item.isStatic and not item.isPartition,
    }
    return {
        "customDataType": item.customDataType,
        "customData": item.customData,
        "attributes": {name: one.asDict() for name, one in _attributes(item)},
        "id": item.id,
        "index": item.index,
        **{name: True for name, on in truths.items() if on},
        "state": int(item.state),
        "type": int(item.type),
        "executionType": int(item.executionType),
        "cookType": int(item.cookType),
    }


_Flag = pdg.attribFlag
_FILES = (
    ("__pdg_addedfiles", "addedFiles", _Flag.NoCopy | _Flag.Internal),
    ("__pdg_inputfiles", "inputFiles", _Flag.NoCopy | _Flag.ReadOnly | _Flag.Internal),
    ("__pdg_outputfiles", "outputFiles", _Flag.Internal),
)


def _attributes(item: pdg.WorkItem) -> list[tuple[str, pdg.Attribute]]:
    """The attributes by name; files that the item keeps elsewhere are attributes here.

    The input files of a partition are those that it has merged into its output files.
    """
    found = {one.name: one for one in item.allAttribs()}
    for name, member, flags in _FILES:
        files = getattr(item, member)
        if files and not (item.isPartition and member == "inputFiles"):
            attribute = pdg.Attribute(name, pdg.attribType.File)
            attribute.setValues(files)
            attribute.setFlags(flags)
            attribute.isConcat = item.isPartition and member == "outputFiles"
            found[name] = attribute
    return sorted(found.items())


def write(item: pdg.WorkItem, path: Path, folder: Path, scheduler: str) -> None:
    """Write the complete form below a folder; a path that ends in ``.gz`` is compressed.

    Raises:
        OSError: as ``write_bytes``.
    """
    data = json.dumps(full(item, scheduler), indent=1).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    write_bytes(path, folder, data)


def write_bytes(path: Path, folder: Path, data: bytes) -> None:
    """Write a file whole, and the folders that are missing; no link below ``folder`` is followed.

    Raises:
        OSError: it cannot be written.
    """
    with reached(path, folder, make=True) as place:
        place.write(data)
