"""Nodes that pass items on, sort them out or change their attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main


def values(items: list[dict[str, Any]], name: str) -> list[Any]:
    return [one["attributes"][name]["value"] for one in items]


def indices(items: list[dict[str, Any]]) -> list[int]:
    return [one["index"] for one in items]


def _numbers(top: Any, name: str, count: int = 4, attribute: str = "n") -> list[Any]:
    """Nodes that make items with their index times ten."""
    make = {"intattribs": 1, "intname1": attribute, "intsize1": 1, "intvalue1": [0, 0, 0, 0]}
    return [
        top(f"{name}_count", "genericgenerator", {"itemcount": count}),
        top(
            name,
            "attributecreate",
            make,
            [f"{name}_count"],
            (),
            {"intvalue1": "@pdg_index * 10"},
        ),
    ]


# -- Merge, Split, Switch, Null ------------------------------------------------------------------
def test_merge_takes_all_inputs(scene, top, items) -> None:
    path = scene(
        *_numbers(top, "a", 2),
        *_numbers(top, "b", 3, "m"),
        top("both", "merge", {}, ["a", "b"]),
    )
    made = items(path, "both")
    assert indices(made) == [0, 1, 0, 1, 2]
    assert [set(one["attributes"]) for one in made] == [{"n"}] * 2 + [{"m"}] * 3


@pytest.mark.parametrize(
    ("invert", "first", "second"), [("off", [2, 3], [0, 1]), ("on", [0, 1], [2, 3])]
)
def test_split_by_its_outputs(scene, top, items, invert, first, second) -> None:
    split = top(
        "s",
        "split",
        {"splitexpression": 0, "invertselection": invert},
        ["a"],
        (),
        {"splitexpression": "@n > 10"},
    )
    path = scene(
        *_numbers(top, "a"),
        split,
        top("left", "merge", {}, ["s"]),
        top("right", "merge", {}, ["s:1"]),
        top("again", "merge", {}, ["s:1", "s"]),
    )
    assert indices(items(path, "left", "--all-ends")) == first
    assert indices(items(path, "right", "--all-ends")) == second
    assert indices(items(path, "again", "--all-ends")) == second + first


def test_null_and_switch_are_seen_through(scene, top, items) -> None:
    path = scene(
        *_numbers(top, "a", 2),
        *_numbers(top, "b", 3, "m"),
        top("out_b", "null", {}, ["b"]),
        top("choose", "switch", {"input": 0}, ["a", "out_b"]),
        top("end", "merge", {}, ["choose"]),
        top("last", "null", {}, ["end"], ["display"]),
    )
    assert values(items(path, "end"), "n") == [[0], [10]]
    assert len(items(path, "end", "--set", "choose.input=1")) == 3
    assert items(path, "a", "--set", "choose.input=1") == []
    nothing = top("alone", "null", {}, (), ["display"])
    with pytest.raises(RuntimeError, match="alone: nothing is wired in"):
        items(scene(nothing), "alone")


@pytest.mark.parametrize("rule", ["0", "1", "2"])
def test_switch_without_that_input(scene, top, rule, capsys) -> None:
    path = scene(
        *_numbers(top, "a", 2),
        top("choose", "switch", {"input": 5, "invalidindex": rule}, ["a"]),
        top("end", "merge", {}, ["choose"]),
    )
    code = main(["cook", str(path), "--dry-run", "--json"])
    printed = capsys.readouterr()
    named = "Select Input is 5, and nothing is wired into that input" in printed.err
    assert (code, named) == {"0": (0, False), "1": (0, True), "2": (1, True)}[rule]
    if code == 0:
        assert json.loads(printed.out) == []


def test_switch_cannot_look_at_attributes(scene, top, items) -> None:
    choose = top("choose", "switch", {"input": 0}, ["a"], (), {"input": "@n"})
    path = scene(*_numbers(top, "a", 2), choose, top("end", "merge", {}, ["choose"]))
    with pytest.raises(RuntimeError, match="'input': @n needs a work item"):
        items(path, "end")
    assert len(items(path, "a", "--node", "a")) == 2, "a switch that is not cooked does not matter"


# -- Filters ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("operation", "expected"), [("off", [0, 1]), ("on", [2, 3])])
def test_filter_by_expression(scene, top, items, operation, expected) -> None:
    only = top(
        "only",
        "filterbyexpression",
        {"invertfilter": operation, "filterexpression": 0},
        ["a"],
        (),
        {"filterexpression": "@n > 10"},
    )
    assert indices(items(scene(*_numbers(top, "a"), only), "only")) == expected


def test_filter_by_expression_and_files(scene, top, items, tmp_path) -> None:
    (tmp_path / "mesh.obj").write_text("o")
    make = {"resultdata": 1, "resultvalue1": "$HIP/mesh.obj"}
    keep = top("keep", "filterbyexpression", {"invertfilter": "off"}, ["make"])
    path = scene(top("make", "attributecreate", make), keep)
    (item,) = items(path, "keep")
    assert [one["data"] for one in values([item], "__pdg_outputfiles")[0]] == [
        f"{tmp_path}/mesh.obj"
    ]
    (bare,) = items(path, "keep", "--set", "keep.includeresultdata=off")
    assert "__pdg_outputfiles" not in bare["attributes"]
    flags = {name: bare["attributes"][name]["flag"] for name in bare["attributes"]}
    assert flags == {"__pdg_inputfiles": 13}


@pytest.mark.parametrize(
    ("parms", "expected"),
    [
        ({}, [0, 2]),
        ({"includedstates": "4"}, [1]),
        ({"includedstates": "5"}, [0, 1, 2]),
        ({"includedstates": "1", "operation": "0"}, [1]),
        ({"includedstates": "2"}, []),
    ],
)
def test_filter_by_state(scene, top, python, parms, expected, capsys) -> None:
    run = top(
        "run",
        "genericgenerator",
        {
            "itemcount": 3,
            "pdg_command": python(
                "import os, sys; print('ran'); sys.exit(os.environ['PDG_INDEX'] == '1')"
            ),
        },
    )
    settings = {"storelog": "1", "useattrib": "on", **parms}
    path = scene(
        run,
        top("ended", "filterbystate", settings, ["run"]),
        top("after", "attributecreate", {}, ["ended"]),
    )
    code = main(["cook", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 1, "an item has failed, and the cook says so"
    after = [one for one in report["items"] if one["node"] == "after"]
    assert sorted(one["index"] for one in after) == expected
    assert {one["stateName"] for one in after} <= {"CookedSuccess"}
    for one in after:
        attributes = one["attributes"]
        assert attributes["itemstate"] == [8 if one["index"] == 1 else 6]
        assert "ran" in Path(attributes["itemlog"][0]).read_text()


def test_filter_by_state_needs_cooked_items(scene, top, items) -> None:
    ended = top("ended", "filterbystate", {"pdg_workitemgeneration": "1"}, ["a"])
    with pytest.raises(RuntimeError, match=r"--set ended\.pdg_workitemgeneration=2"):
        items(scene(*_numbers(top, "a"), ended), "ended")


# -- Attributes ------------------------------------------------------------------------------------
ABC = {
    "stringattribs": 3,
    "stringname1": "a",
    "stringvalue1": "one",
    "stringname2": "b",
    "stringvalue2": "two",
    "stringname3": "ab",
    "stringvalue3": "three",
}


@pytest.mark.parametrize(
    ("parms", "left"),
    [
        ({"attributes": 2, "name1": "a", "name2": "b", "enable2": "off"}, {"b", "ab"}),
        ({"deleteusing": "1", "pattern": "a* ^ab"}, {"b", "ab"}),
        ({"deleteall": "on"}, set()),
        ({"deleteall": "on", "usecondition": "on", "condition": 0}, {"a", "b", "ab"}),
        ({"attributes": 1, "name1": "x"}, {"a", "b", "ab"}),
    ],
)
def test_attribute_delete(scene, top, items, parms, left) -> None:
    path = scene(top("make", "attributecreate", ABC), top("d", "attributedelete", parms, ["make"]))
    (item,) = items(path, "d")
    assert set(item["attributes"]) == left
    assert all(one["own"] is False for one in item["attributes"].values())


def test_attribute_delete_slots_files_and_missing(scene, top, items, tmp_path) -> None:
    (tmp_path / "x.obj").write_text("o")
    make = {
        "floatattribs": 1,
        "floatname1": "f",
        "floatsize1": 3,
        "floatvalue1": [1, 2, 3, 0],
        "resultdata": 1,
        "resultvalue1": "$HIP/x.obj",
    }
    parms = {"attributes": 1, "name1": "f", "useindex1": "on"}
    path = scene(top("make", "attributecreate", make), top("d", "attributedelete", parms, ["make"]))
    (item,) = items(path, "d")
    assert values([item], "f") == [[1.0, 2.0]] and item["attributes"]["f"]["own"]
    assert "__pdg_outputfiles" in item["attributes"]
    (item,) = items(path, "d", "--set", "d.index1=0", "--set", "d.copyinputs=off")
    assert values([item], "f") == [[2.0, 3.0]] and "__pdg_outputfiles" not in item["attributes"]
    with pytest.raises(RuntimeError, match="no value 7 in the attribute 'f'"):
        items(path, "d", "--set", "d.index1=7", "--set", "d.missingattribute=2")
    for setting in ("d.scope1=2", "d.patternscope=2"):
        using = ("--set", "d.deleteusing=1") if "pattern" in setting else ()
        with pytest.raises(RuntimeError, match="attributes of the whole graph"):
            items(path, "d", "--set", setting, *using)
    assert len(items(path, "d", "--set", "d.scope1=1")) == 1


def test_attribute_rename(scene, top, items) -> None:
    parms = {
        "renames": 2,
        "renamefrom1": "a",
        "renameto1": "z",
        "renamefrom2": "x",
        "renameto2": "y",
    }
    path = scene(top("make", "attributecreate", ABC), top("r", "attributerename", parms, ["make"]))
    (item,) = items(path, "r")
    assert set(item["attributes"]) == {"b", "ab", "z"} and values([item], "z") == [["one"]]
    assert [item["attributes"][name]["own"] for name in ("b", "z")] == [False, True]
    with pytest.raises(RuntimeError, match="has no attribute 'x'"):
        items(path, "r", "--set", "r.onattributenotfound=0")
    with pytest.raises(RuntimeError, match="turn on Overwrite Existing Attributes"):
        items(path, "r", "--set", "r.renameto1=b")
    (item,) = items(path, "r", "--set", "r.renameto1=b", "--set", "r.overwriteexisting=on")
    assert values([item], "b") == [["one"]] and set(item["attributes"]) == {"b", "ab"}
    off = ("--set", "r.usecondition=on")
    assert set(items(path, "r", *off)[0]["attributes"]) == {"a", "b", "ab"}


@pytest.mark.parametrize(
    ("parms", "expected"),
    [
        ({}, [{"n": [0], "m": [0]}, {"n": [10], "m": [10]}, {"n": [20]}]),
        ({"excludeunmatched": "on"}, [{"n": [0], "m": [0]}, {"n": [10], "m": [10]}]),
        ({"copyall": "on"}, [{"n": [n], "m": [10]} for n in (0, 10, 20)]),
        ({"copyname": "x*"}, [{"n": [0]}, {"n": [10]}, {"n": [20]}]),
    ],
)
def test_attribute_copy(scene, top, items, parms, expected) -> None:
    path = scene(
        *_numbers(top, "a", 3),
        *_numbers(top, "b", 2, "m"),
        top("c", "attributecopy", parms, ["a", "b"]),
    )
    made = items(path, "c")
    assert [
        {name: one["value"] for name, one in item["attributes"].items()} for item in made
    ] == expected
    assert all(item["attributes"]["n"]["own"] is False for item in made)


def test_attribute_copy_by_value(scene, top, items) -> None:
    parms = {"matchby": "1", "matchname": "n"}
    mark = top(
        "mark",
        "attributecreate",
        {
            "stringattribs": 1,
            "stringname1": "mark",
            "stringvalue1": "at `@pdg_index`",
        },
        ["b"],
    )
    turned = top(
        "b",
        "attributecreate",
        {
            "intattribs": 1,
            "intname1": "n",
            "intsize1": 1,
            "intvalue1": [0, 0, 0, 0],
        },
        ["a_count"],
        (),
        {"intvalue1": "10 * (2 - @pdg_index)"},
    )
    path = scene(
        *_numbers(top, "a", 3), turned, mark, top("c", "attributecopy", parms, ["a", "mark"])
    )
    assert values(items(path, "c"), "mark") == [["at 2"], ["at 1"], ["at 0"]]
    wrong_type = items(path, "c", "--set", "c.matchtype=2")
    assert ["mark" in one["attributes"] for one in wrong_type] == [False] * 3
    with pytest.raises(RuntimeError, match="'matchname': items are to be matched"):
        items(path, "c", "--set", "c.matchname=")


# -- Partitions ------------------------------------------------------------------------------------
def _sizes(items: list[dict[str, Any]]) -> list[tuple[int, list[int], int]]:
    """Index, merged ``n`` and size of each partition."""
    return [
        (
            one["index"],
            one["attributes"]["n"]["value"],
            one["attributes"]["partitionsize"]["value"][0],
        )
        for one in items
    ]


APPEND = {"pdg_partitionmergeoperation1": "4"}


@pytest.mark.parametrize(
    ("parms", "expected"),
    [
        ({}, [(0, [0, 0], 2), (1, [10, 10], 2), (2, [20], 1)]),
        ({"secondaryrule": "2"}, [(0, [0, 0], 2), (1, [10, 10], 2)]),
        ({"secondaryrule": "3"}, [(0, [0], 1), (1, [10], 1)]),
        ({"primaryrule": "2"}, [(0, [0], 1), (1, [10], 1), (2, [20], 1)]),
        ({"secondaryrule": "0"}, [(0, [0, 0, 10, 20], 4), (1, [0, 10, 10, 20], 4)]),
        ({"primaryrule": "0", "secondaryrule": "0"}, []),
    ],
)
def test_partition_by_index(scene, top, items, parms, expected) -> None:
    path = scene(
        *_numbers(top, "a", 2),
        *_numbers(top, "b", 3),
        top("p", "partitionbyindex", {**APPEND, **parms}, ["a", "b"]),
    )
    made = items(path, "p")
    assert _sizes(made) == expected
    assert {one["cookType"] for one in made} <= {4} and {one["type"] for one in made} <= {2}
    assert not any("isStatic" in one for one in made)


def _sides(top: Any) -> list[Any]:
    """Six items with ``n`` 0 to 50, a text ``side``, and ``odd`` on every second one."""
    side = {
        "stringattribs": 1,
        "stringname1": "side",
        "stringvalue1": "`ifs(@pdg_index > 3, 'right', 'left')`",
    }
    odd = {
        "usecondition": "on",
        "condition": 0,
        "intattribs": 1,
        "intname1": "odd",
        "intsize1": 1,
        "intvalue1": [1, 0, 0, 0],
    }
    return [
        *_numbers(top, "a", 6),
        top("sided", "attributecreate", side, ["a"]),
        top("b", "attributecreate", odd, ["sided"], (), {"condition": "@pdg_index % 2"}),
    ]


ONE = {"attributes": 1, "name1": "side"}
TWO = {"attributes": 2, "name1": "side", "name2": "odd"}


@pytest.mark.parametrize(
    ("parms", "expected"),
    [
        (ONE, [[0, 10, 20, 30], [40, 50]]),
        ({**ONE, "sortdirection": "1"}, [[40, 50], [0, 10, 20, 30]]),
        (TWO, [[0, 10, 20, 30], [40, 50], [10, 30, 50]]),
        ({**TWO, "independent": "off"}, [[10, 30], [50]]),
        (
            {**TWO, "independent": "off", "createunmatched": "on"},
            [[10, 30], [50], [0, 20, 40]],
        ),
        ({**TWO, "mode": "0"}, [[0, 10, 20, 30, 40, 50], [10, 30, 50]]),
        ({**TWO, "mode": "0", "independent": "off"}, [[10, 30, 50]]),
        (
            {**ONE, "mode": "1", "type1": "2", "stringvalue1": "right", "createunmatched": "on"},
            [[40, 50], [0, 10, 20, 30]],
        ),
        ({"mode": "1", "attributes": 1, "name1": "n", "intvalue1": 20}, [[20]]),
        ({"mode": "1", "attributes": 1, "name1": "n", "type1": "1", "floatvalue1": 20}, []),
        (
            {
                "mode": "1",
                "attributes": 1,
                "name1": "n",
                "enableindex1": "off",
                "intvector1": [30, 0, 0, 0],
            },
            [[30]],
        ),
        ({"mode": "3", "pattern": "s*"}, [[0, 10, 20, 30], [40, 50]]),
        ({"mode": "3", "pattern": "o* n"}, [[0], [10], [20], [30], [40], [50], [10, 30, 50]]),
        ({**ONE, "enable1": "off"}, []),
    ],
)
def test_partition_by_attribute(scene, top, items, parms, expected) -> None:
    path = scene(*_sides(top), top("p", "partitionbyattribute", {**APPEND, **parms}, ["b"]))
    made = items(path, "p")
    assert _sizes(made) == [(i, ns, len(ns)) for i, ns in enumerate(expected)]


def test_partitions_split_by_another_attribute(scene, top, items) -> None:
    parms = {**APPEND, **ONE, "pdg_partitionsplit": "on", "pdg_partitionsplitattrib": "odd"}
    path = scene(*_sides(top), top("p", "partitionbyattribute", parms, ["b"]))
    assert _sizes(items(path, "p")) == [(0, [10, 30], 2), (1, [50], 1)]
    default = ("--set", "p.pdg_partitionsplitmissing=3")
    assert [ns for _i, ns, _size in _sizes(items(path, "p", *default))] == [
        [0, 20],
        [40],
        [10, 30],
        [50],
    ]
    everywhere = items(path, "p", "--set", "p.pdg_partitionsplitmissing=2")
    assert [size for _i, _ns, size in _sizes(everywhere)] == [5, 4]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("1", [0]), ("3", [0, 10, 20]), ("4", [0, 10, 20, 20]), ("9", [20]), ("10", [15])],
)
def test_merged_attributes_are_concatenated(scene, top, items, operation, expected) -> None:
    twice = top("twice", "merge", {}, ["a", "c"])
    last = top(
        "c",
        "attributecreate",
        {"intattribs": 1, "intname1": "n", "intsize1": 1, "intvalue1": [20, 0, 0, 0]},
    )
    parms = {"pdg_partitionmergeoperation1": operation}
    path = scene(*_numbers(top, "a", 3), last, twice, top("w", "waitforall", parms, ["twice"]))
    (item,) = items(path, "w", "--set", "w.pdg_partitionsort=0")
    merged, size = item["attributes"]["n"], item["attributes"]["partitionsize"]
    assert (merged["value"], merged["concat"], merged["own"]) == (expected, True, True)
    assert (size["value"], size["concat"], size["type"], size["flag"]) == ([4], False, 0, 0)
