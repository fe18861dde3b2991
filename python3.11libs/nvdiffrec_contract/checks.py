"""What a value may be: its type, its range and its normal form, with a JSON Schema of the same."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nvdiffrec_contract.wording import shown

Schema = dict[str, Any]


class Refused(Exception):
    """A check does not allow a value.

    Attributes:
        value: what was there; ``found``: the same in words.
        allowed: what may be there.
    """

    def __init__(self, found: object, allowed: str) -> None:
        super().__init__()
        self.value = found
        self.found = f"found {shown(found)}"
        self.allowed = allowed


@dataclass(frozen=True)
class Check:
    """A kind of value.

    Attributes:
        allowed: what may stand there, in words.
        schema: the same as JSON Schema, as far as that can say it.
        normalise: gives the normal form of a value, or raises ``Refused``.
    """

    allowed: str
    schema: Schema
    normalise: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """The normal form of ``value``. Raises: Refused."""
        return self.normalise(value)


def optional(inner: Check) -> Check:
    """Null, or what ``inner`` allows."""
    return Check(
        f"{inner.allowed}, or null",
        {"anyOf": [inner.schema, {"type": "null"}]},
        lambda value: None if value is None else inner(value),
    )


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(value, BOOLEAN.allowed)
    return value


BOOLEAN = Check("true or false, without quotes", {"type": "boolean"}, _boolean)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Refused(value, "a text in double quotes that is not empty")
    if len(value) > 4096 or not value.isprintable():
        raise Refused(value, "a text of at most 4096 characters without control characters")
    return value


TEXT = Check("a text in double quotes", {"type": "string", "minLength": 1}, _text)
"""Text that can be a path."""


def _output_name(value: Any) -> str:
    name = _text(value)
    if ".." in name.replace("\\", "/").split("/"):
        raise Refused(value, OUTPUT_NAME.allowed)
    return name


OUTPUT_NAME = Check('a folder name below "out", without ".."', TEXT.schema, _output_name)


def choice(*choices: str) -> Check:
    """One of the given texts."""
    allowed = ", ".join(f'"{one}"' for one in choices)

    def normalise(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Refused(value, allowed)
        return value

    return Check(allowed, {"enum": list(choices)}, normalise)


def choices(*words: str) -> Check:
    """A list of some of the given texts, each at most once; it may be empty."""
    allowed = f"a list of some of {', '.join(shown(word) for word in words)}, or []"

    def normalise(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or len(value) > len(words):
            raise Refused(value, allowed)
        if not all(isinstance(one, str) and one in words for one in value):
            raise Refused(value, allowed)
        if len(set(value)) < len(value):
            raise Refused(value, allowed)
        return tuple(value)

    return Check(
        allowed,
        {"type": "array", "items": {"enum": list(words)}, "uniqueItems": True},
        normalise,
    )


_DEVICE = r"auto|cpu|cuda(:[0-9]{1,2})?"


def _device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_DEVICE, value):
        raise Refused(value, DEVICE.allowed)
    return value


DEVICE = Check(
    '"auto", "cpu", "cuda" or "cuda:0", "cuda:1", …',
    {"type": "string", "pattern": f"^({_DEVICE})$"},
    _device,
)


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


def integer(low: int, high: int) -> Check:
    """A whole number in [low, high]; 5000.0 counts as whole."""
    allowed = f"a whole number from {low} to {high}"

    def normalise(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(value, allowed)
        return value

    return Check(allowed, {"type": "integer", "minimum": low, "maximum": high}, normalise)


def power_of_two(low: int, high: int) -> Check:
    """A power of two in [low, high]."""
    whole = integer(low, high)
    powers = [1 << n for n in range(high.bit_length()) if low <= 1 << n <= high]
    allowed = f"a power of two from {low} to {high}"

    def normalise(value: Any) -> int:
        result: int = whole(value)
        if result not in powers:
            raise Refused(value, allowed)
        return result

    return Check(allowed, {"enum": powers}, normalise)


def number(low: float, high: float) -> Check:
    """A finite number in [low, high], kept as int or float as it was written."""
    allowed = f"a number from {low:g} to {high:g}"

    def normalise(value: Any) -> float:
        if not _finite(value) or not low <= value <= high:
            raise Refused(value, allowed)
        result: float = value
        return result

    return Check(allowed, {"type": "number", "minimum": low, "maximum": high}, normalise)


def detail(most: int) -> Check:
    """A list of at most `most` levels of detail: shares of a mesh's triangles, or their counts.

    The normal form is in falling order.
    """
    allowed = (
        f"a list of at most {most} numbers, each a share of the triangles between 0 and 1 or a "
        "whole number of them from 4, or []"
    )

    def normalise(value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise Refused(value, allowed)
        for one in value:
            if not _finite(one) or not (0 < one < 1 or (one >= 4 and one == int(one))):
                raise Refused(value, allowed)
        return tuple(sorted(value, reverse=True))

    return Check(
        allowed,
        {
            "type": "array",
            "maxItems": most,
            "items": {
                "anyOf": [
                    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                    {"type": "integer", "minimum": 4},
                ]
            },
        },
        normalise,
    )


def vector(lengths: tuple[int, ...], low: float, high: float) -> Check:
    """A list of finite numbers in [low, high], of one of the given lengths."""
    allowed = f"a list of {' or '.join(map(str, lengths))} numbers from {low:g} to {high:g}"

    def normalise(value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)) or len(value) not in lengths:
            raise Refused(value, allowed)
        if not all(_finite(one) and low <= one <= high for one in value):
            raise Refused(value, allowed)
        return tuple(value)

    return Check(
        allowed,
        {
            "type": "array",
            "items": {"type": "number", "minimum": low, "maximum": high},
            "minItems": min(lengths),
            "maxItems": max(lengths),
        },
        normalise,
    )


def resolution(high: int) -> Check:
    """[height, width] in pixels."""
    one = integer(1, high)
    allowed = f"[height, width], each a whole number from 1 to {high}"

    def normalise(value: Any) -> tuple[int, int]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise Refused(value, allowed)
        try:
            return one(value[0]), one(value[1])
        except Refused:
            raise Refused(value, allowed) from None

    return Check(
        allowed,
        {"type": "array", "items": one.schema, "minItems": 2, "maxItems": 2},
        normalise,
    )


def _near_far(value: Any) -> tuple[float, float]:
    near, far = vector((2,), 0.0, 1e9)(value)
    if not 0 < near < far:
        raise Refused(value, NEAR_FAR.allowed)
    return near, far


NEAR_FAR = Check("[near, far] with 0 < near < far", vector((2,), 0.0, 1e9).schema, _near_far)
"""Distances of the near and the far plane, world units."""

_RATE = number(0.0, 100.0)
_RATE_PAIR = vector((2,), 0.0, 100.0)


def _learning_rate(value: Any) -> Any:
    try:
        if not isinstance(value, (list, tuple)):
            return _RATE(value)
        if len(value) not in (1, 2):
            raise Refused(value, LEARNING_RATE.allowed)
        return tuple(_RATE_PAIR(v) if isinstance(v, (list, tuple)) else _RATE(v) for v in value)
    except Refused:
        raise Refused(value, LEARNING_RATE.allowed) from None


LEARNING_RATE = Check(
    "a number from 0 to 100; [pass 1, pass 2]; or [[positions, materials], [positions, materials]]",
    {
        "anyOf": [
            _RATE.schema,
            {
                "type": "array",
                "items": {"anyOf": [_RATE.schema, _RATE_PAIR.schema]},
                "minItems": 1,
                "maxItems": 2,
            },
        ]
    },
    _learning_rate,
)
"""A rate; or a list of one or two (one per pass), each a rate or [positions, materials]."""

_BSDF = ("kd", "ks", "normal")


def _display(value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, (list, tuple)) or len(value) > 64:
        raise Refused(value, DISPLAY.allowed)
    for entry in value:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise Refused(entry, DISPLAY.allowed)
        ((kind, what),) = entry.items()
        good = (
            (kind == "latlong" and isinstance(what, bool))
            or (kind == "relight" and isinstance(what, str) and what != "")
            or (kind == "bsdf" and what in _BSDF)
        )
        if not good:
            raise Refused(entry, DISPLAY.allowed)
    return tuple(dict(entry) for entry in value)


DISPLAY = Check(
    'a list of {"latlong": true}, {"relight": "file.hdr"} and {"bsdf": "kd", "ks" or "normal"}',
    {
        "type": "array",
        "maxItems": 64,
        "items": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {
                "latlong": {"type": "boolean"},
                "relight": {"type": "string", "minLength": 1},
                "bsdf": {"enum": list(_BSDF)},
            },
        },
    },
    _display,
)
"""Extra picture columns of validation."""
