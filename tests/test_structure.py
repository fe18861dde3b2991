"""What may be imported where, and under which licence."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from nvdiffrec_contract import VERSION

# Licences of what may be imported, all free for commercial use.
ALLOWED = {
    "yaml": "MIT",
    "rich": "MIT",
    "torch": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "warp": "Apache-2.0",
    "xatlas": "MIT",
    "cv2": "Apache-2.0",
    "rattler": "BSD-3-Clause",
    "flip_evaluator": "BSD-3-Clause",
}
OURS = {"nvdiffrec_contract", "diffrec", "houfiles", "nvdiffrec_tops", "topcook"}
# Given by Houdini, and only there.
HOST = {"hou", "pdg"}
# Job modules that lie beside each other in the folder of a job's scripts.
JOB_MODULES = {"pdgcmd", "pdgjson"}


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, its own package's dots resolved."""
    package = path.relative_to(ROOT / "python3.11libs").with_suffix("").parts[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            names |= {f"{stem}.{alias.name}" for alias in node.names} if node.level else {stem}
    return names


ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "python3.11libs").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_are_free_for_commercial_use(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    foreign = roots - set(sys.stdlib_module_names) - set(ALLOWED) - OURS
    if "houdini" in path.parts:
        foreign -= HOST
    else:
        assert not roots & HOST
    if "jobsupport" in path.parts:
        foreign -= JOB_MODULES
    assert not foreign


def test_the_packages_depend_in_one_direction() -> None:
    for path in SOURCES:
        names = imported(path)
        inside = path.relative_to(ROOT / "python3.11libs").parts
        if inside[0] == "nvdiffrec_contract":
            roots = {name.split(".")[0] for name in names}
            assert roots <= set(sys.stdlib_module_names) | {"nvdiffrec_contract"}, path
        elif inside[0] == "diffrec":
            assert not any(name.split(".")[0] == "nvdiffrec_tops" for name in names), path
        else:
            assert not any(name.split(".")[0] in {"diffrec", "torch"} for name in names), path
        if inside[:2] == ("nvdiffrec_tops", "job"):
            above = {name for name in names if name.startswith("nvdiffrec_tops.")}
            assert all(name.startswith("nvdiffrec_tops.job") for name in above), path
        if inside[0] == "houfiles":
            assert not {name.split(".")[0] for name in names} & (OURS - {"houfiles"}), path


def test_the_project_is_under_the_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_there_is_one_version() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
