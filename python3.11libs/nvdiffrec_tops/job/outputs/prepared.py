"""A data set that was prepared by a job: the files that it has, and of what it was made.

``prepared.json`` in the data set's folder is the last word of the job that prepared it. The node
that makes the job compares it with what it asks for, so that nothing is prepared twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Optional, Union

from nvdiffrec_contract import VERSION as TOOLKIT
from nvdiffrec_contract import layout
from nvdiffrec_contract.files import read_inside
from nvdiffrec_contract.jsonfiles import JsonError, parse
from nvdiffrec_contract.layout import Output
from nvdiffrec_contract.preparation import CONFIGURATION, PATHS, Preparation

NAME = "prepared.json"
FORMAT = "tops-nvdiffrec-prepared"
VERSION = 1
SHEET, PLAN = "report/masks.png", "report/cameras.png"
"""The masks over the photographs, and the cameras around the object: to be looked at."""
TRAINING = "transforms_train.json"
"""The cameras that are trained from."""
TEST = "transforms_test.json"
"""Those that are held out."""
OUTPUTS = tuple(
    Output(path, layout.tag(path))
    for path in (CONFIGURATION, TRAINING, TEST, "placement.json", SHEET, PLAN, "report/report.txt")
)
"""What every data set has that was prepared, the configuration first."""
MASKS = "masks"
"""The folder of masks in a data set, which may be painted over."""

_LISTED = 100_000
_MOST_BYTES = 1 << 24


def asked_digest(asked: Preparation) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """Digest of what a preparation is made of: its settings, and the files that it reads by name,
    size and time. None where this machine does not have them."""
    named = asked.inputs()
    if any(path is not None and not path.exists() for path in named):
        return None
    settings = {
        field.name: getattr(asked, field.name)
        for field in fields(asked)
        if field.name not in (*PATHS, "threads")
    }
    listed = [None if path is None else list(_listed(path, asked.out)) for path in named]
    return _digest([TOOLKIT, settings, listed])


def masks_digest(out: Union[str, Path]) -> str:  # noqa: UP007 - Python 3.9
    """Digest of the masks in a data set, by name, size and time."""
    return _digest(list(_listed(Path(out, MASKS), None)))


def _listed(path: Path, without: Optional[Path]) -> Iterator[list[Any]]:  # noqa: UP045
    """(name, size, nanoseconds) of a file, or of the files in a folder and below it."""
    if path.is_file():
        state = path.stat()
        yield [path.name, state.st_size, state.st_mtime_ns]
        return
    count = 0
    for parent, folders, files in os.walk(path):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (without is None or Path(parent, name) != without)
        )
        for name in sorted(files):
            count += 1
            if count > _LISTED:
                return
            if name.startswith("."):
                continue
            file = os.path.join(parent, name)
            try:
                state = os.stat(file)
            except OSError:
                continue
            yield [os.path.relpath(file, path), state.st_size, state.st_mtime_ns]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(out: Union[str, Path]) -> dict[str, Any]:  # noqa: UP007
    """What the last job said of a data set; {} where none did."""
    try:
        found = parse(read_inside(os.fspath(out), NAME, _MOST_BYTES), NAME)
    except (OSError, ValueError, JsonError):
        return {}
    known = isinstance(found, dict) and found.get("format") == FORMAT
    return found if known and found.get("version") == VERSION else {}


def document(
    status: str,
    asked: Optional[str],  # noqa: UP045
    masks: str,
    figures: Mapping[str, int],
    failure: Optional[Mapping[str, Any]],  # noqa: UP045
) -> dict[str, Any]:
    """What a job says; ``status`` is ``done`` or ``failed``, ``asked`` and ``masks`` digests."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "status": status,
        "toolkit": TOOLKIT,
        "asked": asked,
        "masks": masks,
        "figures": dict(figures),
        "failure": failure,
        "outputs": [one.path for one in OUTPUTS] if status == "done" else [],
    }


def figures_of(said: Mapping[str, Any]) -> dict[str, int]:
    """The figures in the last job's word: ``cameras``, how many photographs have one."""
    found = said.get("figures")
    return {
        str(name): value
        for name, value in (found.items() if isinstance(found, dict) else ())
        if type(value) is int
    }


def is_current(asked: Preparation) -> Optional[bool]:  # noqa: UP045
    """Whether the data set in place is what a preparation would make, going by names, sizes and
    times; None where there is no whole one, or where this machine cannot tell."""
    if not all((asked.out / one.path).is_file() for one in OUTPUTS):
        return None
    now = asked_digest(asked)
    if now is None:
        return None
    said = read(asked.out)
    return (
        said.get("status") == "done"
        and said.get("asked") == now
        and said.get("masks") == masks_digest(asked.out)
    )
