"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note", "skipped", "ok")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    ``check`` is the check's id. ``severity`` is error (training fails), warning (it may, or the
    result may be poor), note, skipped (the check had nothing to look at) or ok. ``evidence`` is
    what was seen, ``cure`` a command to paste or an instruction, empty when there is nothing to do.
    ``repair`` tells that the doctor can mend it safely itself.
    """

    check: str
    severity: str
    title: str
    evidence: str
    cure: str = ""
    repair: bool = False


def worst_first(findings: list[Finding]) -> list[Finding]:
    """The findings by severity; within one severity they keep their order."""
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))
