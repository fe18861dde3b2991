"""The one error of this package, and the limits that keep a hostile file from being expensive."""

from __future__ import annotations

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Largest scene that is read."""
MAX_MEMBERS = 200_000
"""Most members of one archive."""
MAX_NAME_BYTES = 4096
"""Longest member name."""
MAX_DEPTH = 64
"""Deepest node path, and deepest nesting of an interface."""
MAX_NODES = 250_000
"""Most nodes of one scene."""
MAX_SCENE_ITEMS = 4_000_000
"""Most parameter values and wires of one scene."""
MAX_TEXT_BYTES = 64 * 1024 * 1024
"""Largest member that is decoded; larger ones can only be kept as they are."""
MAX_ITEMS = 1_000_000
"""Most parameters, wires, options, channels ... of one member."""


class HouFileError(Exception):
    """A scene that cannot be read or written; one sentence with the file and the member in it."""


class LicensedScene(HouFileError):
    """A scene of Houdini Indie or the non-commercial Houdini, which only Houdini reads."""


def text_of(data: bytes) -> str:
    """The text of a member. Raises HouFileError when it is too large or not UTF-8."""
    if len(data) > MAX_TEXT_BYTES:
        raise HouFileError(f"it is larger than {MAX_TEXT_BYTES // 1024**2} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HouFileError(f"it is not UTF-8 text (byte {error.start})") from None


def shown(text: str, limit: int = 40) -> str:
    """Some text of the file as it can stand in a one-line message."""
    cut = text if len(text) <= limit else text[:limit] + "..."
    return "".join(letter if letter.isprintable() else "?" for letter in cut)
