"""Merge: an item for each upstream item of every input."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.table import table

from .base import GENERATE_WHEN, NodeType


class Merge(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        for upstream in upstream_items:
            item_holder.addWorkItem(parent=upstream, cloneOutputFiles=True)
        return pdg.result.Success


TYPE = NodeType("merge", table(GENERATE_WHEN), pdg.nodeType.Processor, Merge)
