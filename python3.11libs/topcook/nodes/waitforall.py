"""Wait for All: one partition that holds every upstream item."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import layout, table

from .base import NodeType
from .partition import ADVANCED, MERGE, REFUSED, Groups, Partitioner

PARAMETERS = table(
    layout("attributes", "attributes_1", "sepparm", "sepparm2"),
    MERGE,
    ADVANCED,
)


class WaitForAll(Partitioner):
    def groups(
        self, parameters: NodeParameters, items: list[pdg.WorkItem], everywhere: list[pdg.WorkItem]
    ) -> Groups:
        return {0: items} if items else {}


TYPE = NodeType("waitforall", PARAMETERS, pdg.nodeType.Partitioner, WaitForAll, REFUSED)
