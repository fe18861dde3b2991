"""Whether the nvdiffrec checkout is whole."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.engines.nvdiffrec.checkout import GET_WHOLE
from nvdiffrec_tops.job.failures import quoted

NEEDED = ("train.py", "data/irrmaps/bsdf_256_256.bin", "data/tets")


def run(context: Context) -> list[Finding]:
    folder = context.working_dir
    if folder is None:
        return [CHECK.error("no checkout is named", f"set WORKING_DIR to it, or {GET_WHOLE}")]
    try:
        there = os.path.isdir(folder)
    except ValueError:
        there = False
    if not there:
        return [
            CHECK.error(f"there is no folder {folder!r}", f"correct WORKING_DIR, or {GET_WHOLE}")
        ]
    missing = [
        name for name in NEEDED if not os.path.exists(os.path.join(folder, *name.split("/")))
    ]
    if "train.py" in missing:
        return [
            CHECK.error(
                f"{folder} is no nvdiffrec checkout: it has no train.py",
                f"set WORKING_DIR to the checkout, or {GET_WHOLE}",
            )
        ]
    if missing:
        return [
            CHECK.error(
                f"{folder} is not whole: {', '.join(missing)} missing",
                f"git -C {quoted(folder)} checkout -- data",
            )
        ]
    return CHECK.ok(f"{folder} is an nvdiffrec checkout")


CHECK = Check("checkout", "nvdiffrec checkout", "checkout", run, by_engine=True)
