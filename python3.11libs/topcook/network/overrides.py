"""Parameters that are set before work items are generated."""

from __future__ import annotations

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
