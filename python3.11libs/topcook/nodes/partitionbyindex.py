"""Partition by Index: items with the same index form a partition."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import layout, menu, table

from .base import NodeType
from .partition import ADVANCED, MERGE, REFUSED, Groups, Partitioner

PARAMETERS = table(
    layout("index", "index_1", "index_2", "sepparm", "sepparm2", "sepparm3"),
    menu("primaryrule", "1", "0 1 2"),
    menu("secondaryrule", "1", "0 1 2 3"),
    MERGE,
    ADVANCED,
)

_ALL, _BY_INDEX = 0, 1
_INTERSECTION = 2


class PartitionByIndex(Partitioner):
    def groups(
        self, parameters: NodeParameters, items: list[pdg.WorkItem], everywhere: list[pdg.WorkItem]
    ) -> Groups:
        first = self.node.inputs[0] if self.node.inputs else None
        primary = [item for item in items if item.node is first]
        others = [item for item in items if item.node is not first]
        by_index: list[pdg.WorkItem] = []
        rule = parameters.menu("primaryrule")
        if rule == _ALL:
            everywhere += primary
        elif rule == _BY_INDEX:
            by_index += primary
        rule = parameters.menu("secondaryrule")
        if rule == _ALL:
            everywhere += others
        elif rule == _BY_INDEX:
            by_index += others
        elif rule == _INTERSECTION:
            known = {item.index for item in primary}
            by_index += [item for item in others if item.index in known]
        found: Groups = {}
        for item in by_index:
            found.setdefault(item.index, []).append(item)
        if everywhere and not found:
            self.node.cookWarning(
                f"{self.node.path}: its rules put no item into a partition by its index, so there "
                "are no partitions; set Primary or Secondary Input Rule to By Index"
            )
        return found


TYPE = NodeType("partitionbyindex", PARAMETERS, pdg.nodeType.Partitioner, PartitionByIndex, REFUSED)
