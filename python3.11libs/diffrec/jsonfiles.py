"""Strict JSON objects from untrusted files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffrec.configchecks import ConfigError, shortened, shown

MAX_BYTES = 1 << 20


def read_object(path: Path, source: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read one JSON object; ``source`` names the file in errors.

    Raises:
        ConfigError: unreadable file, or whatever :func:`parse_object` refuses.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{source}: cannot be read: {reason}") from None
    return parse_object(data, source, max_bytes)


def parse_object(data: bytes, source: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Decode one strict JSON object from untrusted bytes.

    Raises:
        ConfigError: too large, not UTF-8, not JSON, duplicate names, NaN, or not an object.
    """
    if len(data) > max_bytes:
        raise ConfigError(f"{source}: larger than {max_bytes >> 20} MB; is this the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{source}: not UTF-8 text (byte {error.start}); save the file as UTF-8"
        ) from None

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in pairs:
            if name in result:
                raise ConfigError(
                    f'{source}: field "{shortened(name)}" stands twice; keep one of them'
                )
            result[name] = value
        return result

    def refuse(constant: str) -> float:
        raise ConfigError(f"{source}: {constant} is no number that JSON knows; write a finite one")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{source}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None
    except ConfigError:
        raise
    except ValueError:
        # json hands over-long integers to int(), which refuses them.
        limit = sys.get_int_max_str_digits()
        raise ConfigError(f"{source}: a number has more than {limit} digits") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: holds {shown(value)}; allowed: an object {{…}}")
    return value
