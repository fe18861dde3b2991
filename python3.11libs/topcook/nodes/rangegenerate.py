"""Range Generate: an item for each value of a range, for each upstream item."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import Kind, ParmSpec, layout, menu, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    layout("sepparm", "sepparm2"),
    GENERATE_WHEN,
    menu("specifyrange", "0", "0 1"),
    ParmSpec("range", Kind.FLOAT, ("$FSTART", "$FEND", "1")),
    string("customrange", "$FSTART-$FEND"),
    toggle("userangenum"),
    string("rangenum", "rangenum"),
    toggle("inclusive", True),
    menu("rangetype", "0", "0 1 2"),
    string("attribute", "value"),
    toggle("userangeattribute", True),
    string("rangeattribute", "range"),
)

_MOST = 1_000_000
# Of one step: a value this near to the end of a range is the end.
_CLOSE = 1e-6
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_PART = re.compile(rf"({_NUMBER})(?:-({_NUMBER})(?:[:x]({_NUMBER}))?)?")


@dataclass(frozen=True)
class Range:
    """From ``start`` to ``end`` in steps; a negative step counts down."""

    start: float
    end: float
    step: float

    def values(self, inclusive: bool) -> list[float]:
        """Raises ValueError when the range has no end."""
        if self.step == 0 or not all(map(math.isfinite, (self.start, self.end, self.step))):
            raise ValueError("the increment must be a number other than 0")
        steps = (self.end - self.start) / self.step
        if steps > _MOST:
            raise ValueError(f"the range has more than {_MOST} values")
        last = math.floor(steps + _CLOSE)
        if not inclusive and abs(steps - last) <= _CLOSE:
            last -= 1
        return [self.start + number * self.step for number in range(last + 1)]


def parse(text: str) -> list[Range]:
    """The ranges of a text such as ``1-10:2, 20``. Raises ValueError."""
    found: list[Range] = []
    for word in re.split(r"[\s,;]+", text.strip()):
        match = _PART.fullmatch(word)
        if match is None:
            raise ValueError(f"'{word}' is no range such as 1-10, 1-10:2 or 5")
        start = float(match[1])
        end = float(match[2]) if match[2] else start
        step = float(match[3]) if match[3] else (1.0 if end >= start else -1.0)
        found.append(Range(start, end, step))
    return found


class RangeGenerate(pdg.PyProcessor):
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
        for parent in parents:
            self._from(item_holder, parameters, parent)
        return pdg.result.Success

    def _from(
        self,
        holder: pdg.WorkItemHolder,
        parameters: NodeParameters,
        parent: pdg.WorkItem | None,
    ) -> None:
        custom = parameters.menu("specifyrange", parent) == 1
        name = "customrange" if custom else "range"
        inclusive = parameters.toggle("inclusive", parent)
        try:
            if custom:
                ranges = parse(parameters.string("customrange", parent))
            else:
                ranges = [Range(*(parameters.number("range", parent, part) for part in range(3)))]
            values = [
                (number, one, value)
                for number, one in enumerate(ranges)
                for value in one.values(inclusive)
            ]
        except ValueError as error:
            raise pdg.CookError(f"{self.node.path}, parameter '{name}': {error}") from None
        if not values:
            self.node.cookWarning(f"{self.node.path}: the range in '{name}' has no values")
        for index, (number, one, value) in enumerate(values):
            item = holder.addWorkItem(parent=parent, index=index)
            _store(parameters, item, one, value)
            if custom and parameters.toggle("userangenum", parent):
                _set(parameters, item, "rangenum", pdg.attribType.Int, [number])
            if parameters.toggle("userangeattribute", parent):
                bounds = [one.start, one.end, one.step]
                _set(parameters, item, "rangeattribute", pdg.attribType.Float, bounds)


def _store(parameters: NodeParameters, item: pdg.WorkItem, one: Range, value: float) -> None:
    match parameters.menu("rangetype", item):
        case 0:
            item.setFrame(value, one.step)
        case 1:
            item.index = round(value)
        case _:
            _set(parameters, item, "attribute", pdg.attribType.Float, [value])


def _set(
    parameters: NodeParameters,
    item: pdg.WorkItem,
    parameter: str,
    kind: pdg.attribType,
    values: list[float] | list[int],
) -> None:
    """Set the attribute that a parameter names; an empty name sets none."""
    if name := parameters.string(parameter, item):
        attribute = item.addAttrib(name, kind, pdg.attribOverwrite.Always)
        assert attribute is not None
        attribute.setValues(values)


TYPE = NodeType("rangegenerate", PARAMETERS, pdg.nodeType.Processor, RangeGenerate)
