"""YAML of somebody else as plain data: bounded in size, and every number as it was written."""

from __future__ import annotations

import reprlib
from typing import Any

import yaml

MOST_VALUES = 100_000
"""So many values a file may have with its aliases written out; beyond it is built to do harm."""


class Number(str):
    """A number, in the very digits of the file: 1.10 stays 1.10, and 12:30 is no sum of minutes."""


class YamlProblem(ValueError):
    """A text that is no YAML, or too much of it. ``line`` counts from 1; 0 is unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader):
    """YAML's own types, with numbers and dates as text."""


def _number(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Number:
    return Number(node.value)


def _text(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def plain(text: str) -> Any:
    """The data of a YAML text; numbers are :class:`Number`.

    Raises:
        YamlProblem: it is no YAML, or its aliases would fill the memory.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _size(node) > MOST_VALUES:
                raise YamlProblem("its aliases (*name) stand for far too many values")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except YamlProblem:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, TypeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        mark = getattr(error, "problem_mark", None)
        reason = str(getattr(error, "problem", None) or lines[0])
        raise YamlProblem(reason, mark.line + 1 if mark is not None else 0) from None


def _size(root: yaml.Node) -> int:
    """How many values there are when each alias is written out; past the limit it may say less."""
    sizes: dict[int, int] = {}
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, entered = waiting.pop()
        if entered:
            parts = [sizes.get(id(one), MOST_VALUES + 1) for one in _inside(node)]
            sizes[id(node)] = min(1 + sum(parts), MOST_VALUES + 1)
        elif id(node) not in sizes:
            # Until it is known, a node counts as too much: one that holds itself has no end.
            sizes[id(node)] = MOST_VALUES + 1
            waiting.append((node, True))
            waiting += [(one, False) for one in _inside(node)]
    return sizes[id(root)]


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return []


def short(value: object) -> str:
    """A value as it may stand in a message: whatever it is, some hundred characters at most."""
    return _SHORT.repr(str(value) if isinstance(value, Number) else value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 90
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxtuple = 2, 3, 3, 3
