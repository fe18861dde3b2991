"""The first argument of a command line that asks for something else than a training.

They stand apart from the modules that do it, which a training need not import.
"""

from __future__ import annotations

FARM = "--farm"
"""Run what a farm file says: see ``farm``."""
PREPARE = "--prepare"
"""Make a data set out of photographs or a film: see ``preparing``."""
