"""Houdini scenes (``.hip``) as data: a strict reader that gives every byte back, and a writer."""

from __future__ import annotations

from .errors import HouFileError, LicensedScene
from .members.definition import Wire
from .members.parms import Expression, Parm, ParmValue
from .node import Node, StickyNote
from .opening import load, loads
from .scene import Scene

__all__ = [
    "Expression",
    "HouFileError",
    "LicensedScene",
    "Node",
    "Parm",
    "ParmValue",
    "Scene",
    "StickyNote",
    "Wire",
    "load",
    "loads",
]
