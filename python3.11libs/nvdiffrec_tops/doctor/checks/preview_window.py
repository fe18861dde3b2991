"""Whether a preview window that is asked for can open."""

from __future__ import annotations

import sys

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.engines.nvdiffrec.display import headless


def run(context: Context) -> list[Finding]:
    if context.number("display_interval", 0) <= 0:
        return CHECK.ok("no preview window is asked for")
    if not headless(context.environ, sys.platform):
        return CHECK.ok("there is a display for the preview window")
    return [
        CHECK.note(
            "display_interval asks for a preview window and this machine has no display: jobs "
            "train without it",
            '"display_interval": 0',
        )
    ]


CHECK = Check(
    "preview_window",
    "Preview window",
    "configuration",
    run,
    needs=("configuration_reads",),
    by_engine=True,
)
