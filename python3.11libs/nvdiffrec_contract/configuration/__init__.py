"""Training configurations: every field, once, and reading of nvdiffrec's JSON files unchanged.

A configuration is one JSON object. Its fields carry nvdiffrec's names and defaults; the fields of
the diffrec trainer alone stand in one nested object, ``"diffrec": {...}`` (``Extensions``). As with
nvdiffrec, a field named in the JSON file wins over the command-line flag of that name. A name that
begins with ``_`` is a comment: whatever stands there is passed over, by nvdiffrec as well.

A field is one row of ``Config`` (``config``) or of ``Extensions`` (``extensions``). The trainer's
flags, the checks of the doctor, ``docs/fields.md`` and the JSON Schema follow from it.
"""

from __future__ import annotations

from .config import (
    BACKGROUNDS,
    FIELDS,
    ISOSURFACES,
    LOSSES,
    NAMES,
    NVDIFFREC_OWN,
    PATHS,
    SECTION,
    Config,
    Rate,
)
from .extensions import (
    ASSET_BITS,
    ASSET_DETAIL,
    ASSET_FORMATS,
    ASSET_SIZE,
    ASSET_TEXTURES,
    ASSET_TILES,
    EXTENSIONS,
    SHADING_MODELS,
    Extensions,
)
from .reading import COMMENT, faults, from_mapping, hint, load_config, unknown, without_comments
from .rows import Row

__all__ = [
    "ASSET_BITS",
    "ASSET_DETAIL",
    "ASSET_FORMATS",
    "ASSET_SIZE",
    "ASSET_TEXTURES",
    "ASSET_TILES",
    "BACKGROUNDS",
    "COMMENT",
    "EXTENSIONS",
    "FIELDS",
    "ISOSURFACES",
    "LOSSES",
    "NAMES",
    "NVDIFFREC_OWN",
    "PATHS",
    "SECTION",
    "SHADING_MODELS",
    "Config",
    "Extensions",
    "Rate",
    "Row",
    "faults",
    "from_mapping",
    "hint",
    "load_config",
    "unknown",
    "without_comments",
]
