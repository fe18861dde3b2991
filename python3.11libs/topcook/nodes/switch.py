"""Switch: makes no work items; what is wired to it is wired to the input that it selects.

The choice is made before any work item exists, so Select Input cannot depend on attributes. The
parameters about a change of the selected input have no meaning here: every cook starts anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import integer, later, menu, table, toggle

from .base import NodeType

PARAMETERS = table(
    integer("input"),
    later("21.0", menu("invalidindex", "0", "0 1 2"), toggle("invalidate"), toggle("keepfailed")),
)


def _selected(parameters: NodeParameters, inputs: Sequence[int]) -> tuple[int | None, str]:
    chosen = parameters.integer("input")
    if chosen in inputs:
        return chosen, ""
    note = f"{parameters.path}: Select Input is {chosen}, and nothing is wired into that input"
    match parameters.menu("invalidindex"):
        case 2:
            raise pdg.CookError(note)
        case 1:
            return None, note
        case _:
            return None, ""


TYPE = NodeType("switch", PARAMETERS, pdg.nodeType.Processor, None, passes=_selected)
