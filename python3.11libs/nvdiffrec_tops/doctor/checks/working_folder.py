"""Whether the working directory, which relative paths are read from, is a folder."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    folder = context.working_dir
    if folder is None:
        return CHECK.skipped("no working directory is named")
    try:
        there = os.path.isdir(folder)
    except ValueError:
        there = False
    if not there:
        return [
            CHECK.error(
                f"the working directory {folder!r} does not exist or is no folder",
                "correct WORKING_DIR: the folder that relative paths are read from",
            )
        ]
    return CHECK.ok(folder)


CHECK = Check("working_folder", "Working directory", "checkout", run, by_engine=True)
