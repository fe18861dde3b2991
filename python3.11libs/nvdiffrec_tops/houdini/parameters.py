"""The parameters of a digital asset, as the processor inside it reads them.

The processor is a node inside the asset; the parameters are the asset's own. They are evaluated
with a work item made active, so that ``@attribute`` in a parameter means that item's.

The processor has spare parameters that follow these (``nvdiffrec_tops.assets.linkedparms``), so
that PDG notices a change. They are not what is read: whether ``chs("../parm")`` on the processor
evaluates the asset's ``@attribute`` for the active item is not documented, and reading the asset's
parameter is right either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import hou

    from topcook import pdg


class ParameterError(LookupError):
    """The asset has no such parameter: its library is of another version than the package."""


class UnsavedSceneError(Exception):
    """A folder starts from the scene's place, and the scene has none yet."""


_SCENE = re.compile(r"\$(?:HIP|HIPFILE|HIPNAME)\b|\$\{HIP(?:FILE|NAME)?\}")


class AssetParameters:
    """The parameters of the asset around a processor (``self`` in its callbacks)."""

    def __init__(self, processor: Any) -> None:
        self.node: hou.OpNode = processor.topNode().parent()

    @property
    def name(self) -> str:
        """The asset's name in its network."""
        return self.node.name()

    def is_wired(self) -> bool:
        """Whether something is connected to the asset's first input."""
        return any(one is not None for one in self.node.inputs())

    def string(self, name: str, item: pdg.WorkItem | None = None) -> str:
        """A text, or a menu's token."""
        with _active(item):
            return self._parm(name).evalAsString()

    def folder(self, name: str, item: pdg.WorkItem | None = None) -> str:
        """A folder that is written to.

        Raises:
            UnsavedSceneError: it starts from ``$HIP``, and the scene was never saved. Houdini then
                puts the folder where it was itself started.
        """
        import hou

        parm = self._parm(name)
        if hou.hipFile.isNewFile() and _SCENE.search(parm.rawValue()):
            raise UnsavedSceneError(
                f"{parm.description()} is {parm.rawValue()}, beside the scene, and the scene has "
                "not been saved yet. Save it, then cook again; or choose a folder without $HIP"
            )
        return self.string(name, item)

    def integer(self, name: str, item: pdg.WorkItem | None = None) -> int:
        with _active(item):
            return int(self._parm(name).evalAsInt())

    def number(self, name: str, item: pdg.WorkItem | None = None) -> float:
        with _active(item):
            return float(self._parm(name).evalAsFloat())

    def toggle(self, name: str, item: pdg.WorkItem | None = None) -> bool:
        return bool(self.integer(name, item))

    def instances(self, name: str, item: pdg.WorkItem | None = None) -> Iterator[int]:
        """The numbers of a multiparm's instances."""
        return iter(range(1, self.integer(name, item) + 1))

    def _parm(self, name: str) -> hou.Parm:
        parm = self.node.parm(name)
        if parm is None:
            raise ParameterError(
                f"{self.node.path()} has no parameter '{name}': the asset in this scene is of "
                "another version than the installed package. Update one of them"
            )
        return parm


def _active(item: pdg.WorkItem | None) -> AbstractContextManager[object]:
    return nullcontext() if item is None else item.makeActive()
