"""What a job says about its work item in its standard output.

    ALF_PROGRESS <0 to 100>%
    PDG_RESULT: <item id>;<sub index>;<path>;<tag>;<hash>
    PDG_SET_CUSTOM_STATE: <item id>;<sub index>;<text>
    PDG_ATTRIB: <item id>;<attribute>;<value as JSON>
    PDG_WARNING: <item id>;<text>
    PDG_FAILURE: <item id>;<failure as JSON>

The first three are PDG's, the others this toolkit's. ``attribute.2`` names the third component.
PDG's own job module may write the time in front. A line that is none of these is a line of the
log; so is one that only looks like one of them, because a program may print anything.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import Failure
from topcook import pdg

AttributeValue = int | float | str | dict[str, Any] | list[int] | list[float] | list[str]

_LINE = re.compile(
    r"(?:\[[\d:.]{1,20}\] )?PDG_(?P<kind>RESULT|SET_CUSTOM_STATE|ATTRIB|WARNING):\s*"
    r"(?P<item>-?\d{1,18});(?P<rest>.*)$",
    re.ASCII,
)
_SUB_INDEX = re.compile(r"-?\d{1,18};", re.ASCII)
_PERCENT = re.compile(r"ALF_PROGRESS\s{1,20}(\d{1,3})%", re.ASCII)
_NAME = re.compile(r"(?P<name>[A-Za-z_]\w{0,254})(?:\.(?P<index>\d{1,4}))?", re.ASCII)
# Attributes that PDG keeps its own state in.
_RESERVED = "__pdg"
_MAX_INT = 2**63
_MOST_LEVELS = 50  # of objects and lists inside an object
# Characters of a custom state or a warning that are shown.
_MOST_SHOWN = 2000


@dataclass(frozen=True)
class Percent:
    """How much is done: 0 to 1."""

    share: float


@dataclass(frozen=True)
class Output:
    """A file that the job has made."""

    path: str
    tag: str
    hash: int


@dataclass(frozen=True)
class State:
    """The custom state: a word or two."""

    text: str


@dataclass(frozen=True)
class Attribute:
    """A value that the item is to carry; a list is the whole array."""

    name: str
    index: int
    value: AttributeValue

    @property
    def type(self) -> pdg.attribType:
        first = self.value[0] if isinstance(self.value, list) else self.value
        for kind, made in (
            (int, pdg.attribType.Int),
            (float, pdg.attribType.Float),
            (dict, pdg.attribType.Dict),
        ):
            if isinstance(first, kind):
                return made
        return pdg.attribType.String

    def give(self, item: pdg.WorkItem) -> None:
        """Set it on a work item; an attribute of another type is replaced."""
        match self.type:
            case pdg.attribType.Int:
                item.setIntAttrib(self.name, self.value, self.index)
            case pdg.attribType.Float:
                item.setFloatAttrib(self.name, self.value, self.index)
            case pdg.attribType.Dict:
                item.setDictAttrib(self.name, self.value, self.index)
            case _:
                item.setStringAttrib(self.name, self.value, self.index)


@dataclass(frozen=True)
class Warned:
    """A sentence that the item shows as a warning."""

    text: str


@dataclass(frozen=True)
class Failed:
    """Why the job is about to end without results."""

    failure: Failure


Said = Percent | Output | State | Attribute | Warned | Failed


def read(line: str, item_id: int) -> Said | None:
    """What a line of an item's job says; None for a line of the log. Never raises.

    Attributes, states, warnings and failures must name the item itself.
    """
    if "PDG_" not in line:
        found = _PERCENT.search(line)
        return Percent(min(int(found[1]), 100) / 100) if found else None
    match = _LINE.match(line)
    if match is None:
        failure = failureline.read(line, item_id)
        return Failed(failure) if failure else None
    kind, rest = match["kind"], match["rest"]
    if kind == "RESULT":
        return _output(rest)
    if int(match["item"]) != item_id:
        return None
    if kind == "WARNING":
        return Warned(rest.strip()[:_MOST_SHOWN]) if rest.strip() else None
    first, separator, last = rest.partition(";")
    if not separator:
        return None
    if kind == "SET_CUSTOM_STATE":
        return State(last.strip()[:_MOST_SHOWN])
    return _attribute(first, last)


def _output(rest: str) -> Output | None:
    head = _SUB_INDEX.match(rest)
    parts = rest[head.end() :].rsplit(";", 2) if head else []
    if len(parts) != 3 or not parts[0].strip():
        return None
    path, tag, digits = parts[0].strip(), parts[1], parts[2].strip()
    known = digits.isascii() and digits.isdigit() and len(digits) < 20
    return Output(path, tag, int(digits) if known else 0)


def _attribute(name: str, text: str) -> Attribute | None:
    match = _NAME.fullmatch(name.strip())
    if match is None or match["name"].startswith(_RESERVED):
        return None
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, bool):
        value = int(value)
    if not _is_value(value):
        return None
    return Attribute(match["name"], int(match["index"] or 0), value)


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        kinds = {type(one) for one in value}
        return len(kinds) == 1 and kinds <= {int, float, str} and all(map(_is_value, value))
    if isinstance(value, int):
        return -_MAX_INT <= value < _MAX_INT
    return isinstance(value, float | str) or (isinstance(value, dict) and _is_shallow(value))


def _is_shallow(value: Any, levels: int = _MOST_LEVELS) -> bool:
    """Whether what is written of a value later can be written by plain recursion."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refused(digits)


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
