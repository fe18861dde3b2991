"""Whether the light that a reference mesh is lit by is a panorama that the trainer reads."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.engines.nvdiffrec.checkout import is_pointer


def run(context: Context) -> list[Finding]:
    path = context.resolved("envmap")
    if path is None:
        if context.dataset is None or not context.dataset.light:
            return CHECK.ok("the light is found from the photographs")
        return [
            CHECK.error(
                "a reference mesh needs a light, and the configuration names none",
                '"envmap": "FILE.hdr", a panorama',
            )
        ]
    if is_pointer(path):
        return CHECK.skipped(f"{path} is a Git LFS pointer")
    dataset = context.dataset
    look = None if dataset is None else dataset.looks.get(path)
    if dataset is None or look is None:
        return CHECK.skipped(f"{path} could not be looked at")
    told = CHECK.told(dataset.told(context.engine, "light"))
    if told or look.size is None:
        return told
    height, width = look.size
    return CHECK.ok(f"{path}, {width} x {height}")


CHECK = Check("environment_light", "Environment light", "data", run, needs=("data_present",))
