"""``~/.conda/environments.txt``: where conda's tools note the folders of a user's environments."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping

from nvdiffrec_tops.environment.reading import text_of


def home_of(environ: Mapping[str, str], windows: bool) -> str:
    """The user's folder."""
    home = environ.get("USERPROFILE" if windows else "HOME", "").strip()
    return home or os.path.expanduser("~")


def registered(environ: Mapping[str, str], windows: bool = os.name == "nt") -> list[str]:
    """The folders that are noted, whether they are still there or not."""
    text = text_of(_path(environ, windows), 1 << 20) or ""
    return [line.strip() for line in text.splitlines() if line.strip()]


def register(prefix: str, environ: Mapping[str, str]) -> None:
    """Note a folder, so that conda's tools and ours find it. Where that fails nothing is lost."""
    if prefix in registered(environ):
        return
    path = _path(environ, os.name == "nt")
    text = text_of(path, 1 << 20)
    gap = "\n" if text and not text.endswith("\n") else ""
    with contextlib.suppress(OSError, ValueError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{gap}{prefix}\n")


def unregister(prefix: str, environ: Mapping[str, str]) -> None:
    """Strike a folder off; the other lines stay as they are."""
    path = _path(environ, os.name == "nt")
    text = text_of(path, 1 << 20)
    if text is None or prefix not in registered(environ):
        return
    kept = [line for line in text.splitlines(keepends=True) if line.strip() != prefix]
    with contextlib.suppress(OSError, ValueError):
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(kept)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)


def _path(environ: Mapping[str, str], windows: bool) -> str:
    return os.path.join(home_of(environ, windows), ".conda", "environments.txt")
