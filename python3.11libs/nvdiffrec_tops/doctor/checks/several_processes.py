"""Whether WORLD_SIZE switches nvdiffrec to several graphics cards."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    world = context.environ.get("WORLD_SIZE", "").strip()
    if not world.isdecimal() or int(world[:9]) < 2:
        return CHECK.ok("training runs in one process")
    return [
        CHECK.warning(
            f"WORLD_SIZE is {world}: nvdiffrec waits for {world} processes on several cards, and "
            "needs apex and port 23456 for them",
            "set WORLD_SIZE=" if os.name == "nt" else "unset WORLD_SIZE RANK LOCAL_RANK",
        )
    ]


CHECK = Check("several_processes", "One process", "environment", run, by_engine=True)
