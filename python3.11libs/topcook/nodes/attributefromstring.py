"""Attribute from String: parses attributes out of a text such as a file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import layout, menu, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms

PARAMETERS = table(
    layout("sepparm", "sepparm2"),
    GENERATE_WHEN,
    string("sourcestring"),
    menu("operation", "0", "0 1"),
    menu("useregex", "0", "off on"),
    string("matchstring"),
    menu("delimitertype", "0", "0 1 2"),
    string("delimiter", ","),
    toggle("infertype", True),
    toggle("createnomatch"),
    menu("storage", "0", "0 1"),
    toggle("createsplit", True),
    string("splitattribute", "split"),
    toggle("createcount", True),
    string("countattribute", "splitcount"),
    toggle("createindex", True),
    string("indexattribute", "splitindex"),
    toggle("trimspace", True),
)

_MOST = 10_000
_PLACE = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<type>[^{}]*))?\}")
_INTEGER, _FLOAT = r"[-+]?\d+", r"[-+]?(?:\d+\.?\d*|\.\d+)"
_KINDS = {
    "int": pdg.attribType.Int,
    "integer": pdg.attribType.Int,
    "float": pdg.attribType.Float,
    "string": pdg.attribType.String,
    "str": pdg.attribType.String,
}


class Pattern:
    """What a text must look like, and which parts of it become attributes.

    ``types`` holds the types that the pattern states. Raises ValueError on a bad pattern.
    """

    def __init__(self, expression: str, types: Mapping[str, pdg.attribType]) -> None:
        if len(expression) > _MOST:
            raise ValueError(f"the pattern has more than {_MOST} characters")
        try:
            self._expression = re.compile(expression)
        except re.error as error:
            raise ValueError(f"the regular expression is not valid: {error}") from None
        self.types = dict(types)

    @classmethod
    def simple(cls, text: str) -> Pattern:
        """Names in braces between literal characters: ``{shot}.{}.{frame:int}.exr``.

        A place ends before the next literal character; one at the end of the pattern goes to the
        end of the text. Places without a type, or with the type string, hold letters, digits and
        underscores.
        """
        parts: list[str] = []
        types: dict[str, pdg.attribType] = {}
        at = 0
        for place in _PLACE.finditer(text):
            parts.append(re.escape(text[at : place.start()]))
            at = place.end()
            name, word = place["name"].strip(), (place["type"] or "").strip().lower()
            if word and word not in _KINDS:
                raise ValueError(
                    f"'{word}' in {place[0]} is no type; known are {', '.join(_KINDS)}"
                )
            if name and not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ValueError(f"'{name}' in {place[0]} cannot be the name of an attribute")
            if name in types or f"(?P<{name}>" in "".join(parts):
                raise ValueError(f"the name '{name}' stands twice in the pattern")
            kind = _KINDS.get(word)
            if kind is not None:
                types[name] = kind
            inside = _inside(kind, text[at : at + 1])
            parts.append(f"(?P<{name}>{inside})" if name else f"(?:{inside})")
        parts.append(re.escape(text[at:]))
        return cls("".join(parts), types)

    @classmethod
    def regular(cls, text: str) -> Pattern:
        """A regular expression; its named groups become attributes."""
        return cls(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", text), {})

    def match(self, text: str) -> dict[str, str] | None:
        """The parts of the text by the attributes' names; None when it does not match."""
        found = self._expression.search(text[:_MOST])
        if found is None:
            return None
        return {name: part for name, part in found.groupdict().items() if part is not None}


def _inside(kind: pdg.attribType | None, following: str) -> str:
    """The expression for a place that the character ``following`` ends ('' at the end)."""
    if kind is pdg.attribType.Int:
        return _INTEGER
    if kind is pdg.attribType.Float:
        return _FLOAT
    if not following:
        return r".*"
    if following == "{":
        return r"\w+?"
    return rf"(?:(?!{re.escape(following)})\w)+"


class AttributeFromString(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        parents: list[pdg.WorkItem | None] = list(upstream_items)
        if not parents and not self.node.inputs:
            parents = [None]
        for parent in parents:
            text = parameters.string("sourcestring", parent)
            if parameters.menu("operation", parent) == 0:
                self._matched(item_holder, parameters, parent, text)
            else:
                self._split(item_holder, parameters, parent, text)
        return pdg.result.Success

    def _matched(
        self,
        holder: pdg.WorkItemHolder,
        parameters: NodeParameters,
        parent: pdg.WorkItem | None,
        text: str,
    ) -> None:
        wanted = parameters.string("matchstring", parent)
        regular = parameters.menu("useregex", parent) == 1
        try:
            pattern = Pattern.regular(wanted) if regular else Pattern.simple(wanted)
        except ValueError as error:
            raise self._bad("matchstring", error) from None
        found = pattern.match(text)
        if found is None and not parameters.toggle("createnomatch", parent):
            return
        item = _add(holder, parent)
        infers = parameters.toggle("infertype", parent)
        for name, part in (found or {}).items():
            kind = pattern.types.get(name) or (_inferred(part) if infers else pdg.attribType.String)
            attribute = item.addAttrib(name, kind, pdg.attribOverwrite.Always)
            assert attribute is not None
            attribute.setValues([part])

    def _split(
        self,
        holder: pdg.WorkItemHolder,
        parameters: NodeParameters,
        parent: pdg.WorkItem | None,
        text: str,
    ) -> None:
        delimiter = parameters.string("delimiter", parent)
        try:
            parts = _pieces(text[:_MOST], delimiter, parameters.menu("delimitertype", parent))
        except ValueError as error:
            raise self._bad("delimiter", error) from None
        if parameters.toggle("trimspace", parent):
            parts = [part.strip() for part in parts]

        def name(what: str) -> str:
            wanted = parameters.toggle(f"create{what}", parent)
            return parameters.string(f"{what}attribute", parent) if wanted else ""

        separate = parameters.menu("storage", parent) == 1
        for index, values in enumerate([[part] for part in parts] if separate else [parts]):
            item = _add(holder, parent, index if separate else -1)
            if attribute := name("split"):
                item.setStringAttrib(attribute, values)
            if attribute := name("count"):
                item.setIntAttrib(attribute, [len(parts)])
            if separate and (attribute := name("index")):
                item.setIntAttrib(attribute, [index])

    def _bad(self, parameter: str, error: ValueError) -> pdg.CookError:
        return pdg.CookError(f"{self.node.path}, parameter '{parameter}': {error}")


def _add(holder: pdg.WorkItemHolder, parent: pdg.WorkItem | None, index: int = -1) -> pdg.WorkItem:
    return holder.addWorkItem(parent=parent, index=index, cloneOutputFiles=True)


def _pieces(text: str, delimiter: str, kind: int) -> list[str]:
    """The text's parts between delimiters. Raises ValueError on a bad delimiter."""
    if not delimiter:
        raise ValueError("the delimiter is empty")
    if kind == 0:
        return text.split(delimiter)
    expression = f"[{re.escape(delimiter)}]" if kind == 1 else delimiter
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ValueError(f"the regular expression is not valid: {error}") from None
    parts: list[str] = []
    at = 0
    for found in compiled.finditer(text):
        if found.end() > found.start():
            parts.append(text[at : found.start()])
            at = found.end()
    return [*parts, text[at:]]


def _inferred(text: str) -> pdg.attribType:
    if re.fullmatch(_INTEGER, text):
        return pdg.attribType.Int
    return pdg.attribType.Float if re.fullmatch(_FLOAT, text) else pdg.attribType.String


TYPE = NodeType("attributefromstring", PARAMETERS, pdg.nodeType.Processor, AttributeFromString)
