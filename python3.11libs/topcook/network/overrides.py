"""Parameters that are set before work items are generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class OverrideError(ValueError):
    """A setting that cannot be used; says how to write it."""


@dataclass(frozen=True)
class Override:
    """``--set NODE.PARM=VALUE``."""

    node: str
    parm: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read ``NODE.PARM=VALUE``.

        Raises:
            OverrideError: it is written otherwise.
        """
        name, equals, value = text.partition("=")
        node, dot, parm = name.rpartition(".")
        if not equals or not dot or not node or not parm:
            raise OverrideError(f"--set {text}: write it as NODE.PARM=VALUE")
        return cls(node, parm, value)


@dataclass(frozen=True)
class Entry:
    """An entry of a list of parameters, given to every node that has such a list.

    ``shown``: how it was asked for, for messages. ``counter``: the parameter that counts entries.
    ``key``: of the parameters of an entry (``name#``) the one that tells entries apart; an entry
    with the same key is replaced. ``values``: their texts.
    """

    shown: str
    counter: str
    key: str
    values: Mapping[str, str]

    def number(self, keys: list[str]) -> int:
        """Which entry it becomes, counted from 1. ``keys``: of those that are there."""
        own = self.values[self.key]
        return keys.index(own) + 1 if own in keys else len(keys) + 1
