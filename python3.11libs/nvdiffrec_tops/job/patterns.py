"""Regular expressions that are compiled when they are first used.

Every process of a job imports the tables that recognise a log's lines, and most use few of them:
compiling them all took longer than anything else of the import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Optional

_Found = Callable[[str], Optional[re.Match[str]]]


class Pattern:
    """A regular expression, with the methods of a compiled one that are used here.

    Args:
        text: the expression.
        flags: those of ``re.compile``.
    """

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The same as Python's own."""
        return re.compile(self._text, self._flags)

    @cached_property
    def match(self) -> _Found:
        """``re.Pattern.match``."""
        return self.compiled.match

    @cached_property
    def search(self) -> _Found:
        """``re.Pattern.search``."""
        return self.compiled.search
