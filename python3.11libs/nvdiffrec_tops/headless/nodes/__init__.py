"""The supported node types, one file each."""

from __future__ import annotations

from . import (
    attributecreate,
    environmentedit,
    genericgenerator,
    hqueuescheduler,
    localscheduler,
    pythonprocessor,
    waitforall,
)
from .base import Callbacks, NodeType
from .pythonprocessor import AssetProcessor

TYPES: dict[str, NodeType] = {
    one.name: one
    for one in (
        attributecreate.TYPE,
        environmentedit.TYPE,
        genericgenerator.TYPE,
        pythonprocessor.TYPE,
        waitforall.TYPE,
        localscheduler.TYPE,
        hqueuescheduler.TYPE,
    )
}
"""Node types that a cook understands, by Houdini's type name."""

TOPNET: NodeType = localscheduler.TOPNET


def register(node_type: NodeType) -> None:
    """Let a cook understand one more node type."""
    TYPES[node_type.name] = node_type


__all__ = ["TOPNET", "TYPES", "AssetProcessor", "Callbacks", "NodeType", "register"]
