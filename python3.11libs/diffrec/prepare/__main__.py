"""``python -m diffrec.prepare INPUT --out FOLDER``; also started by its path."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        # This folder would be searched first, and its modules' names would stand bare.
        here = Path(__file__).resolve().parent
        sys.path[:] = [str(here.parents[1]), *(one for one in sys.path if one != str(here))]
    from diffrec.prepare.commandline import main

    sys.exit(main())
