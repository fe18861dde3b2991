"""The parameter interface of a node type (``DialogScript``), read into a typed tree.

The text is made of lines: words, quoted strings and blocks in braces. Blocks are read with a
stack of their own, never by recursion, so that nesting cannot exhaust anything.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .errors import MAX_DEPTH, MAX_ITEMS, MAX_TEXT_BYTES, HouFileError, shown
from .members.parms import Expression

_TOKEN = re.compile(
    r'[ \t\r]++|(?P<comment>#[^\n]*+)|(?P<end>\n\s*+)|"(?P<quoted>(?:[^"\\]++|\\.)*+)"'
    r'|(?P<open>\{)|(?P<close>\})|(?P<word>[^\s"{}]++)',
    re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}

GROUPS = ("group", "groupsimple", "groupcollapsible", "groupradio", "grouptabs")
MULTIPARMS = ("multiparm", "multiscroll", "multiswitcher")
_MENUS = ("menu", "menureplace", "menutoggle", "menumini")


@dataclass
class Line:
    """A statement: its words, each with whether it was quoted, and the block after them."""

    words: list[tuple[str, bool]] = field(default_factory=list)
    block: list[Line] | None = None

    @property
    def key(self) -> str:
        return self.words[0][0] if self.words else ""

    @property
    def value(self) -> str:
        return self.words[1][0] if len(self.words) > 1 else ""


def read_lines(text: str) -> list[Line]:
    """The statements of a text. Raises HouFileError on unbalanced quotes or braces."""
    if len(text) > MAX_TEXT_BYTES:
        raise HouFileError("the interface is too large")
    top: list[Line] = []
    stack = [top]
    current = Line()
    at = count = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise HouFileError(f"line {text.count(chr(10), 0, at) + 1}: a quote is not closed")
        at, kind = token.end(), token.lastgroup
        count += 1
        if kind in ("word", "quoted"):
            word = token[kind]
            current.words.append((_unescape(word) if kind == "quoted" else word, kind == "quoted"))
        elif kind == "open":
            if len(stack) > MAX_DEPTH:
                raise HouFileError(f"the interface is nested more than {MAX_DEPTH} deep")
            if not current.words and stack[-1] and stack[-1][-1].block is None and len(stack) > 1:
                current = stack[-1].pop()
            current.block = []
            stack[-1].append(current)
            stack.append(current.block)
            current = Line()
        elif kind in ("end", "close") and current.words:
            stack[-1].append(current)
            current = Line()
        if kind == "close":
            stack.pop()
            if not stack:
                raise HouFileError("the interface closes a block that was never opened")
        if count > MAX_ITEMS:
            raise HouFileError(f"the interface has more than {MAX_ITEMS} words")
    if current.words:
        stack[-1].append(current)
    if len(stack) != 1:
        raise HouFileError("the interface ends inside a block")
    return top


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _LETTERS.get(found[1], found[1]), text)


@dataclass(frozen=True)
class Menu:
    """A menu. ``kind`` is the statement (``menu``, ``menureplace`` ...).

    ``items`` are (token, label) pairs; a scripted menu has none and ``script`` instead. With
    ``use_token_value`` the token is the value and not its position.
    """

    kind: str
    items: tuple[tuple[str, str], ...] = ()
    use_token_value: bool = False
    script: str = ""
    language: str = ""


@dataclass(frozen=True)
class ParmTemplate:
    """A parameter of an interface; ``#`` in the name stands for a multiparm's instance number.

    ``default`` has one text per component, and ``default_expressions`` the expression of those
    components whose default is one. ``folders`` are the names of the groups around it,
    ``multiparm`` the innermost multiparm.
    """

    name: str
    label: str = ""
    type: str = ""
    size: int = 1
    default: tuple[str, ...] = ()
    default_expressions: tuple[Expression | None, ...] = ()
    menu: Menu | None = None
    invisible: bool = False
    disable_when: str = ""
    hide_when: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    multiparm: str | None = None

    def accepts(self, value: str) -> bool:
        """Whether a saved menu or toggle value is one that exists; True for all other types."""
        if self.type == "toggle":
            return value in ("on", "off", "0", "1")
        menu = self.menu
        if self.type != "ordinal" or menu is None or menu.script:
            return True
        tokens = [token for token, _label in menu.items]
        by_place = not menu.use_token_value and value.isascii() and value.isdigit()
        return value in tokens or (by_place and int(value[:9]) < len(tokens))


@dataclass(frozen=True)
class Folder:
    """A group of parameters (``kind`` the statement); multiparms are folders too."""

    kind: str
    name: str
    label: str
    default: int = 0
    multiparm: str | None = None


@dataclass(frozen=True)
class Interface:
    """The parameters of a node type, flat and in order, and its groups and multiparms."""

    name: str
    label: str
    parms: tuple[ParmTemplate, ...]
    folders: tuple[Folder, ...]

    @cached_property
    def _by_key(self) -> dict[str, list[ParmTemplate | Folder]]:
        found: dict[str, list[ParmTemplate | Folder]] = {}
        everything: list[ParmTemplate | Folder] = [*self.parms, *self.folders]
        for one in everything:
            found.setdefault(_key(one.name), []).append(one)
        return found

    def find(self, name: str) -> ParmTemplate | Folder | None:
        """The template of a saved parameter: ``stringname2`` finds ``stringname#``."""
        candidates = self._by_key.get(_key(name), [])
        exact = next((one for one in candidates if one.name == name), None)
        return exact or next((one for one in candidates if _stands_for(one.name, name)), None)

    def multiparm(self, name: str) -> Folder | None:
        return next(
            (one for one in self.folders if one.name == name and one.kind in MULTIPARMS), None
        )


