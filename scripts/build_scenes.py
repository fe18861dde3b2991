#!/usr/bin/env python3
"""Make the example scenes again through Houdini's own interface.

hython scripts/build_scenes.py [--folder DIR] [NAME ...]

The networks are those of the files in hip/, from the same descriptions. For a Houdini that does
not like the shipped files, and for looking at what it saves itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from nvdiffrec_tops.scenes.shipped import SCENES  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenes; default: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "hip", help="default: hip/")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SCENES]
    if unknown:
        parser.error(f"there is no scene {unknown[0]}; there are {', '.join(SCENES)}")
    try:
        from nvdiffrec_tops.houdini import build
    except ImportError:
        parser.error("this needs Houdini's own Python; start the script with hython")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SCENES:
        target = arguments.folder / f"{name}.hip"
        missing = build.build(SCENES[name](), str(target))
        print(f"Houdini wrote {target}")
        for one in missing:
            print(f"  left out, this Houdini does not have it: {one}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
