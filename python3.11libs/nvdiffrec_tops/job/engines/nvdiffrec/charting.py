"""How long nvdiffrec may chart its mesh.

Between its two passes nvdiffrec has xatlas unwrap the mesh, and prints nothing meanwhile. That
takes a minute for 100,000 triangles; on a mesh of loose triangles, which a first pass that failed
leaves behind, it may take days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract.failure import EXIT_TIMEOUT, EXIT_USAGE, Failure
from nvdiffrec_contract.wording import shown
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.report.progress import Progress

VARIABLE = "TOPS_NVDIFFREC_CHARTING_SECONDS"
"""In the environment of the job: seconds in place of :func:`usual`; 0 waits without end."""
SECONDS = 900.0
GRID = 64
"""A grid of this size may take that long; the triangles grow with the square of the size."""
_EVERY = 10  # iterations between two lines


def usual(config: Mapping[str, Any]) -> float:
    """Seconds that validation and charting may take: 15 minutes, an hour with a grid of 128."""
    grid = config.get("dmtet_grid", GRID)
    if isinstance(grid, bool) or not isinstance(grid, int) or not 0 < grid < 10_000:
        grid = GRID
    return SECONDS * max(1.0, (grid / GRID) ** 2)


def limit(config: Mapping[str, Any], environment: Mapping[str, str]) -> float | None:
    """The same with what the environment says; None for no limit.

    Raises:
        JobError: the variable is no number of seconds.
    """
    given = environment.get(VARIABLE, "").strip()
    if not given:
        return usual(config)
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e9:
        raise JobError(
            "configuration",
            f"{VARIABLE} must be a number of seconds, not {shown(given)}",
            "correct it on the environment node, or take it out",
            EXIT_USAGE,
        )
    return seconds or None


def is_charting(progress: Progress) -> bool:
    """Whether the first of two passes is at its end and the second has not begun."""
    if progress.pass_count != 2 or progress.pass_number != 1:
        return False
    if progress.stage in ("validating", "texturing", "exporting"):
        return True
    total = progress.iterations
    return total is not None and progress.iteration + _EVERY > total


def stuck(progress: Progress, seconds: float) -> Failure:
    """What a longer silence means."""
    quality = f" (PSNR {progress.psnr:.1f} dB after it)" if progress.psnr is not None else ""
    return Failure(
        "charting-stuck",
        f"nothing was printed for {seconds:.0f} s after the first pass{quality}: xatlas does not "
        "come to an end with its mesh, which is most likely loose triangles",
        "look at the pictures img_dmtet_pass1_*.png first: is the object not to be seen there, "
        "check masks, cameras and mesh_scale, or train more iterations; a smaller dmtet_grid makes "
        f"fewer triangles; to wait longer set {VARIABLE} on the environment node (0: without end)",
        EXIT_TIMEOUT,
    )