def _key(name: str) -> str:
    """The name with every run of digits and ``#`` made equal."""
    return re.sub(r"[0-9#]+", "#", name)


def _stands_for(template: str, name: str) -> bool:
    pattern = "[0-9]{1,7}".join(re.escape(part) for part in template.split("#"))
    return "#" in template and re.fullmatch(pattern, name) is not None


def decode(text: str) -> Interface:
    """Read a DialogScript. Raises HouFileError."""
    frame = next((one.block for one in read_lines(text) if not one.words), None)
    if frame is None:
        raise HouFileError("the interface has no block of parameters")
    head = {one.key: one.value for one in frame if one.block is None}
    parms: list[ParmTemplate] = []
    folders: list[Folder] = []
    _collect(frame, parms, folders)
    return Interface(head.get("name", ""), head.get("label", ""), tuple(parms), tuple(folders))


def _collect(block: list[Line], parms: list[ParmTemplate], folders: list[Folder]) -> None:
    """Walk the groups in order; the stack holds what is left to do, so depth costs nothing."""
    stack: list[tuple[Iterator[Line], tuple[str, ...], str | None]] = [(iter(block), (), None)]
    while stack:
        rest, around, multi = stack[-1]
        line = next(rest, None)
        if line is None:
            stack.pop()
        elif line.block is not None and line.key == "parm":
            parms.append(_parm(line.block, around, multi))
        elif line.block is not None and line.key in (*GROUPS, *MULTIPARMS):
            folder = _folder(line.key, line.block, multi)
            folders.append(folder)
            inner = folder.name if line.key in MULTIPARMS else multi
            stack.append((iter(line.block), (*around, folder.name), inner))


def _folder(kind: str, block: list[Line], multi: str | None) -> Folder:
    head = {one.key: one.value for one in block if one.block is None}
    default = head.get("default", "0")
    count = int(default) if re.fullmatch(r"\d{1,9}", default, re.ASCII) else 0
    return Folder(kind, head.get("name", ""), head.get("label", ""), count, multi)


def _parm(block: list[Line], around: tuple[str, ...], multi: str | None) -> ParmTemplate:
    head = {one.key: one.value for one in block if one.block is None}
    if not head.get("name"):
        raise HouFileError("a parameter of the interface has no name")
    size = head.get("size", "1")
    if not re.fullmatch(r"\d{1,5}", size, re.ASCII):
        raise HouFileError(f"the parameter '{shown(head['name'])}' has no proper size")
    default: tuple[str, ...] = ()
    expressions: tuple[Expression | None, ...] = ()
    menu = None
    tags: dict[str, str] = {}
    for line in block:
        if line.block is None:
            continue
        inside = [word for one in line.block for word, _quoted in one.words]
        if line.key == "default":
            default, expressions = _default(line.block)
        elif line.key == "parmtag":
            tags.update(zip(inside[::2], inside[1::2], strict=False))
        elif line.key in _MENUS:
            menu = _menu(line)
    return ParmTemplate(
        name=head["name"],
        label=head.get("label", ""),
        type=head.get("type", ""),
        size=int(size),
        default=default,
        default_expressions=expressions,
        menu=menu,
        invisible="invisible" in head,
        disable_when=head.get("disablewhen", ""),
        hide_when=head.get("hidewhen", ""),
        tags=tags,
        folders=around,
        multiparm=multi,
    )


def _default(block: list[Line]) -> tuple[tuple[str, ...], tuple[Expression | None, ...]]:
    """The defaults; one that is an expression stands as ``[ "text" hscript-expr ]``."""
    texts: list[str] = []
    expressions: list[Expression | None] = []
    words = iter([word for line in block for word in line.words])
    for word in words:
        expression = None
        text = word[0]
        if word == ("[", False):
            inside = list(itertools.takewhile(lambda one: one != ("]", False), words))
            if not inside:
                raise HouFileError("a default of the interface is empty")
            text = inside[0][0]
            language = inside[1][0].removesuffix("-expr") if len(inside) > 1 else ""
            expression = Expression(text, language) if language else None
        texts.append(text)
        expressions.append(expression)
    return tuple(texts), tuple(expressions)


def _menu(line: Line) -> Menu:
    items: list[tuple[str, str]] = []
    script: list[str] = []
    language = ""
    for one in line.block or []:
        words = one.words
        if words[:1] == [("[", False)]:
            script += [word for word, quoted in words if quoted]
        elif len(words) == 2 and words[0] == ("language", False):
            language = words[1][0]
        else:
            texts = [word for word, _quoted in words]
            items += zip(texts[::2], texts[1::2], strict=False)
    by_token = ("usetokenvalue", False) in line.words
    return Menu(line.key, tuple(items), by_token, "\n".join(script), language)
