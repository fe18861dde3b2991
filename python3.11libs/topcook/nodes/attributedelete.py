"""Attribute Delete: one item per upstream item, without some of its attributes."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import integer, layout, menu, multiparm, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    layout("sepparm", "sepparm2"),
    GENERATE_WHEN,
    toggle("usecondition"),
    integer("condition"),
    toggle("deleteall"),
    toggle("copyinputs", True),
    menu("deleteusing", "0", "0 1"),
    menu("missingattribute", "1", "0 1 2"),
    string("pattern", "*"),
    menu("patternscope", "1", "1 2", by_token=True),
    multiparm(
        "attributes",
        toggle("enable#", True),
        string("name#"),
        toggle("useindex#"),
        integer("index#", -1),
        menu("scope#", "0", "0 1 2", by_token=True),
    ),
)

_GRAPH = 2


class AttributeDelete(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        for upstream in upstream_items:
            files = parameters.toggle("copyinputs", upstream)
            item = item_holder.addWorkItem(parent=upstream, cloneOutputFiles=files)
            if parameters.toggle("usecondition", item) and not parameters.integer(
                "condition", item
            ):
                continue
            if parameters.toggle("deleteall", item):
                for name in item.attribNames():
                    item.eraseAttrib(name)
            elif parameters.menu("deleteusing", item) == 1:
                for name in item.attribMatch(parameters.string("pattern", item)):
                    item.eraseAttrib(name)
            else:
                for number in range(1, parameters.count("attributes") + 1):
                    self._delete(parameters, item, number)
        return pdg.result.Success

    def _delete(self, parameters: NodeParameters, item: pdg.WorkItem, number: int) -> None:
        name = parameters.string(f"name{number}", item)
        if not name or not parameters.toggle(f"enable{number}", item):
            return
        attribute = item.attrib(name)
        if attribute is None:
            self._missing(parameters, item, f"no attribute '{name}'")
        elif not parameters.toggle(f"useindex{number}", item):
            item.eraseAttrib(name)
        else:
            index, values = parameters.integer(f"index{number}", item), attribute.values
            if -len(values) <= index < len(values):
                del values[index]
                attribute.setValues(values)
            else:
                self._missing(parameters, item, f"no value {index} in the attribute '{name}'")

    def _missing(self, parameters: NodeParameters, item: pdg.WorkItem, what: str) -> None:
        message = f"{self.node.path}: the work item {item.name} has {what}"
        match parameters.menu("missingattribute", item):
            case 2:
                raise pdg.CookError(message)
            case 1:
                item.addWarning(message)


def _check(parameters: NodeParameters) -> list[str]:
    """Attributes of the whole graph exist only inside Houdini."""
    scopes: list[str] = []
    if parameters.menu("deleteusing") == 1:
        scopes = ["patternscope"]
    else:
        count = parameters.count("attributes")
        scopes = [f"scope{number}" for number in range(1, count + 1)]
    return [
        f"{parameters.path}, parameter '{name}': attributes of the whole graph exist only inside "
        f"Houdini. To cook without it: --set {parameters.path.rsplit('/', 1)[-1]}.{name}=1"
        for name in scopes
        if not parameters.toggle("deleteall") and parameters.menu(name) == _GRAPH
    ]


TYPE = NodeType(
    "attributedelete", PARAMETERS, pdg.nodeType.Processor, AttributeDelete, check=_check
)
