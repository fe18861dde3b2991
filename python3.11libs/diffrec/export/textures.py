"""The textures: albedo, occlusion with roughness and metalness, normal map."""

from __future__ import annotations

from pathlib import Path

from diffrec.colour import linear_to_srgb
from diffrec.export.result import Made

AMBIENT = "texture_ao.png"
"""Ambient occlusion, 1 is open; written where it is known, which is where shadows are."""
FILES = ("texture_kd.png", "texture_ks.png", "texture_n.png")


def export(folder: Path, made: Made) -> None:
    """kd is written sRGB; ks (occlusion, roughness, metalness) and the normal map
    (0.5 + 0.5 n, +Y up) linear."""
    material, pictures = made.material, made.pictures
    kd, ks, n = (folder / name for name in FILES)
    normal = material.normal * 0.5 + 0.5
    pictures.write_png(kd, linear_to_srgb(material.kd).clamp(0, 1))
    pictures.write_png(ks, material.ks.clamp(0, 1))
    pictures.write_png(n, normal.clamp(0, 1))
    if made.ambient is not None:
        pictures.write_png(folder / AMBIENT, made.ambient.expand(-1, -1, 3))
    else:  # that of another training does not fit
        (folder / AMBIENT).unlink(missing_ok=True)
