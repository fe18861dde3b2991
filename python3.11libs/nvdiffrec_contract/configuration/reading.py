"""Reads nvdiffrec's JSON files unchanged, and says what is wrong with one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nvdiffrec_contract import engines, relativepaths
from nvdiffrec_contract.checks import Refused
from nvdiffrec_contract.configuration.config import (
    FIELDS,
    NAMES,
    PATHS,
    RANGES,
    SECTION,
    Config,
    crossed,
)
from nvdiffrec_contract.configuration.extensions import EXTENSIONS, Extensions
from nvdiffrec_contract.errors import ConfigError, FieldError
from nvdiffrec_contract.jsonfiles import JsonError, read_object
from nvdiffrec_contract.wording import nearest, shortened, shown

COMMENT = "_"
"""A name that begins so is a comment, at the top and inside ``"diffrec"``."""


def without_comments(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a configuration as it was read, its comments left out."""
    found = {name: value for name, value in values.items() if not name.startswith(COMMENT)}
    nested = found.get(SECTION)
    if isinstance(nested, dict):
        found[SECTION] = {
            name: value for name, value in nested.items() if not name.startswith(COMMENT)
        }
    return found


def faults(values: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with the values of a configuration that may hold unknown fields."""
    found: list[FieldError] = []
    nested = values.get(SECTION)
    inside = nested if isinstance(nested, Mapping) else {}
    for table, given, prefix in ((FIELDS, values, ""), (EXTENSIONS, inside, f"{SECTION}.")):
        for name, value in given.items():
            try:
                if name in table:
                    table[name].check(value)
            except Refused as refusal:
                found.append(FieldError(prefix + name, refusal.found, refusal.allowed))
    return found or list(crossed({name: values.get(name) for pair in RANGES for name in pair}))


def unknown(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of a configuration that no trainer knows, each with a hint at what was meant
    ('' for none)."""
    found = [(name, hint(name)) for name in values if name not in NAMES]
    nested = values.get(SECTION)
    if isinstance(nested, Mapping):
        found += [
            (f"{SECTION}.{name}", hint(name, EXTENSIONS))
            for name in nested
            if name not in EXTENSIONS
        ]
    return found


def hint(name: str, known: Collection[str] = NAMES) -> str:
    """What an unknown field was most likely meant to be, to end a sentence; '' for nothing."""
    if known is NAMES and name in EXTENSIONS:
        return f'it belongs inside the object "{SECTION}": {{"{name}": …}}'
    if known is NAMES and (other := engines.of_nvdiffrecmc(name)):
        return other
    near = nearest(name, known)
    inside = f"{SECTION}." if known is EXTENSIONS else ""
    return f'did you mean "{inside}{near}"?' if near else ""


def load_config(path: str | Path | None, flags: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration file over ``flags`` (nvdiffrec field name -> value).

    Its relative paths start in the current folder, and where nothing is there, beside the file.

    A field of the file wins over the flag of the same name; ``flags["diffrec"]`` (a mapping) wins
    over the file. With ``path`` None the flags alone make the configuration.

    Raises:
        ConfigError: unreadable file, broken JSON, unknown field, wrong type or value out of range.
    """
    flags = dict(flags or {})
    ours = dict(flags.pop(SECTION, {}))
    if path is None:
        return from_mapping({**flags, SECTION: ours}, "command line")
    source = str(path)
    try:
        values = without_comments(read_object(path, source))
    except JsonError as error:
        raise ConfigError(str(error)) from None
    _known(values, (frozenset(FIELDS) - {"config"}) | {SECTION}, source)
    values = relativepaths.beside_configuration(values, source, PATHS)
    nested = _nested(values, source)
    return from_mapping({**flags, **values, "config": source, SECTION: {**nested, **ours}}, source)


def from_mapping(values: Mapping[str, Any], source: str) -> Config:
    """Check ``values`` and make the configuration; ``source`` names their origin in errors.

    Raises:
        ConfigError: unknown field, wrong type or value out of range.
    """
    _known(values, frozenset(FIELDS) | {SECTION}, source)
    values = dict(values)
    nested = _nested(values, source)
    _known(nested, EXTENSIONS, source, inside=f"{SECTION}.")
    try:
        extensions = Extensions(**nested)
    except FieldError as error:
        raise ConfigError(f"{source}: {error.inside(f'{SECTION}.')}") from None
    try:
        return Config(**values, diffrec=extensions)
    except FieldError as error:
        raise ConfigError(f"{source}: {error}") from None


def _nested(values: dict[str, Any], source: str) -> Mapping[str, Any]:
    """The object of our own fields, taken out of ``values``."""
    nested = values.pop(SECTION, {})
    if not isinstance(nested, Mapping):
        raise ConfigError(f'{source}: "{SECTION}": found {shown(nested)}; allowed: an object {{…}}')
    return nested


def _known(
    values: Mapping[str, Any], known: Collection[str], source: str, inside: str = ""
) -> None:
    for name in values:
        if name in known:
            continue
        meant = hint(name, EXTENSIONS if inside else NAMES)
        meant = meant or f"known fields: {', '.join(sorted(known))}"
        raise ConfigError(f'{source}: unknown field "{inside}{shortened(name)}"; {meant}')
