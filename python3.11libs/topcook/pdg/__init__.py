"""A stand-in for the documented part of Houdini's ``pdg`` module.

It keeps the documented names, so that processors written for Houdini run on it unchanged. Method
names are therefore in camel case. What it models is the interface only: the work is done by
``topcook.cook`` and ``localscheduler``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .attributes import Attribute, AttributeOwner, AttributeTypeError, File
from .enums import (
    EventType,
    attribCollisionStrategy,
    attribErrorLevel,
    attribFlag,
    attribOverwrite,
    attribType,
    cacheMode,
    cloneMode,
    fileType,
    generateWhen,
    generationType,
    nodeType,
    platform,
    regenerateReason,
    result,
    workItemCacheState,
    workItemCookType,
    workItemDataSource,
    workItemExecutionType,
    workItemLogType,
    workItemState,
    workItemType,
)
from .events import Event, EventEmitter, PyEventHandler
from .graph import CookError, Graph, GraphContext, Node, Port, PyPartitioner, PyProcessor
from .holder import DependencyHolder, PartitionHolder, WorkItemHolder
from .itemfiles import has_tag, tag_of
from .workitem import WorkItem, safe_name


def curPlatform() -> platform:
    """The platform that the cook runs on."""
    if sys.platform == "win32":
        return platform.Windows
    return platform.Mac if sys.platform == "darwin" else platform.Linux


@contextmanager
def standing_in() -> Iterator[ModuleType]:
    """While the context lasts, ``import pdg`` gives this module."""
    before = sys.modules.get("pdg")
    module = sys.modules["pdg"] = sys.modules[__name__]
    try:
        yield module
    finally:
        if before is not None:
            sys.modules["pdg"] = before
        else:
            sys.modules.pop("pdg", None)


def strData(item: WorkItem, field: str, index: int = 0) -> str | None:
    return item.stringAttribValue(field, index)


def intData(item: WorkItem, field: str, index: int = 0) -> int | None:
    return item.intAttribValue(field, index)


def floatData(item: WorkItem, field: str, index: int = 0) -> float | None:
    return item.floatAttribValue(field, index)


def hasStrData(item: WorkItem, field: str, index: int = 0) -> bool:
    return item.stringAttribValue(field, index) is not None


def envVar(item: WorkItem, name: str) -> str | None:
    return item.envLookup(name)


__all__ = [
    "Attribute",
    "AttributeOwner",
    "AttributeTypeError",
    "CookError",
    "DependencyHolder",
    "Event",
    "EventEmitter",
    "EventType",
    "File",
    "Graph",
    "GraphContext",
    "Node",
    "PartitionHolder",
    "Port",
    "PyEventHandler",
    "PyPartitioner",
    "PyProcessor",
    "WorkItem",
    "WorkItemHolder",
    "attribCollisionStrategy",
    "attribErrorLevel",
    "attribFlag",
    "attribOverwrite",
    "attribType",
    "cacheMode",
    "cloneMode",
    "curPlatform",
    "envVar",
    "fileType",
    "floatData",
    "generateWhen",
    "generationType",
    "hasStrData",
    "has_tag",
    "intData",
    "nodeType",
    "platform",
    "regenerateReason",
    "result",
    "safe_name",
    "standing_in",
    "strData",
    "tag_of",
    "workItemCacheState",
    "workItemCookType",
    "workItemDataSource",
    "workItemExecutionType",
    "workItemLogType",
    "workItemState",
    "workItemType",
]
