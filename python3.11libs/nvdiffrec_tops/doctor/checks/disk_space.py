"""Whether the disk of the output folder has room."""

from __future__ import annotations

import math
import shutil

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.outputplace import existing_folder

MIB = float(1 << 20)
MARGIN = 200 * MIB


def run(context: Context) -> list[Finding]:
    folder = existing_folder(str(context.output))
    if context.output is None or folder is None:
        return CHECK.skipped("no output folder is named")
    free = float(shutil.disk_usage(folder).free)
    need = needed(context)
    shown = f"{free / MIB / 1024:.1f} GiB free in {folder}"
    if free < need:
        return [
            CHECK.error(
                f"{shown}; results need about {need / MIB:.0f} MiB",
                "make room, or choose an output folder on another disk",
            )
        ]
    if free < 5 * need:
        return [CHECK.warning(f"{shown}, which is little", "make room on that disk")]
    return CHECK.ok(shown)


def needed(context: Context) -> float:
    """Bytes, generously: two meshes with textures, and the pictures of the intervals."""
    height, width = context.size("texture_res", (1024, 1024))
    textures = 2 * 3 * 4.0 * height * width
    rows, columns = context.size("train_res", (512, 512))
    interval = context.number("save_interval", 1000)
    count = 2 * math.ceil(context.number("iter", 5000) / interval) if interval > 0 else 0
    return MARGIN + textures + min(count, 10_000) * rows * columns * 3.0 * 4


CHECK = Check("disk_space", "Disk space", "output", run, needs=("output_writable",))
