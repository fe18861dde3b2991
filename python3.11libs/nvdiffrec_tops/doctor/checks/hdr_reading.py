"""Whether imageio reads Radiance pictures (.hdr)."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.failures import quoted

BRIGHTEST = 4.0
"""Of the picture that is tried; a reader that makes 8 bits of it gives something else."""
LAUNCHER = "the toolkit's launcher reads them itself; a training by hand needs FreeImage"


def run(context: Context) -> list[Finding]:
    if not context.importable("imageio"):
        return CHECK.skipped("imageio is not installed")
    cure = _cure(context)
    facts = context.facts("imageio")
    if facts.get("problem"):
        return CHECK.skipped(f"import imageio: {facts['problem']}")
    if "hdr_problem" in facts:
        return [CHECK.note(f"imageio cannot read .hdr: {facts['hdr_problem']}; {LAUNCHER}", cure)]
    if "brightest" in facts:
        if abs(facts["brightest"] - BRIGHTEST) < 0.1:
            return CHECK.ok("imageio reads .hdr pictures")
        return [
            CHECK.note(f"imageio reads .hdr pictures, but cuts what is bright; {LAUNCHER}", cure)
        ]
    if context.facts("packages").get("freeimage"):
        return CHECK.ok("FreeImage, by which imageio reads .hdr pictures, is there")
    return [CHECK.note(f"imageio has no FreeImage to read .hdr pictures with; {LAUNCHER}", cure)]


def _cure(context: Context) -> str:
    """Installs the library FreeImage: imageio's plug-in, with pip's imageio-freeimage or without,
    only loads it, and would download it at the first picture."""
    if context.place.conda:
        return f"conda install --prefix {quoted(context.place.prefix)} conda-forge::freeimage"
    if context.facts("python").get("platform") == "linux":
        return "sudo apt install libfreeimage3"
    code = "import imageio; imageio.plugins.freeimage.download()"
    return f'{quoted(context.python)} -c "{code}"'


CHECK = Check(
    "hdr_reading",
    "HDR pictures",
    "packages",
    run,
    needs=("interpreter_starts",),
    by_engine=True,
)
