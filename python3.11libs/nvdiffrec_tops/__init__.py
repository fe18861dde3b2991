"""TOPs nvdiffrec: inverse rendering of meshes, materials and light in Houdini's task graphs."""

from __future__ import annotations

from nvdiffrec_contract import VERSION

__version__ = VERSION
