#!/usr/bin/env python3
"""Write the shipped scene hip/TOPs_nvdiffrec_Static.hip from its description.

python scripts/build_hip.py            write it
python scripts/build_hip.py --check    say whether the file is up to date (exit code 1: no)
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from nvdiffrec_tops.houfiles import static  # noqa: E402
from nvdiffrec_tops.houfiles.build import build  # noqa: E402

TARGET = ROOT / "hip" / f"{static.NAME}.hip"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    data = build(static.describe())
    if arguments.check:
        same = TARGET.is_file() and TARGET.read_bytes() == data
        print(f"{TARGET.name} is {'up to date' if same else 'NOT up to date'}")
        return 0 if same else 1
    TARGET.parent.mkdir(exist_ok=True)
    temporary = TARGET.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, TARGET)
    print(f"wrote {TARGET} ({len(data)} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
