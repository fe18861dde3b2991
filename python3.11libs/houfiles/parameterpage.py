"""A node's parameter pane as an HTML page, drawn from its interface, for pictures in the docs.

The page shows the state of a new node: defaults, greyed where a condition disables them, every
tab open below its header, and each multiparm with one example row. Nothing of the interface is
run, and all of its texts are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from html import escape
from itertools import groupby, zip_longest

from .dialogscript import MULTIPARMS, Folder, Interface, Line, ParmTemplate, read_lines

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")
_GROUP = re.compile(r"\{([^{}]*)\}")
_CHOOSERS = {"file": "&#9633;", "directory": "&#9633;", "image": "&#9633;", "oppath": "&#9675;"}
_NUMBERS = ("integer", "float", "log", "angle")
_MAX_COMPONENTS = 16
_MAX_CONDITION = 4096


def joined(text: str) -> frozenset[str]:
    """Names of the toggles that stand without a label before the next parameter.

    ``text`` is a DialogScript. Raises HouFileError as reading the interface does.
    """
    names = set()
    waiting = list(read_lines(text))
    while waiting:
        line = waiting.pop()
        if line.block is None:
            continue
        if line.key == "parm" and _has(line.block, "nolabel") and _has(line.block, "joinnext"):
            names.add(next((one.value for one in line.block if one.key == "name"), ""))
        waiting += line.block
    return frozenset(names)


def _has(block: list[Line], key: str) -> bool:
    return any(one.key == key and one.block is None for one in block)


def page(interface: Interface, joined: Collection[str] = ()) -> str:
    """The whole HTML page of an interface.

    Invisible parameters are left out. ``joined`` are the toggles that share the row of the
    parameter after them (see :func:`joined`).
    """
    body = "".join(_blocks(interface, joined))
    title = _text(interface.label or interface.name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><div class=pane>\n"
        f"<div class=title><b>{title}</b> <span>{_text(interface.name)}</span></div>\n"
        f"{body}</div></body></html>\n"
    )


def _blocks(interface: Interface, joined: Collection[str]) -> Iterator[str]:
    """Parameters in order; a header wherever another folder begins."""
    folders = {one.name: one for one in interface.folders}
    shown = [parm for parm in interface.parms if not parm.invisible]
    before: tuple[str, ...] = ()
    for around, parms in groupby(shown, key=lambda parm: parm.folders):
        for depth, (name, last) in enumerate(zip_longest(around, before)):
            if name is not None and (name != last or around[:depth] != before[:depth]):
                yield _header(folders.get(name), name)
        rows = "".join(_rows(interface, list(parms), joined))
        inside = folders[around[-1]] if around and around[-1] in folders else None
        kind = "instance" if inside is not None and inside.kind in MULTIPARMS else "rows"
        yield f"<table class={kind}>\n{rows}</table>\n"
        before = around


def _header(folder: Folder | None, name: str) -> str:
    label = _text((folder.label if folder else "") or name)
    if folder is not None and folder.kind in MULTIPARMS:
        return (
            f"<table class=rows><tr><td class=label>{label}</td><td><span class='field number'>1"
            "</span><span class=button>+</span><span class=button>&#8722;</span>"
            "<span class=button>Clear</span></td></tr></table>\n"
        )
    return f"<div class=tabs><span class=tab>{label}</span></div>\n"


def _rows(
    interface: Interface, parms: Iterable[ParmTemplate], joined: Collection[str]
) -> Iterator[str]:
    waiting = ""
    for parm in parms:
        if parm.type == "toggle" and parm.name in joined:
            waiting += _box(parm)
            continue
        label = _text(_instance(parm.label))
        hidden = _holds(interface, parm, parm.hide_when)
        off = hidden or _holds(interface, parm, parm.disable_when)
        note = f"<span class=note>{_text(_appears(interface, parm))}</span>" if hidden else ""
        name, field = label, _field(parm, note)
        if parm.type == "toggle":
            name, field = "", f"{_box(parm)} <span class=toggle>{label}</span>"
        elif parm.type == "button":
            name, field = "", f"<span class=button>{label}</span>"
        elif waiting:
            name = f"{waiting} {label}"
        waiting = ""
        yield (
            f"<tr{' class=off' if off else ''}><td class=label>{name}</td><td>{field}</td></tr>\n"
        )
    if waiting:
        yield f"<tr><td class=label>{waiting}</td><td></td></tr>\n"


def _box(parm: ParmTemplate) -> str:
    return f"<span class=box>{'&#10003;' if _value(parm) in ('1', 'on') else '&nbsp;'}</span>"


def _field(parm: ParmTemplate, note: str) -> str:
    if parm.type in ("label", "separator"):
        return _text(_value(parm))
    if parm.menu is not None:
        kind = "field" if parm.menu.kind == "menureplace" else "menu"
        arrow = "<span class=arrow>&#9662;</span>"
        return f"<span class={kind}>{_filled(menu_label(parm))}{arrow}{note}</span>"
    values = [*parm.default[:_MAX_COMPONENTS]] or [""]
    values += [values[0]] * (min(parm.size, _MAX_COMPONENTS) - len(values))
    if parm.type in _NUMBERS and len(values) == 1:
        return f"<span class='field number'>{_text(values[0])}</span><span class=slider></span>"
    if len(values) > 1:
        return "".join(f"<span class='field number'>{_text(one)}</span>" for one in values)
    icon = _CHOOSERS.get(parm.type, "")
    chooser = f"<span class=chooser>{icon}</span>" if icon else ""
    kind = "'field chosen'" if icon else "field"
    return f"<span class={kind}>{_filled(values[0])}{note}</span>{chooser}"


def _filled(text: str) -> str:
    """A field's text; an empty one keeps its height."""
    return _text(text) or "&nbsp;"


