"""Environment Edit: one item per upstream item, with attributes flagged for the environment."""

from __future__ import annotations

import re

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    floating,
    integer,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import GENERATE_WHEN, NodeType, parms
from .conflict import Conflict, add_attribute

PARAMETERS = table(
    layout("sepparm#"),
    GENERATE_WHEN,
    toggle("reset"),
    multiparm(
        "environment",
        toggle("varenable#", True),
        string("varname#"),
        menu("vartype#", "0", "0 1 2"),
        menu("varconflict#", "4", "0 1 2 3 4"),
        floating("floatvarvalue#"),
        integer("intvarvalue#"),
        string("strvarvalue#"),
    ),
)

# The numbering differs from Attribute Create's.
_CONFLICTS = (
    Conflict.REPLACE,
    Conflict.KEEP,
    Conflict.UPDATE,
    Conflict.WARN,
    Conflict.ERROR,
)


class EnvironmentEdit(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        if not upstream_items and not self.node.inputs:
            self._edit(item_holder.addWorkItem(index=0), parameters)
        for upstream in upstream_items:
            item = item_holder.addWorkItem(parent=upstream, cloneOutputFiles=True)
            self._edit(item, parameters)
        return pdg.result.Success

    def _edit(self, item: pdg.WorkItem, parameters: NodeParameters) -> None:
        if parameters.toggle("reset", item):
            item.clearEnvironment()
        for number in range(1, parameters.count("environment") + 1):
            name = parameters.string(f"varname{number}", item)
            if not name or not parameters.toggle(f"varenable{number}", item):
                continue
            if not re.fullmatch(r"[^=\0\s]+", name):
                raise pdg.CookError(
                    f"{self.node.path}, parameter 'varname{number}': '{name}' cannot be the name "
                    "of an environment variable"
                )
            kind, value = self._value(item, parameters, number)
            conflict = _CONFLICTS[parameters.menu(f"varconflict{number}", item)]
            flag = pdg.attribFlag.EnvExport
            add_attribute(item, name, kind, [value], conflict, flags=flag)

    @staticmethod
    def _value(
        item: pdg.WorkItem, parameters: NodeParameters, number: int
    ) -> tuple[pdg.attribType, float | int | str]:
        match parameters.menu(f"vartype{number}", item):
            case 0:
                return pdg.attribType.Float, parameters.number(f"floatvarvalue{number}", item)
            case 1:
                return pdg.attribType.Int, parameters.integer(f"intvarvalue{number}", item)
            case _:
                return pdg.attribType.String, parameters.string(f"strvarvalue{number}", item)


TYPE = NodeType("environmentedit", PARAMETERS, pdg.nodeType.Processor, EnvironmentEdit)
