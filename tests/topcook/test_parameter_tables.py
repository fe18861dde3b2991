"""Our parameter tables against the dialogs of the stock nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from topcook import nodes
from topcook.parameters.table import Kind, ParmSpec, toggle_value

_GROUPS = ("group", "groupsimple", "groupcollapsible")
_LISTS = ("multiparm", "multiswitcher")
_KINDS = {
    "toggle": Kind.TOGGLE,
    "ordinal": Kind.MENU,
    "integer": Kind.INTEGER,
    "float": Kind.FLOAT,
    "button": Kind.BUTTON,
    "buttonstrip": Kind.MENU,
    "separator": Kind.LAYOUT,
    "string": Kind.STRING,
    "file": Kind.STRING,
    "directory": Kind.STRING,
    "oppath": Kind.STRING,
    **dict.fromkeys(("vector", "vector2", "vector4", "color4"), Kind.FLOAT),
    **dict.fromkeys(("intvector2", "intvector4"), Kind.INTEGER),
}


@dataclass
class Entry:
    block: str
    owner: str
    name: str = ""
    type: str = ""
    default: list[str] = field(default_factory=list)
    tokens: list[str] | None = None
    by_token: bool = False


class Dialog:
    """Reads the parameter blocks of a DialogScript."""

    def __init__(self, text: str) -> None:
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        pattern = r'"(?:[^"\\]|\\.)*"|[{}]|[^\s{}"]+'
        self.words = re.findall(pattern, "\n".join(lines))
        self.entries: list[Entry] = []
        self.at = self.words.index("{") + 1
        self.body(Entry("", ""))

    def braces(self) -> list[str]:
        """The words of the block that starts here."""
        assert self.words[self.at] == "{"
        depth, start = 0, self.at + 1
        while True:
            depth += {"{": 1, "}": -1}.get(self.words[self.at], 0)
            self.at += 1
            if depth == 0:
                return self.words[start : self.at - 1]

    def body(self, entry: Entry) -> None:
        while (word := self.words[self.at]) != "}":
            self.at += 1
            following = self.words[self.at]
            if word in ("parm", *_GROUPS, *_LISTS) and following == "{":
                self.at += 1
                owner = entry.name if entry.block in _LISTS else entry.owner
                child = Entry(word, owner)
                self.entries.append(child)
                self.body(child)
            elif word in ("menu", "menureplace"):
                if following == "usetokenvalue":
                    entry.by_token = True
                    self.at += 1
                inside = self.braces()
                if word == "menu":
                    scripted = "[" in inside
                    entry.tokens = [] if scripted else [one.strip('"') for one in inside[::2]]
            elif following == "{":
                inside = [one.strip('"') for one in self.braces()]
                if word == "default":
                    entry.default = inside
            elif word in ("name", "type", "default"):
                text = following.strip('"')
                self.at += 1
                if word == "default":
                    entry.default = [text]
                elif entry.block:
                    setattr(entry, word, text)
        self.at += 1


def _expected(entry: Entry) -> tuple[Kind, object]:
    if entry.block in _GROUPS:
        return Kind.LAYOUT, None
    if entry.block in _LISTS:
        return Kind.COUNT, (float((entry.default or ["0"])[0]),)
    kind = _KINDS[entry.type]
    if kind is Kind.TOGGLE:
        return kind, (toggle_value(entry.default[0]),)
    if kind is Kind.MENU:
        spec = ParmSpec("", Kind.MENU, (), tuple(entry.tokens or ()), entry.by_token)
        return kind, (spec.menu_value(entry.default[0]),)
    if kind in (Kind.INTEGER, Kind.FLOAT):
        return kind, ParmSpec("", kind).normal(entry.default)
    return kind, tuple(entry.default) if kind is Kind.STRING else None


SAME = {
    "attributecreate": "20.5",
    "attributedelete": "19.5",
    "attributefromstring": "20.5",
    "environmentedit": "20.5",
    "genericgenerator": "20.5",
    "localscheduler": "20.5",
    "partitionbyattribute": "20.0",
    "rangegenerate": "20.5",
    "waitforall": "20.5",
    "wedge": "20.0",
}
"""Types whose dialog is known in a version that has all that 20.5 has."""
OLDER = {
    "attributecopy": "18.5",
    "attributerename": "18.5",
    "filterbyexpression": "18.5",
    "filterbystate": "18.5",
    "merge": "18.5",
    "partitionbyindex": "18.5",
    "split": "18.5",
}
"""Types whose dialog is known in an older version: a table may have more."""
CHANGED_SINCE = {("partitionbyindex", "pdg_partitionsort"): "20.0 sorts by index by default"}


@pytest.mark.parametrize("name", [*SAME, *OLDER])
def test_table_equals_stock_dialog(name: str, shared: Path) -> None:
    version = (SAME | OLDER)[name]
    files = list((shared / "data/stock_dialogscripts").glob(f"{name}__{version}.*.ds"))
    assert len(files) == 1
    entries = Dialog(files[0].read_text("utf-8")).entries
    assert entries
    ours = {spec.name: spec for spec in nodes.TYPES[name].table if not spec.since}
    names = {entry.name for entry in entries}
    assert names <= set(ours) if name in OLDER else names == set(ours)
    for entry in entries:
        spec = ours[entry.name]
        kind, default = _expected(entry)
        assert spec.kind is kind, entry.name
        newer = (name, entry.name) in CHANGED_SINCE
        if default is not None and not newer:
            assert spec.normal(spec.default) == default, entry.name
        if kind is Kind.MENU and entry.tokens and not newer:
            assert spec.by_token == entry.by_token, entry.name
            # Where tokens are values their order has no meaning.
            order = sorted if entry.by_token else list
            assert order(spec.tokens) == order(entry.tokens), entry.name
        if kind is not Kind.LAYOUT:
            assert spec.owner == entry.owner, entry.name


def test_refused_parameters_exist_in_their_table() -> None:
    for known in [*nodes.TYPES.values(), nodes.TOPNET]:
        assert set(known.refused) <= set(known.table.specs)


def test_instances_and_near_names() -> None:
    table = nodes.TYPES["attributecreate"].table
    spec = table.find("stringname12")
    assert spec is not None and spec.name == "stringname#" and spec.owner == "stringattribs"
    assert table.instances("stringname12") == (12,)
    assert table.instances("copyoutputs") == ()
    assert nodes.TYPES["wedge"].table.instances("strvalue2_3") == (2, 3)
    assert table.find("stringname") is None
    assert "stringname2" in table.names_like("stringnam2")
