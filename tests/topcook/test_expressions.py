from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topcook.parameters.expressions import evaluate, evaluate_number, expand
from topcook.parameters.functions import ExpressionError, Scope, number_text

ATTRIBUTES: dict[str, list[object]] = {
    "pdg_index": [3],
    "name": ["gold cape"],
    "dir": ["/data/"],
    "size": [4, 5, 6.5],
    "text": ["12"],
}


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def scope(reports: list[str]) -> Scope:
    variables = {"HIP": "/shots", "HOME": "/home/vfx"}
    return Scope(variables, ATTRIBUTES.get, frame=7.0, report=reports.append)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$HOME/nvdiffrec/", "/home/vfx/nvdiffrec/"),
        ("${HIP}x", "/shotsx"),
        ("`@dir``@name`", "/data/gold cape"),
        ("a`@pdg_index`b", "a3b"),
        ("`@pdg_index * 2 + 1`", "7"),
        ("`@size.1`", "5"),
        ("`@size.z`", "6.5"),
        ("frame.$F4.exr", "frame.0007.exr"),
        ("$F", "7"),
        ("`padzero(4, @pdg_index)`", "0003"),
        ("\\$HOME and \\`x\\`", "$HOME and `x`"),
        ("C:\\Program Files\\x.exe", "C:\\Program Files\\x.exe"),
        ("100$", "100$"),
        ("``", ""),
        ("`strcat(@dir, 'out')`", "/data/out"),
        ("`strreplace(@dir, '/', '$')`", "$data$"),
        ("`strreplace(strreplace(@dir, '/', \"'\"), 'a', '')`", "'dt'"),
        ("`strreplace(@dir, '', 'x')`", "/data/"),
        ('`pdgattribs("name", 0)`', "gold cape"),
        ('`pdgattribvals("name")`', '"gold cape"'),
        ('`ifs(haspdgattrib("nothing"), "yes", "no")`', "no"),
        ("`1/3`", "0.3333333333"),
    ],
)
def test_strings(text: str, expected: str, scope: Scope) -> None:
    assert expand(text, scope) == expected


def test_missing_attribute_is_empty_and_reported(scope: Scope, reports: list[str]) -> None:
    assert expand('x="`@absent`"', scope) == 'x=""'
    assert len(reports) == 1 and "@absent" in reports[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ^ 2", -4),
        ("2 ^ 3 ^ 2", 512),
        ("7 % 4", 3),
        ("@pdg_index > 2 && @pdg_index != 4", 1),
        ("!@pdg_index", 0),
        ("if(@pdg_index == 3, 10, 20)", 10),
        ("max(floor(2.7), ceil(1.2), int(-3.9))", 2),
        ("@text + 0 == 12", 1),
        ('"a" == "a"', 1),
        ("1e3", 1000),
    ],
)
def test_numbers(text: str, expected: float, scope: Scope) -> None:
    assert evaluate_number(text, scope) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("$UNDEFINED", "$UNDEFINED"),
        ("`open", "back-tick"),
        ("`system('rm')`", "system()"),
        ("`__import__('os')`", "__import__()"),
        ("`1 +`", "ends too early"),
        ("`1 / 0`", "division by zero"),
        ("`(1`", "')'"),
        ("`1 2`", "not expected"),
        ("`9 ^ 9 ^ 9 ^ 9`", "no value"),
        ("`a.b`", "'.b'"),
        ("`[1]`", "not understood"),
        ("`padzero(99999, 1)`", "padzero()"),
        ("`padzero(1)`", "padzero()"),
        ("`ch('../x')`", "../x"),
        ("`" + "(" * 200 + "`", "too deeply"),
    ],
)
def test_refusals_name_the_part(text: str, named: str, scope: Scope) -> None:
    with pytest.raises(ExpressionError, match=re.escape(named)):
        expand(text, scope)


def test_no_item_to_read_from() -> None:
    with pytest.raises(ExpressionError, match="@name needs a work item"):
        evaluate("@name", Scope())


@given(st.text(max_size=200))
def test_any_text_gives_text_or_a_clear_error(text: str) -> None:
    scope = Scope({"HOME": "/h"}, ATTRIBUTES.get)
    try:
        assert isinstance(expand(text, scope), str)
    except ExpressionError as error:
        assert str(error)


_WORDS = ["1", "2.5", "@pdg_index", "@size.1", "'a'", "$HOME", "abs(", "max(", "(", ")", ","]
_SIGNS = ["+", "-", "*", "/", "%", "^", "<", "==", "&&", "!"]
_PIECES = st.sampled_from([*_WORDS, *_SIGNS])


@given(st.lists(_PIECES, max_size=12))
def test_any_expression_gives_a_value_or_a_clear_error(pieces: list[str]) -> None:
    scope = Scope({"HOME": "/h"}, ATTRIBUTES.get)
    try:
        assert isinstance(evaluate(" ".join(pieces), scope), float | str)
    except ExpressionError as error:
        assert str(error)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**6), 10**6))
def test_arithmetic_agrees_with_python(a: int, b: int) -> None:
    assert evaluate_number(f"{a} + {b} * 2 - ({a} - {b})", Scope()) == a + b * 2 - (a - b)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_number_text_reads_back(value: float) -> None:
    assert math.isclose(float(number_text(value)), value, rel_tol=1e-9)
