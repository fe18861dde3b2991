"""CONTRIBUTING.md and README.md name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP = "tests|scripts|docs|examples|hip|otls"
LIBRARIES = "|".join(path.parent.name for path in (ROOT / "python3.11libs").glob("*/__init__.py"))
PATH = re.compile(rf"(?<![\w/.])((?:{TOP}|{LIBRARIES})/[\w./-]+)")
MADE: set[str] = set()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {found.rstrip("./") for found in PATH.findall(text)} - MADE
    # A word in capitals stands for a name of one's own.
    named = {one for one in named if not re.search(r"/[A-Z]+(\.py|/|$)", one)}
    missing = {
        one
        for one in named
        if not (ROOT / one).exists() and not (ROOT / "python3.11libs" / one).exists()
    }
    assert named and not missing
