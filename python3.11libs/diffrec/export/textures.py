"""The textures: albedo, occlusion with roughness and metalness, normal map."""

from __future__ import annotations

from pathlib import Path

from diffrec.colour import linear_to_srgb
from diffrec.export.result import Made

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
