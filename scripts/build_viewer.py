"""Bundles what the monitor's page needs of three.js into one file of the package.

    .venv/bin/python scripts/build_viewer.py            writes it, by npm and the lock file
    .venv/bin/python scripts/build_viewer.py --check    fails where the file is another

It needs Node.js with npm and the npm registry; using the toolkit needs neither.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "scripts" / "viewer"
PAGE = ROOT / "python3.11libs" / "nvdiffrec_tops" / "monitor" / "page"
BUNDLE, LICENCE, RECORD = "three.min.js", "three.LICENSE.txt", "three.json"
SAMPLES = ("const GGX_SAMPLES = 256;", "const GGX_SAMPLES = 48;")
"""Samples by which a light is blurred for rough surfaces, as three.js has it and as it is here: a
browser without a graphics card needs seconds for the former, at every new light of a training."""
SOURCES = ("entry.js", "package.json", "package-lock.json")


def built(folder: Path) -> dict[str, bytes]:
    """The files of the bundle by name, made in an empty folder."""
    for name in SOURCES:
        shutil.copyfile(SOURCE / name, folder / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    module = folder / "node_modules" / "three" / "build" / "three.module.js"
    text = module.read_text(encoding="utf-8")
    if text.count(SAMPLES[0]) != 1:
        raise SystemExit(f"{module} has another {SAMPLES[0]}: see what became of it")
    module.write_text(text.replace(*SAMPLES), encoding="utf-8")
    command = [
        str(folder / "node_modules" / ".bin" / "esbuild"),
        "entry.js",
        "--bundle",
        "--minify",
        "--format=iife",
        "--global-name=THREE",
        "--legal-comments=inline",
        "--charset=ascii",
        "--log-level=warning",
        f"--outfile={BUNDLE}",
    ]
    subprocess.run(command, cwd=folder, check=True)
    bundle = (folder / BUNDLE).read_bytes()
    three = folder / "node_modules" / "three"
    version = json.loads((three / "package.json").read_text(encoding="utf-8"))["version"]
    return {
        BUNDLE: bundle,
        LICENCE: (three / "LICENSE").read_bytes(),
        RECORD: (json.dumps(recorded(version, bundle), indent=1) + "\n").encode(),
    }


def recorded(version: str, bundle: bytes) -> dict[str, str]:
    """What stands beside the bundle: from what it was made, and its own digest."""
    record = {"three": version, "sha256": hashlib.sha256(bundle).hexdigest()}
    for name in SOURCES:
        record[name] = hashlib.sha256((SOURCE / name).read_bytes()).hexdigest()
    return record


def main() -> int:
    """Build, or compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as place:
        files = built(Path(place))
    other = [n for n, data in files.items() if not _same(PAGE / n, data)]
    if check:
        for name in other:
            print(f"{PAGE / name} is not what scripts/viewer makes", file=sys.stderr)
        return 1 if other else 0
    for name in other:
        (PAGE / name).write_bytes(files[name])
        print(f"{PAGE / name}: {len(files[name])} bytes")
    return 0


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


if __name__ == "__main__":
    sys.exit(main())
