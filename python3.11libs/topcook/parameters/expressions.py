"""String and number expressions of TOP parameters, without Houdini.

The subset that TOP networks need: ``$VAR`` and ``${VAR}``, back-ticked expressions inside strings
(``"`@attrib`"``), ``@attrib`` and ``@attrib.index``, arithmetic, comparisons and a short list of
HScript functions. Everything else is refused by name. Nothing is ever handed to ``eval``: text is
tokenised and evaluated by the small parser below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Value = float | str
AttributeLookup = Callable[[str], Sequence[object] | None]
"""Attribute name to its values; None when the work item has no such attribute."""

_MAX_DEPTH: Final = 40
_MAX_LENGTH: Final = 100_000


class ExpressionError(ValueError):
    """An expression that cannot be evaluated: one sentence that names the part at fault."""


@dataclass(frozen=True)
class Scope:
    """What an expression can see.

    ``variables`` holds ``$`` variables; ``attribute`` looks up the work item's attributes and the
    built-ins ``pdg_index`` and so on; ``channel`` answers ``ch()``, ``chs()`` and ``chsop()``;
    ``report`` receives one sentence for each thing Houdini would pass over in silence.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    attribute: AttributeLookup | None = None
    frame: float = 1.0
    channel: Callable[[str], str] | None = None
    report: Callable[[str], None] = lambda _message: None


def number_text(value: float) -> str:
    """The text of a number as HScript writes it: no decimal point on whole numbers."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


def expand(text: str, scope: Scope) -> str:
    r"""Evaluate a string parameter: variables, then back-ticked expressions, in one pass.

    ``\$`` and ``\``` stand for the plain characters; every other backslash is kept (Windows
    paths). Raises ExpressionError on an undefined variable or an unsupported expression.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"the text has more than {_MAX_LENGTH} characters")
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in ("$", "`"):
            out.append(text[at + 1])
            at += 2
        elif char == "`":
            end = text.find("`", at + 1)
            if end < 0:
                raise ExpressionError(f"a back-tick is opened and not closed in '{text}'")
            inner = text[at + 1 : end]
            out.append(_as_text(evaluate(inner, scope)) if inner.strip() else "")
            at = end + 1
        elif char == "$" and (found := _VARIABLE.match(text, at)):
            out.append(variable(found["braced"] or found["plain"], scope))
            at = found.end()
        else:
            out.append(char)
            at += 1
    return "".join(out)


_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))")


def variable(name: str, scope: Scope) -> str:
    """The value of ``$name``; ``$F``, ``$FF`` and ``$F4`` follow the frame."""
    if name in scope.variables:
        return scope.variables[name]
    if name == "FF":
        return number_text(scope.frame)
    if found := re.fullmatch(r"F([1-9]?)", name):
        return str(round(scope.frame)).zfill(int(found[1] or 1))
    raise ExpressionError(
        f"the variable ${name} is not defined here; set it in the environment before cooking, "
        f"or write \\${name} to leave it for the job's own environment"
    )


def evaluate(text: str, scope: Scope) -> Value:
    """Evaluate one HScript expression such as ``@pdg_index * 2`` or ``padzero(4, @frame)``.

    Returns a float or a string. Raises ExpressionError.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"the expression has more than {_MAX_LENGTH} characters")
    return _Parser(text, scope).parse()


def evaluate_number(text: str, scope: Scope) -> float:
    """Evaluate an expression whose result must be a number."""
    value = evaluate(text, scope)
    if isinstance(value, str):
        try:
            value = float(value or "0")
        except ValueError:
            raise ExpressionError(f"'{text}' gives the text '{value}', not a number") from None
    if not math.isfinite(value):
        raise ExpressionError(f"'{text}' does not give a finite number")
    return value


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else number_text(value)


def _as_number(value: Value, what: str) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ExpressionError(f"{what} needs a number, '{value}' is text") from None
    return value


TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | @(?P<attribute>[A-Za-z_]\w*)(?:\.(?P<index>\d+|[xyzw]\b))?
    | \$(?P<variable>[A-Za-z_]\w*|\{[A-Za-z_]\w*\})
    | (?P<name>[A-Za-z_]\w*)
    | (?P<operator>\*\*|==|!=|<=|>=|&&|\|\||[-+*/%^<>!(),])
    )""",
    re.VERBOSE,
)

