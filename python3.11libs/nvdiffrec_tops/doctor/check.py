"""What a check is. One module of ``doctor/checks`` holds one check as its ``CHECK``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvdiffrec_contract.dataset import Problem
from nvdiffrec_tops.doctor.finding import Finding

if TYPE_CHECKING:
    from nvdiffrec_tops.doctor.context import Context
    from nvdiffrec_tops.job.engines.engine import Engine

STAGES = ("environment", "graphics", "packages", "checkout", "configuration", "data", "output")


@dataclass(frozen=True)
class Check:
    """A check of one thing.

    Attributes:
        id: stable name in lower case, that of its module.
        title: what is checked, as an artist calls it.
        stage: one of :data:`STAGES`, for the order of what is shown.
        run: looks; may raise anything, which becomes a finding.
        repair: mends what ``run`` found and returns sentences of what it did. It changes nothing
            that is still right, and removes only what it is certain nobody uses.
        needs: ids of checks without whose success this one cannot look.
        by_engine: it concerns only the engines that name it among their ``checks``.
        quick: it takes less than a second.
    """

    id: str
    title: str
    stage: str
    run: Callable[[Context], list[Finding]]
    repair: Callable[[Context], list[str]] | None = None
    needs: tuple[str, ...] = ()
    by_engine: bool = False
    quick: bool = True

    def concerns(self, engine: Engine) -> bool:
        """Whether it is looked at for a training with this engine."""
        return not self.by_engine or self.id in engine.checks

    def ok(self, evidence: str) -> list[Finding]:
        """All is well."""
        return [Finding(self.id, "ok", self.title, evidence)]

    def skipped(self, why: str) -> list[Finding]:
        """There was nothing to look at."""
        return [Finding(self.id, "skipped", self.title, why)]

    def told(self, problems: Iterable[Problem]) -> list[Finding]:
        """What a data set's description says is wrong."""
        return [Finding(self.id, one.severity, self.title, one.cause, one.cure) for one in problems]

    def note(self, evidence: str, cure: str = "") -> Finding:
        """Good to know; training works."""
        return Finding(self.id, "note", self.title, evidence, cure)

    def warning(self, evidence: str, cure: str, *, repair: bool = False) -> Finding:
        """Training may fail, or its result may be poor."""
        return Finding(self.id, "warning", self.title, evidence, cure, repair)

    def error(self, evidence: str, cure: str, *, repair: bool = False) -> Finding:
        """Training fails."""
        return Finding(self.id, "error", self.title, evidence, cure, repair)
