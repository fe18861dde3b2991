"""The parameters that most processors repeat: scheduler, label, priority, command."""

from __future__ import annotations

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import ParmSpec, button, integer, later, menu, string, toggle

from .base import set_priority

SCHEDULING: tuple[ParmSpec, ...] = (
    string("topscheduler"),
    button("addjobparms"),
    toggle("pdg_useschedulewhen"),
    integer("pdg_schedulewhen", 1),
    menu("pdg_workitemlabel", "0", "0 1 2"),
    string("pdg_workitemlabelexpr"),
    menu("pdg_workitempriority", "0", "0 1"),
    integer("pdg_workitempriorityexpr"),
)

OWN_COMMAND: tuple[ParmSpec, ...] = (
    menu("pdg_commandtype", "0", "0 1 2"),
    string("pdg_command"),
)
LATER_COMMAND: tuple[ParmSpec, ...] = later("21.0", *OWN_COMMAND)

OWN_COMMAND_REFUSED = {
    "pdg_commandtype": "a command in place of the node's own works only inside Houdini; a Generic "
    "Generator runs any command"
}


def set_label_and_priority(parameters: NodeParameters, item: pdg.WorkItem) -> None:
    """Work Item Label and Work Item Priority, on a node that has both."""
    set_priority(parameters, item)
    match parameters.menu("pdg_workitemlabel"):
        case 1:
            if item.parent is not None:
                item.setLabel(item.parent.label)
        case 2:
            item.setLabel(parameters.string("pdg_workitemlabelexpr", item))
