"""Parameters of a scene that this program does not know.

Houdini saves every parameter of every node, also those that only its own version has. Such a
parameter never matters at its default. A scene carries the interfaces of the node types it uses,
so the default is usually known: a parameter that was changed from it is refused by name; one whose
default cannot be known is passed over, and the artist is told.
"""

from __future__ import annotations

from functools import cache

from houfiles import HouFileError, Node, Scene

from .evaluation import NodeParameters
from .table import Kind, ParmTable, from_interface

_VALUES = frozenset(Kind) - {Kind.LAYOUT, Kind.BUTTON}


class UnknownParameters:
    """What is to be said about the unknown parameters of a scene's nodes."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._table = cache(self._read)
        self._without_default: set[str] = set()
        self.problems: list[str] = []
        self.notes: list[str] = []

    def _read(self, type_name: str) -> ParmTable | None:
        """The parameters of a type as the scene's own Houdini has them, None when not known."""
        try:
            interface = self._scene.interface(type_name)
        except HouFileError:
            return None
        if interface is None:
            return None
        self._without_default |= {one.name for one in interface.parms if not one.default}
        return from_interface(interface)

    def judge(self, node: Node, parameters: NodeParameters) -> None:
        """Look at one node's parameters; adds to ``problems`` and ``notes``."""
        saved = [name for name in node.parms if parameters.spec(name) is None]
        if not saved:
            return
        table = self._table(node.type)
        passed: list[str] = []
        for name in saved:
            values = parameters.components(name) if node.parms[name].values else ()
            if not values:
                continue
            text = " ".join(value.text for value in values)
            spec = None if table is None else table.find(name)
            if spec is None or (spec.kind in _VALUES and name in self._without_default):
                passed.append(f"{name} = '{text[:40]}'")
                continue
            driven = any(value.expression is not None for value in values)
            if spec.kind in (Kind.LAYOUT, Kind.BUTTON) or (
                not driven
                and spec.normal(value.text for value in values) == spec.normal(spec.default)
            ):
                continue
            self.problems.append(
                f"{parameters.path}: the parameter '{name}' is set to '{text[:60]}', which is not "
                "known here; it belongs to another Houdini version. Set it back to its default "
                f"({' '.join(spec.default)!r}), or pass --allow-unknown-parms if the cook does "
                "not depend on it"
            )
        if passed:
            self.notes.append(
                f"warning: {parameters.path}: not known here and passed over: {', '.join(passed)}"
            )
