"""What a shim is, and what it is told about the training script that starts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The script cannot run here as it is asked to; the message is one sentence for an artist."""


def _print(name: str, text: str) -> None:
    print(f"Shim {name}: {text}", flush=True)


@dataclass
class Start:
    """One start of a training script.

    Attributes:
        script: its path.
        arguments: its command line without its name.
        environ: the environment of this process; a shim may set variables.
        platform: as ``sys.platform``.
        say: takes a shim's name and a sentence for the log.
    """

    script: str
    arguments: Sequence[str] = ()
    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform
    say: Callable[[str, str], None] = _print

    def option(self, *names: str) -> str | None:
        """The value of the last of these options on the command line."""
        found = None
        words = list(self.arguments)
        for index, word in enumerate(words):
            name, equals, value = word.partition("=")
            if name in names:
                if equals:
                    found = value
                elif index + 1 < len(words):
                    found = words[index + 1]
        return found

    def configuration(self) -> dict[str, Any]:
        """The JSON behind ``--config``; empty when there is none to read: the script will say."""
        path = self.option("--config")
        if path is None:
            return {}
        try:
            with open(path, encoding="utf-8-sig") as stream:
                document = json.load(stream)
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True)
class Shim:
    """One compatibility measure: its name in the log, when it is needed, what it does."""

    name: str
    needed: str
    does: str
    install: Callable[[Start], None]
