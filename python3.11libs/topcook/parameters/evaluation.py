"""Evaluation of a node's parameters, for one work item at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from houfiles.members.channels import SHAPES
from topcook import pdg

from .expressions import evaluate, evaluate_number, expand
from .functions import ExpressionError, Scope, number_text
from .references import references
from .table import NUMERIC, Kind, ParmSpec, ParmTable, toggle_value


class SceneExpression(Protocol):
    """An expression on a channel, as the scene reader gives it."""

    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str: ...


class SceneValue(Protocol):
    """One component of a parameter, as the scene reader gives it."""

    @property
    def text(self) -> str: ...
    @property
    def expression(self) -> SceneExpression | None: ...


@dataclass(frozen=True)
class TypedValue:
    """A component given on the command line or taken from a table."""

    text: str
    expression: SceneExpression | None = None


@dataclass
class Surroundings:
    """What all parameters of a network share.

    ``variables``: ``$`` variables; ``frame``: the scene's current frame; ``channel``: follows
    ``ch("../node/parm")`` from a node path, and ``target`` gives where that leads: the other
    node's parameters and a name in them, or None; ``warn``: one sentence for the artist;
    ``scene_python``: whether code that the scene brings may be run.
    """

    variables: dict[str, str] = field(default_factory=dict)
    frame: float = 1.0
    channel: Callable[[str, str, pdg.WorkItem | None], str] | None = None
    target: Callable[[str, str], tuple[NodeParameters, str] | None] = lambda _origin, _path: None
    warn: Callable[[str], None] = lambda _message: None
    scene_python: bool = False


_REFERENCE = re.compile(r"\bch(?:s|sop)?\(\s*[\"']([^\"']+)[\"']\s*\)")


class NodeParameters:
    """The parameters of one node: the scene's values over the table's defaults.

    ``links``: parameters of a list's entries that follow another node's (``own#``, ``../outer#``).
    """

    def __init__(
        self,
        table: ParmTable,
        path: str,
        values: Mapping[str, Sequence[SceneValue]],
        surroundings: Surroundings,
        links: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.table, self.path, self.surroundings = table, path, surroundings
        self._values: dict[str, Sequence[SceneValue]] = dict(values)
        self._links = tuple(links)

    # -- what is set ------------------------------------------------------------------------
    def names(self) -> list[str]:
        fixed = {spec.name for spec in self.table if "#" not in spec.name}
        return sorted(fixed | set(self._values))

    def has(self, name: str) -> bool:
        return name in self._values or self.table.find(name) is not None

    def isSet(self, name: str) -> bool:
        """True when the scene or the command line gives the parameter a value of its own."""
        return name in self._values

    def set(self, name: str, texts: Sequence[str]) -> None:
        self._values[name] = [TypedValue(text) for text in texts]

    def spec(self, name: str) -> ParmSpec | None:
        return self.table.find(name)

    def components(self, name: str) -> Sequence[SceneValue]:
        """The stored components, or the table's defaults; none of a parameter without a value."""
        found = self._values.get(name)
        if found:
            return found
        spec = self.table.find(name)
        if spec is None and found is not None:
            return ()
        if spec is None:
            raise pdg.CookError(f"{self.path} has no parameter '{name}'")
        return [TypedValue(text) for text in spec.default]

    def raw(self, name: str) -> str:
        """The text as it stands in the scene: nothing expanded."""
        components = self.components(name)
        return components[0].text if components else ""

    def isDefault(self, name: str) -> bool:
        """True when the parameter has its default value and no expression."""
        spec = self.table.find(name)
        if spec is None or not self.isSet(name):
            return spec is not None
        values = self.components(name)
        if any(value.expression is not None for value in values):
            return False
        return spec.normal(value.text for value in values) == spec.normal(spec.default)

    def watched(self) -> dict[str, str]:
        """What each own parameter is made of: its text, and the texts that it refers to.

        Nothing is evaluated: this changes when somebody changes a parameter, and at no other time.
        """
        found = {name: self.made_of(name) for name in sorted(self._values)}
        for own, outer in self._links:
            target = self.surroundings.target(self.path, outer.replace("#", "1"))
            spec = target[0].spec(target[1]) if target is not None else None
            if target is None or spec is None or not spec.owner:
                continue
            try:
                entries = target[0].count(spec.owner)
            except pdg.CookError:
                continue  # The number is no number; generating says so.
            for number in range(1, entries + 1):
                name = spec.name.replace("#", str(number))
                found[own.replace("#", str(number))] = target[0].made_of(name)
        return found

    def made_of(self, name: str) -> str:
        """A parameter's text with the texts of all parameters that it refers to."""
        parts: list[str] = []
        seen: set[tuple[str, str]] = set()
        waiting: list[tuple[NodeParameters, str]] = [(self, name)]
        while waiting:
            parameters, one = waiting.pop()
            if (parameters.path, one) in seen:
                continue
            seen.add((parameters.path, one))
            for value in parameters.components(one):
                driven = value.expression
                text = value.text if driven is None else driven.text
                parts.append(text)
                for path in _REFERENCE.findall(text) if driven or "`" in text else ():
                    target = self.surroundings.target(parameters.path, path)
                    waiting += [] if target is None else [target]
        return "\n".join(parts)

    def attributeReferences(self) -> frozenset[str]:
        """The names of the attributes that the node's expressions refer to."""
        found = frozenset[str]()
        for name in self.names():
            spec = self.table.find(name)
            if spec is not None and spec.kind in (Kind.LAYOUT, Kind.BUTTON):
                continue
            for value in self.components(name):
                if value.expression is not None:
                    found |= references(value.expression.text)
                elif spec is not None and spec.kind in NUMERIC and "`" not in value.text:
                    found |= references(value.text)
                else:
                    for inside in value.text.split("`")[1::2]:
                        found |= references(inside)
        return found

    # -- evaluation -------------------------------------------------------------------------
    def scope(self, item: pdg.WorkItem | None) -> Scope:
        around = self.surroundings
        frame = item.frame if item is not None and item.hasFrame else around.frame
        name = self.path.rsplit("/", 1)[-1]
        channel = around.channel

        def report(message: str) -> None:
            around.warn(f"{self.path}: {message}")

        return Scope(
            variables={**around.variables, "OS": name},
            attribute=None if item is None else item.expressionValues,
            frame=frame,
            channel=None if channel is None else lambda path: channel(self.path, path, item),
            report=report,
        )

    def _wrap(self, name: str, error: ExpressionError) -> pdg.CookError:
        return pdg.CookError(f"{self.path}, parameter '{name}': {error}")

    def string(self, name: str, item: pdg.WorkItem | None = None) -> str:
        return self.stringOf(name, self._first(name), self.scope(item))

    def _first(self, name: str) -> SceneValue:
        components = self.components(name)
        if not components:
            raise pdg.CookError(f"{self.path}: the parameter '{name}' has no value")
        return components[0]

    def stringOf(self, name: str, value: SceneValue, scope: Scope) -> str:
        try:
            if value.expression is not None:
                result = evaluate(self._hscript(name, value.expression), scope)
                return result if isinstance(result, str) else number_text(result)
            return expand(value.text, scope)
        except ExpressionError as error:
            raise self._wrap(name, error) from None

    def expanded(self, text: str, item: pdg.WorkItem | None = None) -> str:
        """A text of another place, evaluated as if it stood in a parameter of this node."""
        return self.stringOf("label", TypedValue(text), self.scope(item))

    def _hscript(self, name: str, expression: SceneExpression) -> str:
        what = ""
        if expression.language.lower() != "hscript":
            what = f"driven by a {expression.language} expression, which is not run"
        elif expression.text in SHAPES:
            what = "animated with keyframes, which are not evaluated"
        if what:
            raise ExpressionError(
                f"it is {what} outside Houdini; replace it, or give the value with --set "
                f"{self.path.rsplit('/', 1)[-1]}.{name}=VALUE"
            )
        return expression.text

    def number(self, name: str, item: pdg.WorkItem | None = None, component: int = 0) -> float:
        components = self.components(name)
        if component >= len(components):
            return 0.0
        value = components[component]
        scope = self.scope(item)
        try:
            if value.expression is not None:
                return evaluate_number(self._hscript(name, value.expression), scope)
            text = value.text
            if "`" in text:
                text = expand(text, scope)
            return evaluate_number(text, scope) if text.strip() else 0.0
        except ExpressionError as error:
            raise self._wrap(name, error) from None

    def integer(self, name: str, item: pdg.WorkItem | None = None, component: int = 0) -> int:
        return int(self.number(name, item, component))

    def toggle(self, name: str, item: pdg.WorkItem | None = None) -> bool:
        value = self._first(name)
        if value.expression is None and (state := toggle_value(value.text)) is not None:
            return state
        return bool(self.number(name, item))

    def menu(self, name: str, item: pdg.WorkItem | None = None) -> int:
        """The menu's number: the position of the entry, or its token where tokens are values."""
        value = self._first(name)
        spec = self.table.find(name)
        if value.expression is None and spec is not None and spec.kind is Kind.MENU:
            shown, number = value.text, spec.menu_value(value.text)
        else:
            found = self.integer(name, item)
            shown = str(found)
            number = found if spec is None or spec.has_value(found) else None
        if number is None:
            listed = f", only {', '.join(spec.tokens)}" if spec is not None and spec.tokens else ""
            raise pdg.CookError(
                f"{self.path}, parameter '{name}': the menu has no entry '{shown}'{listed}"
            )
        return number

    def count(self, name: str) -> int:
        """The number of instances of a multiparm."""
        number = self.integer(name)
        if not 0 <= number <= 10_000:
            raise pdg.CookError(f"{self.path}: '{name}' asks for {number} entries")
        return number

    # -- questions asked before a cook ------------------------------------------------------
    def problems(self) -> list[str]:
        """Values that their parameters cannot have."""
        found: list[str] = []
        for name, values in self._values.items():
            spec = self.table.find(name)
            if spec is None or any(value.expression is not None for value in values):
                continue
            found.extend(self.value_problems(name, spec, [value.text for value in values]))
        return found

    def value_problems(self, name: str, spec: ParmSpec, texts: list[str]) -> list[str]:
        where = f"{self.path}, parameter '{name}'"
        if spec.kind is Kind.MENU and texts and spec.menu_value(texts[0]) is None:
            listed = f"; it has {', '.join(spec.tokens)}" if spec.tokens else ""
            return [f"{where}: the menu has no entry '{texts[0]}'{listed}"]
        if spec.kind is Kind.TOGGLE and texts and toggle_value(texts[0]) is None:
            return [f"{where}: '{texts[0]}' is neither on nor off"]
        if spec.kind in NUMERIC and len(texts) > len(spec.default):
            return [f"{where}: {len(texts)} values, it takes {len(spec.default)}"]
        return []
