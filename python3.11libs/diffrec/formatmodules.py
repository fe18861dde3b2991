"""Folders of modules that each read one format: adding one is adding its file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable
from typing import Any


def format_modules(package: str, path: Iterable[str], shared: Collection[str]) -> dict[str, Any]:
    """The modules of a package by name, in the order of their ``RANK``.

    ``path``: the package's ``__path__``. ``shared``: modules that read no format but serve several.
    """
    found: dict[str, Any] = {
        one.name: importlib.import_module(f"{package}.{one.name}")
        for one in pkgutil.iter_modules(path)
        if one.name not in shared and not one.ispkg
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].RANK, item[0])))
