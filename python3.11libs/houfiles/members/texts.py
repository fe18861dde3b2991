"""The small text members: child order, input dots, variables, fallbacks, parm links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from houfiles.errors import MAX_ITEMS, HouFileError, shown

_COUNT = re.compile(r"\d{1,7}", re.ASCII)
_DOT = re.compile(r"(\d{1,7}) (\S+) (\S+) (.*)", re.ASCII)
_SET = re.compile(r"^set (?:-([a-z]) )?(\S{1,1000}) = ", re.ASCII | re.MULTILINE)


def _lines(text: str) -> list[str]:
    if not text:
        return []
    if not text.endswith("\n"):
        raise HouFileError("its last line is cut off")
    return text[:-1].split("\n")


def _counted(text: str) -> list[str]:
    """The lines after a first line with their number."""
    lines = _lines(text)
    if not lines or not _COUNT.fullmatch(lines[0]):
        raise HouFileError("it does not begin with a number")
    if int(lines[0]) > MAX_ITEMS or int(lines[0]) != len(lines) - 1:
        raise HouFileError(f"it announces {lines[0]} lines and has {len(lines) - 1}")
    return lines[1:]


def decode_order(text: str) -> tuple[str, ...]:
    """``.order``: the names of a network's children."""
    names = tuple(_counted(text))
    if len(set(names)) != len(names):
        raise HouFileError("a node is listed twice")
    return names


def encode_order(names: Sequence[str]) -> str:
    return "\n".join([str(len(names)), *names, ""])


def decode_net(text: str) -> int:
    """``.net``: 1 for a network whose contents are in the file."""
    line = _lines(text)
    if len(line) != 1 or not _COUNT.fullmatch(line[0]):
        raise HouFileError("it is not one number")
    return int(line[0])


def encode_net(value: int) -> str:
    return f"{value}\n"


@dataclass(frozen=True)
class InputDot:
    """``.inp``: where the dot of an asset's input lies in its network; ``rest`` as in the file."""

    index: int
    position: tuple[str, str]
    rest: str


def decode_dots(text: str) -> tuple[InputDot, ...]:
    rows = [(line, _DOT.fullmatch(line)) for line in _counted(text)]
    for line, row in rows:
        if row is None:
            raise HouFileError(f"this line is no input: '{shown(line)}'")
    return tuple(InputDot(int(row[1]), (row[2], row[3]), row[4]) for _, row in rows if row)


def encode_dots(dots: Sequence[InputDot]) -> str:
    rows = [f"{one.index} {one.position[0]} {one.position[1]} {one.rest}" for one in dots]
    return "\n".join([str(len(rows)), *rows, ""])


def decode_links(text: str) -> tuple[tuple[str, str], ...]:
    """``.multiparm``: which own parameter follows which outer one."""
    rows = [line.split(" ") for line in _counted(text)]
    if any(len(row) != 2 for row in rows):
        raise HouFileError("a link between parameters is damaged")
    return tuple((row[0], row[1]) for row in rows)


def encode_links(links: Sequence[tuple[str, str]]) -> str:
    return "\n".join([str(len(links)), *(f"{own} {outer}" for own, outer in links), ""])


def decode_variables(text: str) -> dict[str, str]:
    """``.variables``: ``set -g NAME = 'value'`` lines; a value may have several lines.

    ``set -l`` lines hold variables that are local to a command or a renderer; a global one of the
    same name goes before. HScript also allows a value without quotes; it reads as it stands.
    What is no such line is passed over, so that a scene is never refused for it.
    """
    found: dict[str, str] = {}
    fixed: set[str] = set()
    starts = list(_SET.finditer(text))
    ends = [one.start() for one in starts[1:]] + [len(text)] * bool(starts)
    for start, end in zip(starts, ends, strict=True):
        name, value = start[2], text[start.end() : end].removesuffix("\n")
        if len(value) > 1 and value.startswith("'") and value.endswith("'"):
            value = value[1:-1]
        if name not in fixed:
            found[name] = value
        if start[1] != "l":
            fixed.add(name)
    return found


def encode_variables(variables: dict[str, str]) -> str:
    return "".join(f"set -g {name} = '{value}'\n" for name, value in variables.items())


def encode_fallbacks(rows: Sequence[tuple[str, str]]) -> str:
    """``.OPfallbacks``: section name of an asset, and a library that may hold it."""
    return "".join(f"{name} {path}\n" for name, path in rows)
