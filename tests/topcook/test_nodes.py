"""Generation by the single node types, through dry runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def values(item: dict[str, Any], name: str) -> Any:
    return item["attributes"][name]["value"]


def _two_strings(conflict: str, kind: str = "string") -> dict[str, Any]:
    parms: dict[str, Any] = {"stringattribs": 1, "stringname1": "a", "stringvalue1": "7"}
    if kind == "string":
        parms |= {
            "stringattribs": 2,
            "stringname2": "a",
            "stringvalue2": "8",
            "stringconflict2": conflict,
        }
    else:
        parms |= {
            "intattribs": 1,
            "intname1": "a",
            "intsize1": 1,
            "intvalue1": [8, 0, 0, 0],
            "intconflict1": conflict,
        }
    return parms


@pytest.mark.parametrize(
    ("conflict", "kind", "expected"),
    [
        ("0", "string", (2, ["8"])),
        ("4", "string", (2, ["7"])),
        ("1", "string", (2, ["8"])),
        ("3", "string", (2, ["8"])),
        ("0", "int", (0, [8])),
        ("4", "int", (2, ["7"])),
        ("1", "int", (2, ["8"])),
        ("2", "int", (2, ["7"])),
    ],
)
def test_existing_names(scene, top, items, conflict, kind, expected) -> None:
    (item,) = items(scene(top("make", "attributecreate", _two_strings(conflict, kind))), "make")
    attribute = item["attributes"]["a"]
    assert (attribute["type"], attribute["value"]) == expected


def test_existing_name_of_another_type_is_an_error(scene, top, items) -> None:
    hip = scene(top("make", "attributecreate", _two_strings("3", "int")))
    with pytest.raises(RuntimeError, match="'a' has the type String, not Int"):
        items(hip, "make")


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [("0", ["new"]), ("1", ["old"]), ("2", ["new"]), ("3", ["new"]), ("4", ["new"])],
)
def test_environment_numbering_differs(scene, top, items, conflict, expected) -> None:
    hip = scene(
        top(
            "make",
            "attributecreate",
            {"stringattribs": 1, "stringname1": "V", "stringvalue1": "old"},
        ),
        top(
            "env",
            "environmentedit",
            {
                "environment": 1,
                "varname1": "V",
                "vartype1": "2",
                "varconflict1": conflict,
                "strvarvalue1": "new",
            },
            ["make"],
        ),
    )
    (item,) = items(hip, "env")
    assert values(item, "V") == expected
    assert item["attributes"]["V"]["flag"] == (0 if conflict == "1" else 2)


def test_environment_types_reset_and_disabled(scene, top, items) -> None:
    env = {
        "environment": 3,
        "varname1": "SCALE",
        "floatvarvalue1": 0.5,
        "varname2": "COUNT",
        "vartype2": "1",
        "intvarvalue2": 3,
        "varenable3": "off",
        "varname3": "NOT",
    }
    reset = {"reset": "on", "environment": 1, "varname1": "ONLY", "vartype1": "2"}
    hip = scene(
        top("a", "environmentedit", env),
        top("b", "environmentedit", reset, ["a"]),
    )
    (first,) = items(hip, "a")
    assert {k: v["value"] for k, v in first["attributes"].items()} == {
        "SCALE": [0.5],
        "COUNT": [3],
    }
    (second,) = items(hip, "b")
    assert list(second["attributes"]) == ["ONLY"]


def test_attribute_kinds_slots_and_index(scene, top, items) -> None:
    parms = {
        "stringattribs": 2,
        "stringname1": "s",
        "stringvalue1": "zero",
        "usestringindex1": "on",
        "stringname2": "s",
        "stringvalue2": "two",
        "usestringindex2": "on",
        "stringindex2": 2,
        "floatattribs": 1,
        "floatname1": "f",
        "floatsize1": 3,
        "floatvalue1": [0.5, 1, 2, 3],
        "dictattribs": 2,
        "dictname1": "j",
        "dictvalue1": '{"a": [1, null]}',
        "dictname2": "p",
        "dictvalue2": "{'a': (1, 2), 'b': {1}}",
        "dictinvalid2": "on",
        "pyobjectattribs": 1,
        "pyobjectname1": "o",
        "pyobjectexpression1": "[1, 'x']",
        "useindex": "on",
        "indexvalue": 6,
        "useframe": "on",
        "framevalue": 12.5,
    }
    (item,) = items(scene(top("make", "attributecreate", parms)), "make")
    assert values(item, "s") == ["zero", "", "two"]
    assert values(item, "f") == [0.5, 1.0, 2.0]
    assert values(item, "j") == [{"a": [1, None]}]
    assert values(item, "p") == [{"a": [1, 2]}]
    assert values(item, "o") == ["[1, 'x']"]
    assert (item["index"], item["frame"], item["hasFrame"]) == (6, 12.5, True)


def test_condition(scene, top, items) -> None:
    make = top(
        "make",
        "attributecreate",
        {
            "usecondition": "on",
            "condition": 0,
            "stringattribs": 1,
            "stringname1": "late",
            "stringvalue1": "yes",
        },
        ["count"],
        expressions={"condition": "@pdg_index > 0"},
    )
    hip = scene(top("count", "genericgenerator", {"itemcount": 3}), make)
    made = items(hip, "make")
    assert ["late" in item["attributes"] for item in made] == [False, True, True]
    assert [item["index"] for item in made] == [0, 1, 2]


def test_missing_file_is_an_error_unless_allowed(scene, top, items, tmp_path) -> None:
    parms = {"resultdata": 1, "resultvalue1": "$HIP/missing.obj"}
    with pytest.raises(RuntimeError, match=r"missing\.obj named in 'resultvalue1' does not exist"):
        items(scene(top("make", "attributecreate", parms)), "make")
    hip = scene(top("make", "attributecreate", {**parms, "resultcheckfilepath1": "2"}))
    (item,) = items(hip, "make")
    assert values(item, "file_exists") == [0]
    (file,) = values(item, "__pdg_outputfiles")
    assert (file["data"], file["tag"]) == (f"{tmp_path}/missing.obj", "file")


@pytest.mark.parametrize(
    ("flatten", "count", "expected"),
    [("off", 1, [0, 1]), ("off", 2, [0, 1, 0, 1]), ("on", 2, [0, 1, 2, 3])],
)
def test_item_count_and_indices(scene, top, items, flatten, count, expected) -> None:
    hip = scene(
        top("a", "genericgenerator", {"itemcount": 2}),
        top("b", "genericgenerator", {"itemcount": count, "flattenindices": flatten}, ["a"]),
    )
    assert [item["index"] for item in items(hip, "b")] == expected


def test_index_expression_and_label(scene, top, items) -> None:
    node = top(
        "a",
        "genericgenerator",
        {
            "itemcount": 2,
            "useindex": "on",
            "index": 0,
            "pdg_workitemlabel": "2",
            "pdg_workitemlabelexpr": "item `@pdg_index`",
        },
        expressions={"index": "@pdg_index * 10 + 5"},
    )
    hip = scene(node, top("b", "genericgenerator", {"pdg_command": "x `@pdg_label`"}, ["a"]))
    assert [item["index"] for item in items(hip, "a")] == [5, 15]


def _wait(scene: Any, top: Any, parms: dict[str, Any]) -> Path:
    make = {
        "intattribs": 1,
        "intname1": "n",
        "intsize1": 1,
        "intvalue1": [0, 0, 0, 0],
        "stringattribs": 1,
        "stringname1": "side",
        "stringvalue1": "`ifs(@pdg_index == 2, 'right', 'left')`",
    }
    path: Path = scene(
        top("count", "genericgenerator", {"itemcount": 3}),
        top("make", "attributecreate", make, ["count"], (), {"intvalue1": "@pdg_index * 10"}),
        top("all", "waitforall", parms, ["make"]),
    )
    return path


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("1", [0]),
        ("2", [20]),
        ("3", [0, 10, 20]),
        ("4", [0, 10, 20]),
        ("5", [0]),
        ("6", [20]),
        ("7", [30]),
        ("8", [10]),
    ],
)
def test_partition_merges(scene, top, items, operation, expected) -> None:
    parms = {"pdg_partitionmergeoperation1": operation, "pdg_partitionmergepattern1": "n"}
    (item,) = items(_wait(scene, top, parms), "all")
    assert values(item, "n") == expected and "side" not in item["attributes"]
    assert (item["type"], item["index"]) == (2, 0)


def test_partition_sort_ids_and_split(scene, top, items) -> None:
    parms = {
        "pdg_partitionsort": "3",
        "pdg_partitionsortattrib": "n",
        "pdg_partitionsortdirection": "1",
        "pdg_partitionstoreids": "on",
    }
    (item,) = items(_wait(scene, top, parms), "all")
    assert values(item, "partitionitems") == [6, 5, 4]
    split = {"pdg_partitionsplit": "on", "pdg_partitionsplitattrib": "side"}
    made = items(_wait(scene, top, {**split, "pdg_partitionstoreids": "on"}), "all")
    assert [values(one, "partitionitems") for one in made] == [[4, 5], [6]]
    assert [values(one, "side") for one in made] == [["left"], ["right"]]


def test_set_reports_near_names_and_bounds(scene, top, items) -> None:
    hip = scene(top("make", "attributecreate", {"stringattribs": 1, "stringname1": "a"}))
    for setting, named in [
        ("mak.stringname1=b", "did you mean 'make'"),
        ("make.stringnam1=b", "did you mean 'stringname1'"),
        ("make.stringname2=b", "--set make.stringattribs=2"),
        ("make.usecondition=perhaps", "neither on nor off"),
        ("make.copyoutputs=9", "no entry '9'"),
        ("make", "NODE.PARM=VALUE"),
    ]:
        with pytest.raises(RuntimeError) as error:
            items(hip, "make", "--set", setting)
        assert named in str(error.value)
    more = ("make.stringattribs=2", "make.stringname2=b", "make.stringvalue2=x=y `@a`.")
    arguments = [word for one in more for word in ("--set", one)]
    (item,) = items(hip, "make", *arguments)
    assert values(item, "b") == ["x=y ."]


def test_channel_references(scene, top, items) -> None:
    hip = scene(
        top(
            "a",
            "genericgenerator",
            {
                "itemcount": 3,
                "pdg_command": "`chs('../a/basecommand')`",
                "basecommand": "run $SHOW",
            },
        ),
        top(
            "b", "genericgenerator", {"itemcount": 1}, (), (), {"itemcount": 'ch("../a/itemcount")'}
        ),
    )
    assert values(items(hip, "a", "--all-ends")[0], "__pdg_commandstring") == ["run city"]
    assert len(items(hip, "b", "--all-ends")) == 3
    with pytest.raises(RuntimeError, match="leads back to itself"):
        items(hip, "a", "--set", "a.basecommand=`chs('../a/basecommand')`")


SPARE = """    group {
        name    "processor4"
        label   "Command Line"

        parm {
            name    "newparm22"
            baseparm
            label   "New in 22"
            export  none
        }
        parm {
            name    "shot"
            label   "Shot"
            type    string
            default { "" }
        }
    }
"""


def test_added_parameters_are_known_and_newer_ones_are_not(scene, top, items) -> None:
    parms = {"shot": "s010", "pdg_command": "run `chs('../a/shot')`", "local_single": "on"}
    hip = scene(top("a", "genericgenerator", parms, interface=SPARE))
    assert values(items(hip, "a")[0], "__pdg_commandstring") == ["run s010"]
    newer = scene(top("a", "genericgenerator", {**parms, "newparm22": 1}, interface=SPARE))
    assert len(items(newer, "a")) == 1
