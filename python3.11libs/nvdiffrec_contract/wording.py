"""How messages show values and names: on one line, short, without control characters."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable


def shortened(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it, without control characters."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "\N{HORIZONTAL ELLIPSIS}"


def shown(value: object) -> str:
    """``value`` as JSON would write it, shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a huge number"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return shortened(text)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that ``name`` was most likely meant to be; '' when none is near."""
    found = difflib.get_close_matches(name[:80], sorted(known), n=1)
    return found[0] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean "x"?)`` when a known name is near, else ''."""
    near = nearest(name, known)
    return f' (did you mean "{near}"?)' if near else ""


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
