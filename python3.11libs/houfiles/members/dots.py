"""Network dots (``.networkdotinit``): points that wires of a network run through.

JSON with the place of the dot and its own input, ``"input": "node 0 1"``: the node the wire comes
from and that node's output. A wire from a dot names it in parentheses.
"""

from __future__ import annotations

import json
import re

from houfiles.errors import HouFileError, shown

from .definition import NOTHING, Wire

_INPUT = re.compile(r"(\S+)(?:\s+(\d{1,9}))?(?:\s+\d{1,9})?\s*", re.ASCII)
_NAME = re.compile(r"\((\D\S*)\)", re.ASCII)


def name(source: str) -> str | None:
    """The name of the dot that a wire comes from; None for another source."""
    found = _NAME.fullmatch(source)
    return found[1] if found else None


def decode(text: str) -> Wire | None:
    """The wire into a dot, None when there is none. Raises HouFileError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise HouFileError("it is not valid JSON") from None
    if not isinstance(value, dict):
        raise HouFileError("it is not a JSON object")
    given = value.get("input", "")
    if not isinstance(given, str):
        raise HouFileError("its input is not a text")
    if not given.strip():
        return None
    found = _INPUT.fullmatch(given.strip())
    if found is None:
        raise HouFileError(f"its input is damaged: '{shown(given)}'")
    return None if found[1] == NOTHING else Wire(0, found[1], int(found[2] or 0))
