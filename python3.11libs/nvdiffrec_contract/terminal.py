"""What may reach a terminal: text, and no character that steers it or turns the reading round.

The output of a job, names in a scene and the answer of a farm may hold anything. Each way to a
terminal goes through :func:`plain`: by :func:`guarded`, which wraps a stream, or text by text where
the stream also takes colours that are ours.
"""

from __future__ import annotations

import re
from typing import Any, TextIO, cast

# Control characters of ASCII and of Latin 1 (the C1 controls, among them one-byte CSI and OSC),
# line and paragraph separators, embeddings, overrides and isolates of the writing direction, and
# halves of characters, which no encoding takes. Marks of direction and joiners, of which ordinary
# Arabic, Hebrew and emoji are made, stay.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)


def plain(text: str, keep: str = "") -> str:
    r"""``text`` with every steering character written as an escape, such as ``\x1b``.

    Args:
        text: anything; line ends and tabs stay.
        keep: steering characters that stay nevertheless, such as the carriage return of a progress
            bar.
    """
    return _STEERING.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class _Guarded:
    """A stream of text that writes nothing but plain text."""

    def __init__(self, stream: TextIO, keep: str) -> None:
        self.raw_stream, self._keep = stream, keep

    def write(self, text: str) -> int:
        self.raw_stream.write(plain(text, self._keep))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw_stream, name)


def guarded(stream: TextIO, keep: str = "") -> TextIO:
    """``stream`` as one that writes nothing but plain text; see :func:`plain`."""
    if isinstance(stream, _Guarded):
        return stream
    return cast("TextIO", _Guarded(stream, keep))


def raw(stream: TextIO) -> TextIO:
    """The stream below a guarded one, for who writes colours and makes the texts plain itself."""
    return stream.raw_stream if isinstance(stream, _Guarded) else stream
