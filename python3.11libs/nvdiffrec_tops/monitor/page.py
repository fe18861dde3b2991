"""The page's own parts, and how they are put together: served one by one, or all in one file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from nvdiffrec_contract import VERSION

SCRIPTS = (
    "three.min.js",
    "parts.js",
    "surface.js",
    "viewer.js",
    "curves.js",
    "pictures.js",
    "training.js",
    "page.js",
)
"""In the order in which they are loaded."""
STYLE = "page.css"
PARTS = {
    "": "text/html; charset=utf-8",
    STYLE: "text/css; charset=utf-8",
    **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
}
"""Addresses of what the page is made of, and their kinds."""
MARK = "TOPs nvdiffrec"
"""Stands near the beginning of every page."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the live page may load: nothing but its server's."""


def part(address: str) -> bytes:
    """A part of the live page; the page itself for ''."""
    if address:
        return _read(address)
    scripts = "".join(f'<script src="{name}" defer></script>\n' for name in SCRIPTS)
    return _filled(
        {"POLICY": "", "STYLE": f'<link rel="stylesheet" href="{STYLE}">', "DATA": ""}
        | {"SCRIPTS": scripts}
    )


def whole(data: Mapping[str, Any], title: str) -> bytes:
    """The page in one file, with everything that it shows inside.

    Args:
        data: ``data``: JSON by address, as the server gives it; ``files``: files by address,
            bytes as base64.
        title: of the page, as plain text.
    """
    style = _read(STYLE).decode()
    scripts = [_read(name).decode().replace("</script", "<\\/script") for name in SCRIPTS]
    allowed = " ".join(_digest(text) for text in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; "
        "img-src data: blob:; connect-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    # No text of the data can end the element that it stands in.
    inlined = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return _filled(
        {
            "TITLE": html.escape(title),
            "POLICY": f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            "STYLE": f"<style>{style}</style>",
            "DATA": f'<script type="application/json" id="data">{inlined}</script>',
            "SCRIPTS": "".join(f"<script>{text}</script>\n" for text in scripts),
        }
    )


def _filled(values: Mapping[str, str]) -> bytes:
    parts = _read("page.html").decode().split("@")
    known = {"TITLE": "nvdiffrec-tops", "VERSION": VERSION, **values}
    # Every second part is a name: what is put in is not looked at again.
    return "".join(known[one] if number % 2 else one for number, one in enumerate(parts)).encode()


@lru_cache
def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath("page", name).read_bytes()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
