"""The light as a panorama."""

from __future__ import annotations

from pathlib import Path

from diffrec.export.result import Made

FILES = ("probe.hdr",)
PROBE_RESOLUTION = (512, 1024)


def export(folder: Path, made: Made) -> None:
    """Linear RGB, latitude-longitude, [512, 1024]."""
    made.pictures.write_hdr(folder / FILES[0], made.light.to_latlong(PROBE_RESOLUTION))
