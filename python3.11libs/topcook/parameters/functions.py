"""What expressions work on, and the HScript functions that they may call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Value = float | str
AttributeLookup = Callable[[str], Sequence[object] | None]
"""Attribute name to its values; None when the work item has no such attribute."""

MOST_CHARACTERS: Final = 100_000


class ExpressionError(ValueError):
    """An expression that cannot be evaluated: one sentence that names the part at fault."""


@dataclass(frozen=True)
class Scope:
    """What an expression can see.

    ``variables`` holds ``$`` variables; ``attribute`` looks up the work item's attributes and the
    built-ins ``pdg_index`` and so on; ``channel`` answers ``ch()``, ``chs()`` and ``chsop()``;
    ``report`` receives one sentence for each thing Houdini would pass over in silence.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    attribute: AttributeLookup | None = None
    frame: float = 1.0
    channel: Callable[[str], str] | None = None
    report: Callable[[str], None] = lambda _message: None


def number_text(value: float) -> str:
    """The text of a number as HScript writes it: no decimal point on whole numbers."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


def as_text(value: Value) -> str:
    """A value as text."""
    return value if isinstance(value, str) else number_text(value)


def as_number(value: Value, what: str) -> float:
    """A value as a number, for `what` needs one. Raises ExpressionError."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ExpressionError(f"{what} needs a number, '{value}' is text") from None
    return value


def attribute(name: str, index: int, scope: Scope) -> Value:
    """One component of a work item's attribute.

    A missing attribute gives the empty string, as Houdini does, and a report.
    """
    values = _values(name, scope)
    if values is None:
        scope.report(f"the work item has no attribute @{name}; its place is left empty")
        return ""
    if not 0 <= index < len(values):
        scope.report(f"@{name}.{index} does not exist, @{name} has {len(values)} value(s)")
        return ""
    return _plain(values[index])


def _values(name: str, scope: Scope) -> Sequence[object] | None:
    if scope.attribute is None:
        raise ExpressionError(f"@{name} needs a work item, and there is none at this point")
    return scope.attribute(name)


def _plain(value: object) -> Value:
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) < 2**53 else str(value)
    return str(value)


def _whole(value: Value) -> int:
    return int(as_number(value, "an index"))


def _pdgattrib(scope: Scope, name: Value, index: Value = 0.0, default: Value = 0.0) -> Value:
    values = _values(str(name), scope)
    at = _whole(index)
    return default if values is None or not 0 <= at < len(values) else _plain(values[at])


def _pdgattribs(scope: Scope, name: Value, index: Value = 0.0, default: Value = "") -> Value:
    return as_text(_pdgattrib(scope, name, index, default))


def _pdgattribvals(scope: Scope, name: Value) -> Value:
    texts = [as_text(_plain(value)) for value in _values(str(name), scope) or ()]
    return " ".join(f'"{text}"' if " " in text else text for text in texts)


def _haspdgattrib(scope: Scope, name: Value) -> Value:
    return float(_values(str(name), scope) is not None)


def _pdginput(scope: Scope, index: Value = 0.0, tag: Value = "", _local: Value = 1.0) -> Value:
    if tag:
        raise ExpressionError("pdginput() with a file tag is not supported here")
    return attribute("pdg_input", _whole(index), scope)


def _padzero(_scope: Scope, width: Value, number: Value) -> Value:
    digits = _whole(width)
    if digits > 64:
        raise ExpressionError("padzero() wider than 64 digits is not supported here")
    return str(_whole(number)).zfill(digits)


def _strreplace(_scope: Scope, text: Value, old: Value, new: Value) -> Value:
    replaced = as_text(text).replace(as_text(old), as_text(new)) if old != "" else as_text(text)
    if len(replaced) > MOST_CHARACTERS:
        raise ExpressionError(f"strreplace() gives more than {MOST_CHARACTERS} characters")
    return replaced


def _channel(scope: Scope, path: Value) -> str:
    if scope.channel is None:
        raise ExpressionError(f'ch("{path}") cannot be followed at this point')
    return scope.channel(str(path))


def _math(function: Callable[..., float]) -> Callable[..., Value]:
    def call(_scope: Scope, *arguments: Value) -> Value:
        try:
            return float(function(*(as_number(one, "a function") for one in arguments)))
        except (ValueError, ZeroDivisionError) as error:
            raise ExpressionError(f"{error}") from None

    return call


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "abs": _math(abs),
    "ceil": _math(math.ceil),
    "ch": lambda scope, path: as_number(_channel(scope, path), f'ch("{path}")'),
    "chs": _channel,
    "chsop": _channel,
    "floor": _math(math.floor),
    "haspdgattrib": _haspdgattrib,
    "if": lambda _scope, test, yes, no: yes if as_number(test, "if()") else no,
    "ifs": lambda _scope, test, yes, no: yes if as_number(test, "ifs()") else no,
    "int": _math(math.trunc),
    "max": _math(max),
    "min": _math(min),
    "padzero": _padzero,
    "pdgattrib": _pdgattrib,
    "pdgattribs": _pdgattribs,
    "pdgattribvals": _pdgattribvals,
    "pdginput": _pdginput,
    "pow": _math(math.pow),
    "round": _math(lambda value: math.floor(value + 0.5)),
    "sqrt": _math(math.sqrt),
    "strcat": lambda _scope, *parts: "".join(as_text(part) for part in parts),
    "strlen": lambda _scope, text: float(len(as_text(text))),
    "strreplace": _strreplace,
    "tolower": lambda _scope, text: as_text(text).lower(),
    "toupper": lambda _scope, text: as_text(text).upper(),
}
