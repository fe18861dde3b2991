"""Generic Generator: items that run a command line."""

from __future__ import annotations

from itertools import pairwise

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    button,
    floating,
    integer,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import GENERATE_WHEN, NodeType, parms, set_priority
from .commandline import set_command

PARAMETERS = table(
    layout("processor_0", "processor_0_1", "processor_0_2", "folder0", "folder0_1"),
    layout("sepparm", "sepparm2", "sepparm3", "sepparm4", "sepparm2_#"),
    GENERATE_WHEN,
    menu("pdg_cachemode", "0", "0 1 2 3", by_token=True),
    toggle("sequential"),
    toggle("copyinputs"),
    toggle("flattenindices"),
    integer("itemcount", 1),
    toggle("useindex"),
    integer("index"),
    toggle("useframe"),
    floating("frame"),
    toggle("usepriority"),
    integer("priority"),
    menu("usedelay", "0", "off on 2"),
    floating("delay", 1),
    toggle("platformcommand"),
    string("pdg_command"),
    string("linuxcommand"),
    string("maccommand"),
    string("windowscommand"),
    string("basecommand"),
    toggle("shellcommand"),
    multiparm(
        "extraargs",
        toggle("argumentenable#", True),
        string("argumentname#"),
        menu("valuetype#", "0", "0 1 2 3"),
        string("inputtag#", "file"),
        string("attribname#"),
        string("customvalue#"),
        menu("collapsearray#", "0", "0 1 2 3"),
        string("argumentjoin#"),
        toggle("writeoutput#"),
        toggle("ownoutput#"),
        toggle("useoutputtag#"),
        string("outputtag#", "file"),
    ),
    menu("expectedoutputsfrom", "0", "0 1 2"),
    string("expectedoutputattr"),
    toggle("useexpectedoutputtag"),
    string("expectedoutputtag", "file"),
    multiparm(
        "expectedoutputfiles",
        string("expectedoutputfile#"),
        toggle("useexpectedoutputtag#"),
        string("expectedoutputtag#", "file"),
    ),
    string("topscheduler"),
    button("addjobparms"),
    toggle("pdg_useschedulewhen"),
    integer("pdg_schedulewhen", 1),
    menu("pdg_workitemlabel", "0", "0 1 2"),
    string("pdg_workitemlabelexpr"),
    menu("pdg_workitempriority", "0", "0 1"),
    integer("pdg_workitempriorityexpr"),
    multiparm("pdgnodedeps", string("pdgnodedep#")),
)


class GenericGenerator(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        parents: list[pdg.WorkItem | None] = list(upstream_items)
        if not parents and not self.node.inputs:
            parents = [None]
        running = len(self.node.workItems)
        for parent in parents:
            count = parameters.integer("itemcount", parent)
            if not 0 <= count <= 1_000_000:
                raise pdg.CookError(f"{self.node.path}: an Item Count of {count} is not possible")
            for position in range(count):
                index = _index(parameters, parent, position, running, count)
                item = item_holder.addWorkItem(parent=parent, index=index)
                self._fill(item, parameters)
                running += 1
        return pdg.result.Success

    def _fill(self, item: pdg.WorkItem, parameters: NodeParameters) -> None:
        if parameters.toggle("useindex", item) and not parameters.toggle("flattenindices", item):
            item.index = parameters.integer("index", item)
        if parameters.toggle("useframe", item):
            item.setFrame(parameters.number("frame", item))
        set_priority(parameters, item)
        if parameters.toggle("usepriority", item):
            item.priority = parameters.integer("priority", item)
        _label(parameters, item)
        if item.parent is not None and parameters.toggle("copyinputs", item):
            item.copyOutputFiles(item.parent.outputFiles)
        set_command(parameters, item)
        expected_outputs(parameters, item)

    def onAddInternalDependencies(
        self,
        dependency_holder: pdg.DependencyHolder,
        internal_items: list[pdg.WorkItem],
        is_static: bool,
    ) -> pdg.result:
        """Sequential: each item waits for the one before it, over all generation calls."""
        if parms(self).toggle("sequential"):
            before = [item for item in self.node.workItems if item not in internal_items]
            chain = [*before[-1:], *internal_items]
            for first, second in pairwise(chain):
                dependency_holder.addDependency(second, first)
        return pdg.result.Success


def _index(
    parameters: NodeParameters, parent: pdg.WorkItem | None, position: int, running: int, count: int
) -> int:
    """Flattened: counted over the node. Otherwise counted per upstream item; a single item per
    upstream item keeps the upstream item's index (-1).
    """
    if parameters.toggle("flattenindices", parent):
        return running
    if parent is not None and count == 1:
        return -1
    return position


def _label(parameters: NodeParameters, item: pdg.WorkItem) -> None:
    match parameters.menu("pdg_workitemlabel"):
        case 1:
            if item.parent is not None:
                item.setLabel(item.parent.label)
        case 2:
            item.setLabel(parameters.string("pdg_workitemlabelexpr", item))


def expected_outputs(parameters: NodeParameters, item: pdg.WorkItem) -> None:
    """Declare what Expected Outputs From names: an attribute, or a list of files."""
    match parameters.menu("expectedoutputsfrom", item):
        case 1:
            name = parameters.string("expectedoutputattr", item)
            attribute = item.attrib(name) if name else None
            if attribute is None:
                raise pdg.CookError(
                    f"{item.node.path}: expected outputs come from the attribute '{name}', which "
                    "the work item does not have"
                )
            tag = _tag(parameters, "useexpectedoutputtag", "expectedoutputtag", item)
            for index in range(attribute.size):
                if path := attribute.asFile(index).path:
                    item.addExpectedOutputFile(path, tag)
        case 2:
            for number in range(1, parameters.count("expectedoutputfiles") + 1):
                if path := parameters.string(f"expectedoutputfile{number}", item):
                    use, text = f"useexpectedoutputtag{number}", f"expectedoutputtag{number}"
                    item.addExpectedOutputFile(path, _tag(parameters, use, text, item))


def _tag(parameters: NodeParameters, use: str, name: str, item: pdg.WorkItem) -> str:
    return parameters.string(name, item) if parameters.toggle(use, item) else ""


TYPE = NodeType("genericgenerator", PARAMETERS, pdg.nodeType.Processor, GenericGenerator)
