"""The part of the toolkit that runs inside Houdini: only it imports ``hou`` and ``pdg``."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Houdini says so here, not in a syntax error
    raise ImportError(
        f"nvdiffrec needs Houdini 20.5 or newer, with Python 3.11 or newer; this one has Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}"
    )
