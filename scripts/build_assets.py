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

from houfiles import HouFileError  # noqa: E402
from houfiles.libraries import sections  # noqa: E402
from houfiles.libraries.expanded import encode_expanded  # noqa: E402
from nvdiffrec_tops.assets import resultassets, shipped  # noqa: E402
from nvdiffrec_tops.assets.shipped import ASSETS, WRITTEN, Asset  # noqa: E402


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


def differing(made: dict[str, bytes], folder: Path) -> list[str]:
    """Files that are missing, not the same, or not part of the library."""
    there = on_disk(folder)
    return sorted(name for name in made | there if made.get(name) != there.get(name))


def write(made: dict[str, bytes], folder: Path, names: list[str]) -> None:
    """Write the named files; those that are not part of the library are told and left alone."""
    for name in names:
        path = folder / name
        if name not in made:
            print(f"note: {path} is not part of the library; remove it", file=sys.stderr)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.new")
        staged.write_bytes(made[name])
        staged.replace(path)
        print(f"wrote {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    good = True
    for asset in (*ASSETS.values(), *resultassets.RESULTS.values()):
        folder = ROOT / "otls" / asset.library
        build = shipped.library if asset.table == "Top" else resultassets.library
        try:
            made = encode_expanded(build(asset, written(folder, asset)))
            names = differing(made, folder)
            good = good and not names
            if not arguments.check:
                write(made, folder, names)
            elif names:
                print(f"{folder.name} is NOT up to date: {', '.join(names)}")
            else:
                print(f"{folder.name} is up to date")
        except (HouFileError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0 if good or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
