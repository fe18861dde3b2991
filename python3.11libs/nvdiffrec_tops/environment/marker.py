"""The file that marks an environment made here, and removing what bears it.

It lies in the environment's own folder and names that folder, so that a copy marks nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from typing import Any

from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.reading import is_folder, object_of

NAME = ".nvdiffrec-tops-environment.json"
VERSION = 1


def read_marker(prefix: str) -> dict[str, Any] | None:
    """The marker of an environment made here in this folder; None for every other folder."""
    document = object_of(os.path.join(prefix, NAME))
    written = document.get("prefix")
    if document.get("version") != VERSION or not isinstance(written, str):
        return None
    return document if _same(written, prefix) else None


def write_marker(prefix: str, document: dict[str, Any]) -> None:
    """Write the marker whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    content = {"version": VERSION, "prefix": prefix, **document}
    descriptor, temporary = tempfile.mkstemp(prefix=NAME, suffix=".tmp", dir=prefix)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.replace(temporary, os.path.join(prefix, NAME))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_environment(prefix: str) -> None:
    """Remove an environment that was made here, and nothing else.

    Raises:
        EnvironmentProblem: the folder bears no marker of its own, or cannot be removed.
    """
    prefix = os.path.abspath(os.path.expanduser(prefix)) if "\0" not in prefix else prefix
    if not is_folder(prefix):
        raise EnvironmentProblem(f"there is no such folder: {prefix!r}", "check its name")
    if os.path.islink(prefix):
        raise EnvironmentProblem(
            f"this is a link, not an environment: {prefix}",
            f"remove what it leads to: {os.path.realpath(prefix)}",
        )
    # A foreign one was only completed here.
    if (read_marker(prefix) or {"foreign": True}).get("foreign"):
        raise EnvironmentProblem(
            f"this environment was not made by env create, so it is left alone: {prefix}",
            "remove it with the tool that made it",
        )
    if _inside(os.getcwd(), prefix):
        raise EnvironmentProblem(
            f"the working folder lies in the environment: {prefix}", "leave the folder first"
        )
    doomed = prefix
    with contextlib.suppress(OSError):
        # Half an environment under its name would be taken for a whole one.
        aside = tempfile.mkdtemp(
            prefix=f".{os.path.basename(prefix)}.removed-", dir=os.path.dirname(prefix)
        )
        try:
            os.rename(prefix, os.path.join(aside, "environment"))
            doomed = aside
        except OSError:
            os.rmdir(aside)
    try:
        shutil.rmtree(doomed)
    except OSError as error:
        raise EnvironmentProblem(
            f"the environment {prefix} could not be removed whole, the rest is in {doomed}: "
            f"{error.strerror or error}",
            f"end the programs that use it, then delete {doomed}",
        ) from None


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _inside(path: str, folder: str) -> bool:
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
