"""Plain statements are taken many at once, and mean what they mean one by one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffrec.reference import obj
from diffrec.reference.errors import ObjError
from diffrec.reference.obj import read_obj

NUMBER = st.sampled_from(["0", "1", "-2.5", "1e3", "1e39", "nan", "inf", "1,5", "x", "+1", "1_0"])
INDEX = st.sampled_from(
    ["1", "2", "3", "4", "-1", "-2", "0", "9", "", "x", "2147483649", "+1", "9" * 5000]
)
CORNER = st.lists(INDEX, min_size=1, max_size=4).map("/".join)
PLAIN = st.lists(st.sampled_from(["1", "2", "3"]), min_size=3, max_size=3).map("/".join)
END = st.sampled_from(["", " ", "\t# a comment", "#", " \\"])


def statement(keyword: str, words: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    rest = st.lists(words, max_size=most).map(" ".join)
    begin = st.sampled_from([f"{keyword} ", f"{keyword}\t", f" {keyword} ", keyword])
    return st.tuples(begin, rest, END).map("".join)


LINES = st.lists(
    st.one_of(
        statement("v", NUMBER, 7),
        statement("vt", NUMBER, 3),
        statement("vn", NUMBER, 4),
        statement("f", CORNER, 5),
        statement("f", PLAIN, 4),
        st.sampled_from(["usemtl a", "usemtl b", "mtllib c.mtl", "g x", "", "# f 1 2 3", "l 1 2"]),
    ),
    max_size=12,
)
SOUND = [
    *("v 0 0 0", "v 1 0 0", "v 0 1 0"),
    *("vt 0 0", "vt 1 0", "vt 0 1"),
    *("vn 0 0 1", "vn 0 1 0", "vn 1 0 0"),
]


def outcome(path: Path) -> object:
    obj._latest = None
    try:
        return repr(asdict(read_obj(path)))  # as text: one NaN is not another
    except ObjError as error:
        return str(error)


@given(LINES, st.booleans(), st.sampled_from([0, 20, obj.RUN]))
@example(["f 1/1/1 2/2/2 3/3/3", "f 1/1/1 2/2/2 2/2/2", "f 1/1/1 2/2/2 3/3/3"], True, obj.RUN)
@example(["f 1/2/3/1 1/2 3/3/3"], True, obj.RUN)
def test_many_at_once_are_what_they_are_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], sound: bool, run: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.obj"
    path.write_text("\n".join([*(SOUND if sound else ()), *lines]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(obj, "RUN", run)
        together = outcome(path)
        patch.setattr(obj, "_PLAIN", {})
        assert together == outcome(path)


def test_a_mesh_of_plain_statements_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.obj"
    path.write_text("\n".join([*SOUND, "f 1/1/1 2/2/2 3/3/3", "f 3/3/3 2/2/1 1/1/1"]))
    monkeypatch.setattr(obj, "_statement", None)
    found = read_obj(path)
    assert list(found.corners) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0]
    assert found.faces == 2 and list(found.used) == [0, 0]
