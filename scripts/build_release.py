#!/usr/bin/env python3
"""Write the release: one ZIP that is unpacked into Houdini's packages folder and works from there.

python scripts/build_release.py [--output FILE.zip]

It holds the package file and beside it one folder: the assets in binary form, scenes, shelf, Python
packages with their byte code, the sample, photographs to begin with, help and licence. Nothing has
to be written into it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from houfiles.libraries import hda  # noqa: E402
from houfiles.libraries.expanded import read_expanded  # noqa: E402
from nvdiffrec_contract import VERSION  # noqa: E402
from nvdiffrec_tops.assets.resultassets import RESULTS  # noqa: E402
from nvdiffrec_tops.assets.shipped import ASSETS  # noqa: E402

NAME = "tops_nvdiffrec"
FOLDERS = (
    *("hip", "toolbar", "pdg", "python3.11libs", "python3.13libs", "scripts/python", "docs"),
    "examples/photographs",
)
FILES = (
    *("LICENSE", "README.md", "CHANGELOG.md"),
    *("scripts/batch_cook.py", "scripts/build_scenes.py", "scripts/render_turntable.py"),
)
LEFT_OUT = ("__pycache__", "*.pyc", "*.egg-info", "api", ".*")
PYTHONS = ("3.11", "3.13")
"""Of Houdini 20.5 and 21, and of Houdini 22: their byte code is in the release, so that they need
write none."""
# The earliest time that a ZIP can tell: the same tree gives the same files.
_TIME = (1980, 1, 1, 0, 0, 0)


def package_file() -> bytes:
    """The package file beside the folder, in place of the one inside a clone."""
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    package["env"] = [{"TOPS_NVDIFFREC": f"$HOUDINI_PACKAGE_PATH/{NAME}"}]
    return (json.dumps(package, indent=4) + "\n").encode()


def lay_out(folder: Path) -> None:
    """Write the release's content into an empty folder."""
    (folder / f"{NAME}.json").write_bytes(package_file())
    inside = folder / NAME
    for name in FOLDERS:
        shutil.copytree(ROOT / name, inside / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in FILES:
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, inside / name)
    (inside / "otls").mkdir()
    for asset in (*ASSETS.values(), *RESULTS.values()):
        data = hda.collapse(read_expanded(ROOT / "otls" / asset.library))
        (inside / "otls" / asset.library).write_bytes(data)
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "python3.11libs")}
    subprocess.run(
        [sys.executable, "-m", "diffrec.sample", inside / "sample"],
        env=environ,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def compile_ahead(folder: Path) -> list[str]:
    """Write the byte code of Houdini's Pythons; the versions that are not on this machine."""
    missing = []
    for version in PYTHONS:
        done = subprocess.run(
            [*_python(version), "-I", "-m", "compileall", "-q", "--invalidation-mode",
             "checked-hash", "-s", folder, "python3.11libs", "python3.13libs"],
            cwd=folder / NAME,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            missing.append(version)
    return missing


def _python(version: str) -> list[str]:
    if version == "{}.{}".format(*sys.version_info):
        return [sys.executable]
    named = os.environ.get(f"PYTHON{version.replace('.', '')}")
    found = named or shutil.which(f"python{version}")
    for uv in filter(None, (shutil.which("uv"), shutil.which("uv", path=Path(sys.prefix, "bin")))):
        argv = [uv, "--offline", "python", "find", "--no-project", version]
        told = subprocess.run(argv, capture_output=True, text=True).stdout.strip()
        found = named or told or found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    kept = sorted(pyenv.glob(f"{version}.*/bin/python3"))
    return [str(kept[-1]) if kept and not named else found or f"python{version}"]


def members(folder: Path) -> Iterator[tuple[str, Path]]:
    """What goes into the ZIP, sorted by name."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, help="the ZIP (dist/tops-nvdiffrec-VERSION.zip)")
    arguments = parser.parse_args()
    output = arguments.output or ROOT / "dist" / f"tops-nvdiffrec-{VERSION}.zip"
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        folder = Path(scratch)
        lay_out(folder)
        for version in compile_ahead(folder):
            print(f"note: no Python {version} here; the release lacks its byte code")
        staged = output.with_name(f".{output.name}.new")
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in members(folder):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes())
        os.replace(staged, output)
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
