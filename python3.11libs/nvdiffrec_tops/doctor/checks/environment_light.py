"""Whether the light that a reference mesh is lit by is a Radiance panorama."""

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
    with open(path, "rb") as stream:
        size = _size(stream.read(8192))
    if size is None:
        return [
            CHECK.error(
                f"{path} is no Radiance panorama (.hdr)",
                f"in Houdini: icp -d half FILE.exr {path}.hdr, or export it as .hdr",
            )
        ]
    height, width = size
    if width != 2 * height:
        return [
            CHECK.warning(
                f"{path} is {width} x {height} pixels; a latitude-longitude panorama is twice as "
                "wide as high",
                "use a whole panorama",
            )
        ]
    return CHECK.ok(f"{path}, {width} x {height}")


def _size(data: bytes) -> tuple[int, int] | None:
    """(height, width) by a Radiance header (Ward, *Real Pixels*, Graphics Gems II)."""
    _, separator, after = data.partition(b"\n\n")
    words = after.partition(b"\n")[0].split() if separator and data.startswith(b"#?") else []
    if len(words) == 4 and words[0] in (b"-Y", b"+Y") and words[1].isdigit() and words[3].isdigit():
        return int(words[1]), int(words[3])
    return None


CHECK = Check("environment_light", "Environment light", "data", run, needs=("data_present",))
