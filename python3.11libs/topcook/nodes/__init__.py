"""The supported node types, one file each.

Every module of this package that has a ``TYPE`` is a node type: adding one is adding its file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from . import localscheduler
from .base import Callbacks, NodeType
from .pythonprocessor import AssetProcessor


def _found() -> dict[str, NodeType]:
    names = sorted(one.name for one in iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    types = [module.TYPE for module in modules if hasattr(module, "TYPE")]
    return {one.name: one for one in types}


TYPES: dict[str, NodeType] = _found()
"""Node types that a cook understands, by Houdini's type name."""

TOPNET: NodeType = localscheduler.TOPNET


def register(node_type: NodeType) -> None:
    """Let a cook understand one more node type."""
    TYPES[node_type.name] = node_type


__all__ = ["TOPNET", "TYPES", "AssetProcessor", "Callbacks", "NodeType", "register"]
