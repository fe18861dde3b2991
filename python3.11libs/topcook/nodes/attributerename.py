"""Attribute Rename: one item per upstream item, with attributes under new names."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import integer, layout, menu, multiparm, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    layout("folder0", "folder3"),
    GENERATE_WHEN,
    toggle("usecondition"),
    integer("condition"),
    toggle("usepriority"),
    integer("priorityvalue"),
    multiparm("renames", string("renamefrom#"), string("renameto#"), count=1),
    toggle("overwriteexisting"),
    menu("onattributenotfound", "1", "0 1 2"),
)


class AttributeRename(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        for upstream in upstream_items:
            item = item_holder.addWorkItem(parent=upstream, cloneOutputFiles=True)
            if parameters.toggle("usepriority", item):
                item.priority = parameters.integer("priorityvalue", item)
            if not parameters.toggle("usecondition", item) or parameters.integer("condition", item):
                for number in range(1, parameters.count("renames") + 1):
                    self._rename(parameters, item, number)
        return pdg.result.Success

    def _rename(self, parameters: NodeParameters, item: pdg.WorkItem, number: int) -> None:
        old = parameters.string(f"renamefrom{number}", item)
        new = parameters.string(f"renameto{number}", item)
        if not old or old == new:
            return
        if not item.hasAttrib(old):
            message = f"{self.node.path}: the work item {item.name} has no attribute '{old}'"
            match parameters.menu("onattributenotfound", item):
                case 0:
                    raise pdg.CookError(message)
                case 1:
                    item.addWarning(message)
            return
        if not new:
            raise pdg.CookError(
                f"{self.node.path}, parameter 'renameto{number}': the new name of '{old}' is empty"
            )
        if item.hasAttrib(new) and not parameters.toggle("overwriteexisting", item):
            raise pdg.CookError(
                f"{self.node.path}: '{old}' cannot become '{new}', which the work item has too; "
                "turn on Overwrite Existing Attributes (overwriteexisting) to replace it"
            )
        item.renameAttrib(old, new)


TYPE = NodeType("attributerename", PARAMETERS, pdg.nodeType.Processor, AttributeRename)
