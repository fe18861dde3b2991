"""Attribute Copy: an item per item of the first input, with attributes of the other inputs'."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import layout, menu, string, table, toggle

from .base import NodeType, parms

PARAMETERS = table(
    layout("sepparm", "sepparm2"),
    toggle("pdg_dynamicpartition"),
    toggle("copyall"),
    menu("matchby", "0", "0 1"),
    string("matchname"),
    menu("matchtype", "0", "0 1 2"),
    toggle("excludeunmatched"),
    string("copyname", "*"),
    toggle("copyresults"),
)

_TYPES = (pdg.attribType.Int, pdg.attribType.Float, pdg.attribType.String)


class AttributeCopy(pdg.PyProcessor):
    def generatesWhen(self) -> pdg.generateWhen:
        """Items are matched once all of them are there."""
        cooked = parms(self).toggle("pdg_dynamicpartition")
        when = pdg.generateWhen
        return when.AllUpstreamCooked if cooked else when.AllUpstreamGenerated

    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        targets = self.node.itemsOfInput(0)
        first = {item.id for item in targets}
        givers = [item for item in upstream_items if item.id not in first]
        for target in targets:
            if parameters.toggle("copyall"):
                matched = givers
            else:
                matched = [one for one in givers if self._match(parameters, target, one)]
                if not matched and parameters.toggle("excludeunmatched"):
                    continue
            item = item_holder.addWorkItem(parent=target, cloneOutputFiles=True)
            for giver in matched:
                item.addDependency(giver)
                self._copy(parameters, item, giver)
        return pdg.result.Success

    @staticmethod
    def _match(parameters: NodeParameters, target: pdg.WorkItem, giver: pdg.WorkItem) -> bool:
        if parameters.menu("matchby") == 0:
            return target.index == giver.index
        name = parameters.string("matchname", target)
        kind = _TYPES[parameters.menu("matchtype")]
        mine, other = target.attrib(name), giver.attrib(name)
        return (
            mine is not None
            and other is not None
            and mine.type is kind
            and other.type is kind
            and mine.values == other.values
        )

    @staticmethod
    def _copy(parameters: NodeParameters, item: pdg.WorkItem, giver: pdg.WorkItem) -> None:
        for name in giver.attribMatch(parameters.string("copyname", item)):
            if not giver[name].hasFlag(pdg.attribFlag.NoCopy):
                item.copyAttrib(giver[name])
        if parameters.toggle("copyresults", item):
            item.copyOutputFiles(giver.outputFiles)


def _check(parameters: NodeParameters) -> list[str]:
    if parameters.toggle("copyall") or parameters.menu("matchby") == 0:
        return []
    if parameters.raw("matchname").strip():
        return []
    return [
        f"{parameters.path}, parameter 'matchname': items are to be matched by an attribute, and "
        "its name is empty"
    ]


TYPE = NodeType("attributecopy", PARAMETERS, pdg.nodeType.Processor, AttributeCopy, check=_check)
