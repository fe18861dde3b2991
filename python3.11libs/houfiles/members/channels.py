"""Channels (``.chn``): which expression or which keyframes drive a value.

``{``, per channel a block ``channel NAME { key = value ... segment { ... } }``, ``}``. Words are
separated by white space; a word with white space in it stands in quotes. A value may be a block
of words in braces: ``options = { autoslope ai ao }``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from houfiles.errors import MAX_DEPTH, MAX_ITEMS, HouFileError, shown
from houfiles.quoting import needs_quotes, word_at, written

from .parms import Expression

SHAPES = frozenset(
    f"{name}()"
    for name in (
        *("bezier", "constant", "cubic", "cycle", "ease", "easein", "easeinp", "easeout"),
        *("easeoutp", "easep", "linear", "match", "matchin", "matchout", "qlinear", "quintic"),
        *("raw", "repeat", "spline", "vmatch", "vmatchin", "vmatchout"),
    )
)
"""The expressions of a segment between keyframes."""


@dataclass(frozen=True)
class Setting:
    """``key = value value``; each value with whether it was quoted.

    ``block``: the values stand in braces.
    """

    key: str
    values: tuple[tuple[str, bool], ...]
    block: bool = False


@dataclass(frozen=True)
class Channel:
    """One channel: its settings, and its segments with theirs.

    ``source`` is its text as it was read, where Houdini wrote it otherwise than this package.
    """

    name: str
    settings: tuple[Setting, ...]
    segments: tuple[tuple[Setting, ...], ...]
    source: str = field(default="", compare=False, repr=False)

    @property
    def expression(self) -> Expression | None:
        """The expression of the first segment; its language is hscript unless it says otherwise."""
        first = self.segments[0] if self.segments else ()
        found = {one.key: one.values[0][0] for one in first if one.values}
        if "expr" not in found:
            return None
        return Expression(found["expr"], found.get("language", "hscript"))

    @property
    def is_constant(self) -> bool:
        """Whether it holds keyframes that all have one value.

        A segment has the values at its two ends; after the last keyframe the first one counts.
        """
        found = [{one.key: one.values for one in each} for each in self.segments]
        ends = [one.get("value", ()) for one in found]
        values = {text for one in ends[:-1] for text, _quoted in one}
        values |= {text for one in ends[-1:] for text, _quoted in one[:1]}
        shapes = {one.get("expr", (("", False),))[0][0] for one in found}
        return len(values) == 1 and shapes <= SHAPES


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


_OPEN, _CLOSE = ("{", False), ("}", False)


class _Words:
    """The words of the text, one ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.taken = 0

    def skip(self) -> int:
        """Pass white space; gives the place of the next word."""
        text, at = self.text, self.at
        while at < len(text) and text[at] in " \t\n\r":
            at += 1
        self.at = at
        return at

    def peek(self) -> tuple[str, bool] | None:
        if self.skip() == len(self.text):
            return None
        text, quoted, _end = word_at(self.text, self.at)
        return text, quoted

    def next(self) -> tuple[str, bool]:
        if self.skip() == len(self.text):
            raise HouFileError("the channels end too early")
        self.taken += 1
        if self.taken > MAX_ITEMS:
            raise HouFileError(f"it has more than {MAX_ITEMS} words")
        text, quoted, self.at = word_at(self.text, self.at)
        return text, quoted

    def expect(self, word: str) -> None:
        found, quoted = self.next()
        if found != word or quoted:
            raise HouFileError(f"'{word}' is missing in front of '{shown(found)}'")


def decode(text: str) -> tuple[Channel, ...]:
    words = _Words(text)
    words.expect("{")
    begin = words.at
    found: list[Channel] = []
    while words.peek() != _CLOSE:
        begin = text.rfind("\n", begin, words.at) + 1 or begin
        channel = _channel(words)
        own = text[begin : words.at]
        begin = words.at
        found.append(channel if _text(channel) == own else replace(channel, source=own))
    words.expect("}")
    if words.peek() is not None:
        raise HouFileError("something follows the channels")
    return tuple(found)


def _channel(words: _Words) -> Channel:
    words.expect("channel")
    name = words.next()[0]
    words.expect("{")
    settings: list[Setting] = []
    segments: list[tuple[Setting, ...]] = []
    while words.peek() != _CLOSE:
        key = words.next()[0]
        if key == "segment" and words.peek() == _OPEN:
            words.expect("{")
            segments.append(_settings(words))
        else:
            settings.append(_setting(words, key))
    words.expect("}")
    return Channel(name, tuple(settings), tuple(segments))


def _settings(words: _Words) -> tuple[Setting, ...]:
    found: list[Setting] = []
    while words.peek() != _CLOSE:
        found.append(_setting(words, words.next()[0]))
    words.expect("}")
    return tuple(found)


def _setting(words: _Words, key: str) -> Setting:
    """A setting has one value, ``value`` and its like as many as numbers follow, or a block."""
    words.expect("=")
    if words.peek() == _OPEN:
        words.expect("{")
        return Setting(key, _block(words), block=True)
    values = [words.next()]
    while (ahead := words.peek()) is not None and not ahead[1] and _is_number(ahead[0]):
        values.append(words.next())
    return Setting(key, tuple(values))


def _block(words: _Words) -> tuple[tuple[str, bool], ...]:
    """The words up to the brace that closes the block; blocks inside it keep their braces."""
    found: list[tuple[str, bool]] = []
    depth = 1
    while depth:
        word = words.next()
        depth += (word == _OPEN) - (word == _CLOSE)
        if depth > MAX_DEPTH:
            raise HouFileError(f"blocks are nested more than {MAX_DEPTH} deep")
        found.append(word)
    return tuple(found[:-1])


def _is_number(text: str) -> bool:
    if text[:1] not in "+-.0123456789":
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def encode(channels: Sequence[Channel]) -> str:
    """The text of channels; each goes out as it was read when nothing in it was changed."""
    return "\n".join(["{", *map(_own, channels), "  }", ""])


def _own(channel: Channel) -> str:
    if channel.source and _channel(_Words(channel.source)) == channel:
        return channel.source
    return _text(channel)


def _text(channel: Channel) -> str:
    lines = [f"    channel {channel.name} {{"]
    lines += [f"      {_written(one)}" for one in channel.settings]
    lines += [f"      segment {{ {' '.join(map(_written, one))} }}" for one in channel.segments]
    return "\n".join([*lines, "    }"])


def _written(setting: Setting) -> str:
    values = " ".join(written(text, quoted) for text, quoted in setting.values)
    return f"{setting.key} = {{ {values} }}" if setting.block else f"{setting.key} = {values}"
