"""How fine the table is that shadows are read from, see ``shadows`` in a configuration."""

from __future__ import annotations

from nvdiffrec_contract.configuration import Config

CELLS = 16
"""Cells along the edge of a cube map's face, into which directions are divided."""
RAYS = 32
"""Rays from each texel that light of other parts of the surface is gathered along."""
_SHARE, _LEAST, _MOST = 4, 64, 256


def edge_of_table(resolution: tuple[int, int]) -> int:
    """Texels along the table's edge, for textures of a resolution (height, width)."""
    return min(max(max(resolution) // _SHARE, _LEAST), _MOST)


def bytes_of_table(resolution: tuple[int, int]) -> int:
    """What a table takes when its texture is covered whole."""
    cells = 6 * CELLS**2
    return edge_of_table(resolution) ** 2 * (4 * cells + cells * 4 // 3 + 8 * RAYS)


def shadows_of(config: Config, photographs: bool) -> str:
    """``off``, ``direct`` or ``bounced``, whichever ``auto`` comes to.

    Pictures that are rendered of a reference mesh have no shadows, and under a light that turns
    with the camera each picture would have others.
    """
    asked = config.diffrec.shadows
    if asked != "auto":
        return asked
    return "bounced" if photographs and not config.camera_space_light else "off"
