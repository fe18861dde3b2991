"""What happens when a node sets an attribute that the item already has."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from topcook import pdg


class Conflict(Enum):
    REPLACE = "replace"
    KEEP = "keep"
    UPDATE = "update"
    WARN = "warn"
    ERROR = "error"


def add_attribute(
    item: pdg.WorkItem,
    name: str,
    kind: pdg.attribType,
    values: Sequence[Any],
    conflict: Conflict,
    *,
    index: int | None = None,
    flags: pdg.attribFlag = pdg.attribFlag.NoFlags,
) -> None:
    """Set an attribute under a rule for an existing one of the same name.

    REPLACE makes a new attribute; KEEP leaves the old one alone; UPDATE puts the value into the
    old one and keeps its type; WARN and ERROR set the value when the types agree, and otherwise
    leave the attribute with a warning or fail. ``index`` writes one slot of an array and
    keeps the others. Raises CookError.
    """
    where = item.node.path
    old = item.attrib(name)
    if old is not None and conflict is Conflict.KEEP:
        return
    if old is not None and old.type is not kind and conflict in (Conflict.WARN, Conflict.ERROR):
        message = (
            f"{where}: the attribute '{name}' has the type {old.type.name}, not {kind.name}; "
            "choose another name or another rule for existing names"
        )
        if conflict is Conflict.ERROR:
            raise pdg.CookError(message)
        item.addWarning(message)
        return
    keeps_slots = index is not None and old is not None and old.type is kind
    try:
        if old is not None and (conflict is not Conflict.REPLACE or keeps_slots):
            attribute = old
        else:
            item.eraseAttrib(name)
            made = item.addAttrib(name, kind)
            assert made is not None
            attribute = made
        if index is None:
            attribute.setValues(values)
        else:
            attribute.setValue(values[0], index)
    except pdg.AttributeTypeError as error:
        raise pdg.CookError(f"{where}: {error}") from None
    attribute.setFlag(flags, True)
