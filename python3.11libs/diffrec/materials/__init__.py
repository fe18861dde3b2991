"""Surface materials: a neural field over space, and textures on a mesh."""

from __future__ import annotations

from diffrec.materials.field import NeuralMaterial
from diffrec.materials.surface import Material, MaterialRange, MaterialSample, Surface
from diffrec.materials.textures import TextureMaterial

__all__ = [
    "Material",
    "MaterialRange",
    "MaterialSample",
    "NeuralMaterial",
    "Surface",
    "TextureMaterial",
]
