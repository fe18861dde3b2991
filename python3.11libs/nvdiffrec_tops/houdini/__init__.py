"""The part of the toolkit that runs inside Houdini: only it imports ``hou`` and ``pdg``."""

from __future__ import annotations
