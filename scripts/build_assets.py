#!/usr/bin/env python3
"""Write the frame of the digital assets in otls/ around their hand-written sections.

python scripts/build_assets.py            write them
python scripts/build_assets.py --check    say whether the tree is up to date (exit code 1: no)

DialogScript, Help and IconSVG of each asset are the source; edit them in place.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from nvdiffrec_tops.houfiles import HouFileError, sections  # noqa: E402
from nvdiffrec_tops.houfiles.assets import ASSETS, WRITTEN, Asset, library  # noqa: E402
from nvdiffrec_tops.houfiles.expanded import encode_expanded, write_expanded  # noqa: E402


def written(folder: Path, asset: Asset) -> dict[str, bytes]:
    """The hand-written sections of an asset."""
    base = folder / sections.mangle(asset.section)
    missing = [name for name in WRITTEN if not (base / name).is_file()]
    if missing:
        raise HouFileError(f"{base / missing[0]} is missing; it is written by hand")
    return {name: (base / name).read_bytes() for name in WRITTEN}


def on_disk(folder: Path) -> dict[str, bytes]:
    """Every file of a library's folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    good = True
    for asset in ASSETS.values():
        folder = ROOT / "otls" / asset.library
        try:
            made = library(asset, written(folder, asset))
            same = encode_expanded(made) == on_disk(folder)
            good = good and same
            if arguments.check:
                print(f"{folder.name} is {'up to date' if same else 'NOT up to date'}")
            elif not same:
                # The marker makes a folder that holds only the hand-written texts a library.
                (folder / "houdini.hdalibrary").touch()
                write_expanded(made, folder)
                print(f"wrote {folder}")
        except HouFileError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0 if good or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
