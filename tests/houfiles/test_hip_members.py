"""Each kind of member: typed values out, the same text back, anything odd refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import HouFileError
from houfiles.members import channels, definition, options, parms, texts
from houfiles.members.parms import Expression, Parm, ParmFile, ParmValue

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
NAME = st.from_regex(r"\A[a-z_][a-z0-9_]{0,8}\Z")

DEFINITION = """sopflags sopflags = \ncomment "two
\\"lines\\" \\\\"
position 0 4.8
connectornextid 2
flags =  lock off bypass on display on
outputsNamed3
{
1 "output1"
}
inputsNamed3
{
0 \t(0) "" 1 "input1"
2 \tother 7 1 "input 2"
}
inputs
{
0 \t(0) 0 1
1 \tother 3 1
}
stat
{
  create -1
  modify 1759581016
  author user@host
  access 0777
}
color UT_Color RGB 0.8 1e-05 -0\x20
unknown line
delscript ""
exprlanguage python
end
"""


def test_definition() -> None:
    found = definition.decode(DEFINITION)
    assert found.comment == 'two\n"lines" \\'
    assert found.xy == (0.0, 4.8) and found.rgb == (0.8, 1e-05, 0.0)
    assert found.flags == {"lock": False, "bypass": True, "display": True}
    assert found.inputs == (definition.Wire(0, "(0)", 0), definition.Wire(1, "other", 3))
    assert found.named_inputs is not None
    assert [one.source_id for one in found.named_inputs] == [None, 7]
    assert found.extra == (("comment", "sopflags sopflags = "), ("delete_script", "unknown line"))
    assert found.expression_language == "python"
    assert definition.encode(found) == DEFINITION


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("position 0 4.8", "position 0 nan", "not 2 numbers"),
        ("lock off", "lock", "flags"),
        ("lock off", "bypass off", "flags"),
        ('0 \t(0) "" 1 "input1"', '0 (0) "" 1', "wire"),
        ("exprlanguage python\nend\n", "exprlanguage python\n", "cut off"),
        ("end\n", "end\nend\n", "follows"),
        ('\\"lines\\" \\\\"', '\\"lines\\"', "not closed"),
        ("delscript", "position 1 1\ndelscript", "two lines"),
        ("connectornextid 2", "connectornextid 99999999999999999999", "whole number"),
    ],
)
def test_damaged_definition(old: str, new: str, message: str) -> None:
    assert old in DEFINITION
    with pytest.raises(HouFileError, match=message):
        definition.decode(DEFINITION.replace(old, new))


PARMS = (
    "{\nversion 0.8\n"
    "sepparm\t[ 0\tlocks=0 ]\t(\t)\n"
    'usecondition\t[ 0\tlocks=0 ]\t(\t"off"\t)\n'
    'stringvalue1\t[ 8\tlocks=3\tautoscope=0\tautosel=4294967295 ]\t(\t`chs(\\"../dir\\")`\t)\n'
    'generate\t[ 0\tlocks=0 ]\t(\t"first line\n\tsecond \\"line\\" \\\\"\t)\n'
    "processor\t[ 0\tlocks=0 ]\t(\t0\t0.5\t-1e-07\t)\n"
    'topscheduler\t[ 0\tlocks=0 ]\t(\t[ chan\t"" ] \t)\n'
    "}\n"
)


def test_parms() -> None:
    file = parms.decode(PARMS)
    found = {one.name: one for one in file.parms}
    assert found["sepparm"].values == ()
    assert found["usecondition"].values == (ParmValue("off", quoted=True),)
    assert found["stringvalue1"].values == (ParmValue('`chs("../dir")`'),)
    assert found["stringvalue1"].locks == 3
    assert found["generate"].values[0].text == 'first line\n\tsecond "line" \\'
    assert [one.text for one in found["processor"].values] == ["0", "0.5", "-1e-07"]
    assert found["topscheduler"].values == (ParmValue("", True, "chan"),)
    assert parms.encode(file) == PARMS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sepparm\t", "usecondition\t", "twice"),
        ("(\t)", "(\t", "sepparm"),
        ('"off"\t)', '"off\t)', "damaged"),
        ('"off"', '"o\\ff"', "damaged"),
        ("locks=0 ]", "locks=x ]", "no parameter"),
        ("}\n", "}\n}\n", "follows"),
        ("}\n", "", "no parameter"),
        ("version 0.8\n", "", "begin"),
        ("[ chan\t", "[ chan ", "topscheduler"),
    ],
)
def test_damaged_parms(old: str, new: str, message: str) -> None:
    assert old in PARMS
    with pytest.raises(HouFileError, match=message):
        parms.decode(PARMS.replace(old, new, 1))


@given(st.dictionaries(NAME, st.lists(TEXT, max_size=3), max_size=5))
def test_any_text_survives_as_a_parameter(values: dict[str, list[str]]) -> None:
    file = ParmFile(tuple(Parm(n, tuple(map(parms.string, v))) for n, v in values.items()))
    assert parms.decode(parms.encode(file)) == file


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_numbers_read_back_equal(value: float) -> None:
    assert float(parms.number(value).text) == value


CHANNELS = """{
    channel greeting {
      lefttype = extend
      righttype = extend
      defaultString = \\"\\"
      flags = 0
      segment { length = 0 expr = chs(\\"../greeting\\") }
    }
    channel count {
      lefttype = extend
      righttype = extend
      default = 4
      flags = 0
      segment { length = 0 value = 4 4 expr = "ch(\\"../count\\") + 1" language = python }
    }
  }
