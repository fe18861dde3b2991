"""Whether there is an environment, and of what kind."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.environment import EnvironmentProblem

KINDS = {
    "conda": "a conda environment",
    "pixi": "a pixi environment",
    "venv": "a virtual environment",
    "virtualenv": "a virtual environment",
    "uv": "a virtual environment made by uv",
    "system": "the system's Python",
}


def run(context: Context) -> list[Finding]:
    found = context.described
    if isinstance(found, EnvironmentProblem):
        return [CHECK.error(str(found), found.cure)]
    evidence = f"{found.prefix} is {KINDS.get(found.kind, found.kind)}"
    if found.kind == "system":
        return [
            CHECK.note(
                f"{evidence}: what training needs would be installed for everyone",
                "an environment of its own is safer: nvdiffrec-tops env create",
            )
        ]
    return CHECK.ok(evidence)


CHECK = Check("environment_kind", "Environment", "environment", run)
