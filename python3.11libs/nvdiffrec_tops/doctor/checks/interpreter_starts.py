"""Whether the environment's Python runs at all."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.inspection import InspectionError


def run(context: Context) -> list[Finding]:
    python = context.place.python
    if isinstance(context.light, InspectionError):
        return [
            CHECK.error(
                f"{python} does not run: {context.light}",
                "create the environment again: nvdiffrec-tops env create",
            )
        ]
    facts = context.facts("python")
    version = ".".join(map(str, facts.get("version", [])))
    return CHECK.ok(f"{python} is {facts.get('implementation', 'Python')} {version}")


CHECK = Check(
    "interpreter_starts", "Python starts", "environment", run, needs=("environment_kind",)
)
