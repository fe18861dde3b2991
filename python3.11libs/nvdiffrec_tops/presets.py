"""Presets: named sets of configuration fields, as JSON files.

The toolkit's own lie in ``templates/presets``; a studio adds folders of its own with the variable
``TOPS_NVDIFFREC_PRESETS`` (separated as in ``PATH``). A later folder's preset replaces an earlier
one of the same file name.

    {
        "label": "Draft",
        "help": "Few iterations on small pictures.",
        "overrides": {"iter": 200}
    }
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "templates" / "presets"
VARIABLE = "TOPS_NVDIFFREC_PRESETS"
_MAX_BYTES = 1 << 20
_KEYS = ("label", "help", "overrides")


class PresetError(ValueError):
    """A preset that does not exist or cannot be read; names it and says what to do."""


@dataclass(frozen=True)
class Preset:
    """``overrides`` are configuration fields and their values."""

    name: str
    label: str
    help: str
    overrides: Mapping[str, Any]


def names(environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """The presets' names and files, sorted by name. Reads no file and never raises."""
    environ = os.environ if environ is None else environ
    found: dict[str, Path] = {}
    for folder in [str(FOLDER), *environ.get(VARIABLE, "").split(os.pathsep)]:
        # Presets were YAML once: such a file is listed, so that choosing it says what to do.
        for pattern in ("*.yml", "*.yaml", "*.json") if folder else ():
            try:
                found.update({file.stem: file for file in sorted(Path(folder).glob(pattern))})
            except OSError:
                continue
    return dict(sorted(found.items()))


def load(name: str, environ: Mapping[str, str] | None = None) -> Preset:
    """The preset called ``name``.

    Raises:
        PresetError: there is none, or its file is not a preset.
    """
    available = names(environ)
    if name not in available:
        raise PresetError(
            f"there is no preset '{name}'; there are {', '.join(available) or 'none'}. Choose one "
            f"of them, or add a folder of presets with the variable {VARIABLE}"
        )
    path = available[name]
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise PresetError(f"the preset {path} cannot be read: {error.strerror}") from None
    return _read(path, stamp)


@lru_cache(maxsize=64)
def _read(path: Path, _stamp: int) -> Preset:
    document = read_json(path)
    if not isinstance(document, dict) or set(document) - set(_KEYS):
        raise PresetError(f"the preset {path} may have these entries only: {', '.join(_KEYS)}")
    overrides = document.get("overrides") or {}
    if not isinstance(overrides, dict):
        raise PresetError(f"the preset {path}: 'overrides' must list fields and their values")
    label, text = document.get("label", path.stem), document.get("help", "")
    return Preset(path.stem, str(label), str(text), overrides)


def read_json(path: Path) -> Any:
    """A preset's file as plain data.

    Raises:
        PresetError: it cannot be read, or is not JSON.
    """
    if path.suffix != ".json":
        raise PresetError(
            f"the preset {path} is a YAML file, and presets are JSON files; write it anew as "
            f'{path.stem}.json: {{"label": "…", "help": "…", "overrides": {{"iter": 200}}}}'
        )
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise PresetError(f"{path} is larger than 1 MB, which no preset is")
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refused)
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, PresetError):
            raise
        raise PresetError(f"{path} is not JSON: {' '.join(str(error).split())}") from None


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number")