"""


def test_channels() -> None:
    found = channels.decode(CHANNELS)
    assert {one.name: one.expression for one in found} == {
        "greeting": Expression('chs("../greeting")', "hscript"),
        "count": Expression('ch("../count") + 1', "python"),
    }
    assert channels.encode(found) == CHANNELS


@given(TEXT.filter(bool), st.sampled_from(["hscript", "python"]))
def test_any_expression_survives(text: str, language: str) -> None:
    channel = channels.driven("c", Expression(text, language), "4")
    found = channels.decode(channels.encode([channel]))
    assert found[0].expression == Expression(text, language)
    assert found == (channel,)


@pytest.mark.parametrize("text", ["", "{", "{ channel a { x", "{ x }", '{ channel "a', "{ } }"])
def test_damaged_channels(text: str) -> None:
    with pytest.raises(HouFileError):
        channels.decode(text)


NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(tuple)


@given(st.dictionaries(TEXT, st.booleans() | TEXT | NUMBERS, max_size=5))
def test_options(values: dict[str, Any]) -> None:
    assert options.decode(options.encode(values)) == values


@given(st.binary(max_size=60))
def test_any_bytes_as_options(data: bytes) -> None:
    for decode in (options.decode, options.decode_blocks):
        try:
            decode(data)
        except HouFileError as error:
            assert str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\1",
        b"\0\0\0\1\0\1a\0\0\0\x0d" + b"\xff" * 8,
        b"\0\0\0\1\0\1a\0\0\0\7\0\0\0\0",
        b"\0\0\0\1\0\1a\0\0\0\1\0\0\0\2",
        b"\0\0\0\1\0\1\xff\0\0\0\1\0\0\0\1",
        b"\0\0\0\0\0",
        b"\0\0\0\2" + b"\0\1a\0\0\0\1\0\0\0\1" * 2,
    ],
)
def test_damaged_options(data: bytes) -> None:
    with pytest.raises(HouFileError):
        options.decode(data)


def test_small_texts() -> None:
    dots = '2\n0 0 4.8 2 0 __NO_OWNER_NETWORK_BOX__ "FROMOUTPUT"\n1 1 2 2 0 x "y"\n'
    assert texts.decode_dots(dots)[0].position == ("0", "4.8")
    assert texts.encode_dots(texts.decode_dots(dots)) == dots
    links = "1\ninner# ../outer#\n"
    assert texts.decode_links(links) == (("inner#", "../outer#"),)
    assert texts.encode_links(texts.decode_links(links)) == links
    variables = "set -g A = 'one'\nset -g B = 'it's\ntwo lines'\nset -g C = ''\n"
    assert texts.decode_variables(variables) == {"A": "one", "B": "it's\ntwo lines", "C": ""}
    assert texts.encode_variables(texts.decode_variables(variables)) == variables
    assert texts.decode_variables("set -g A = 1\nset B = two words\n") == {
        "A": "1",
        "B": "two words",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("set -l W = ''\nset -g A = 'a'\nset -l N = 3\n", {"W": "", "A": "a", "N": "3"}),
        ("set -g A = 'global'\nset -l A = 'local'\n", {"A": "global"}),
        ("set -l A = 'local'\nset -g A = 'global'\n", {"A": "global"}),
        ("x\n# A = 1\nset A = 1\nsetenv B = 2\n", {"A": "1\nsetenv B = 2"}),
        ("set -g A = 'a", {"A": "'a"}),
        ("", {}),
    ],
)
def test_variables_never_stop_a_scene(text: str, found: dict[str, str]) -> None:
    assert texts.decode_variables(text) == found


@pytest.mark.parametrize("text", ["2\na\n", "2\na\na\n", "x\n", "-1\n", "1\na", "", "9999999\na\n"])
def test_damaged_order(text: str) -> None:
    with pytest.raises(HouFileError):
        texts.decode_order(text)


def test_a_value_that_needs_quotes_is_not_written_without() -> None:
    file = ParmFile((Parm("a", (ParmValue("two words"),)),))
    with pytest.raises(HouFileError, match="two words"):
        parms.encode(file)
