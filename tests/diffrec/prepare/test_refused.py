"""What is said of photographs that got no camera, and how every error ends."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import cameras
from diffrec.prepare.commandline import main
from diffrec.prepare.evidence import Pair, Shared

SOME = Shared(np.zeros((20, 2)), np.zeros((20, 2)))


def told(used: int, apart: int, linked: int) -> str:
    """Of a set that has ``used`` cameras, a second object's photographs, and those that share
    points with used ones but have no place."""
    ours, others = [f"a{i}" for i in range(used)], [f"b{i}" for i in range(apart)]
    lost = [f"c{i}" for i in range(linked)]
    shared: dict[Pair, Shared] = {}
    for group in (ours, others):
        shared |= dict.fromkeys(pairwise(group), SOME)
    shared |= {(ours[0], name): SOME for name in lost}
    return cameras.about_refused([*others, *lost], shared)


@settings(max_examples=20)
@given(used=st.integers(8, 20), apart=st.integers(5, 20), linked=st.integers(0, 4))
def test_a_second_object_is_told(used: int, apart: int, linked: int) -> None:
    said = told(used, apart, linked)
    assert said.startswith(f"{apart + linked} photographs without a camera, not used, first b0")
    assert f"{apart} of them share points with each other" in said and "another object" in said


@settings(max_examples=20)
@given(used=st.integers(8, 20), apart=st.integers(0, 2), linked=st.integers(1, 9))
def test_photographs_without_a_place_are_no_second_object(
    used: int, apart: int, linked: int
) -> None:
    said = told(used, apart, linked)
    assert "another object" not in said and "report.txt" in said


@pytest.mark.parametrize("name", ["empty", "missing", "cut.mp4", "text.mp4", "a.txt"])
def test_every_error_says_what_to_do_next(tmp_path: Path, capfd: Any, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "a.txt").write_text("")
    out = tmp_path / "out"
    assert main([str(tmp_path / name), "--out", str(out)]) == 2
    said = capfd.readouterr().err
    line = said.strip().splitlines()[-1]
    cause, _, cure = line.rpartition(". ")
    assert line.startswith("Error: ") and str(tmp_path / name) in cause
    assert cure.startswith(("Name", "Correct", "Copy")) and cure.endswith(".")
    assert "Traceback" not in said and not (out / "train.json").exists()
