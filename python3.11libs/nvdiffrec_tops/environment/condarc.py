"""Reads the folders of environments from conda's and mamba's settings.

Of YAML this is the part that those files are written in, because Houdini's Python has no reader of
the whole language: a key at the start of a line, and a list or one value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_KEY = re.compile(r"""(["']?)(envs_dirs|envs_path)\1\s*:(?=\s|$)(.*)""")
_ITEM = re.compile(r"\s*-(?=\s|$)(.*)")
_PLAIN = re.compile(r"""[^\s,\[\]{}"'][^,\[\]{}]*""")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|.)")
# What YAML 1.1 takes for something else than a text (https://yaml.org/type/), as PyYAML reads it.
_NOT_TEXT = re.compile(
    r"[-+]?0b[01_]+|[-+]?0x[\da-fA-F_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][\d_]*)|"
    r"[-+]?[1-9][\d_]*(?::[0-5]?\d)+|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*|"
    r"[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|"
    r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|~|null|Null|NULL|"
    r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
)
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")


def folders(text: str) -> list[str]:
    """The entries of ``envs_dirs`` and ``envs_path``, as they are written. Never raises."""
    found: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = _KEY.match(line)
        if match is None:
            continue
        rest = _without_comment(match[3])
        if rest.startswith("["):
            found += _flow(" ".join([rest, *map(_without_comment, lines[number + 1 :])]))
        elif rest:
            found += _scalar(rest)
        else:
            for entry in _block(lines[number + 1 :]):
                found += _scalar(entry)
    return found


def _block(lines: list[str]) -> Iterator[str]:
    """The entries of a list with one on each line."""
    for line in lines:
        text = _without_comment(line)
        match = _ITEM.match(text)
        if match:
            yield match[1].strip()
        elif text:
            return


def _flow(text: str) -> list[str]:
    """The entries of a list in brackets, which must be closed."""
    found: list[str] = []
    position = 1
    while position < len(text):
        if text[position] == "]":
            return found
        match = _QUOTED.match(text, position) or _PLAIN.match(text, position)
        if match:
            found += _scalar(match[0].strip())
        position = match.end() if match else position + 1
    return []


def _scalar(text: str) -> list[str]:
    """One value, or none where it is not a string: a number, an alias, a nested list."""
    quoted = _QUOTED.fullmatch(text)
    if quoted and text[0] == '"':
        as_json = _ESCAPE.sub(lambda one: f"\\u00{one[1]}" if one[1] else one[0], text)
        try:
            return [str(json.loads(as_json, strict=False))]
        except ValueError:
            return []
    if quoted:
        return [text[1:-1].replace("''", "'")]
    if not text or text[0] in "\"'[{&*!|>%@`" or _NOT_TEXT.fullmatch(text):
        return []
    return [text]


def _without_comment(line: str) -> str:
    position = 0
    while position < len(line):
        character = line[position]
        if character in "\"'" and (position == 0 or line[position - 1] in " \t[,"):
            quoted = _QUOTED.match(line, position)
            position = quoted.end() if quoted else len(line)
        elif character == "#" and (position == 0 or line[position - 1] in " \t"):
            return line[:position].strip()
        else:
            position += 1
    return line.strip()
