"""Constants of split-sum shading that all of its implementations share."""

from __future__ import annotations

DIELECTRIC = 0.04
"""Reflectance at normal incidence of what is no metal."""
LEAST_COSINE = 1e-3
"""Of the angle between the shading normal and the view."""
TABLE_SIZE = 256
"""Edge of the table of the second factor, `brdf_table`."""
