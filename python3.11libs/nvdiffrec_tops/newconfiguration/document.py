"""The fields of a new configuration with a comment beside each, and the text of its file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract.checks import OUTPUT_NAME, Refused
from nvdiffrec_contract.configuration import (
    COMMENT,
    EXTENSIONS,
    FIELDS,
    SECTION,
    from_mapping,
    without_comments,
)
from nvdiffrec_contract.dataset import Description
from nvdiffrec_contract.jsonfiles import parse
from nvdiffrec_tops import presets
from nvdiffrec_tops.newconfiguration.material import Material

PREPARED = "prepared"
"""The folder that photographs without cameras are prepared in, beside the configuration."""
PHOTOGRAPHS, DELIVERY, WITHOUT_CARD = "photographs", "final", "cpu"
"""The presets of photographs, of a graphics card, and of a machine without one."""
_COLUMNS = [{"bsdf": "kd"}, {"bsdf": "ks"}, {"bsdf": "normal"}]


def fields(
    material: Material, preset: Mapping[str, Any], light: str | None = None
) -> dict[str, Any]:
    """The configuration's fields, without comments.

    Args:
        material: what to train from.
        preset: fields that decide how long it takes and how fine it becomes.
        light: the panorama of a reference mesh.
    """
    description = material.description
    mesh = description is not None and description.light
    found: dict[str, Any] = {"ref_mesh": _reference(material)}
    if light is not None:
        found["envmap"] = _beside(light, material.folder)
    if not mesh:
        found.update(presets.load(PHOTOGRAPHS).overrides)
    found["random_textures"] = True
    found.update({"background": "white", "display": _COLUMNS})
    for name, value in preset.items():
        if name != SECTION:
            found[name] = value
    own = {**found.pop(SECTION, {}), **preset.get(SECTION, {})}
    size = None if mesh or description is None else _size(description)
    if size is not None:
        fitted = _fitted(size, max(found.get("train_res", (512, 512))))
        found["train_res"] = list(fitted)
        if fitted != size:
            own["photo_res"] = list(fitted)
    found["out_dir"] = _name(material.folder)
    if own:
        found[SECTION] = own
    return found


def _reference(material: Material) -> str:
    if material.unsolved:
        return os.path.join(material.folder, PREPARED)
    return _beside(material.path, material.folder)


def _beside(path: str, folder: str) -> str:
    """A path as a configuration in ``folder`` names it: what lies below moves along with it."""
    below = os.path.relpath(path, folder) if path != folder else ""
    if not below or below.startswith((os.pardir, "~")) or os.path.isabs(below):
        return path
    return below.replace(os.sep, "/")


def _size(description: Description) -> tuple[int, int] | None:
    """(height, width) of the pictures; None where nothing tells."""
    for picture in description.pictures:
        look = description.looks.get(picture)
        if look is not None and look.size is not None:
            return look.size
    for camera in description.cameras:
        if not camera.fault:
            return round(camera.size[0]), round(camera.size[1])
    return None


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A size of the same shape whose longer side is ``longest`` at most."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _name(folder: str) -> str:
    try:
        return str(OUTPUT_NAME(os.path.basename(folder))) or "result"
    except Refused:
        return "result"


def text(values: Mapping[str, Any], head: list[str], about: Mapping[str, str]) -> str:
    """The file's text: strict JSON, each field below a comment that says what it does.

    Args:
        values: the fields.
        head: lines at the top of the file.
        about: comments of fields in place of the table's.

    Raises:
        ConfigError: a field cannot have its value.
        UnicodeEncodeError: a name holds what is no text.
    """
    parts = [_line(COMMENT, head)]
    for name, value in values.items():
        if name != SECTION:
            parts.append(_field(name, value, about.get(name, FIELDS[name].help)))
    own = values.get(SECTION)
    if own:
        inner = [_field(name, value, EXTENSIONS[name].help) for name, value in own.items()]
        body = ",\n\n".join(inner).replace("\n", "\n  ").replace("\n  \n", "\n\n")
        note = _line(f"{COMMENT}{SECTION}", "fields that the trainer diffrec alone knows")
        parts.append(f'{note},\n"{SECTION}": {{\n  {body}\n}}')
    body = ",\n\n".join(parts).replace("\n", "\n  ").replace("\n  \n", "\n\n")
    written = f"{{\n  {body}\n}}\n"
    written.encode("utf-8")
    read = without_comments(parse(written.encode("utf-8"), "the new configuration"))
    from_mapping(read, "the new configuration")
    return written


def _field(name: str, value: Any, comment: str) -> str:
    return f"{_line(COMMENT + name, comment)},\n{_line(name, value)}"


def _line(name: str, value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        words = ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in value)
        return f"{json.dumps(name)}: [\n  {words}\n]"
    return f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
