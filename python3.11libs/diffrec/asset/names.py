"""What an asset is called."""

from __future__ import annotations

import re

UNNAMED = "asset"
LONGEST = 64
# Names that Windows keeps for devices, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


def asset_name(text: str) -> str:
    """A name that is a file's, a prim's and a material's everywhere: ASCII letters, digits and _.

    Every other character becomes an underscore; one that begins with a digit, or that is a
    device of Windows, gets an underscore before it. Without a letter or digit it is "asset".
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:LONGEST].rstrip("_")
    if not name:
        return UNNAMED
    return f"_{name}" if name[0].isdigit() or _DEVICES.fullmatch(name) else name
