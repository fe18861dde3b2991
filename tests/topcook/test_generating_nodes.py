"""Nodes that make items or attributes of their own: ranges, wedges, texts taken apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topcook.nodes.attributefromstring import Pattern
from topcook.nodes.rangegenerate import Range, parse


def values(items: list[dict[str, Any]], name: str) -> list[Any]:
    return [one["attributes"][name]["value"] for one in items]


# -- Range Generate ---------------------------------------------------------------------------
@given(st.integers(-50, 50), st.integers(0, 40), st.sampled_from([-3, -1, -0.25, 0.1, 0.5, 1, 7]))
def test_range_hits_its_end_or_stops_before(start: int, steps: int, step: float) -> None:
    exact = Range(start, start + steps * step, step)
    assert exact.values(True) == pytest.approx([start + n * step for n in range(steps + 1)])
    assert exact.values(False) == pytest.approx([start + n * step for n in range(steps)])
    between = Range(start, start + (steps + 0.5) * step, step)
    assert len(between.values(True)) == len(between.values(False)) == steps + 1
    assert Range(start, start - step, step).values(True) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-3", [Range(1, 3, 1)]),
        ("1-10:2, 20", [Range(1, 10, 2), Range(20, 20, 1)]),
        ("-5--1 5-1", [Range(-5, -1, 1), Range(5, 1, -1)]),
        ("1-2x0.5", [Range(1, 2, 0.5)]),
    ],
)
def test_custom_ranges(text: str, expected: list[Range]) -> None:
    assert parse(text) == expected


def test_frames_of_the_scene(scene, top, items) -> None:
    path = scene(top("r", "rangegenerate", {"range": [1, 3, 1]}))
    made = items(path, "r")
    assert [(one["index"], one["frame"], one["hasFrame"]) for one in made] == [
        (0, 1.0, True),
        (1, 2.0, True),
        (2, 3.0, True),
    ]
    assert values(made, "range") == [[1.0, 3.0, 1.0]] * 3
    assert [one["attributes"]["range"]["type"] for one in made] == [1, 1, 1]
    whole = items(scene(top("r", "rangegenerate")), "r")
    assert [one["frame"] for one in whole] == [float(n) for n in range(1, 241)]


def test_each_upstream_item_has_its_range(scene, top, items) -> None:
    parms = {
        "specifyrange": "1",
        "customrange": "0-`@pdg_index`",
        "rangetype": "2",
        "attribute": "n",
        "userangeattribute": "off",
    }
    path = scene(
        top("a", "genericgenerator", {"itemcount": 3}),
        top("r", "rangegenerate", parms, ["a"]),
    )
    made = items(path, "r")
    assert values(made, "n") == [[0], [0], [1], [0], [1], [2]]
    assert [one["index"] for one in made] == [0, 0, 1, 0, 1, 2]
    assert all(set(one["attributes"]) == {"n"} and "frame" not in one for one in made)
    exclusive = items(path, "r", "--set", "r.inclusive=off")
    assert values(exclusive, "n") == [[0], [0], [1]]


def test_custom_range_numbers_and_indices(scene, top, items) -> None:
    parms = {
        "specifyrange": "1",
        "customrange": "1-2 10-12:2",
        "userangenum": "on",
        "rangetype": "1",
        "rangeattribute": "",
    }
    made = items(scene(top("r", "rangegenerate", parms)), "r")
    assert [one["index"] for one in made] == [1, 2, 10, 12]
    assert values(made, "rangenum") == [[0], [0], [1], [1]]
    assert all("range" not in one["attributes"] for one in made)


@pytest.mark.parametrize(
    ("parms", "named"),
    [
        ({"range": [1, 5, 0]}, "'range': the increment"),
        ({"range": [0, 1e9, 1]}, "more than 1000000 values"),
        ({"specifyrange": "1", "customrange": "all"}, "'customrange': 'all' is no range"),
    ],
)
def test_impossible_ranges(scene, top, items, parms, named) -> None:
    with pytest.raises(RuntimeError, match=named):
        items(scene(top("r", "rangegenerate", parms)), "r")


# -- Wedge ------------------------------------------------------------------------------------
def _wedge(count: int, **entry: Any) -> dict[str, Any]:
    return {
        "wedgecount": count,
        "wedgeattributes": 1,
        "name1": "v",
        **{name.replace("N", "1", 1): value for name, value in entry.items()},
    }


@pytest.mark.parametrize(
    ("parms", "expected", "kind"),
    [
        (_wedge(3, typeN="0", floatrangeN=[1, 2]), [[1.0], [1.5], [2.0]], 1),
        (_wedge(1, typeN="0", floatrangeN=[1, 2]), [[1.0]], 1),
        (_wedge(4, typeN="2", intrangeN=[0, 3]), [[0], [1], [2], [3]], 0),
        (_wedge(3, typeN="2", intrangeN=[0, 3]), [[0], [2], [3]], 0),
        (_wedge(2, typeN="2", wedgetypeN="1", intvalueN=7), [[7], [7]], 0),
        (_wedge(3, typeN="0", wedgetypeN="3", floatbracketN=[5, 1]), [[4.0], [5.0], [6.0]], 1),
        (_wedge(1, typeN="0", wedgetypeN="3", floatbracketN=[5, 1]), [[5.0]], 1),
        (
            _wedge(2, typeN="1", floatrangestartN=[0, 0, 0, 0], floatrangeendN=[1, 2, 3, 4]),
            [[0.0] * 4, [1.0, 2.0, 3.0, 4.0]],
            1,
        ),
        (_wedge(1, typeN="5", wedgetypeN="1"), [[1.0] * 4], 1),
        (
            _wedge(3, typeN="4", valuesN=2, **{"strvalueN_1": "a", "strvalueN_2": "b"}),
            [["a"], ["b"], ["a"]],
            2,
        ),
        (
            _wedge(2, typeN="0", wedgetypeN="2", valuesN=2, **{"floatvalueN_2": 0.25}),
            [[0.0], [0.25]],
            1,
        ),
    ],
)
def test_wedged_values(scene, top, items, parms, expected, kind) -> None:
    made = items(scene(top("w", "wedge", parms)), "w")
    assert values(made, "v") == expected
    assert {one["attributes"]["v"]["type"] for one in made} == {kind}


def test_stacked_wedges_count_over_all(scene, top, items) -> None:
    path = scene(
        top("w", "wedge", {"wedgecount": 2}),
        top("x", "wedge", {"wedgecount": 3, "preservenum": "on"}, ["w"]),
    )
    made = items(path, "x")
    assert values(made, "wedgeindex") == [[n] for n in range(6)]
    assert values(made, "wedgenum") == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert values(made, "wedgecount") == [[3]] * 6 and values(made, "wedgetotal") == [[6]] * 6
    assert [one["index"] for one in made] == list(range(6))
    grouped = items(path, "x", "--set", "x.workitemorder=groupbywedge")
    assert values(grouped, "wedgenum") == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]


def test_wedges_random_exported_and_without_metadata(scene, top, items) -> None:
    parms = _wedge(4, typeN="0", floatrangeN=[2, 3], randomN="on")
    quiet = {f"createwedge{one}": "off" for one in ("count", "index", "num", "total")}
    path = scene(top("w", "wedge", {**parms, **quiet, "exportenvironment": "on"}))
    made = items(path, "w")
    drawn = [one for (one,) in values(made, "v")]
    assert len(set(drawn)) == 4 and all(2 <= one <= 3 for one in drawn)
    assert [set(one["attributes"]) for one in made] == [{"v"}] * 4
    assert {one["attributes"]["v"]["flag"] for one in made} == {2}
    assert values(items(path, "w"), "v") == values(made, "v")
    assert values(items(path, "w", "--set", "w.seed=1"), "v") != values(made, "v")


def test_values_of_an_inner_list_can_be_set(scene, top, items) -> None:
    parms = _wedge(2, typeN="4", valuesN=1, **{"strvalueN_1": "a"})
    path = scene(top("w", "wedge", parms))
    assert values(items(path, "w", "--set", "w.strvalue1_1=z"), "v") == [["z"], ["z"]]
    more = ("--set", "w.values1=2", "--set", "w.strvalue1_2=b")
    assert values(items(path, "w", *more), "v") == [["a"], ["b"]]
    with pytest.raises(RuntimeError, match=r"1 entries in 'values1'.*--set w\.values1=2"):
        items(path, "w", "--set", "w.strvalue1_2=b")


def test_wedge_refuses_what_needs_houdini(scene, top, items) -> None:
    parms = _wedge(1, exportchannelN="on", channelN="/obj/geo1/tx")
    with pytest.raises(RuntimeError, match="'exportchannel1' is set to 'on'"):
        items(scene(top("w", "wedge", parms)), "w")
    with pytest.raises(RuntimeError, match=r"list of values of 'v' \(values1\) is empty"):
        items(scene(top("w", "wedge", _wedge(1, typeN="4"))), "w")


# -- Attribute from String ---------------------------------------------------------------------
WORD = st.text("abcXYZ019", min_size=1, max_size=6)


@given(st.lists(WORD, min_size=1, max_size=4), WORD)
def test_simple_pattern_takes_a_text_apart(words: list[str], end: str) -> None:
    names = [f"n{number}" for number in range(len(words))]
    text = "/some/folder/" + ".".join(words) + f".{end}"
    pattern = Pattern.simple(".".join(f"{{{n}}}" for n in names))
    found = pattern.match(".".join(words))
    assert found is not None and [found[name] for name in names] == words
    inside = Pattern.simple(".".join(f"{{{n}}}" for n in names) + f".{end}").match(text)
    assert inside is not None and [inside[name] for name in names] == words


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (
            "{shot}.{}.{wedgenum}.{frame}.bgeo.sc",
            "shot_a.simcache.1.005.bgeo.sc",
            {"shot": "shot_a", "wedgenum": "1", "frame": "005"},
        ),
        ("{mesh:string}.{seq:string}.obj", "/p/obj/Mesh.0001.obj", {"mesh": "Mesh", "seq": "0001"}),
        (
            "{t}_u{u}_v{v}.{s}.png",
            "/p/Mesh_u1_v2.0001.png",
            {"t": "Mesh", "u": "1", "v": "2", "s": "0001"},
        ),
        ("v{version:int}_{rest}", "v12_a.b/c d", {"version": "12", "rest": "a.b/c d"}),
        ("at {time:float}.", "at 1.5.", {"time": "1.5"}),
        ("{a}-{b}", "no match", None),
    ],
)
def test_simple_patterns(pattern, text, expected) -> None:
    assert Pattern.simple(pattern).match(text) == expected


@pytest.mark.parametrize(
    ("pattern", "named"),
    [("{a:colour}", "no type"), ("{a b}", "cannot be the name"), ("{a}.{a}", "stands twice")],
)
def test_bad_patterns(pattern: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Pattern.simple(pattern)


def _texts(top: Any, parms: dict[str, Any], text: str) -> list[Any]:
    make = {"stringattribs": 1, "stringname1": "file", "stringvalue1": text}
    return [
        top("make", "attributecreate", make),
        top("parse", "attributefromstring", {"sourcestring": "`@file`", **parms}, ["make"]),
    ]


def test_matches_become_attributes(scene, top, items) -> None:
    parms = {"matchstring": "{name}.{frame}.{scale}-{kept:string}"}
    (item,) = items(scene(*_texts(top, parms, "tree.0012.7-0.50")), "parse")
    attributes = {name: (one["type"], one["value"]) for name, one in item["attributes"].items()}
    assert attributes["name"] == (2, ["tree"]) and attributes["frame"] == (0, [12])
    assert attributes["scale"] == (0, [7]) and attributes["kept"] == (2, ["0.50"])
    plain = scene(*_texts(top, {**parms, "infertype": "off"}, "tree.0012.7-0.50"))
    assert items(plain, "parse")[0]["attributes"]["frame"]["value"] == ["0012"]


def test_items_without_a_match(scene, top, items) -> None:
    parms = {"matchstring": "{a}_{b}"}
    assert items(scene(*_texts(top, parms, "plain")), "parse") == []
    (item,) = items(scene(*_texts(top, {**parms, "createnomatch": "on"}, "plain")), "parse")
    assert set(item["attributes"]) == {"file"}


def test_regular_expressions(scene, top, items) -> None:
    parms = {"useregex": "on", "matchstring": r"(?<show>\w+)/s(?P<shot>\d+)"}
    (item,) = items(scene(*_texts(top, parms, "/jobs/city/s010/x.hip")), "parse")
    assert values([item], "show") == [["city"]] and values([item], "shot") == [[10]]
    broken = scene(*_texts(top, {"useregex": "on", "matchstring": "("}, "x"))
    with pytest.raises(RuntimeError, match="'matchstring': the regular expression is not valid"):
        items(broken, "parse")


@pytest.mark.parametrize(
    ("parms", "text", "expected"),
    [
        ({}, "a, b ,c", ["a", "b", "c"]),
        ({"trimspace": "off"}, "a, b", ["a", " b"]),
        ({"delimiter": "--"}, "a--b-c", ["a", "b-c"]),
        ({"delimiter": ";|", "delimitertype": "1"}, "a;b|c", ["a", "b", "c"]),
        ({"delimiter": r"\d+", "delimitertype": "2"}, "a1b22c", ["a", "b", "c"]),
    ],
)
def test_splitting(scene, top, items, parms, text, expected) -> None:
    path = scene(*_texts(top, {"operation": "1", **parms}, text))
    (item,) = items(path, "parse")
    assert values([item], "split") == [expected] and values([item], "splitcount") == [
        [len(expected)]
    ]
    assert "splitindex" not in item["attributes"]
    several = items(path, "parse", "--set", "parse.storage=1")
    assert values(several, "split") == [[part] for part in expected]
    assert values(several, "splitindex") == [[n] for n in range(len(expected))]
    assert [one["index"] for one in several] == list(range(len(expected)))
