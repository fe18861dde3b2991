"""TOPs nvdiffrec: inverse rendering of meshes, materials and light in Houdini's task graphs."""

from __future__ import annotations

__version__ = "0.1.0"
