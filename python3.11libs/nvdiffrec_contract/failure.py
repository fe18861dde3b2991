"""What a failure is, as all processes tell it; ``failurefile`` writes and reads it as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

EXIT_TRAINING = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_OUTPUT = 4
EXIT_BUSY = 5
EXIT_TIMEOUT = 124
EXIT_STOPPED = 143


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

    def sentence(self) -> str:
        """Cause and cure as a person reads them in one line."""
        cause = self.cause.rstrip(".")
        return f"{cause}. Cure: {self.cure}" if self.cure else cause

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
