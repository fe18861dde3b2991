"""Split: items leave by the first output where an expression is true, otherwise by the second."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.table import integer, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(GENERATE_WHEN, integer("splitexpression"), toggle("invertselection"))


class Split(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        for upstream in upstream_items:
            chosen = parameters.integer("splitexpression", upstream) != 0
            first = chosen != parameters.toggle("invertselection", upstream)
            item = item_holder.addWorkItem(parent=upstream, cloneOutputFiles=True)
            item.outputIndex = 0 if first else 1
        return pdg.result.Success


TYPE = NodeType("split", PARAMETERS, pdg.nodeType.Processor, Split)