_PRECEDENCE: Final = (
    ("||",),
    ("&&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)


class _Parser:
    def __init__(self, text: str, scope: Scope) -> None:
        self.text, self.scope, self.depth = text, scope, 0
        self.tokens: list[re.Match[str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = TOKEN.match(text, at)
            if found is None:
                rest = text[at:].strip()
                raise ExpressionError(f"'{rest[:20]}' in the expression '{text}' is not understood")
            self.tokens.append(found)
            at = found.end()
        self.at = 0

    def parse(self) -> Value:
        value = self.binary(0)
        if self.at < len(self.tokens):
            raise ExpressionError(
                f"'{self.tokens[self.at].group().strip()}' is not expected in '{self.text}'"
            )
        return value

    def peek(self) -> str | None:
        return self.tokens[self.at]["operator"] if self.at < len(self.tokens) else None

    def take(self, operator: str) -> None:
        if self.peek() != operator:
            raise ExpressionError(f"'{operator}' is missing in the expression '{self.text}'")
        self.at += 1

    def binary(self, level: int) -> Value:
        if level == len(_PRECEDENCE):
            return self.unary()
        left = self.binary(level + 1)
        while (operator := self.peek()) in _PRECEDENCE[level]:
            assert operator is not None
            self.at += 1
            left = _apply(operator, left, self.binary(level + 1))
        return left

    def unary(self) -> Value:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        try:
            operator = self.peek()
            if operator in ("-", "+", "!"):
                self.at += 1
                number = _as_number(self.unary(), f"'{operator}'")
                return {"-": -number, "+": number, "!": float(not number)}[operator]
            base = self.primary()
            if self.peek() in ("^", "**"):
                self.at += 1
                return _apply("^", base, self.unary())
            return base
        finally:
            self.depth -= 1

    def primary(self) -> Value:
        if self.at >= len(self.tokens):
            raise ExpressionError(f"the expression '{self.text}' ends too early")
        token = self.tokens[self.at]
        self.at += 1
        if token["number"] is not None:
            return float(token["number"])
        if token["string"] is not None:
            return re.sub(r"\\(.)", r"\1", token["string"][1:-1])
        if token["attribute"] is not None:
            index = token["index"] or "0"
            number = int(index) if index.isdigit() else "xyzw".index(index)
            return attribute(token["attribute"], number, self.scope)
        if token["variable"] is not None:
            return _number_if_possible(variable(token["variable"].strip("{}"), self.scope))
        if token["operator"] == "(":
            value = self.binary(0)
            self.take(")")
            return value
        if token["name"] is not None:
            return self.call(token["name"])
        raise ExpressionError(f"'{token.group().strip()}' is not expected in '{self.text}'")

    def call(self, name: str) -> Value:
        if self.peek() != "(":
            raise ExpressionError(f"'{name}' in the expression '{self.text}' is not understood")
        self.at += 1
        arguments: list[Value] = []
        if self.peek() != ")":
            arguments.append(self.binary(0))
            while self.peek() == ",":
                self.at += 1
                arguments.append(self.binary(0))
        self.take(")")
        function = _FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(sorted(_FUNCTIONS))
            raise ExpressionError(
                f"the function {name}() in '{self.text}' is not supported here; supported are "
                f"{known}"
            )
        try:
            return function(self.scope, *arguments)
        except (TypeError, OverflowError) as error:
            raise ExpressionError(f"{name}() in '{self.text}': {error}") from None


def _number_if_possible(text: str) -> Value:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else text


def _apply(operator: str, left: Value, right: Value) -> Value:
    if isinstance(left, str) != isinstance(right, str):
        # One side is text: text that reads as a number counts as one.
        left, right = (
            _number_if_possible(str(one)) if isinstance(one, str) else one for one in (left, right)
        )
    if isinstance(left, str) or isinstance(right, str):
        if operator == "+":
            return _as_text(left) + _as_text(right)
        if operator in ("==", "!="):
            return float((_as_text(left) == _as_text(right)) == (operator == "=="))
    a, b = _as_number(left, f"'{operator}'"), _as_number(right, f"'{operator}'")
    try:
        match operator:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "/":
                return a / b
            case "%":
                return math.fmod(a, b)
            case "^":
                power = math.pow(a, b)
                return power
            case "==":
                return float(a == b)
            case "!=":
                return float(a != b)
            case "<":
                return float(a < b)
            case "<=":
                return float(a <= b)
            case ">":
                return float(a > b)
            case ">=":
                return float(a >= b)
            case "&&":
                return float(bool(a) and bool(b))
            case _:
                return float(bool(a) or bool(b))
    except ZeroDivisionError:
        raise ExpressionError("division by zero") from None
    except (OverflowError, ValueError):
        raise ExpressionError(
            f"{number_text(a)} {operator} {number_text(b)} has no value"
        ) from None


def attribute(name: str, index: int, scope: Scope) -> Value:
    """One component of a work item's attribute.

    A missing attribute gives the empty string, as Houdini does, and a report.
    """
    values = _values(name, scope)
    if values is None:
        scope.report(f"the work item has no attribute @{name}; its place is left empty")
        return ""
    if not 0 <= index < len(values):
        scope.report(f"@{name}.{index} does not exist, @{name} has {len(values)} value(s)")
        return ""
    return _plain(values[index])


def _values(name: str, scope: Scope) -> Sequence[object] | None:
    if scope.attribute is None:
        raise ExpressionError(f"@{name} needs a work item, and there is none at this point")
    return scope.attribute(name)


def _plain(value: object) -> Value:
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) < 2**53 else str(value)
    return str(value)


def _whole(value: Value) -> int:
    return int(_as_number(value, "an index"))


def _pdgattrib(scope: Scope, name: Value, index: Value = 0.0, default: Value = 0.0) -> Value:
    values = _values(str(name), scope)
    at = _whole(index)
    return default if values is None or not 0 <= at < len(values) else _plain(values[at])


def _pdgattribs(scope: Scope, name: Value, index: Value = 0.0, default: Value = "") -> Value:
    return _as_text(_pdgattrib(scope, name, index, default))


def _pdgattribvals(scope: Scope, name: Value) -> Value:
    texts = [_as_text(_plain(value)) for value in _values(str(name), scope) or ()]
    return " ".join(f'"{text}"' if " " in text else text for text in texts)


def _haspdgattrib(scope: Scope, name: Value) -> Value:
    return float(_values(str(name), scope) is not None)


def _pdginput(scope: Scope, index: Value = 0.0, tag: Value = "", _local: Value = 1.0) -> Value:
    if tag:
        raise ExpressionError("pdginput() with a file tag is not supported here")
    return attribute("pdg_input", _whole(index), scope)


def _padzero(_scope: Scope, width: Value, number: Value) -> Value:
    digits = _whole(width)
    if digits > 64:
        raise ExpressionError("padzero() wider than 64 digits is not supported here")
    return str(_whole(number)).zfill(digits)


def _strreplace(_scope: Scope, text: Value, old: Value, new: Value) -> Value:
    replaced = _as_text(text).replace(_as_text(old), _as_text(new)) if old != "" else _as_text(text)
    if len(replaced) > _MAX_LENGTH:
        raise ExpressionError(f"strreplace() gives more than {_MAX_LENGTH} characters")
    return replaced


def _channel(scope: Scope, path: Value) -> str:
    if scope.channel is None:
        raise ExpressionError(f'ch("{path}") cannot be followed at this point')
    return scope.channel(str(path))


def _math(function: Callable[..., float]) -> Callable[..., Value]:
    def call(_scope: Scope, *arguments: Value) -> Value:
        try:
            return float(function(*(_as_number(one, "a function") for one in arguments)))
        except (ValueError, ZeroDivisionError) as error:
            raise ExpressionError(f"{error}") from None

    return call


_FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "abs": _math(abs),
    "ceil": _math(math.ceil),
    "ch": lambda scope, path: _as_number(_channel(scope, path), f'ch("{path}")'),
    "chs": _channel,
    "chsop": _channel,
    "floor": _math(math.floor),
    "haspdgattrib": _haspdgattrib,
    "if": lambda _scope, test, yes, no: yes if _as_number(test, "if()") else no,
    "ifs": lambda _scope, test, yes, no: yes if _as_number(test, "ifs()") else no,
    "int": _math(math.trunc),
    "max": _math(max),
    "min": _math(min),
    "padzero": _padzero,
    "pdgattrib": _pdgattrib,
    "pdgattribs": _pdgattribs,
    "pdgattribvals": _pdgattribvals,
    "pdginput": _pdginput,
    "pow": _math(math.pow),
    "round": _math(lambda value: math.floor(value + 0.5)),
    "sqrt": _math(math.sqrt),
    "strcat": lambda _scope, *parts: "".join(_as_text(part) for part in parts),
    "strlen": lambda _scope, text: float(len(_as_text(text))),
    "strreplace": _strreplace,
    "tolower": lambda _scope, text: _as_text(text).lower(),
    "toupper": lambda _scope, text: _as_text(text).upper(),
}
