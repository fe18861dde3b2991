"""Finding values in a JSON document by a path such as ``shots/0/camera`` or ``shots/*/name``.

A step is an object's key, an array's index (also written ``key[0]``), or ``*`` for all of them.
How Houdini separates the steps is documented nowhere that could be found: slashes, and dots where
a path without a slash names no key, are both understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_DEEPEST = 100


class QueryError(ValueError):
    """Nothing is found; says at which step."""


def load(data: bytes) -> Any:
    """The document. Raises ValueError with what is wrong with it."""
    too_deep = f"it is nested more than {_DEEPEST} levels deep"
    try:
        document = json.loads(data.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise ValueError(too_deep) from None
    level = [document]
    for _depth in range(_DEEPEST):
        level = [one for value in level for one in _below(value)]
        if not level:
            return document
    raise ValueError(too_deep)


def _below(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def find(document: Any, query: str) -> list[tuple[str, Any]]:
    """Every value that a path leads to, with the path in which ``*`` is replaced.

    Raises QueryError when there is none.
    """
    text = query.strip().strip("/")
    if not text:
        return [("", document)]
    steps = text.split("/", _DEEPEST)
    plain = len(steps) == 1 and "." in text
    if plain and not (isinstance(document, dict) and text in document):
        steps = text.split(".", _DEEPEST)
    found = list(_walk(document, steps, []))
    if not found:
        raise QueryError(f"'{query}' leads nowhere in the document{_nearest(document, steps)}")
    return found


def _walk(value: Any, steps: list[str], path: list[str]) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield "/".join(path), value
        return
    for name, below in _step(value, steps[0]):
        yield from _walk(below, steps[1:], [*path, name])


def _step(value: Any, step: str) -> list[tuple[str, Any]]:
    if step == "*":
        if isinstance(value, dict):
            return [(str(name), one) for name, one in value.items()]
        if isinstance(value, list):
            return [(str(number), one) for number, one in enumerate(value)]
        return []
    if isinstance(value, dict) and step in value:
        return [(step, value[step])]
    if isinstance(value, list) and re.fullmatch(r"-?\d{1,9}", step):
        number = int(step)
        return [(step, value[number])] if -len(value) <= number < len(value) else []
    if found := re.fullmatch(r"(.*)\[(-?\d{1,9})\]", step):
        inner = _step(value, found[1]) if found[1] else [("", value)]
        return [
            (step, one)
            for _name, array in inner
            for _number, one in _step(array, found[2])
            if isinstance(array, list)
        ]
    return []


def _nearest(document: Any, steps: list[str]) -> str:
    """Where the path ends too early, and what is there instead."""
    for length in range(len(steps) - 1, -1, -1):
        reached = list(_walk(document, steps[:length], []))
        if reached:
            where = "/".join(steps[:length]) or "its top"
            value = reached[0][1]
            if isinstance(value, dict):
                return f": {where} has {', '.join(map(repr, list(value)[:6])) or 'no keys'}"
            if isinstance(value, list):
                return f": {where} is an array of {len(value)}"
            return f": {where} is a single value"
    return ""
