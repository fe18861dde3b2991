"""JSON Input: values of a file as attributes, and as work items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.cook.command import generate_all
from topcook import pdg
from topcook.network.opening import open_network
from topcook.nodes import jsonquery

from .conftest import TopNode

DOCUMENT = {
    "name": "show",
    "shots": [
        {"name": "a 1", "frames": [1, 24], "scale": 0.5, "on": True},
        {"name": "b", "frames": [25, 48], "scale": 2, "on": False},
    ],
    "cameras": {"left": {"fov": 40}, "right": {"fov": 50.5}},
    "mixed": [1, "x", None],
    "a.b": "dotted",
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def node(*inputs: str, **parms: Any) -> TopNode:
    base = {"jsonsource": "1", "filepath": "$HIP/data.json"}
    return TopNode("read", "jsoninput", {**base, **parms}, inputs)


def retrieve(**queries: tuple[str, str]) -> dict[str, Any]:
    parms: dict[str, Any] = {"extractmult": len(queries)}
    for number, (name, (query, kind)) in enumerate(queries.items(), 1):
        parms |= {
            f"query{number}": query,
            f"attributename{number}": name,
            f"valtype{number}": kind,
        }
    return parms


def items(hip: Path, warned: list[str] | None = None) -> list[pdg.WorkItem]:
    found = generate_all(open_network(hip), (warned if warned is not None else []).append)
    return [one for one in found if one.node.name == "read"]


def test_single_values_keep_their_type(scene, document) -> None:
    queries = {
        "show": ("name", "7"),
        "frames": ("shots/1/frames", "7"),
        "first": ("shots[0].scale", "7"),
        "flag": ("shots/0/on", "7"),
        "camera": ("cameras/left", "7"),
        "fovs": ("cameras/*/fov", "7"),
        "object": ("mixed", "7"),
        "dotted": ("a.b", "0"),
        "number": ("cameras/right/fov", "1"),
        "text": ("shots/0/frames", "0"),
        "names": ("shots/*/name", "4"),
    }
    (item,) = items(scene(node(**retrieve(**queries))))
    found = {name: (item.attribType(name).name, item.attribArray(name)) for name in queries}
    assert found == {
        "show": ("String", ["show"]),
        "frames": ("Int", [25, 48]),
        "first": ("Float", [0.5]),
        "flag": ("Int", [1]),
        "camera": ("Dict", [{"fov": 40}]),
        "fovs": ("Float", [40.0, 50.5]),
        "object": ("PyObject", [[1, "x", None]]),
        "dotted": ("String", ["dotted"]),
        "number": ("Int", [50]),
        "text": ("String", ["[1, 24]"]),
        "names": ("String", ["a 1", "b"]),
    }


def test_unpacked_attributes_and_slots(scene, document) -> None:
    parms = retrieve(x=("shots/0", "8"), slot=("name", "0")) | {"valindex2": 2}
    (item,) = items(scene(node(**parms)))
    assert item.attribArray("name") == ["a 1"] and item.attribArray("frames") == [1, 24]
    assert item.attribArray("slot") == ["", "", "show"]


def test_an_array_becomes_work_items(scene, top, document) -> None:
    array = {"op": 1, "prop": "shots", "field": "name", "attributename": "shot"}
    first, second = items(scene(node(**array)))
    assert (first.index, second.index) == (0, 1)
    names = ("shot", "json_arrayindex", "obj_index", "query", "field")
    assert [second.attribValue(name) for name in names] == ["b", 1, 0, "shots", "name"]
    above = top("make", "genericgenerator", {"itemcount": 2})
    assert len(items(scene(above, node("make", **array)))) == 4


def test_objects_of_a_wildcard_are_numbered(scene, document) -> None:
    array = {"op": 1, "prop": "cameras/*", "field": "fov", "attributename": "fov"}
    found = items(scene(node(**array, attributetype="2")))
    assert [one.attribArray("fov") for one in found] == [[40.0], [50.5]]
    assert [one.attribValue("obj_index") for one in found] == [0, 1]
    assert [one.attribValue("query") for one in found] == ["cameras/left", "cameras/right"]


def test_an_array_kept_in_one_item(scene, document) -> None:
    array = {"op": 1, "prop": "shots", "field": "name", "attributename": "shot"}
    (item,) = items(scene(node(**array, attributetype="0", splitarray="off")))
    assert item.attribArray("shot") == ["a 1", "b"]


def test_a_saved_item_comes_back(scene, top, document, tmp_path) -> None:
    attributes = {
        "s": {"type": 2, "flag": 2, "own": True, "concat": False, "value": ["x"]},
        "mine": {"type": 0, "flag": 0, "own": True, "concat": False, "value": [1]},
    }
    saved = {"version": 7, "workitem": {"attributes": attributes, "id": 9, "index": 4}}
    (tmp_path / "data.json").write_text(json.dumps([saved, saved]))
    make = {"intattribs": 1, "intname1": "mine", "intsize1": 1, "intvalue1": [7, 0, 0, 0]}
    above = top("make", "attributecreate", make)
    parms = {"op": 2, "preserveinput": "1"}
    first, second = items(scene(above, node("make", **parms)))
    assert first.index == second.index == 4 and first.environment == {"s": "x"}
    assert first.attribArray("mine") == [7]
    assert first.fileAttribValue("sourcefile") == pdg.File(str(document), "file/json")
    first, _second = items(scene(above, node("make", **parms, attribcollision="1")))
    assert first.attribArray("mine") == [1]


def test_a_file_from_upstream(scene, top, document) -> None:
    parms = {"resultdata": 1, "resultvalue1": "$HIP/data.json", "resulttag1": "file/json"}
    make = top("make", "attributecreate", parms)
    (item,) = items(scene(make, node("make", jsonsource="0", **retrieve(n=("name", "7")))))
    assert item.attribArray("n") == ["show"]
    with pytest.raises(pdg.CookError, match=r"0 output files with the tag 'file/x'.*Each"):
        items(scene(make, node("make", jsonsource="0", filetag="file/x")))


@pytest.mark.parametrize(
    ("parms", "sentence"),
    [
        (retrieve(x=("shots/7", "7")), "'query1': 'shots/7' leads nowhere.*an array of 2"),
        (retrieve(x=("nme", "7")), "leads nowhere in the document: its top has 'name', 'shots'"),
        (retrieve(x=("name", "1")), "cannot be stored in 'x'"),
        ({"extractmult": 1, "query1": "name"}, "'attributename1': the attribute has no name"),
        ({"op": 1, "prop": "shots", "field": "none", "attributename": "x"}, "no field 'none'"),
        ({"op": 2}, "does not hold a saved work item"),
        ({"op": 9}, "there is no operation 9"),
        ({"filepath": "$HIP/none.json"}, "none.json cannot be read"),
        ({"filepath": "$HIP/shot.hip"}, "is no JSON file"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(scene, document, parms, sentence) -> None:
    with pytest.raises(pdg.CookError, match=sentence):
        items(scene(node(**parms)))


def test_a_failed_query_as_a_warning(scene, document) -> None:
    parms = retrieve(x=("none", "7"), y=("name", "7")) | {"keyerrormode": 0}
    (item,) = items(scene(node(**parms)))
    assert item.attribArray("y") == ["show"] and not item.hasAttrib("x")
    assert "'none' leads nowhere" in item.messagesOf(pdg.workItemLogType.Warning)[0]


@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_a_value_error(data: bytes) -> None:
    try:
        jsonquery.load(data)
    except ValueError as error:
        assert str(error)


def test_a_document_of_many_levels_is_refused() -> None:
    for deep in (b"[" * 200 + b"]" * 200, b"[" * 100_000):
        with pytest.raises(ValueError):
            jsonquery.load(deep)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(document=JSON, query=st.text("ab/*.[]01-x", max_size=12))
def test_any_query_finds_values_or_says_that_there_are_none(document: Any, query: str) -> None:
    try:
        found = jsonquery.find(document, query)
    except jsonquery.QueryError as error:
        assert "leads nowhere" in str(error)
    else:
        assert found


@given(document=st.dictionaries(st.text("abc.[]", min_size=1), st.integers(), min_size=1))
def test_every_key_is_found_by_its_name(document: dict[str, int]) -> None:
    for name, value in document.items():
        assert jsonquery.find(document, name) == [(name, value)]
