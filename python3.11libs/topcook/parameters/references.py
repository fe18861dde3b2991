"""Which attributes an expression reads."""

from __future__ import annotations

from typing import Final

from .expressions import TOKEN

_READS: Final = ("haspdgattrib", "pdgattrib", "pdgattribs", "pdgattribtype", "pdgattribvals")


def references(text: str) -> set[str]:
    """The names of the attributes that an expression reads; ``pdg_input`` stands for its files.

    A text that is no expression gives those of its parts that could be read. Never raises.
    """
    found: set[str] = set()
    words = list(TOKEN.finditer(text))
    for at, word in enumerate(words):
        called = [one["operator"] for one in words[at + 1 : at + 2]] == ["("]
        if word["attribute"] is not None:
            found.add(word["attribute"])
        elif called and word["name"] == "pdginput":
            found.add("pdg_input")
        elif called and word["name"] in _READS:
            found |= {one["string"][1:-1] for one in words[at + 2 : at + 3] if one["string"]}
    return found
