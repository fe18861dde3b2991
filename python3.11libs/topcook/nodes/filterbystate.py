"""Filter by State: an item for each upstream item that has ended in one of the chosen ways."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import layout, menu, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    layout("sepparm", "sepparm2"),
    GENERATE_WHEN,
    menu("operation", "1", "0 1"),
    menu("includedstates", "1"),
    menu("storelog", "0", "0 1 2"),
    string("logattrib", "itemlog"),
    toggle("useattrib"),
    string("stateattrib", "itemstate"),
)

_State = pdg.workItemState
# The bit of each state in the button strip.
_BITS = {_State.CookedSuccess: 1, _State.CookedCache: 2, _State.CookedFail: 4}


class FilterByState(pdg.PyProcessor):
    @property
    def takesFailures(self) -> bool:
        return True

    def generatesWhen(self) -> pdg.generateWhen:
        """How an item has ended is known only when it has cooked."""
        when = pdg.generateWhen(parms(self).menu("pdg_workitemgeneration"))
        every = pdg.generateWhen.AllUpstreamCooked
        return every if when is every else pdg.generateWhen.EachUpstreamCooked

    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        chosen = parameters.menu("includedstates")
        keeps = parameters.menu("operation") == 1
        for upstream in upstream_items:
            # In a dry run nothing has cooked, and everything counts as successful.
            state = upstream.state if upstream.isCooked else _State.CookedSuccess
            if bool(chosen & _BITS.get(state, 0)) is keeps:
                item = item_holder.addWorkItem(parent=upstream, cloneOutputFiles=True)
                item.ignoresFailures = True
                self._describe(parameters, item, upstream, state)
        return pdg.result.Success

    @staticmethod
    def _describe(
        parameters: NodeParameters,
        item: pdg.WorkItem,
        upstream: pdg.WorkItem,
        state: pdg.workItemState,
    ) -> None:
        log = "" if upstream.logPath is None else str(upstream.logPath)
        match parameters.menu("storelog", item):
            case 1:
                if name := parameters.string("logattrib", item):
                    item.setStringAttrib(name, log)
            case 2:
                if log:
                    item.addOutputFile(log, "file/text/log")
        if parameters.toggle("useattrib", item) and (
            name := parameters.string("stateattrib", item)
        ):
            item.setIntAttrib(name, int(state))


def _check(parameters: NodeParameters) -> list[str]:
    if parameters.menu("pdg_workitemgeneration") != pdg.generateWhen.AllUpstreamGenerated:
        return []
    short = parameters.path.rsplit("/", 1)[-1]
    return [
        f"{parameters.path}: Generate When is All Upstream Items are Generated, and items that "
        "have not cooked have no state to filter by; choose another one, for example with "
        f"--set {short}.pdg_workitemgeneration=2"
    ]


TYPE = NodeType("filterbystate", PARAMETERS, pdg.nodeType.Processor, FilterByState, check=_check)
