#!/usr/bin/env python3
"""Renders a turn around a finished training with Karma.

    hython scripts/render_turntable.py RESULT [--frames N] [--size N] [--samples N] [--out FOLDER]

It has not been tried in Houdini: the options of husk are those that its documentation names.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python3.11libs"))


def main() -> int:
    try:
        from nvdiffrec_tops.houdini import turntable
    except ModuleNotFoundError as error:
        if error.name != "hou":
            raise
        print(
            "error: this needs Houdini's own Python; start it with hython. Without Houdini: "
            "nvdiffrec-tops export RESULT --turntable 36",
            file=sys.stderr,
        )
        return 2
    return turntable.main()


if __name__ == "__main__":
    sys.exit(main())
