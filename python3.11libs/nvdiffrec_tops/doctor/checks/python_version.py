"""Whether the engine runs with this version of Python."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    facts = context.facts("python")
    found = tuple(facts.get("version", ()))
    shown = ".".join(map(str, found))
    needed = context.trainer.python
    if found < needed:
        return [
            CHECK.error(
                f"Python is {shown}; {context.engine} needs {needed[0]}.{needed[1]} or newer",
                f"nvdiffrec-tops env create --engine {context.engine}",
            )
        ]
    if facts.get("bits") == 32:
        return [
            CHECK.error(
                "this is a Python of 32 bits, for which there is no PyTorch",
                f"nvdiffrec-tops env create --engine {context.engine}",
            )
        ]
    return CHECK.ok(f"Python {shown}")


CHECK = Check(
    "python_version", "Version of Python", "environment", run, needs=("interpreter_starts",)
)
