"""The commands about a cook: their options, the report of its end, the summary for people.

Whoever imports this package cooks with the toolkit's assets.
"""

from __future__ import annotations

from .host import register_toolkit

register_toolkit()
