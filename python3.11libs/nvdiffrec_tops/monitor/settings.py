"""What a training was asked for: the fields that differ from the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, PATHS, SECTION, Config
from nvdiffrec_contract.files import read_inside
from nvdiffrec_contract.wording import shortened

MOST_BYTES = 8 << 20
MOST_FIELDS = 400
_LONGEST = 200
_ABOUT_PLACES = {"config", "out_dir", "local_rank", "multi_gpu", "asset_name"}
"""What a job sets, not a person: where results go, and how they are named there."""


def asked(folders: Sequence[str], head: Sequence[str]) -> dict[str, str]:
    """Field to value, both as they are shown, of what is not the default.

    Args:
        folders: where the configuration may lie: a trainer's output folder, a run's folder.
        head: the first lines of the log, which list nvdiffrec's flags.
    """
    for folder in folders:
        for name in (f"{layout.PREVIEW}/{layout.PREVIEW_SCENE}", "config.json"):
            document = _object(folder, name)
            held = document.get("configuration") if "/" in name else document
            if isinstance(held, dict) and held:
                return _differing(held)
    return _differing_flags(head)


def _object(folder: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(read_inside(folder, name, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _differing(document: Mapping[str, Any]) -> dict[str, str]:
    plain = Config().to_json()
    found: dict[str, str] = {}
    for name, value in document.items():
        if name == SECTION and isinstance(value, dict):
            for inner, held in value.items():
                default = plain[SECTION].get(inner)
                if inner in _ABOUT_PLACES:
                    continue
                if inner not in EXTENSIONS or held != default:
                    found[f"{SECTION}.{shortened(str(inner))}"] = _shown(inner, held)
        elif name not in _ABOUT_PLACES and (name not in FIELDS or value != plain.get(name)):
            if name == "display_res" and value in (None, document.get("train_res")):
                continue
            found[shortened(str(name))] = _shown(name, value)
    return dict(list(found.items())[:MOST_FIELDS])


def _differing_flags(head: Sequence[str]) -> dict[str, str]:
    """From the listing that both trainers print: ``NAME VALUE`` between two rules."""
    usual = {line.partition(" ")[0]: line.partition(" ")[2] for line in _LISTING}
    found: dict[str, str] = {}
    inside = False
    for line in head:
        if line.startswith("Config / Flags:"):
            inside = True
        elif inside and line.startswith("-----"):
            if found:
                break
        elif inside:
            name, _, value = line.partition(" ")
            if name not in _ABOUT_PLACES and value.strip() != usual.get(name, "").strip():
                found[shortened(name)] = _shown(name, value.strip())
            if len(found) >= MOST_FIELDS:
                break
    return found


def _shown(name: str, value: Any) -> str:
    """A value in a line. Of a path its last two parts: a report is sent to others."""
    if name in PATHS and isinstance(value, str):
        parts = value.replace("\\", "/").split("/")
        return shortened("/".join(parts[-2:]), _LONGEST)
    if isinstance(value, str):
        return shortened(value, _LONGEST)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, _LONGEST)


_LISTING = Config().listing().splitlines()


def described(name: str) -> tuple[str, str]:
    """The default of a field and what it does, as they are shown; empty where it is not known."""
    section, _, inner = name.rpartition(".")
    row = (EXTENSIONS if section == SECTION else FIELDS).get(inner)
    if row is None:
        return "", ""
    default = Config().to_json()
    held = (default[SECTION] if section else default).get(inner)
    return _shown(inner, held), row.help
