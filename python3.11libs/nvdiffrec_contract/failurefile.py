"""How a failed training tells what went wrong: ``failure.json``.

A trainer of this project writes it where ``PLACE`` says, else into its output folder; nothing is
read out of the wording of its messages.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import JsonError, read_object, text_of

FORMAT = "tops-nvdiffrec-failure"
VERSION = 1
PLACE = "NVDIFFREC_FAILURE_FILE"
"""The environment variable that names the file; the job process sets it."""

_MAX_BYTES = 1 << 20


def place(folder: Path, environ: Mapping[str, str]) -> Path:
    """Where a trainer with this output folder and environment tells of its failure."""
    named = environ.get(PLACE)
    return Path(named) if named else folder / layout.FAILURE


def document(failure: Failure) -> dict[str, Any]:
    """A failure as plain data for JSON."""
    return {"format": FORMAT, "version": VERSION, **failure.document()}


def write(path: Path, failure: Failure) -> None:
    """Write a failure.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(path, text_of(document(failure)).encode("utf-8", "replace"))


def read(path: str | Path) -> Failure | None:
    """The failure in a file; None where there is none that can be read."""
    if not os.path.isfile(path):
        return None
    try:
        found = read_object(path, max_bytes=_MAX_BYTES)
    except JsonError:
        return None
    return of(found) if found.get("format") == FORMAT else None


def of(document: Mapping[str, Any]) -> Failure | None:
    """The failure in a JSON object; None where it is none. Unknown names are passed over."""
    known = {item.name for item in fields(Failure)}
    given = {name: value for name, value in document.items() if name in known}
    if isinstance(given.get("lines"), (list, tuple)):
        given["lines"] = tuple(str(one) for one in given["lines"])
    kinds = {"exit_code": int, "retry": bool, "lines": tuple}
    good = all(isinstance(value, kinds.get(name, str)) for name, value in given.items())
    if not good or not {"id", "cause", "cure"} <= given.keys():
        return None
    return Failure(**given)
