"""``python -m diffrec.data PATH [--quick] [--light FILE]``: what a data set holds, as JSON; with
``--inside`` which data lie in a folder.

Also started by its path under an interpreter that has no diffrec. Needs Python 3.9; NumPy and
OpenCV are used where they are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    """Describe the path on the command line."""
    if not __package__:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from diffrec.data import describe, inside
    from diffrec.data.looks import with_light, with_looks

    parser = argparse.ArgumentParser(prog="python -m diffrec.data", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--light", type=Path, help="panorama to look at as well")
    parser.add_argument("--inside", action="store_true", help="tell what lies in the folder")
    given = parser.parse_args()
    if given.inside:
        json.dump([[name, str(path)] for name, path in inside(given.path)], sys.stdout)
        return 0
    found = with_looks(describe(given.path, given.quick), given.quick)
    if given.light is not None:
        found = with_light(found, given.light, given.quick)
    json.dump(found.document(), sys.stdout, allow_nan=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
