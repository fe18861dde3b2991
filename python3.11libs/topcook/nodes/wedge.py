"""Wedge: several items per upstream item, with varied values of attributes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    button,
    floating,
    integer,
    later,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import GENERATE_WHEN, NodeType, parms

_VALUES = multiparm(
    "values#",
    floating("floatvalue#_#"),
    floating("floatvector#_#", 0, 0, 0, 0),
    integer("intvalue#_#"),
    integer("intvector#_#", 0, 0, 0, 0),
    string("strvalue#_#"),
    floating("colorvalue#_#", 1, 1, 1, 1),
)

PARAMETERS = table(
    layout("sepparm", "createmetadataattributes"),
    menu("workitemorder", "0", "groupbyinput groupbywedge"),
    GENERATE_WHEN,
    integer("wedgecount", 1),
    integer("seed"),
    toggle("preservenum"),
    toggle("exportenvironment"),
    toggle("previewselection"),
    button("captureall"),
    button("restoreall"),
    multiparm(
        "wedgeattributes",
        toggle("exportchannel#"),
        string("channel#"),
        button("channeljump#"),
        button("channelpicker#"),
        menu("capturetype#", "0", "0 1 2 3 4 5"),
        floating("capturednumeric#", 0, 0, 0, 0),
        button("capturenumeric#"),
        button("restorenumeric#"),
        string("capturedstring#"),
        button("capturestring#"),
        button("restorestring#"),
        *layout("sepparm2_#", "sepparm3_#", "seperator#"),
        string("name#"),
        menu("type#", "0", "0 1 2 3 4 5"),
        menu("valuetype#", "0", "0 1 2"),
        menu("wedgetype#", "0", "0 1 2 3"),
        toggle("random#"),
        floating("floatvalue#"),
        floating("floatvectorvalue#", 0, 0, 0, 0),
        integer("intvalue#"),
        integer("intvectorvalue#", 0, 0, 0, 0),
        floating("colorvalue#", 1, 1, 1, 1),
        floating("floatrange#", 0, 1),
        floating("floatrangestart#", 0, 0, 0, 0),
        floating("floatrangeend#", 1, 1, 1, 1),
        integer("intrange#", 0, 1),
        integer("intrangestart#", 0, 0, 0, 0),
        integer("intrangeend#", 1, 1, 1, 1),
        floating("colorrangestart#", 1, 1, 1, 1),
        floating("colorrangeend#", 1, 1, 1, 1),
        floating("floatbracket#", 0, 1),
        floating("floatvectorcenter#", 0, 0, 0, 0),
        floating("floatvectoroffset#", 1, 1, 1, 1),
        integer("intbracket#", 0, 1),
        integer("intvectorcenter#", 0, 0, 0, 0),
        integer("intvectoroffset#", 1, 1, 1, 1),
        floating("colorcenter#", 1, 1, 1, 1),
        floating("coloroffset#", 1, 1, 1, 1),
        *later("21.0", toggle("runcallbacks#", True)),
    ),
    replace(_VALUES[0], owner="wedgeattributes"),
    _VALUES[1:],
    toggle("createwedgecount", True),
    string("wedgecountattrname", "wedgecount"),
    toggle("createwedgeindex", True),
    string("wedgeindexattrname", "wedgeindex"),
    toggle("createwedgenum", True),
    string("wedgenumattrname", "wedgenum"),
    toggle("createwedgetotal", True),
    string("wedgetotalattrname", "wedgetotal"),
)

REFUSED = {
    "exportchannel#": "values are pushed into parameters only inside Houdini; read the wedged "
    "attribute there with `@name` instead",
}

_FLOAT, _FLOATS, _INT, _INTS, _STRING, _COLOR = range(6)
_RANGE, _VALUE, _LIST, _BRACKET = range(4)
# The parameters of each type: one value; both ends of a range; centre and offset; a list's entry.
_NAMES = {
    _FLOAT: ("floatvalue#", ("floatrange#",), ("floatbracket#",), "floatvalue#_"),
    _FLOATS: (
        "floatvectorvalue#",
        ("floatrangestart#", "floatrangeend#"),
        ("floatvectorcenter#", "floatvectoroffset#"),
        "floatvector#_",
    ),
    _INT: ("intvalue#", ("intrange#",), ("intbracket#",), "intvalue#_"),
    _INTS: (
        "intvectorvalue#",
        ("intrangestart#", "intrangeend#"),
        ("intvectorcenter#", "intvectoroffset#"),
        "intvector#_",
    ),
    _COLOR: (
        "colorvalue#",
        ("colorrangestart#", "colorrangeend#"),
        ("colorcenter#", "coloroffset#"),
        "colorvalue#_",
    ),
}
_METADATA = ("count", "index", "num", "total")


class Wedge(pdg.PyProcessor):
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
        pairs: list[tuple[pdg.WorkItem | None, int, int]] = []
        for parent in parents:
            count = parameters.integer("wedgecount", parent)
            if not 0 <= count <= 1_000_000:
                raise pdg.CookError(f"{self.node.path}: a Wedge Count of {count} is not possible")
            pairs += [(parent, number, count) for number in range(count)]
        if parameters.menu("workitemorder") == 1:
            pairs.sort(key=lambda pair: pair[1])
        first = len(self.node.workItems)
        for position, (parent, number, count) in enumerate(pairs):
            item = item_holder.addWorkItem(parent=parent, index=first + position)
            self._fill(parameters, item, number, count)
        return pdg.result.Success

    def _fill(
        self, parameters: NodeParameters, item: pdg.WorkItem, number: int, count: int
    ) -> None:
        exported = parameters.toggle("exportenvironment", item)
        for entry in range(1, parameters.count("wedgeattributes") + 1):
            name = parameters.string(f"name{entry}", item)
            if not name:
                continue
            kind, values = _Entry(parameters, item, entry).values(number, count)
            attribute = item.addAttrib(name, kind, pdg.attribOverwrite.Always)
            assert attribute is not None
            attribute.setValues(values)
            attribute.setFlag(pdg.attribFlag.EnvExport, exported)
        self._metadata(parameters, item, number, count)

    @staticmethod
    def _metadata(parameters: NodeParameters, item: pdg.WorkItem, number: int, count: int) -> None:
        """Number and count of this node; index and total over all wedges that are stacked."""
        names = {
            one: parameters.string(f"wedge{one}attrname", item)
            for one in _METADATA
            if parameters.toggle(f"createwedge{one}", item)
        }
        before = item.intAttribValue(names.get("index", "")) or 0
        total = item.intAttribValue(names.get("total", "")) or 1
        numbers = [number]
        if parameters.toggle("preservenum", item) and "num" in names:
            numbers = [*(item.intAttribArray(names["num"]) or ()), number]
        found = {
            "count": [count],
            "index": [before * count + number],
            "num": numbers,
            "total": [total * count],
        }
        for one, name in names.items():
            if name:
                item.setIntAttrib(name, found[one])


class _Entry:
    """One attribute of the list, for one item."""

    def __init__(self, parameters: NodeParameters, item: pdg.WorkItem, entry: int) -> None:
        self.parameters, self.item, self.entry = parameters, item, entry
        self.type = parameters.menu(f"type{entry}", item)
        self.size = 1 if self.type in (_FLOAT, _INT, _STRING) else 4

    def values(self, number: int, count: int) -> tuple[pdg.attribType, list[Any]]:
        """The attribute's type and values for one of ``count`` wedges."""
        shuffled = self._flag("random")
        seed = self.parameters.integer("seed", self.item)
        generator = random.Random(f"{seed} {self.entry} {number}")
        if self.type == _STRING:
            return pdg.attribType.String, [self._listed(self._text, number, shuffled, generator)]
        whole = self.type in (_INT, _INTS)
        kind = pdg.attribType.Int if whole else pdg.attribType.Float
        value, ends, bracket, listed = _NAMES[self.type]
        mode = self.parameters.menu(f"wedgetype{self.entry}", self.item)
        if mode == _VALUE:
            return kind, self._vector(value)
        if mode == _LIST:
            return kind, self._listed(
                lambda position: self._vector(f"{listed}{position}"), number, shuffled, generator
            )
        low, high = self._pair(ends if mode == _RANGE else bracket)
        if mode == _BRACKET:
            low, high = (
                [center - offset for center, offset in zip(low, high, strict=True)],
                [center + offset for center, offset in zip(low, high, strict=True)],
            )
        if shuffled:
            shares = [generator.random() for _component in low]
            self._warn_random()
        elif count > 1:
            shares = [number / (count - 1)] * len(low)
        else:
            shares = [0.5 if mode == _BRACKET else 0.0] * len(low)
        mixed = [a + (b - a) * share for a, b, share in zip(low, high, shares, strict=True)]
        return kind, [_rounded(one) for one in mixed] if whole else mixed

    def _flag(self, name: str) -> bool:
        return self.parameters.toggle(f"{name}{self.entry}", self.item)

    def _name(self, pattern: str) -> str:
        return pattern.replace("#", str(self.entry))

    def _vector(self, pattern: str) -> list[float]:
        name = self._name(pattern)
        return [self.parameters.number(name, self.item, part) for part in range(self.size)]

    def _text(self, position: int) -> str:
        return self.parameters.string(f"strvalue{self.entry}_{position}", self.item)

    def _pair(self, patterns: Sequence[str]) -> tuple[list[float], list[float]]:
        """Two vectors, from two parameters or from the two components of one."""
        if len(patterns) == 2:
            return self._vector(patterns[0]), self._vector(patterns[1])
        name = self._name(patterns[0])
        one, two = (self.parameters.number(name, self.item, part) for part in range(2))
        return [one], [two]

    def _listed(
        self,
        value: Callable[[int], Any],
        number: int,
        shuffled: bool,
        generator: random.Random,
    ) -> Any:
        """An entry of the list; a list that is shorter than the wedges starts again."""
        count = self.parameters.count(f"values{self.entry}")
        if not count:
            raise pdg.CookError(
                f"{self.parameters.path}: the list of values of '"
                f"{self.parameters.raw(f'name{self.entry}')}' (values{self.entry}) is empty"
            )
        if shuffled:
            self._warn_random()
            return value(generator.randrange(count) + 1)
        return value(number % count + 1)

    def _warn_random(self) -> None:
        self.parameters.surroundings.warn(
            f"{self.parameters.path}: the random values are others than those Houdini draws"
        )


def _rounded(value: float) -> int:
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)


TYPE = NodeType("wedge", PARAMETERS, pdg.nodeType.Processor, Wedge, REFUSED)
