"""The builder: what is described is what is read; nothing that Houdini could not hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import Expression, HouFileError, ParmValue, loads
from houfiles.build import build
from houfiles.describe import NodeDescription, NoteDescription, SceneDescription, Token
from houfiles.members import definition

from .conftest import everything

ORDER = [
    *(".start", ".variables", ".aliases", ".takeconfig", ".hou.session", ".OPlibraries"),
    *(".OPpreferences", ".OPfallbacks", ".OPdummydefs", "expression.func"),
    *("vex.def", "vex.parm", "vex.userdata", "mat.def", "mat.parm", "mat.userdata"),
    *("obj.def", "obj.parm", "obj.userdata", "obj.net"),
    *("out.def", "out.parm", "out.userdata", "out.net"),
    *("ch.def", "ch.parm", "ch.userdata", "ch.net"),
    *("shop.def", "shop.parm", "shop.userdata", "shop.net"),
    *("img.def", "img.parm", "img.userdata", "img.net", "vex.net", "mat.net"),
    *("stage.def", "stage.parm", "stage.userdata", "stage.datablocks", "stage.net"),
    *("tasks.def", "tasks.parm", "tasks.userdata"),
]
TAIL = [".scenefilevisualizers", ".application", ".takes", ".styles", ".contextoptions", ".cwd"]


def test_members_and_their_order(rich: bytes) -> None:
    names = list(loads(rich).members)
    assert names[: len(ORDER)] == ORDER
    assert names[-len(TAIL) :] == TAIL
    top = "tasks/topnet1"
    middle = names[len(ORDER) : -len(TAIL)]
    assert middle[:4] == [f"{top}.{kind}" for kind in ("init", "def", "parm", "userdata")]
    assert middle[4:8] == [
        f"{top}/__stickynote{number}.{kind}"
        for number in (1, 2)
        for kind in ("postitinit", "postitdef")
    ]
    numbers = [name for name in middle if name.startswith(f"{top}/numbers")]
    assert numbers == [f"{top}/numbers.{k}" for k in ("init", "def", "chn", "parm", "userdata")]
    assert middle[-3:] == [f"{top}.order", f"{top}.net", "tasks.net"]


def test_constants_of_managers_are_those_of_real_scenes(real: list[Path], shipped: bytes) -> None:
    """All but times, authors and a missing comment is what Houdini itself wrote."""
    original = loads(real[-1].read_bytes()).members
    made = loads(shipped).members
    for name in (
        *(".start", ".aliases", ".takeconfig", ".takes", ".styles", ".contextoptions", ".cwd"),
        *("expression.func", "stage.parm", "stage.datablocks", "tasks/topnet1.userdata"),
        *("tasks/topnet1/shell_tokens.userdata", "tasks/topnet1/environmentedit.userdata"),
        *("tasks/topnet1/localscheduler.userdata", "tasks/topnet1/waitforall1.userdata"),
        *("tasks/topnet1/train_genericgenerator1.userdata", "tasks/topnet1.order"),
    ):
        if name.endswith(".order"):
            assert sorted(made[name].split()) == sorted(original[name].split())
        else:
            assert made[name] == original[name], name
    for manager in ("vex", "mat", "obj", "out", "ch", "shop", "img", "stage", "tasks"):
        ours, theirs = (loads_definition(one[f"{manager}.def"]) for one in (made, original))
        assert ours == theirs, manager
    inside = "tasks/topnet1/"
    assert [one for one in made if one in original and not one.startswith(inside)] == [
        one for one in original if one in made and not one.startswith(inside)
    ]


def loads_definition(data: bytes) -> object:
    return replace(definition.decode(data.decode()), stat=None)


def test_everything_reads_back(rich: bytes) -> None:
    scene = loads(rich)
    top = scene.node("/tasks/topnet1")
    step = scene.node("/tasks/topnet1/step1")
    assert [one.name for one in top.children] == ["localscheduler", "gather", "numbers", "step1"]
    assert step.matches_definition and step.type == "demo::step::1.0"
    assert step.flags["bypass"] and step.flags["display"] and not step.flags["lock"]
    assert step.comment == 'a "comment"\nof two lines'
    assert step.parms["text1"].values[0].text == 'say "hi"\n\\ \t end'
    assert [float(one.text) for one in step.parms["size"].values] == [0.5, 2, -1e-07]
    assert step.parms["mode"].values == (ParmValue("4", True),)
    assert step.user_data == {"___Version___": ""}
    numbers = scene.node("/tasks/topnet1/numbers")
    assert numbers.parms["count"].values[0].expression == Expression('ch("../count")')
    assert numbers.parms["label"].values[0].expression == Expression('ifs(1, "a", "b c")')
    assert numbers.parms["on"].values == (ParmValue("on", True),)
    assert numbers.parms["paren"].values[0].text == ")"
    assert numbers.color == (1.0, 0.0, 0.25)
    gather = scene.node("/tasks/topnet1/gather")
    assert [gather.source(wire) for wire in gather.inputs] == [numbers, step]
    assert [one.text for one in top.notes] == ['a "note"\n{ } \\', ""]
    assert [node.path for node in scene.walk()][-1] == "/tasks/topnet1/step1"
    assert build(everything()) == rich and scene.to_bytes() == rich


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,6}[0-9]?\Z"), VALUES, max_size=6))
def test_any_parameters(values: dict[str, str | bool | int | float]) -> None:
    node = NodeDescription("a", "attributecreate", values)
    scene = loads(build(SceneDescription("s", (node,))))
    found = scene.node("/tasks/a").parms
    assert list(found) == list(values)
    for name, value in values.items():
        text = found[name].values[0].text
        if isinstance(value, bool):
            assert text == ("on" if value else "off")
        elif isinstance(value, str):
            assert text == value
        else:
            assert float(text) == value


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_note(text: str) -> None:
    node = NodeDescription("net", "topnet", notes=(NoteDescription(text),), is_network=True)
    assert loads(build(SceneDescription("s", (node,)))).node("/tasks/net").notes[0].text == text


def _scene(*children: NodeDescription) -> SceneDescription:
    return SceneDescription("s", (NodeDescription("net", "topnet", children=children),))


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (_scene(NodeDescription("a b", "merge")), "name of a node"),
        (_scene(NodeDescription("../a", "merge")), "name of a node"),
        (_scene(NodeDescription("a", "x y")), "type of a node"),
        (_scene(NodeDescription("a", "merge"), NodeDescription("a", "merge")), "two nodes"),
        (_scene(NodeDescription("a", "merge", inputs=("b",))), "'b'"),
        (_scene(NodeDescription("a", "merge", flags=("nope",))), "flag"),
        (_scene(NodeDescription("a", "merge", {"p": float("nan")})), "finite"),
        (_scene(NodeDescription("a", "merge", {"p": "\0"})), "NUL"),
        (_scene(NodeDescription("a", "merge", {"p q": 1})), "name for a parameter"),
        (_scene(NodeDescription("a", "merge", expressions={"p": "1"})), "driven"),
        (_scene(NodeDescription("a", "merge", position=(1e99, 0))), "finite"),
        (SceneDescription("it's", ()), "HIPFILE"),
        (replace(_scene(), folder="a\nb"), "HIP"),
    ],
)
def test_what_cannot_be_written(scene: SceneDescription, message: str) -> None:
    with pytest.raises(HouFileError, match=message):
        build(scene)


def test_tokens_are_always_quoted() -> None:
    scene = _scene(NodeDescription("a", "merge", {"p": Token("2"), "t": True, "n": 2, "s": "2"}))
    text = loads(build(scene)).members["tasks/net/a.parm"].decode()
    assert '\t"2"\t)' in text and '\t"on"\t)' in text
    assert "n\t[ 0\tlocks=0 ]\t(\t2\t)" in text and "s\t[ 0\tlocks=0 ]\t(\t2\t)" in text
