"""The page as one file, to be kept and sent: no server, no network."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import replace_file

from . import page, views
from .training import Training
from .watching import Watched

NAME = "report.html"
MOST_BYTES = 24 << 20
"""What the files inside may have in all, before they are written as text."""
MOST_EACH = 12 << 20
VIEWS = 6
"""Views of validation in a report of one training; of more trainings fewer."""


class NothingToReport(ValueError):
    """No training is there; the message says what to name instead."""


def write(watched: Watched, path: Path) -> Path:
    """Write the report of what is watched; its path.

    Raises:
        NothingToReport: there is no training.
        FileExistsError: another program's file has that name.
        OSError: it cannot be written.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        if page.MARK.encode() not in stream.read(4096):
            raise FileExistsError(
                f"{path} was not written by this toolkit and is left alone; name another file"
            )
    trainings = watched.trainings()
    if not trainings:
        raise NothingToReport(
            f"there is no training in {watched.title}; name the output folder of one, or a folder "
            "above several"
        )
    replace_file(path, page.whole(document(trainings, watched), watched.title))
    return path


def document(trainings: list[Training], watched: Watched) -> dict[str, Any]:
    """What the page shows: its data and its files, by address."""
    taken = _Taken()
    data: dict[str, Any] = {}
    rows = []
    count = max(1, VIEWS // len(trainings))
    details = [(one, one.detail()) for one in trainings]
    for one, detail in details:
        detail |= watched.told(one, detail["state"])
    # Meshes first: without them there is little to see.
    for one, detail in details:
        if not taken.mesh(one, detail["mesh"]):
            detail["mesh"] = None
    for one, detail in details:
        data[f"{one.key}/scene"] = one.scene()
        groups = []
        for group in detail["groups"]:
            found = views.page(one.files(), one.prefix(), group["name"], 0)
            listed = found["views"]
            step = max(1, len(listed) // count)
            chosen = [view for view in listed[::step][:count] if taken.view(one, view)]
            if chosen:
                groups.append({**group, "count": len(chosen), "all": group["count"]})
                page_of = {"pages": 1, "page": 0, "count": len(chosen), "views": chosen}
                data[f"{one.key}/views/{group['name']}/0"] = page_of
        detail["groups"] = groups
        data[f"{one.key}/detail"] = detail
        rows.append({name: value for name, value in detail.items() if name not in _LARGE})
    data["overview"] = {"title": watched.title, "trainings": rows, "live": False}
    return {"data": data, "files": taken.files}


_LARGE = ("warnings", "log", "log_bytes", "settings", "curves", "groups", "versions")


class _Taken:
    """The files of a report, as long as there is room."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._left = MOST_BYTES

    def file(self, one: Training, key: str) -> bool:
        """Take a file; whether there was room and it could be read."""
        address = f"files/{one.key}/{key}"
        if address in self.files:
            return True
        file = one.files().get(key)
        if file is None or file.size > min(self._left, MOST_EACH):
            return False
        try:
            with open(file.open(), "rb") as stream:
                data = stream.read(MOST_EACH)
        except OSError:
            return False
        self._left -= len(data)
        self.files[address] = base64.b64encode(data).decode("ascii")
        return True

    def view(self, one: Training, view: dict[str, Any]) -> bool:
        """Take a view's pictures: those that are compared, and the strip of a progress picture."""
        kept = {
            channel: entry
            for channel, entry in view["files"].items()
            if channel in ("ref", "opt", "strip") and self.file(one, entry["key"])
        }
        view["files"] = kept
        return bool(kept)

    def mesh(self, one: Training, mesh: dict[str, Any] | None) -> bool:
        """Take a mesh with what lies beside it."""
        if mesh is None or not self.file(one, mesh["key"]):
            return False
        if mesh["kind"] == "obj":
            mesh["textures"] = {
                name: key for name, key in mesh["textures"].items() if self.file(one, key)
            }
            if mesh["probe"] and not self.file(one, mesh["probe"]):
                mesh["probe"] = None
        return True
