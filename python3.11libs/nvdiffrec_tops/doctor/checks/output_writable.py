"""Whether results can be written to the output folder."""

from __future__ import annotations

import os
import tempfile

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.outputplace import existing_folder
from nvdiffrec_tops.job.failures import quoted


def run(context: Context) -> list[Finding]:
    if context.output is None:
        return CHECK.skipped("no output folder is named")
    folder = existing_folder(context.output)
    if folder is None:
        return [
            CHECK.error(
                f"{context.output!r} cannot be a folder: a file stands in its place",
                "choose another output folder",
            )
        ]
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        return [
            CHECK.error(
                f"nothing can be written to {folder}: {reason}",
                f"chmod u+w {quoted(folder)}, or choose another output folder"
                if os.name != "nt"
                else "choose another output folder, or allow writing there",
            )
        ]
    new = "" if folder == context.output else f" ({context.output} will be made in it)"
    return CHECK.ok(f"{folder} can be written{new}")


CHECK = Check("output_writable", "Output folder", "output", run)
