"""Strict JSON out of files that anyone may have written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.wording import shortened, shown

MAX_BYTES = 4 << 20
"""Size of the largest document that is read, unless a caller says otherwise."""
MAX_DEPTH = 200
"""How deep objects and lists may lie inside each other."""

StrPath = Union[str, "os.PathLike[str]"]


class JsonError(UserError):
    """A file is not the JSON that it should be; the message names the file."""


def read(path: StrPath, source: str = "", max_bytes: int = MAX_BYTES) -> Any:
    """The JSON value in a file. ``source`` names the file in messages (its path by default).

    Raises:
        JsonError: it cannot be read, or is what ``parse`` refuses.
    """
    source = source or os.fspath(path)
    try:
        if not os.path.isfile(path) and os.path.exists(path):
            raise JsonError(f"{source} is no file; it must be a JSON file")
        with open(path, "rb") as stream:
            data = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise JsonError(f"{source}: cannot be read: {reason}") from None
    return parse(data, source, max_bytes)


def read_object(path: StrPath, source: str = "", max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object in a file, see ``read``.

    Raises:
        JsonError: it cannot be read, is what ``parse`` refuses, or is no object.
    """
    return an_object(read(path, source, max_bytes), source or os.fspath(path))


def an_object(value: Any, source: str) -> dict[str, Any]:
    """``value``, which must be a JSON object.

    Raises:
        JsonError: it is something else.
    """
    if not isinstance(value, dict):
        raise JsonError(f"{source}: holds {shown(value)}; allowed: an object {{…}}")
    return value


def parse(data: bytes, source: str, max_bytes: int = MAX_BYTES) -> Any:
    """Decode JSON from untrusted bytes: UTF-8 (a byte order mark is passed over), no name twice in
    an object, no NaN or infinity, every text one that can be written as UTF-8.

    Raises:
        JsonError: too large, not UTF-8, not JSON, nested too deeply, or one of the above.
    """
    if len(data) > max_bytes:
        limit = f"{max_bytes >> 20} MB" if max_bytes >> 20 else f"{max_bytes} bytes"
        raise JsonError(f"{source}: larger than {limit}; is this the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonError(
            f"{source}: not UTF-8 text (byte {error.start}); save the file as UTF-8"
        ) from None

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in pairs:
            if name in result:
                raise JsonError(f'{source}: field "{shortened(name)}" stands twice; keep one')
            result[name] = value
        return result

    def refuse(constant: str) -> float:
        raise JsonError(f"{source}: {constant} is no number that JSON knows; write a finite one")

    def finite(literal: str) -> float:
        value = float(literal)
        if value in (float("inf"), float("-inf")):
            raise JsonError(f"{source}: {shortened(literal, 20)} is too large a number")
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite
        )
    except json.JSONDecodeError as error:
        raise JsonError(
            f"{source}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except RecursionError:
        raise JsonError(f"{source}: nested more than {MAX_DEPTH} levels deep") from None
    except JsonError:
        raise
    except ValueError:
        # json hands over-long integers to int(), which refuses them.
        limit_of = getattr(sys, "get_int_max_str_digits", None)
        digits = f"more than {limit_of()}" if limit_of else "too many"
        raise JsonError(f"{source}: a number has {digits} digits") from None
    _check(value, source)
    return value


def _check(value: Any, source: str) -> None:
    """Refuses what is nested too deeply, and texts with lone surrogates. Without recursion.

    The depth is told before a text, since how deep `json` reads depends on who called it: trainer,
    job and doctor shall give the same cause.
    """
    level = [value]
    whole = True
    for _depth in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.keys()
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str):
                try:
                    one.encode("utf-8")
                except UnicodeEncodeError:
                    whole = False
        if not inner:
            break
        level = inner
    else:
        raise JsonError(f"{source}: nested more than {MAX_DEPTH} levels deep")
    if not whole:
        raise JsonError(
            f"{source}: a text holds half of a character (\\ud800 to \\udfff); write the text anew"
        )


def text_of(document: Any) -> str:
    """A document as the project writes JSON files: indented, UTF-8, a line end at the end."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: StrPath, document: Any) -> None:
    """Write JSON; the file appears whole or not at all, and is on the disk when this returns.

    Raises:
        OSError: it cannot be written.
        ValueError: the document holds what JSON does not know.
    """
    from nvdiffrec_contract.files import replace_file

    replace_file(Path(path), text_of(document).encode("utf-8"), durable=True)
