"""Options as text: the JSON form, tab indented, of ``ExtraFileOptions`` and node user data.

{
→"OnCreated/IsPython":{
→→"type":"bool",
→→"value":true
→}
}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from houfiles.errors import MAX_ITEMS, MAX_TEXT_BYTES, HouFileError, shown

from .options import OptionValue


def decode_text(text: str) -> dict[str, OptionValue]:
    """The options. Raises HouFileError."""
    if len(text) > MAX_TEXT_BYTES:
        raise HouFileError("its options are too large")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise HouFileError("an option occurs twice")
        return found

    try:
        document = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise HouFileError("its options are not JSON") from None
    if not isinstance(document, dict) or len(document) > MAX_ITEMS:
        raise HouFileError("its options are not one object")
    found = {key: _value(key, one) for key, one in document.items()}
    if any(0xD800 <= ord(letter) < 0xE000 for one in _texts(found) for letter in one):
        raise HouFileError("its options hold half of a character")
    return found


def _texts(options: Mapping[str, OptionValue]) -> Iterator[str]:
    yield from options
    yield from (one for one in options.values() if isinstance(one, str))


def _value(key: str, one: Any) -> OptionValue:
    if isinstance(one, dict) and list(one) == ["type", "value"]:
        kind, value = one["type"], one["value"]
        if kind == "bool" and isinstance(value, bool):
            return value
        if kind == "string" and isinstance(value, str):
            return value
        if kind == "intarray" and isinstance(value, list) and all(map(_is_number, value)):
            return tuple(value)
    raise HouFileError(f"the option '{shown(key)}' has an unknown type")


def _is_number(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def encode_text(options: Mapping[str, OptionValue]) -> str:
    """The text of options, in their order."""
    blocks = []
    for key, value in options.items():
        kind, shape = "string", json.dumps(value, ensure_ascii=False)
        if isinstance(value, bool):
            kind = "bool"
        elif isinstance(value, tuple):
            kind, shape = "intarray", json.dumps(list(value), separators=(",", ":"))
        name = json.dumps(key, ensure_ascii=False)
        blocks.append(f'\t{name}:{{\n\t\t"type":"{kind}",\n\t\t"value":{shape}\n\t}}')
    inside = ",\n".join(blocks)
    return f"{{\n{inside}\n}}\n" if inside else "{\n}\n"
