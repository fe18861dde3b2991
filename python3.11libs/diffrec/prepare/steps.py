"""Steps that are done once: each leaves a stamp of what it read, and of what it made."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nvdiffrec_contract import files, jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError

VERSION = 1
"""Raised where a step makes something else of the same input."""
MOST = 64 << 20

Log = Callable[[str], None]


class Progress:
    """Tells of one step: a line when it begins, lines as it advances, and a line at its end."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self._log = log
        self._began = self._told = time.monotonic()

    def line(self, text: str) -> None:
        """Say something."""
        self._log(f"{self.name}: {text}")

    def of(self, done: int, total: int) -> None:
        """Say how far the step is: at most every two seconds, and at the end."""
        now = time.monotonic()
        if done < total and now - self._told < 2:
            return
        self._told = now
        rest = (now - self._began) / max(done, 1) * (total - done)
        self._log(f"{self.name}: {done} of {total}, rem={rest:.0f} s")


class Steps:
    """The steps of one preparation, in a folder for their stamps."""

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._chain = ""

    def take(
        self,
        name: str,
        reads: Mapping[str, Any],
        work: Callable[[Progress], Iterable[Path]],
        *,
        changing: bool = False,
    ) -> bool:
        """Do the step unless it has been done; whether it was done now.

        Args:
            name: of the step, also that of its stamp.
            reads: all that its result depends on, beside the results of the steps before:
                settings, and for files what :func:`stamped` says of them.
            work: does it, and returns the files that must be there from then on. It may find
                files of an attempt that was ended.
            changing: whether a later step may change these files.
        """
        began = time.monotonic()
        text = json.dumps([VERSION, self._chain, name, reads], sort_keys=True, default=str)
        self._chain = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        stamp = self._folder / f"{name}.json"
        if self._is_done(stamp):
            self._log(f"{name}: up to date")
            return False
        made = list(work(Progress(name, self._log)))
        stamps = {str(path): None if changing else stamped(path) for path in made}
        self._folder.mkdir(parents=True, exist_ok=True)
        jsonfiles.write(stamp, {"step": self._chain, "made": stamps})
        self._log(f"{name}: done in {time.monotonic() - began:.1f} s")
        return True

    def _is_done(self, stamp: Path) -> bool:
        try:
            document = jsonfiles.read_object(stamp, max_bytes=MOST)
            return document["step"] == self._chain and all(
                Path(path).exists() if found is None else stamped(Path(path)) == found
                for path, found in document["made"].items()
            )
        except (JsonError, KeyError, AttributeError, TypeError):
            return False


def stamped(path: Path) -> list[int] | None:
    """What changes with a file's content; None where there is none."""
    found = files.stamp(os.fspath(path))
    return None if found is None else list(found[:2])
