"""How deep a JSON file may be nested is the same for whoever reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.jsonfiles import MAX_DEPTH, JsonError, parse


def nested(shape: list[bool], inner: str) -> bytes:
    """Objects (true) and arrays (false) in each other, `inner` in the innermost."""
    before = "".join('{"a": ' if one else "[" for one in shape)
    return (before + inner + "".join("}" if one else "]" for one in reversed(shape))).encode()


def at_depth(calls: int, function: Callable[[], Any]) -> Any:
    """What `function` gives when so many calls stand above it."""
    return at_depth(calls - 1, function) if calls else function()


@given(
    st.integers(MAX_DEPTH, 2 * sys.getrecursionlimit()),
    st.booleans(),
    st.sampled_from([0, 50, 250, 500]),
    st.sampled_from(["1", '"text"', r'"\ud800"', r'{"\udfff": 1}']),
)
def test_too_deep_is_one_sentence_however_deep_the_reader_stands(
    depth: int, objects: bool, calls: int, inner: str
) -> None:
    text = nested([objects, not objects] * (depth // 2 + 1), inner)
    with pytest.raises(JsonError, match=f"^cfg.json: nested more than {MAX_DEPTH} levels deep$"):
        at_depth(calls, lambda: parse(text, "cfg.json"))


@given(st.lists(st.booleans(), max_size=MAX_DEPTH // 2))
def test_what_is_less_deep_is_read_or_refused_for_its_texts(shape: list[bool]) -> None:
    assert json.dumps(parse(nested(shape, "1"), "cfg.json")).count("1") == 1
    with pytest.raises(JsonError, match="half of a character"):
        parse(nested(shape, r'"\ud800"'), "cfg.json")
