"""The page of a summary as HTML: one file without scripts, readable from a disk, light and dark."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from .reporting import duration

TRAINED, REUSED, FAILED = "trained", "reused", "failed"
STOPPED, NOT_TRAINED = "stopped", "not trained"
STATES = (FAILED, STOPPED, NOT_TRAINED, TRAINED, REUSED)
"""In the order in which they are shown."""
MARK = "tops-nvdiffrec-summary"

# Neither allowed in HTML nor shown by a browser, and what turns the direction of writing.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True)
class Scene:
    """A scene as the page shows it; ``folder``, ``sheet`` and ``log`` are addresses or ''.

    ``cause`` and ``cure`` of an explained failure stand in place of its ``message``.
    """

    name: str
    state: str
    psnr: float | None
    psnr_pass1: float | None
    faces: int | None
    seconds: float | None
    machine: str
    message: str
    folder: str
    sheet: str
    log: str
    cause: str = ""
    cure: str = ""


def address(path: str) -> str:
    """The address of a path with ``/``, relative to the page."""
    quoted = quote(os.fsencode(path), safe="/")
    return quoted if quoted.startswith(("./", "../")) else f"./{quoted}"


def escaped(text: str) -> str:
    """Text for HTML, between tags as well as in an attribute with quotes."""
    return html.escape(_UNPRINTABLE.sub("\ufffd", text))


def page(
    scenes: Sequence[Scene],
    *,
    title: str,
    seconds: float | None = None,
    problems: Iterable[str] = (),
) -> str:
    """The whole page."""
    by_state = sorted(scenes, key=lambda one: STATES.index(_state(one)))
    by_psnr = sorted(scenes, key=lambda one: (one.psnr is None, one.psnr or 0.0))
    anchors = {id(one): f"scene{number}" for number, one in enumerate(by_state)}
    parts = [
        _HEAD.replace("@TITLE@", escaped(title)),
        f"<header><h1>{escaped(title)}</h1>{_counts(scenes, seconds)}</header>",
        _problems(list(problems)),
        _failures([one for one in by_state if _state(one) == FAILED]),
        _table(by_state, by_psnr, anchors),
        _sheets(by_state, anchors),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _state(scene: Scene) -> str:
    return scene.state if scene.state in STATES else NOT_TRAINED


def _counts(scenes: Sequence[Scene], seconds: float | None) -> str:
    facts = []
    for state in (TRAINED, FAILED, REUSED, STOPPED, NOT_TRAINED):
        number = sum(_state(one) == state for one in scenes)
        if number or state in (TRAINED, FAILED, REUSED):
            mark = f' class="{_css(state)}"' if number else ' class="none"'
            facts.append(f"<li{mark}><b>{number}</b> {state}</li>")
    trained = [one.seconds for one in scenes if _state(one) == TRAINED and one.seconds]
    if trained:
        facts.append(f"<li><b>{duration(sum(trained))}</b> of training</li>")
    if seconds is not None:
        facts.append(f"<li><b>{duration(seconds)}</b> in all</li>")
    return f'<ul class="counts">{"".join(facts)}</ul>'


def _problems(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    lines = "".join(f"<li>{escaped(text)}</li>" for text in texts)
    return f'<section class="failure"><h2>Problems</h2><ul>{lines}</ul></section>'


def _failures(scenes: Sequence[Scene]) -> str:
    """A panel for each cause: on a farm a whole row of scenes may have the same."""
    causes: dict[tuple[str, str], list[Scene]] = {}
    for one in scenes:
        causes.setdefault((one.cause or one.message, one.cure), []).append(one)
    shown = []
    for (cause, cure), failed in causes.items():
        lines = [f"<h3>{len(failed)} scenes</h3>"] if len(failed) > 1 else []
        lines.append(f"<p>{escaped(cause) or 'It has not told why.'}</p>")
        if cure:
            lines.append(f'<p class="cure"><b>Cure</b> {escaped(cure)}</p>')
        where = "".join(f"<li>{_where(one)}</li>" for one in failed)
        shown.append(
            f'<section class="failure">{"".join(lines)}<ul class="where">{where}</ul></section>'
        )
    return f"<h2>Failed</h2>{''.join(shown)}" if shown else ""


def _where(one: Scene) -> str:
    parts = [f"<b>{_named(one.name)}</b>"]
    parts += [f"on <bdi>{escaped(one.machine)}</bdi>"] if one.machine else []
    parts += [f'<a href="{escaped(one.log)}">log</a>'] if one.log else []
    parts += [f'<a href="{escaped(one.folder)}">result folder</a>'] if one.folder else []
    return " · ".join(parts)


def _table(by_state: Sequence[Scene], by_psnr: Sequence[Scene], anchors: dict[int, str]) -> str:
    if not by_state:
        return "<p>No scene.</p>"
    # Two orders of the same rows, of which style shows one: no script is needed.
    orders = (("state", "Failed first", by_state), ("psnr", "Worst PSNR first", by_psnr))
    choice = "".join(
        f'<input type="radio" name="order" id="by-{key}"{" checked" if key == "state" else ""}>'
        f'<label for="by-{key}">{label}</label>'
        for key, label, _rows in orders
    )
    bodies = "".join(
        f'<tbody class="by-{key}">{"".join(_row(one, anchors) for one in rows)}</tbody>'
        for key, _label, rows in orders
    )
    head = (
        '<thead><tr><th scope="col">Scene</th><th scope="col">State</th>'
        '<th scope="col" class="number">PSNR, pass 1</th>'
        '<th scope="col" class="number">PSNR, pass 2</th><th scope="col" class="number">Faces</th>'
        '<th scope="col" class="number">Time</th><th scope="col">Machine</th>'
        '<th scope="col">Message</th></tr></thead>'
    )
    return (
        f'<h2>Scenes</h2><div class="orders">{choice}'
        f'<div class="scroll"><table>{head}{bodies}</table></div></div>'
    )


def _row(one: Scene, anchors: dict[int, str]) -> str:
    name, message = _named(one.name), escaped(one.cause or one.message)
    if one.sheet:
        name = f'<a href="#{anchors[id(one)]}">{name}</a>'
    cells = [
        f'<th scope="row">{name}</th>',
        f'<td><span class="state {_css(_state(one))}">{_state(one)}</span></td>',
        _number(_decibels(one.psnr_pass1)),
        _number(_decibels(one.psnr)),
        _number("" if one.faces is None else f"{one.faces:,}"),
        _number("" if one.seconds is None else duration(one.seconds)),
        f"<td><bdi>{escaped(one.machine)}</bdi></td>",
        f'<td><div class="message" title="{message}">{message}</div></td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _number(text: str) -> str:
    return f'<td class="number">{text or "–"}</td>'


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} dB"


def _sheets(scenes: Sequence[Scene], anchors: dict[int, str]) -> str:
    figures = []
    for one in scenes:
        if not one.sheet:
            continue
        facts = _decibels(one.psnr)
        folder = f'<a href="{escaped(one.folder)}">result folder</a>' if one.folder else ""
        below = " · ".join(part for part in (facts, folder) if part)
        figures.append(
            f'<figure id="{anchors[id(one)]}"><a href="{escaped(one.sheet)}">'
            f'<img src="{escaped(one.sheet)}" loading="lazy" '
            f'alt="contact sheet of {escaped(one.name)}"></a>'
            f"<figcaption>{_named(one.name)}<span>{below}</span></figcaption></figure>"
        )
    if not figures:
        return ""
    return f'<h2>Contact sheets</h2><div class="sheets">{"".join(figures)}</div>'


def _named(name: str) -> str:
    return f"<bdi>{escaped(name) or '(no name)'}</bdi>"


def _css(state: str) -> str:
    return state.replace(" ", "-")


_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c1e21; --soft: #666b73;
  --line: #d9dce1; --panel: #f4f5f7; --bad: #b3261e; --good: #1b7a3d; --calm: #2a5fb0;
  --late: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181b; --text: #e6e7ea; --soft: #9da2ab;
  --line: #34373d; --panel: #202226; --bad: #ff8a80; --good: #6ed391; --calm: #8ab4f8;
  --late: #e8b45a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1500px; background: var(--ground);
  color: var(--text); font: 15px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 24px; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 28px 0 8px; }
h3 { font-size: 15px; margin: 0 0 4px; }
a { color: var(--calm); }
.counts { list-style: none; margin: 0; padding: 0; }
.counts li { display: inline-block; margin-right: 20px; }
.counts b { font-size: 19px; }
.none { color: var(--soft); }
.failed { color: var(--bad); } .trained { color: var(--good); } .reused { color: var(--calm); }
.stopped, .not-trained { color: var(--late); }
.failure { border-left: 4px solid var(--bad); background: var(--panel); margin: 0 0 10px;
  padding: 10px 14px; border-radius: 0 6px 6px 0; }
.failure h2 { margin-top: 0; }
.failure p { margin: 2px 0; overflow-wrap: anywhere; }
.where { list-style: none; margin: 6px 0 0; padding: 0; color: var(--soft); font-size: 13px;
  overflow-wrap: anywhere; }
.where b { color: var(--text); }
.scroll { overflow-x: auto; margin-top: 10px; }
.orders input { margin: 0 6px 0 0; } .orders label { margin-right: 18px; }
#by-state:checked ~ .scroll .by-psnr, #by-psnr:checked ~ .scroll .by-state { display: none; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 6px 10px;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 9em; }
.state, td.number { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.message { color: var(--soft); min-width: 14em; max-width: 40em; overflow: hidden;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; max-height: 2.9em; }
.sheets { display: flex; flex-wrap: wrap; gap: 18px; }
figure { margin: 0; flex: 1 1 340px; max-width: 520px; padding: 10px;
  background: var(--panel); border-radius: 6px; }
figure:target { outline: 2px solid var(--calm); }
figure img { display: block; width: 100%; height: 360px; object-fit: contain; }
figcaption { margin-top: 8px; font-weight: 600; overflow-wrap: anywhere; }
figcaption span { display: block; font-weight: 400; color: var(--soft); }
@media print { .orders input, .orders label { display: none; } figure { break-inside: avoid; } }
"""

# No script is allowed, whatever a scene is called.
_HEAD = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="generator" content="{MARK}">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>{_STYLE}</style></head><body>"""
