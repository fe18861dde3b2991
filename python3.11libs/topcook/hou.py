"""A stand-in for the few documented parts of Houdini's ``hou`` module that processors use.

A processor reads the parameters of the asset around it through ``hou``; here those are the scene's
values over the asset's own defaults, evaluated by ``topcook.parameters.expressions``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from . import pdg
from .parameters.evaluation import NodeParameters
from .parameters.table import Kind
from .pdg.workitem import ACTIVE


class Error(Exception):
    """``hou.Error``: the base of Houdini's exceptions."""


class NodeError(Error):
    """``hou.NodeError``: a message for the artist, shown on the node."""


class hipFile:
    """The scene: ``hou.hipFile``. The stand-in reads scenes from files, so each has a place."""

    @staticmethod
    def isNewFile() -> bool:
        return False


class Parm:
    """One parameter: ``hou.Parm``."""

    def __init__(self, parameters: NodeParameters, name: str) -> None:
        self._parameters, self._name = parameters, name

    def name(self) -> str:
        return self._name

    def description(self) -> str:
        """The label; the stand-in knows the name alone."""
        return self._name

    def rawValue(self) -> str:
        """The text as it stands, nothing expanded."""
        return self._parameters.raw(self._name)

    def set(self, value: str | float) -> None:
        """Give the parameter a value, as an artist does."""
        self._parameters.set(self._name, [str(value)])

    def evalAsString(self) -> str:
        """The text; for a menu its token."""
        values, item = self._parameters, ACTIVE.get()
        spec = values.spec(self._name)
        kind = Kind.STRING if spec is None else spec.kind
        if spec is not None and kind is Kind.MENU:
            number = values.menu(self._name, item)
            return str(number) if spec.by_token else spec.tokens[number]
        if kind in (Kind.INTEGER, Kind.COUNT, Kind.TOGGLE):
            return str(self.evalAsInt())
        if kind is Kind.FLOAT:
            return repr(self.evalAsFloat())
        return values.string(self._name, item)

    def evalAsInt(self) -> int:
        """The number; for a menu its position, or its token where tokens are values."""
        values, item = self._parameters, ACTIVE.get()
        spec = values.spec(self._name)
        if spec is not None and spec.kind is Kind.MENU:
            return values.menu(self._name, item)
        if spec is not None and spec.kind is Kind.TOGGLE:
            return int(values.toggle(self._name, item))
        return values.integer(self._name, item)

    def evalAsFloat(self) -> float:
        return self._parameters.number(self._name, ACTIVE.get())


class OpNode:
    """A node: ``hou.OpNode``."""

    def __init__(
        self,
        parameters: NodeParameters,
        parent: OpNode | None = None,
        inputs: tuple[OpNode | None, ...] = (),
    ) -> None:
        self._parameters, self._parent, self._inputs = parameters, parent, inputs

    def name(self) -> str:
        return self.path().rsplit("/", 1)[-1]

    def path(self) -> str:
        return self._parameters.path

    def parent(self) -> OpNode | None:
        return self._parent

    def inputs(self) -> tuple[OpNode | None, ...]:
        """The nodes wired into the inputs, None where an input before a wired one is not."""
        return self._inputs

    def parm(self, name: str) -> Parm | None:
        return Parm(self._parameters, name) if self._parameters.has(name) else None


@contextmanager
def standing_in() -> Iterator[None]:
    """While the context lasts, ``import hou`` and ``import pdg`` give the stand-ins."""
    before = sys.modules.get("hou")
    module: ModuleType = sys.modules[__name__]
    sys.modules["hou"] = module
    try:
        with pdg.standing_in():
            yield
    finally:
        if before is not None:
            sys.modules["hou"] = before
        else:
            sys.modules.pop("hou", None)
