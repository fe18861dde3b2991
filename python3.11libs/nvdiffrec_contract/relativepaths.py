"""Where the relative paths of a configuration start, for trainer, job and doctor alike.

From the working folder first: as with nvdiffrec, where that is the folder that the command is given
in, the checkout. What is not there is looked for beside the configuration, so that a data set can
carry its configuration along. ``~`` is the home folder; nothing else is expanded.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def bases(working_dir: str | None, config_path: str | None) -> list[str]:
    """The folders that relative paths are looked for in, in that order.

    Args:
        working_dir: the working folder; None is the current one.
        config_path: the configuration's file; None where it is none.
    """
    found = [working_dir or os.curdir]
    if config_path is not None:
        found.append(os.path.dirname(os.path.abspath(config_path)))
    return found


def expand(path: str) -> str:
    """``~`` replaced by the home folder; nothing else is interpreted."""
    return os.path.expanduser(path) if path.startswith("~") else path


def candidates(path: str, folders: Sequence[str]) -> list[str]:
    """Where a path may lead, absolute, each place once. ``folders``: see :func:`bases`."""
    places = [os.path.abspath(os.path.join(folder, expand(path))) for folder in folders]
    return list(dict.fromkeys(places))


def find(path: str, folders: Sequence[str]) -> str | None:
    """The first of :func:`candidates` that exists; None where none does."""
    if not path or "\0" in path:
        return None
    try:
        return next((one for one in candidates(path, folders) if os.path.exists(one)), None)
    except (OSError, ValueError):
        return None


def beside_configuration(
    values: Mapping[str, Any], config_path: str, names: Iterable[str]
) -> dict[str, Any]:
    """A configuration for a trainer that runs in the current folder.

    Paths that are there stay as they are written; those that only lie beside the configuration
    become whole ones.

    Args:
        values: the configuration.
        config_path: its file.
        names: the fields that hold paths.
    """
    folders = bases(None, config_path)

    def settled(value: Any) -> Any:
        if not isinstance(value, str) or "\0" in value or os.path.exists(value):
            return value
        return find(value, folders) or value

    found = copy.deepcopy(dict(values))
    for name in names:
        if name in found:
            found[name] = settled(found[name])
    display = found.get("display")
    for column in display if isinstance(display, list) else []:
        if isinstance(column, dict) and "relight" in column:
            column["relight"] = settled(column["relight"])
    return found
