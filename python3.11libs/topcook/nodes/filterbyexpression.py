"""Filter by Expression: an item for each upstream item that an expression lets through."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.table import integer, menu, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    GENERATE_WHEN,
    menu("invertfilter", "0", "off on"),
    integer("filterexpression"),
    toggle("includeresultdata", True),
)


class FilterByExpression(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        for upstream in upstream_items:
            matches = parameters.integer("filterexpression", upstream) != 0
            if matches == (parameters.menu("invertfilter", upstream) == 1):
                files = parameters.toggle("includeresultdata", upstream)
                item_holder.addWorkItem(parent=upstream, cloneOutputFiles=files)
        return pdg.result.Success


TYPE = NodeType("filterbyexpression", PARAMETERS, pdg.nodeType.Processor, FilterByExpression)
