#!/usr/bin/env python3
"""Writes the API reference into ``docs/api``: one page per module, from the docstrings.

A module that cannot be imported is an error here, and so is a name in ``__all__`` that does not
exist, and whatever else pdoc warns of.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

# Before pdoc: some of our modules ask the system for its name when they are imported.
os.environ["PDOC_ALLOW_EXEC"] = "1"

import pdoc

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ROOT / "python3.11libs"
LEFT_OUT = (
    r".*\.houdini($|\.)",  # needs Houdini's own modules
    r".*\.jobsupport($|\.)",  # scripts of a job, which find each other by their folder
    r".*\.__main__$",
)


def packages() -> list[str]:
    """Every package of the project, by name."""
    return sorted(path.parent.name for path in LIBRARIES.glob("*/__init__.py"))


def _all_packages() -> Iterator[str]:
    """Every package that pages are written about, those inside others too."""
    for top in packages():
        folders = (path.parent for path in (LIBRARIES / top).rglob("__init__.py"))
        for folder in sorted(folders):
            name = ".".join(folder.relative_to(LIBRARIES).parts)
            if not any(re.match(pattern, name) for pattern in LEFT_OUT):
                yield name


def build(modules: list[str], folder: Path) -> None:
    """Write pages about modules and everything below them.

    Args:
        modules: full names of modules or packages.
        folder: where the pages go; what was there before is removed.

    Raises:
        RuntimeError: a module cannot be imported.
        UserWarning: pdoc warns of something.
    """
    sys.path.insert(0, str(LIBRARIES))
    for name in _all_packages():
        _open_up(name)
    pdoc.render.configure(docformat="google", show_source=False)
    shutil.rmtree(folder, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # Of named tuples whose fields have a type of another module; the page shows its name.
        warnings.filterwarnings("default", "Error parsing type annotation", UserWarning)
        pdoc.pdoc(*modules, *(f"!{pattern}" for pattern in LEFT_OUT), output_directory=folder)


def _open_up(name: str) -> None:
    """Have pdoc see the whole of a package whose ``__all__`` names its interface alone.

    What is loaded when it is first asked for is loaded: pdoc looks, but does not ask.
    """
    package = import_module(name)
    exported = getattr(package, "__all__", None)
    if exported is not None:
        for one in exported:
            setattr(package, one, getattr(package, one))
        inside = (module.name for module in pkgutil.iter_modules(package.__path__))
        whole = [*exported, *(one for one in inside if one != "__main__")]
        setattr(package, "__all__", whole)  # noqa: B010


def main() -> int:
    """Build the reference; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the API reference from the docstrings.")
    parser.add_argument("modules", nargs="*", help="full names (default: all packages)")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "api")
    arguments = parser.parse_args()
    build(arguments.modules or packages(), arguments.folder)
    print(f"The reference begins at {arguments.folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
