"""Changes a module right after its import, whoever imports it first."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Change = Callable[[ModuleType], None]


class _Loader(importlib.abc.Loader):
    """The module's own loader, and the changes after it."""

    def __init__(self, inner: importlib.abc.Loader, changes: Sequence[Change]) -> None:
        self._inner = inner
        self._changes = changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # sources and resources, before the import

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module is to look as if nobody had been here: resources are found by its loader.
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        self._inner.exec_module(module)
        for change in self._changes:
            change(sys.modules.get(module.__name__, module))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        changes = self.changes.get(fullname)
        if not changes:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: importlib.machinery.ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, tuple(changes))
                return spec
        return None


_FINDER = _Finder()


def after_import(name: str, change: Change) -> None:
    """Call ``change`` with the module ``name`` once it is imported; at once when it is already."""
    _FINDER.changes.setdefault(name, []).append(change)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    if name in sys.modules:
        change(sys.modules[name])


def forget() -> None:
    """Undo every :func:`after_import` of modules that are not imported yet."""
    _FINDER.changes.clear()
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
