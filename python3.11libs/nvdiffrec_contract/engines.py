"""The names of the trainers, the default first."""

from __future__ import annotations

DIFFREC = "diffrec"
NVDIFFREC = "nvdiffrec"
NAMES = (DIFFREC, NVDIFFREC)
