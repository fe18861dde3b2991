"""The example scenes of ``hip/``, as descriptions.

``scripts/build_scenes.py`` writes them; with Houdini it makes the same networks through ``hou``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from houfiles.describe import SceneDescription
from nvdiffrec_tops.scenes import assets, stock

SCENES: Mapping[str, Callable[[], SceneDescription]] = {
    "TOPs_nvdiffrec_Static": assets.static,
    stock.NAME: stock.describe,
    "TOPs_nvdiffrec_Photographs": assets.photographs,
    "TOPs_nvdiffrec_Wedge": assets.wedge,
    "TOPs_nvdiffrec_HQueue": assets.hqueue,
}
"""Every shipped scene by its name."""
