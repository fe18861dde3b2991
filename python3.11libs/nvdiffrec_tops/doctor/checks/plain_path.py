"""Whether compiled extensions can be linked where the environment lies."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.environment import EnvironmentProblem


def run(context: Context) -> list[Finding]:
    found = context.described
    if isinstance(found, EnvironmentProblem) or found.site_packages is None:
        return CHECK.skipped("the environment's packages were not found")
    # PyTorch names its folder of libraries to the linker without quotes.
    folder = found.site_packages
    if not any(letter.isspace() for letter in folder):
        return CHECK.ok(f"{folder} has no space in it")
    return [
        CHECK.error(
            f"{folder} has a space in it: PyTorch cannot link nvdiffrec's extension there",
            "make the environment in a folder without spaces: "
            "nvdiffrec-tops env create --engine nvdiffrec --prefix DIR",
        )
    ]


CHECK = Check("plain_path", "Folder of the environment", "environment", run, by_engine=True)
