"""Checks of single configuration values: type, range, and the normal form of each."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from diffrec.errors import DiffrecError

Check = Callable[[Any], Any]


class ConfigError(DiffrecError):
    """A configuration is wrong; the message says where, what was found and what is allowed."""


class FieldError(ConfigError):
    """One field holds a value that is not allowed."""

    def __init__(self, name: str, found: str, allowed: str) -> None:
        super().__init__(f'"{name}": {found}; allowed: {allowed}')
        self.parts = name, found, allowed

    def inside(self, prefix: str) -> FieldError:
        """The same error with the name of the enclosing object before the field's name."""
        name, found, allowed = self.parts
        return FieldError(prefix + name, found, allowed)


class Refused(Exception):
    """Raised by a check; the caller knows the field's name and turns it into a FieldError."""

    def __init__(self, found: object, allowed: str, note: str = "") -> None:
        super().__init__()
        self.found = f"found {shown(found)}{note}"
        self.allowed = allowed


def shortened(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it, without control characters."""
    text = "".join(c if c.isprintable() else "�" for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "…"


def shown(value: object) -> str:
    """``value`` as JSON would write it, shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a huge number"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return shortened(text)


def optional(inner: Check) -> Check:
    """Null, or what ``inner`` allows."""
    return lambda value: None if value is None else inner(value)


def boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Refused(value, "true or false, without quotes")
    return value


def text(value: Any) -> str:
    """Text that can be a path."""
    if not isinstance(value, str) or not value:
        raise Refused(value, "a text in double quotes that is not empty")
    if len(value) > 4096 or not value.isprintable():
        raise Refused(value, "a text of at most 4096 characters without control characters")
    return value


def output_name(value: Any) -> str:
    """Name of the output folder below ``out``."""
    name = text(value)
    if ".." in name.replace("\\", "/").split("/"):
        raise Refused(value, 'a folder name below "out", without ".."')
    return name


def choice(*allowed: str) -> Check:
    """One of the given texts."""

    def checker(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise Refused(value, ", ".join(f'"{a}"' for a in allowed))
        return value

    return checker


def device(value: Any) -> str:
    """Name of a compute device."""
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?", value):
        raise Refused(value, '"auto", "cpu", "cuda" or "cuda:0", "cuda:1", …')
    return value


def integer(low: int, high: int) -> Check:
    """A whole number in [low, high]; 5000.0 counts as whole."""
    allowed = f"a whole number from {low} to {high}"

    def checker(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(value, allowed)
        return value

    return checker


def power_of_two(low: int, high: int) -> Check:
    """A power of two in [low, high]."""
    whole = integer(low, high)

    def checker(value: Any) -> int:
        result: int = whole(value)
        if result & (result - 1):
            raise Refused(value, f"a power of two from {low} to {high}")
        return result

    return checker


def number(low: float, high: float) -> Check:
    """A finite number in [low, high], kept as int or float as it was written."""

    def checker(value: Any) -> float:
        if not _finite(value) or not low <= value <= high:
            raise Refused(value, f"a number from {low:g} to {high:g}")
        result: float = value
        return result

    return checker


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def vector(lengths: tuple[int, ...], low: float, high: float) -> Check:
    """A list of finite numbers in [low, high], of one of the given lengths."""
    allowed = f"a list of {' or '.join(map(str, lengths))} numbers from {low:g} to {high:g}"

    def checker(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or len(value) not in lengths:
            raise Refused(value, allowed)
        if not all(_finite(v) and low <= v <= high for v in value):
            raise Refused(value, allowed)
        return tuple(value)

    return checker


def resolution(high: int) -> Check:
    """[height, width] in pixels."""
    one = integer(1, high)
    allowed = f"[height, width], each a whole number from 1 to {high}"

    def checker(value: Any) -> tuple[int, int]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise Refused(value, allowed)
        try:
            return one(value[0]), one(value[1])
        except Refused:
            raise Refused(value, allowed) from None

    return checker


def near_far(value: Any) -> tuple[float, float]:
    """Distances of the near and the far plane, world units."""
    near, far = vector((2,), 0.0, 1e9)(value)
    if not 0 < near < far:
        raise Refused(value, "[near, far] with 0 < near < far")
    return near, far


def learning_rate(value: Any) -> Any:
    """A rate; or a list of one or two (one per pass), each a rate or [positions, materials]."""
    allowed = (
        "a number from 0 to 100; [pass 1, pass 2]; "
        "or [[positions, materials], [positions, materials]]"
    )
    rate = number(0.0, 100.0)
    pair = vector((2,), 0.0, 100.0)
    try:
        if not isinstance(value, list | tuple):
            return rate(value)
        if len(value) not in (1, 2):
            raise Refused(value, allowed)
        return tuple(pair(v) if isinstance(v, list | tuple) else rate(v) for v in value)
    except Refused:
        raise Refused(value, allowed) from None


def display(value: Any) -> tuple[dict[str, Any], ...]:
    """Extra picture columns: {"latlong": true}, {"relight": FILE}, {"bsdf": NAME}."""
    allowed = (
        'a list of {"latlong": true}, {"relight": "file.hdr"} and {"bsdf": "kd", "ks" or "normal"}'
    )
    if not isinstance(value, list | tuple) or len(value) > 64:
        raise Refused(value, allowed)
    for entry in value:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise Refused(entry, allowed)
        ((kind, what),) = entry.items()
        good = (
            (kind == "latlong" and isinstance(what, bool))
            or (kind == "relight" and isinstance(what, str) and what != "")
            or (kind == "bsdf" and what in ("kd", "ks", "normal"))
        )
        if not good:
            raise Refused(entry, allowed)
    return tuple(dict(entry) for entry in value)
