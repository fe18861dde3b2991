"""axe-core, which looks for what keeps people from using a page. Npm fetches it, for the tests."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ENTRY = "node_modules/axe-core"
PATIENCE = 60


def script(root: Path, folder: Path) -> str:
    """The script of axe-core in the version that the viewer's lock file holds by its digest. The
    test is skipped where npm cannot have it; npm keeps it for the next time.

    Args:
        root: of the project.
        folder: an empty one.
    """
    lock = json.loads((root / "scripts/viewer/package-lock.json").read_text(encoding="utf-8"))
    version, integrity = (lock["packages"][ENTRY][name] for name in ("version", "integrity"))
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no axe-core: npm fetches it, and is not here")
    command = [npm, "pack", f"axe-core@{version}", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(
            [*command, "--fetch-retries=0"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"there is no axe-core: npm did not fetch it within {PATIENCE} s")
    if done.returncode != 0:
        pytest.skip(f"there is no axe-core: npm cannot fetch it: {done.stderr.strip()[-300:]}")
    archive = folder / f"axe-core-{version}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == integrity, "npm fetched another axe-core than the lock file's"
    with tarfile.open(archive) as members:
        stream = members.extractfile("package/axe.min.js")
        assert stream is not None
        return stream.read().decode("utf-8")
