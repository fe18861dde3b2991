"""Whether the diffrec trainer can be imported, and takes the configuration."""

from __future__ import annotations

import os

from nvdiffrec_contract.configuration import faults, unknown
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import TOOLKIT, Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.failures import JobError


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
    if "refused" in facts and not _told(context):
        return [
            CHECK.error(
                f"the trainer refuses the configuration: {facts['refused']}",
                f"correct the file: {context.config_path}",
            )
        ]
    taken = " and takes the configuration" if facts.get("accepted") else ""
    own = "in the environment" if context.importable("diffrec") else "beside the toolkit"
    return CHECK.ok(f"diffrec is {own}{taken}")


def _told(context: Context) -> bool:
    """Whether a check of the configuration says already what the trainer would."""
    document = context.configuration
    if isinstance(document, JobError):
        return True
    return document is not None and bool(faults(document) or list(unknown(document)))


CHECK = Check(
    "diffrec_trainer",
    "diffrec trainer",
    "packages",
    run,
    needs=("torch_imports", "trainer_packages"),
    by_engine=True,
)
