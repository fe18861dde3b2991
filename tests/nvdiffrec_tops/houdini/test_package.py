"""The package: what Houdini is told about it, and what it brings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

_KEYS = {"name", "show", "version", "load_package_once", "env", "hpath"}


@pytest.fixture
def package(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "package.json").read_text(encoding="utf-8"))
    return found


def test_only_documented_keys_of_the_right_kind(package: dict[str, Any]) -> None:
    assert set(package) == _KEYS
    assert package["load_package_once"] is True and package["show"] is True
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])


def test_no_version_of_houdini_is_left_out_in_silence(package: dict[str, Any], root: Path) -> None:
    """A condition would switch the package off without a word; a start script says it instead."""
    assert not {"enable", "requires", "recommends"} & set(package)
    assert (root / "scripts" / "python" / "pythonrc.py").is_file()


def test_variables_start_at_the_package_and_touch_no_python_and_no_library(
    package: dict[str, Any],
) -> None:
    names = [name for one in package["env"] for name in one]
    assert names == ["TOPS_NVDIFFREC"]
    assert package["env"][0]["TOPS_NVDIFFREC"] == "$HOUDINI_PACKAGE_PATH"
    assert package["hpath"] == "$TOPS_NVDIFFREC"
    text = json.dumps(package)
    assert not re.search(r"PYTHON(HOME|PATH)|LD_LIBRARY|DYLD|\"PATH\"", text)
    assert "\\\\" not in text


def test_the_folders_that_houdini_looks_for(root: Path) -> None:
    for name in ("otls", "python3.11libs", "python3.13libs", "scripts", "toolbar", "hip"):
        assert (root / name).is_dir()
    # Houdini runs these names by itself; the toolkit must not take a studio's place there.
    for name in ("123.py", "456.py"):
        assert not (root / "scripts" / name).exists()


def test_the_shelf_has_the_tools_it_lists(root: Path) -> None:
    shelf = ElementTree.parse(root / "toolbar" / "nvdiffrec.shelf").getroot()
    tools = {one.attrib["name"]: one for one in shelf.iter("tool")}
    members = [one.attrib["name"] for one in shelf.iter("memberTool")]
    assert members == list(tools) and len(tools) == 4
    labels = [one.attrib["label"] for one in tools.values()]
    assert labels == ["Static Scene", "Create Environment", "Check Environment", "Load Result"]
    for tool in tools.values():
        script = tool.find("script")
        assert script is not None and script.text is not None
        assert "\n" not in script.text.strip() and script.attrib["scriptType"] == "python"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_read_only_copy_in_a_folder_with_spaces_cooks(root: Path, tmp_path: Path) -> None:
    """The package needs nothing written into it: scenes generate from a copy that cannot change."""
    copy = tmp_path / "my tools" / "TOPs nvdiffrec"
    for name in ("otls", "hip", "python3.11libs/nvdiffrec_tops"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, copy / name, ignore=ignored)
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = set(copy.rglob("*"))
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from nvdiffrec_tops.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    scene = copy / "hip" / "TOPs_nvdiffrec_Static.hip"
    argv = [sys.executable, "-c", code, str(copy / "python3.11libs"), "cook", str(scene)]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*argv, "--dry-run", "--json"],
            capture_output=True,
            text=True,
            env=environ,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert str(copy / "python3.11libs/nvdiffrec_tops/job/__main__.py") in done.stdout
        assert set(copy.rglob("*")) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)
