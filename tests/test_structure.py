"""What may be imported where, and under which licence."""

from __future__ import annotations

import ast
import json
import sys
from functools import cache
from pathlib import Path

import pytest

from nvdiffrec_contract import VERSION

# Licences of what may be imported, all free for commercial use.
ALLOWED = {
    "yaml": "MIT",
    "rich": "MIT",
    "shtab": "MPL-2.0",
    "torch": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "warp": "Apache-2.0",
    "xatlas": "MIT",
    "cv2": "Apache-2.0",
    "OpenEXR": "BSD-3-Clause",
    "rattler": "BSD-3-Clause",
    "flip_evaluator": "BSD-3-Clause",
    "pycolmap": "BSD-3-Clause",
    "PIL": "MIT-CMU",
    "pi_heif": "BSD-3-Clause",
    "rawpy": "MIT",
    "onnxruntime": "MIT",
    "pxr": "TOST-1.0",
}
OURS = {"nvdiffrec_contract", "diffrec", "houfiles", "nvdiffrec_tops", "topcook"}
# Given by Houdini, and only there.
HOST = {"hou", "pdg"}
# Job modules that lie beside each other in the folder of a job's scripts.
JOB_MODULES = {"pdgattributes", "pdgcmd", "pdgjson"}


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, its own package's dots resolved."""
    package = path.relative_to(ROOT / "python3.11libs").with_suffix("").parts[:-1]
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
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


# What each package may import of ours, beside itself.
BELOW = {
    "nvdiffrec_contract": set(),
    "houfiles": set(),
    "topcook": {"houfiles", "nvdiffrec_contract"},
    "diffrec": {"nvdiffrec_contract"},
    "nvdiffrec_tops": {"houfiles", "nvdiffrec_contract", "topcook"},
}
# The rooms of a package, each above those that it may import.
FLOORS = {
    "houfiles": (
        "build, libraries",
        "stocktypes, parameterpage, opening",
        "scene",
        "node",
        "describe, dialogscript, containers",
        "members",
        "quoting",
        "errors",
    ),
    "topcook": (
        "cook, planning",
        "network",
        "generation, inheritance, schedulers, nodes",
        "jobs, hou",
        "jobsupport, inprocess, parameters",
        "pdg, host",
    ),
    "nvdiffrec_tops": (
        "__main__",
        "cli",
        "houdini, scenes",
        "bugreport, capture, create_environment, newconfiguration",
        "completion, cook, doctor, export, photographs, training",
        "monitor",
        "assets, attributes, hqueue",
        "command, environment, presets, results",
        "job",
    ),
    "nvdiffrec_tops.monitor": (
        "command",
        "report, server",
        "page, watching",
        "training",
        "curves, logreading, settings, views",
        "files",
    ),
    "nvdiffrec_tops.cook": (
        "command",
        "farm",
        "refusals, running, scene",
        "console, host, options, stopsignals",
        "summary, view",
        "webpage",
        "reporting",
    ),
}
MOST_FILES = 22
# A folder of plug-ins has one file for each: a stock node, a check.
PLUGINS = {"topcook/nodes", "nvdiffrec_tops/doctor/checks"}
# Larger than a folder should be; take the name out when it is split.
TO_SPLIT = {"diffrec", "nvdiffrec_tops/job"}


def module(path: Path) -> str:
    """The full name of a module."""
    parts = path.relative_to(ROOT / "python3.11libs").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in SOURCES}


@cache
def own_imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    return own_imports_of(parsed(path), path)


def own_imports_of(tree: ast.AST, path: Path) -> set[str]:
    """Those that a part of a file imports."""
    found = set()
    package = module(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                whole = f"{stem}.{alias.name}"
                found.add(whole if whole in MODULES else stem)
    return found & MODULES.keys() - {module(path)}


@pytest.mark.parametrize("package", BELOW)
def test_packages_import_only_what_is_below_them(package: str) -> None:
    for path in SOURCES:
        if module(path).split(".")[0] == package:
            used = {name.split(".")[0] for name in imported(path)}
            assert used & OURS <= BELOW[package] | {package}, path


KNOWN_TO_THE_COOK = {f"nvdiffrec_contract.{name}" for name in ("files", "failure", "failureline")}


def test_what_the_cook_knows_of_the_contract_is_files_and_failures() -> None:
    for path in SOURCES:
        if module(path).startswith("topcook"):
            used = {name for name in own_imports(path) if name.startswith("nvdiffrec_contract")}
            assert used <= KNOWN_TO_THE_COOK, path


def test_standard_library_only() -> None:
    """The contract and the job run in a training's Python, which has nothing of ours installed."""
    for path in SOURCES:
        name = module(path)
        roots = {one.split(".")[0] for one in imported(path)}
        if name.startswith("nvdiffrec_contract"):
            assert roots <= set(sys.stdlib_module_names) | {"nvdiffrec_contract"}, path
        if name.startswith("nvdiffrec_tops.job"):
            above = {one for one in imported(path) if one.startswith("nvdiffrec_tops.")}
            assert all(one.startswith("nvdiffrec_tops.job") for one in above), path
        if not name.startswith("diffrec"):
            assert "torch" not in roots, path


@pytest.mark.parametrize("package", FLOORS)
def test_arrows_run_downward(package: str) -> None:
    floor = {
        room: number for number, rooms in enumerate(FLOORS[package]) for room in rooms.split(", ")
    }
    depth = package.count(".") + 1
    rooms = {name.split(".")[depth] for name in MODULES if name.startswith(f"{package}.")}
    assert rooms == floor.keys()
    for name, path in MODULES.items():
        if not name.startswith(f"{package}."):
            continue
        room = name.split(".")[depth]
        for used in own_imports(path):
            if used.startswith(f"{package}.") and used.split(".")[depth] != room:
                below = used.split(".")[depth]
                assert floor[room] < floor[below], f"{name} imports {used}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: loaded(path) for name, path in MODULES.items()}
    while left:
        free = {name for name, used in left.items() if not used & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


def loaded(path: Path) -> set[str]:
    """The modules of ours that are imported when a file is: not in functions, not for types."""
    tree = parsed(path)
    later = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    waiting: list[ast.AST] = list(tree.body)
    kept: list[ast.stmt] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept.append(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, later):
            waiting += ast.iter_child_nodes(node)
    return own_imports_of(ast.Module(kept, []), path)


def test_folders_stay_small() -> None:
    count: dict[str, int] = {}
    for path in SOURCES:
        folder = path.parent.relative_to(ROOT / "python3.11libs").as_posix()
        count[folder] = count.get(folder, 0) + 1
    over = {folder for folder, files in count.items() if files > MOST_FILES}
    assert over - PLUGINS <= TO_SPLIT, over


def test_the_project_is_under_the_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_there_is_one_version() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
