"""How a failed training tells what went wrong: ``failure.json`` in its output folder.

A trainer of this project writes it; nothing is read out of the wording of its messages.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import JsonError, read_object, text_of

FORMAT = "tops-nvdiffrec-failure"
VERSION = 1

EXIT_TRAINING = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_OUTPUT = 4
EXIT_BUSY = 5
EXIT_TIMEOUT = 124
EXIT_STOPPED = 143

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Failure:
    """One failure as it is reported: what happened, and what to do next.

    Attributes:
        id: a short name of the kind, letters and dashes.
        cause: what is wrong, a sentence without a full stop.
        cure: the next thing to do.
        exit_code: of the process that reports it.
        retry: whether the same command may succeed when it is simply started again.
        lines: the log's lines that tell of it, or its last ones.
        field: the configuration's field concerned; '' for none.
        file: the file or folder concerned; '' for none.
    """

    id: str
    cause: str
    cure: str
    exit_code: int = EXIT_TRAINING
    retry: bool = False
    lines: tuple[str, ...] = ()
    field: str = ""
    file: str = ""

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def write(folder: Path, failure: Failure) -> None:
    """Write ``failure.json`` into a folder.

    Raises:
        OSError: it cannot be written.
    """
    document = {"format": FORMAT, "version": VERSION, **failure.document()}
    text = text_of(document).encode("utf-8", "replace")
    replace_file(folder / layout.FAILURE, text)


def read(folder: Path) -> Failure | None:
    """The failure that a trainer left in a folder; None where there is none that can be read."""
    path = os.path.join(folder, layout.FAILURE)
    try:
        document = read_object(path, max_bytes=_MAX_BYTES)
    except JsonError:
        return None
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        return None
    known = {item.name: item for item in fields(Failure)}
    given = {name: value for name, value in document.items() if name in known}
    if isinstance(given.get("lines"), list):
        given["lines"] = tuple(str(one) for one in given["lines"])
    kinds = {"exit_code": int, "retry": bool, "lines": tuple}
    good = all(isinstance(given[name], kinds.get(name, str)) for name in given)
    if not good or not {"id", "cause", "cure"} <= given.keys():
        return None
    return Failure(**given)
