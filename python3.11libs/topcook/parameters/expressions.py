"""String and number expressions of TOP parameters, without Houdini.

The subset that TOP networks need: ``$VAR`` and ``${VAR}``, back-ticked expressions inside strings
(``"`@attrib`"``), ``@attrib`` and ``@attrib.index``, arithmetic, comparisons and a short list of
HScript functions. Everything else is refused by name. Nothing is ever handed to ``eval``: text is
tokenised and evaluated by the small parser below.
"""

from __future__ import annotations

import math
import re
from typing import Final

from .functions import (
    FUNCTIONS,
    MOST_CHARACTERS,
    ExpressionError,
    Scope,
    Value,
    as_number,
    as_text,
    attribute,
    number_text,
)

_MAX_DEPTH: Final = 40


def expand(text: str, scope: Scope) -> str:
    r"""Evaluate a string parameter: variables, then back-ticked expressions, in one pass.

    ``\$`` and ``\``` stand for the plain characters; every other backslash is kept (Windows
    paths). Raises ExpressionError on an undefined variable or an unsupported expression.
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"the text has more than {MOST_CHARACTERS} characters")
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
            out.append(as_text(evaluate(inner, scope)) if inner.strip() else "")
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
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"the expression has more than {MOST_CHARACTERS} characters")
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
                number = as_number(self.unary(), f"'{operator}'")
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
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(sorted(FUNCTIONS))
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
            return as_text(left) + as_text(right)
        if operator in ("==", "!="):
            return float((as_text(left) == as_text(right)) == (operator == "=="))
    a, b = as_number(left, f"'{operator}'"), as_number(right, f"'{operator}'")
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
