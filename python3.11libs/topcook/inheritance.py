"""Attributes that an item gets or changes while it cooks, handed down to items made before that.

Houdini shares inherited attributes between an item and those below it until one of them sets its
own (a saved item calls them not its own). So an item that was generated statically sees what a
script or a job above it has set by the time it cooks.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import pdg

_Values = tuple[pdg.attribType, list[object]]


class Inheritance:
    """Remembers items' attributes from the beginning to the end of their cooks."""

    def __init__(self) -> None:
        self._before: dict[int, dict[str, _Values]] = {}

    def begins(self, item: pdg.WorkItem) -> None:
        if item.dependents:
            self._before[item.id] = {one.name: (one.type, one.values) for one in item.allAttribs()}

    def ended(self, item: pdg.WorkItem) -> None:
        """Give new and changed attributes to the items that have this one as their parent."""
        before = self._before.pop(item.id, None)
        if before is None or not item.isSuccessful:
            return
        for attribute in list(item.allAttribs()):
            values = (attribute.type, attribute.values)
            if values != before.get(attribute.name) and _is_inherited(attribute):
                _give(item, attribute, before)


def _is_inherited(attribute: pdg.Attribute) -> bool:
    return not attribute.hasFlag(pdg.attribFlag.NoCopy)


def _give(item: pdg.WorkItem, attribute: pdg.Attribute, before: Mapping[str, _Values]) -> None:
    name = attribute.name
    for below in item.dependents:
        if below.parent is not item:
            continue
        own = below.attrib(name)
        if (None if own is None else (own.type, own.values)) == before.get(name):
            made = below.addAttrib(name, attribute.type, pdg.attribOverwrite.Always)
            assert made is not None
            made.setFlags(attribute.flags)
            made.setValues(attribute.values)
            made.isOwner = False
            _give(below, attribute, before)