def _value(parm: ParmTemplate) -> str:
    return parm.default[0] if parm.default else ""


def menu_label(parm: ParmTemplate) -> str:
    """The label of the menu's entry that is the default; the default itself where none is."""
    default, menu = _value(parm), parm.menu
    if menu is None or menu.script:
        return default or ("None" if menu is not None and menu.kind == "menu" else "")
    labels = dict(menu.items)
    if default in labels:
        return labels[default]
    by_place = parm.type == "ordinal" and re.fullmatch(r"[0-9]{1,6}", default)
    if by_place and not menu.use_token_value and int(default) < len(menu.items):
        return menu.items[int(default)][1]
    return default


def _tokens(parm: ParmTemplate) -> set[str]:
    """What a condition may call the default: the text, and a menu's token."""
    default, menu = _value(parm), parm.menu
    found = {default}
    if parm.type == "ordinal" and menu is not None and default.isascii() and default.isdigit():
        found |= {token for token, _label in menu.items[int(default[:6]) :][:1]}
    return found


def _holds(interface: Interface, parm: ParmTemplate, condition: str) -> bool:
    """Whether a condition is met by the defaults; one that is not understood is not met."""
    for terms in _terms(condition):
        met = bool(terms)
        for name, operator, word in terms:
            other = interface.find(name)
            equal = isinstance(other, ParmTemplate) and word in _tokens(other)
            known = isinstance(other, ParmTemplate) and operator in ("==", "!=")
            met = met and known and equal == (operator == "==")
        if met:
            return True
    return False


def _terms(condition: str) -> list[list[tuple[str, str, str]]]:
    """``{ a == 0 b != 1 } { c == tok }``: the terms in each brace."""
    found = []
    for brace in _GROUP.findall(condition[:_MAX_CONDITION]):
        words = brace.split()
        whole = len(words) % 3 == 0
        terms = list(zip(words[::3], words[1::3], words[2::3], strict=True)) if whole else []
        found.append([(name, operator, word.strip('"')) for name, operator, word in terms])
    return found


def _appears(interface: Interface, parm: ParmTemplate) -> str:
    """In words, when a hidden parameter appears."""
    match _terms(parm.hide_when):
        case [[(name, "!=", word)]]:
            other = interface.find(name)
            if isinstance(other, ParmTemplate) and other.menu is not None:
                chosen = dict(other.menu.items).get(word, word)
                return f"with {other.label}: {chosen}"
    return "hidden at first"


def _instance(label: str) -> str:
    return label.replace("#", "1")


def _text(text: str) -> str:
    """Text for HTML; what no page can show becomes a replacement character."""
    return escape(_UNPRINTABLE.sub("\ufffd", text), quote=True)


_STYLE = """
@page { size: 640px 3000px; margin: 0; background: #ffffff }
body { margin: 0; font: 11px "DejaVu Sans", sans-serif; color: #d0d0d0 }
.pane { margin: 4px; padding: 0 0 8px; background: #3c3c3c; border: 1px solid #1d1d1d }
.title { padding: 6px 10px; margin-bottom: 8px; background: #2b2b2b; color: #f0f0f0 }
.title span { color: #8f8f8f; padding-left: 8px; font-size: 10px }
table { width: 608px; margin: 0 10px; border-collapse: collapse; table-layout: fixed }
td { padding: 2px 4px; vertical-align: middle; white-space: nowrap; overflow: hidden }
td.label { width: 168px; text-align: right; color: #dcdcdc }
.tabs { margin: 10px 10px 6px; border-bottom: 1px solid #5a5a5a }
.tab { display: inline-block; padding: 4px 12px; background: #4c4c4c; color: #ffffff;
  border: 1px solid #5a5a5a; border-bottom: 0; border-radius: 4px 4px 0 0 }
.instance { background: #353535; border-left: 2px solid #6a6a6a; margin-bottom: 4px }
.field, .menu { display: inline-block; box-sizing: border-box; width: 396px; padding: 2px 6px;
  background: #1f1f1f; border: 1px solid #161616; border-radius: 2px; color: #e6e6e6;
  vertical-align: middle; overflow: hidden }
.menu { background: #4a4a4a; border-color: #2a2a2a }
.arrow { float: right; color: #b5b5b5 }
.chosen { width: 370px }
.chooser { display: inline-block; width: 20px; margin-left: 4px; text-align: center;
  color: #b5b5b5; vertical-align: middle }
.number { width: 84px }
.slider { display: inline-block; width: 300px; height: 2px; margin-left: 8px;
  background: #202020; border-bottom: 1px solid #555555; vertical-align: middle }
.box { display: inline-block; box-sizing: border-box; width: 14px; height: 14px; font-size: 10px;
  line-height: 12px; text-align: center; background: #1f1f1f; border: 1px solid #161616;
  border-radius: 2px; color: #ffb347; vertical-align: middle }
.toggle { vertical-align: middle }
.button { display: inline-block; padding: 2px 12px; margin-right: 4px; background: #575757;
  border: 1px solid #2a2a2a; border-radius: 3px; color: #f0f0f0; vertical-align: middle }
.number + .button { margin-left: 6px }
.off, .off td, .off .field, .off .menu { color: #858585 }
.note { float: right; padding-right: 6px; color: #9a9a9a; font-style: italic; font-size: 10px }
"""
