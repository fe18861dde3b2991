#!/usr/bin/env python3
"""Write the example scenes of hip/ from their descriptions, without Houdini.

python scripts/build_hip.py            write them
python scripts/build_hip.py --check    say whether the files are up to date (exit code 1: no)
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from houfiles.build import build  # noqa: E402
from nvdiffrec_tops.scenes.shipped import SCENES  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    good = True
    for name, describe in SCENES.items():
        target = ROOT / "hip" / f"{name}.hip"
        data = build(describe())
        same = target.is_file() and target.read_bytes() == data
        good = good and same
        if arguments.check:
            print(f"{target.name} is {'up to date' if same else 'NOT up to date'}")
        elif not same:
            target.parent.mkdir(exist_ok=True)
            temporary = target.with_suffix(".tmp")
            temporary.write_bytes(data)
            os.replace(temporary, target)
            print(f"wrote {target} ({len(data)} bytes)")
    return 0 if good or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
