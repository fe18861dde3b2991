"""Partition by Attribute: items that share attributes or their values form a partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    floating,
    integer,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import NodeType
from .partition import ADVANCED, MERGE, REFUSED, Groups, Partitioner, sort_key, value_of

PARAMETERS = table(
    layout("attribute", "attribute_1", "attribute_2", "sepparm", "sepparm2", "sepparm3"),
    menu("mode", "2", "0 1 2 3"),
    menu("sortdirection", "0", "0 1"),
    toggle("independent", True),
    toggle("createunmatched"),
    string("pattern", "*"),
    multiparm(
        "attributes",
        toggle("enable#", True),
        string("name#"),
        menu("type#", "0", "0 1 2"),
        toggle("enableindex#", True),
        integer("index#"),
        integer("intvalue#"),
        integer("intvector#", 0, 0, 0, 0),
        floating("floatvalue#"),
        floating("floatvector#", 0, 0, 0, 0),
        string("stringvalue#"),
    ),
    MERGE,
    ADVANCED,
)

_NAME, _SPECIFIC, _DISTINCT, _PATTERN = range(4)
_TYPES = (pdg.attribType.Int, pdg.attribType.Float, pdg.attribType.String)


@dataclass(frozen=True)
class _Criterion:
    """One entry of the list of attributes; ``index`` None compares the whole array."""

    name: str
    index: int | None = None
    number: int = 0

    def value(self, item: pdg.WorkItem) -> tuple[Any, ...] | None:
        """The item's value, or None when it has none."""
        attribute = item.attrib(self.name)
        if attribute is None or not attribute.size:
            return None
        values = value_of(attribute)
        if self.index is None:
            return values
        if not -len(values) <= self.index < len(values):
            return None
        return (values[self.index],)


class PartitionByAttribute(Partitioner):
    def groups(
        self, parameters: NodeParameters, items: list[pdg.WorkItem], everywhere: list[pdg.WorkItem]
    ) -> Groups:
        mode = parameters.menu("mode")
        criteria = self._criteria(parameters, items, mode)
        if mode in (_NAME, _SPECIFIC):
            matches = [
                [item for item in items if self._matches(parameters, one, item, mode)]
                for one in criteria
            ]
            if not parameters.toggle("independent") and matches:
                common = set.intersection(*({item.id for item in one} for one in matches))
                matches = [[item for item in items if item.id in common]]
        else:
            matches = self._distinct(parameters, criteria, items)
        made = [one for one in matches if one]
        if parameters.toggle("createunmatched"):
            taken = {item.id for one in made for item in one}
            rest = [item for item in items if item.id not in taken]
            made += [rest] if rest else []
        return dict(enumerate(made))

    def _criteria(
        self, parameters: NodeParameters, items: Sequence[pdg.WorkItem], mode: int
    ) -> list[_Criterion]:
        if mode == _PATTERN:
            pattern = parameters.string("pattern")
            names = {name for item in items for name in item.attribMatch(pattern)}
            return [_Criterion(name) for name in sorted(names)]
        found: list[_Criterion] = []
        for number in range(1, parameters.count("attributes") + 1):
            name = parameters.string(f"name{number}")
            if name and parameters.toggle(f"enable{number}"):
                single = parameters.toggle(f"enableindex{number}")
                index = parameters.integer(f"index{number}") if single else None
                found.append(_Criterion(name, index, number))
        return found

    def _matches(
        self, parameters: NodeParameters, one: _Criterion, item: pdg.WorkItem, mode: int
    ) -> bool:
        attribute = item.attrib(one.name)
        if attribute is None or mode == _NAME:
            return attribute is not None
        kind = parameters.menu(f"type{one.number}")
        value = one.value(item)
        if value is None or attribute.type is not _TYPES[kind]:
            return False
        if kind == 2:
            return value == (parameters.string(f"stringvalue{one.number}", item),)
        word = ("int", "float")[kind]
        if one.index is not None:
            return bool(value == (parameters.number(f"{word}value{one.number}", item),))
        vector = [
            parameters.number(f"{word}vector{one.number}", item, component)
            for component in range(4)
        ]
        return len(value) <= len(vector) and list(value) == vector[: len(value)]

    def _distinct(
        self,
        parameters: NodeParameters,
        criteria: Sequence[_Criterion],
        items: Sequence[pdg.WorkItem],
    ) -> list[list[pdg.WorkItem]]:
        """A group for each value: of each attribute, or of all of them taken together."""
        down = parameters.menu("sortdirection") == 1
        sets = [[one] for one in criteria] if parameters.toggle("independent") else [criteria]
        made: list[list[pdg.WorkItem]] = []
        for several in sets:
            by_value: dict[tuple[Any, ...], list[pdg.WorkItem]] = {}
            for item in items:
                values = [one.value(item) for one in several]
                if several and None not in values:
                    key = tuple(part for value in values for part in value or ())
                    by_value.setdefault(key, []).append(item)
            made += [by_value[key] for key in sorted(by_value, key=sort_key, reverse=down)]
        return made


TYPE = NodeType(
    "partitionbyattribute", PARAMETERS, pdg.nodeType.Partitioner, PartitionByAttribute, REFUSED
)
