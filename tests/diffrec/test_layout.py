"""How diffrec's modules hang together: arrows downward, no circles, no crowded folder."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python3.11libs" / "diffrec"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
# What operations may import beside each other.
BELOW_OPS = {"diffrec.errors", "diffrec.optional_package", "diffrec.side_work"}


@cache
def imported(name: str) -> set[str]:
    """The modules of diffrec that one imports, at its start or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= parts & set(MODULES)
            # A package that gives nothing but its modules is not what is meant.
            if parts - set(MODULES):
                found.add(node.module)
    return (found & set(MODULES)) - {name}


def test_no_module_imports_itself_by_way_of_others() -> None:
    order = TopologicalSorter({name: imported(name) for name in MODULES})
    assert len(list(order.static_order())) == len(MODULES)


def room(name: str) -> str:
    """The folder below the package that a module lies in; a module beside them is its own."""
    return ".".join(name.split(".")[:2])


def test_no_room_needs_another_that_needs_it() -> None:
    needs: dict[str, set[str]] = {}
    for name in MODULES:
        needs.setdefault(room(name), set()).update(room(one) for one in imported(name))
    order = TopologicalSorter({one: rest - {one} for one, rest in needs.items()})
    assert len(list(order.static_order())) == len(needs)


def test_operations_know_nothing_of_what_uses_them() -> None:
    for name in MODULES:
        if name.startswith("diffrec.ops"):
            above = {one for one in imported(name) if not one.startswith("diffrec.ops")}
            assert above <= BELOW_OPS, name


def test_no_folder_is_crowded() -> None:
    files = Counter(path.parent for path in MODULES.values())
    assert max(files.values()) <= 22


def test_a_module_of_kernels_lies_beside_its_interface() -> None:
    for name, path in MODULES.items():
        if path.stem in ("numba", "warp"):
            interface = path.with_name("__init__.py").read_text(encoding="utf-8")
            assert "Operation(__name__" in interface, name
