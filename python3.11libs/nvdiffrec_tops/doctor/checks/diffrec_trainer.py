"""Whether the diffrec trainer can be imported, and takes the configuration."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import TOOLKIT, Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    beside = os.path.isdir(os.path.join(TOOLKIT, "diffrec"))
    if not context.importable("diffrec") and not beside:
        return [
            CHECK.error(
                "the diffrec trainer is neither in the environment nor beside the toolkit",
                context.pip("install", "-e", "'FOLDER_OF_THE_TOOLKIT[diffrec]'"),
            )
        ]
    facts = context.facts("diffrec")
    if facts.get("problem"):
        return [
            CHECK.error(
                f"import diffrec: {facts['problem']}",
                "install what is missing, then examine again; or get the toolkit again, whole",
            )
        ]
    if "refused" in facts:
        return [
            CHECK.error(
                f"the trainer refuses the configuration: {facts['refused']}",
                f"correct the file: {context.config_path}",
            )
        ]
    taken = " and takes the configuration" if facts.get("accepted") else ""
    own = "in the environment" if context.importable("diffrec") else "beside the toolkit"
    return CHECK.ok(f"diffrec is {own}{taken}")


CHECK = Check(
    "diffrec_trainer",
    "diffrec trainer",
    "packages",
    run,
    needs=("torch_imports", "trainer_packages"),
    by_engine=True,
)
