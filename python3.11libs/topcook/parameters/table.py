"""Tables of a node type's parameters: name, kind, default, menu tokens, multiparm membership.

Each supported node type has one table, written in its own file under ``nodes``. A table decides
whether a scene's parameter is known, what an absent one's value is, and whether a value differs
from the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from houfiles.dialogscript import MULTIPARMS, Interface


class Kind(Enum):
    LAYOUT = "layout"
    BUTTON = "button"
    TOGGLE = "toggle"
    MENU = "menu"
    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"
    COUNT = "count"


NUMERIC = (Kind.INTEGER, Kind.FLOAT, Kind.COUNT)


@dataclass(frozen=True)
class ParmSpec:
    """One parameter. ``#`` in the name stands for the instance number inside ``owner``.

    ``tokens``: a menu's tokens in their order, empty when the menu is made by Houdini at run time.
    ``by_token``: the menu's value is the token itself and not its position.
    ``since``: the first Houdini version that has the parameter, when that is later than 20.5.
    """

    name: str
    kind: Kind
    default: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    by_token: bool = False
    owner: str = ""
    since: str = ""

    def normal(self, texts: Iterable[str]) -> tuple[object, ...]:
        """Values in a form in which equal settings compare equal."""
        return tuple(self._normal(text) for text in texts)

    def _normal(self, text: str) -> object:
        if self.kind is Kind.TOGGLE:
            return toggle_value(text)
        if self.kind is Kind.MENU:
            return self.menu_value(text)
        if self.kind in NUMERIC:
            try:
                return float(text)
            except ValueError:
                return text
        return text

    def menu_value(self, text: str) -> int | None:
        """The menu's number for a token or a position; None when it has no such entry."""
        if text in self.tokens:
            return int(text) if self.by_token else self.tokens.index(text)
        if self.kind is Kind.MENU and text in ("off", "on") and not self.tokens:
            return int(text == "on")
        if not re.fullmatch(r"-?\d{1,4}", text):
            return None
        number = int(text)
        if self.tokens and (self.by_token or not 0 <= number < len(self.tokens)):
            return None
        return number

    def has_value(self, number: int) -> bool:
        """Whether a menu has an entry for this number."""
        if self.by_token:
            return not self.tokens or str(number) in self.tokens
        return 0 <= number < (len(self.tokens) or 10_000)


def toggle_value(text: str) -> bool | None:
    """The state of a toggle written as on/off, 1/0 or true/false; None for anything else."""
    return {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}.get(
        text.strip().lower()
    )


class ParmTable:
    """All parameters of one node type."""

    def __init__(self, specs: Iterable[ParmSpec]) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self._patterns = [
            (re.compile(re.escape(name).replace(r"\#", r"(\d{1,5})")), spec)
            for name, spec in self.specs.items()
            if "#" in name
        ]

    def __iter__(self) -> Iterator[ParmSpec]:
        return iter(self.specs.values())

    def find(self, name: str) -> ParmSpec | None:
        """The spec of a parameter by its name in a scene: ``stringname2`` finds ``stringname#``."""
        if name in self.specs and "#" not in name:
            return self.specs[name]
        for pattern, spec in self._patterns:
            if pattern.fullmatch(name):
                return spec
        return None

    def instances(self, name: str) -> tuple[int, ...]:
        """The instance numbers in a parameter's name, of the outer list first; () without any."""
        for pattern, _spec in self._patterns:
            if found := pattern.fullmatch(name):
                return tuple(int(number) for number in found.groups())
        return ()

    def names_like(self, name: str) -> list[str]:
        """The known names, those of a list's entries with the number that ``name`` has."""
        number = re.search(r"\d+", name)
        return [one.replace("#", number[0] if number else "1") for one in self.specs]


def table(*parts: ParmSpec | tuple[ParmSpec, ...]) -> ParmTable:
    specs: list[ParmSpec] = []
    for part in parts:
        specs.extend((part,) if isinstance(part, ParmSpec) else part)
    return ParmTable(specs)


def layout(*names: str) -> tuple[ParmSpec, ...]:
    """Folders and separators: saved in scenes, without meaning for a cook."""
    return tuple(ParmSpec(name, Kind.LAYOUT) for name in names)


def button(name: str) -> ParmSpec:
    return ParmSpec(name, Kind.BUTTON, ("0",))


def toggle(name: str, on: bool = False) -> ParmSpec:
    return ParmSpec(name, Kind.TOGGLE, ("on" if on else "off",))


def menu(name: str, default: str, tokens: str = "", *, by_token: bool = False) -> ParmSpec:
    return ParmSpec(name, Kind.MENU, (default,), tuple(tokens.split()), by_token)


def integer(name: str, *default: int) -> ParmSpec:
    return ParmSpec(name, Kind.INTEGER, tuple(str(one) for one in default or (0,)))


def floating(name: str, *default: float) -> ParmSpec:
    return ParmSpec(name, Kind.FLOAT, tuple(f"{one:g}" for one in default or (0.0,)))


def string(name: str, default: str = "") -> ParmSpec:
    return ParmSpec(name, Kind.STRING, (default,))


def multiparm(name: str, *specs: ParmSpec, count: int = 0) -> tuple[ParmSpec, ...]:
    """A list of instances: the count and the parameters that each instance repeats."""
    head = ParmSpec(name, Kind.COUNT, (str(count),))
    return (head, *(replace(spec, owner=name) for spec in specs))


def later(version: str, *specs: ParmSpec) -> tuple[ParmSpec, ...]:
    """Parameters that only Houdini versions after 20.5 have."""
    return tuple(replace(spec, since=version) for spec in specs)


EVERY_NODE: tuple[ParmSpec, ...] = (ParmSpec("input1", Kind.STRING, ("",)),)
"""What newer Houdini versions save for nodes of any type."""


_KINDS = {
    "toggle": Kind.TOGGLE,
    "integer": Kind.INTEGER,
    "float": Kind.FLOAT,
    "button": Kind.BUTTON,
    "separator": Kind.LAYOUT,
    "label": Kind.LAYOUT,
}


def from_interface(interface: Interface) -> ParmTable:
    """The table of a digital asset, from its DialogScript."""
    specs: list[ParmSpec] = []
    for folder in interface.folders:
        counted = folder.kind in MULTIPARMS
        kind = Kind.COUNT if counted else Kind.LAYOUT
        default = (str(folder.default),) if counted else ()
        specs.append(ParmSpec(folder.name, kind, default, owner=folder.multiparm or ""))
    for template in interface.parms:
        menu_of = template.menu if template.type == "ordinal" else None
        kind = Kind.MENU if menu_of else _KINDS.get(template.type, Kind.STRING)
        specs.append(
            ParmSpec(
                template.name,
                kind,
                template.default or ("",),
                tuple(token for token, _label in menu_of.items) if menu_of else (),
                by_token=menu_of is not None and menu_of.use_token_value,
                owner=template.multiparm or "",
            )
        )
    return ParmTable(specs)
