"""Channels (``.chn``): which expression drives a value.

``{``, per channel a block ``channel NAME { key = value ... segment { ... } }``, ``}``. Words are
separated by white space; a word with white space in it stands in quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import MAX_ITEMS, HouFileError, shown
from .parms import Expression
from .quoting import needs_quotes, word_at, written


@dataclass(frozen=True)
class Setting:
    """``key = value value``; each value with whether it was quoted."""

    key: str
    values: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Channel:
    """One channel: its settings, and its segments with theirs."""

    name: str
    settings: tuple[Setting, ...]
    segments: tuple[tuple[Setting, ...], ...]

    @property
    def expression(self) -> Expression | None:
        """The expression of the first segment; its language is hscript unless it says otherwise."""
        found = {one.key: one.values[0][0] for one in self.segments[0]} if self.segments else {}
        if "expr" not in found:
            return None
        return Expression(found["expr"], found.get("language", "hscript"))


def driven(name: str, expression: Expression, value: str | None = None) -> Channel:
    """A channel that holds one expression, as Houdini writes it; ``value`` is its last number."""
    quoted = needs_quotes(expression.text)
    segment = [Setting("length", (("0", False),))]
    if value is not None:
        segment.append(Setting("value", ((value, False), (value, False))))
    segment.append(Setting("expr", ((expression.text, quoted),)))
    if expression.language != "hscript":
        segment.append(Setting("language", ((expression.language, False),)))
    settings = [
        Setting("lefttype", (("extend", False),)),
        Setting("righttype", (("extend", False),)),
    ]
    if value is not None:
        settings.append(Setting("default", ((value, False),)))
    settings.append(Setting("flags", (("0", False),)))
    return Channel(name, tuple(settings), (tuple(segment),))


class _Words:
    """The words of the text, one ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.taken = 0

    def _skip(self) -> None:
        text, at = self._text, self._at
        while at < len(text) and text[at] in " \t\n\r":
            at += 1
        self._at = at

    def peek(self) -> tuple[str, bool] | None:
        self._skip()
        if self._at == len(self._text):
            return None
        text, quoted, _end = word_at(self._text, self._at)
        return text, quoted

    def next(self) -> tuple[str, bool]:
        self._skip()
        if self._at == len(self._text):
            raise HouFileError("the channels end too early")
        self.taken += 1
        if self.taken > MAX_ITEMS:
            raise HouFileError(f"it has more than {MAX_ITEMS} words")
        text, quoted, self._at = word_at(self._text, self._at)
        return text, quoted

    def expect(self, word: str) -> None:
        found, quoted = self.next()
        if found != word or quoted:
            raise HouFileError(f"'{word}' is missing in front of '{shown(found)}'")


def decode(text: str) -> tuple[Channel, ...]:
    words = _Words(text)
    words.expect("{")
    found: list[Channel] = []
    while words.peek() != ("}", False):
        words.expect("channel")
        name = words.next()[0]
        words.expect("{")
        settings: list[Setting] = []
        segments: list[tuple[Setting, ...]] = []
        while words.peek() != ("}", False):
            key = words.next()[0]
            if key == "segment":
                words.expect("{")
                segments.append(_settings(words))
            else:
                settings.append(_setting(words, key))
        words.expect("}")
        found.append(Channel(name, tuple(settings), tuple(segments)))
    words.expect("}")
    if words.peek() is not None:
        raise HouFileError("something follows the channels")
    return tuple(found)


def _settings(words: _Words) -> tuple[Setting, ...]:
    found: list[Setting] = []
    while words.peek() != ("}", False):
        found.append(_setting(words, words.next()[0]))
    words.expect("}")
    return tuple(found)


def _setting(words: _Words, key: str) -> Setting:
    """A setting has one value, ``value`` and its like as many as numbers follow."""
    words.expect("=")
    values = [words.next()]
    while (ahead := words.peek()) is not None and not ahead[1] and _is_number(ahead[0]):
        values.append(words.next())
    return Setting(key, tuple(values))


def _is_number(text: str) -> bool:
    if text[:1] not in "+-.0123456789":
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def encode(channels: Sequence[Channel]) -> str:
    lines = ["{"]
    for channel in channels:
        lines.append(f"    channel {channel.name} {{")
        lines += [f"      {_text(one)}" for one in channel.settings]
        lines += [f"      segment {{ {' '.join(map(_text, one))} }}" for one in channel.segments]
        lines.append("    }")
    return "\n".join([*lines, "  }", ""])


def _text(setting: Setting) -> str:
    return f"{setting.key} = " + " ".join(written(text, quoted) for text, quoted in setting.values)
