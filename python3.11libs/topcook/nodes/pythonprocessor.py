"""Python Processor: callbacks written in Python inside the node.

Only the code of the toolkit's own digital assets is run. A scene that brings code of its own in a
Python Processor is refused: nothing from a scene is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import button, integer, layout, menu, multiparm, string, table, toggle

from .base import GENERATE_WHEN, NodeType

_LATER = (
    toggle("usesdynamicbatching"),
    toggle("usestatefilter"),
    string("statefilter"),
    toggle("clearfailures"),
)
"""Later than 19.5.538; they concern a scene's own code, which no cook here runs."""

PARAMETERS = table(
    layout("processor", "processor_1", "processor_2", "callbacks"),
    layout("callbacks_1", "callbacks_2", "callbacks_3", "callbacks_4"),
    layout("sepparm", "sepparm2", "sepparm3", "sepparm4", "sepparm5"),
    button("savenodescript"),
    button("savenodehda"),
    GENERATE_WHEN,
    string("pdg_command"),
    string("generate"),
    toggle("useregeneratestatic"),
    string("regeneratestatic"),
    string("addinternaldependencies"),
    string("cooktask"),
    string("servicename"),
    toggle("alwaysregenerate"),
    toggle("dirtyonregenerate"),
    toggle("dirtyonincomplete"),
    toggle("requiresgeneratedinputs"),
    toggle("requirescookedinputs"),
    toggle("requiresscenefile"),
    toggle("requiresinputdata"),
    _LATER,
    multiparm("pdgnodedeps", string("pdgnodedep#"), count=1),
    string("topscheduler"),
    button("addjobparms"),
    toggle("pdg_useschedulewhen"),
    integer("pdg_schedulewhen", 1),
    menu("pdg_workitemlabel", "0", "0 1 2 3"),
    string("pdg_workitemlabelexpr"),
    menu("pdg_workitempriority", "0", "0 1"),
    integer("pdg_workitempriorityexpr"),
)


class AssetProcessor(pdg.PyProcessor):
    """The Python Processor inside one of the toolkit's digital assets: runs the asset's code."""

    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        self._run(
            "generate",
            item_holder=item_holder,
            upstream_items=upstream_items,
            generation_type=generation_type,
        )
        return pdg.result.Success

    def onAddInternalDependencies(
        self,
        dependency_holder: pdg.DependencyHolder,
        internal_items: list[pdg.WorkItem],
        is_static: bool,
    ) -> pdg.result:
        self._run(
            "addinternaldependencies",
            dependency_holder=dependency_holder,
            internal_items=internal_items,
            is_static=is_static,
        )
        return pdg.result.Success

    @property
    def workItems(self) -> list[pdg.WorkItem]:
        """The node's items: in a snippet ``self`` is the node."""
        return self.node.workItems

    def onCookTask(self, work_item: pdg.WorkItem) -> pdg.result:
        self._run("cooktask", work_item=work_item)
        return pdg.result.Success

    def _run(self, snippet: str, **bound: Any) -> None:
        """Run a snippet with the names that Houdini binds for it."""
        from topcook import hou

        parameters: NodeParameters = self.node.parameters  # type: ignore[assignment]
        code = _compiled(parameters.raw(snippet), f"<{self.node.path} {snippet}>")
        with hou.standing_in():
            try:
                exec(code, {"self": self, **bound})
            except hou.NodeError as error:
                raise pdg.CookError(f"{_owner(self.node.path)}: {error}") from None


def _owner(path: str) -> str:
    """The asset that the artist sees, of a node inside it."""
    return path.rsplit("/", 1)[0]


@lru_cache(maxsize=256)
def _compiled(text: str, name: str) -> CodeType:
    return compile(text, name, "exec")


class _Refused(pdg.PyProcessor):
    """A Python Processor of a scene: never run."""

    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: Sequence[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        raise pdg.CookError(_why(self.node.path))


def _why(path: str) -> str:
    return (
        f"{path} is a Python Processor with code of the scene's own, which is not run outside "
        "Houdini. Bypass it, or cook up to another node with --node"
    )


TYPE = NodeType(
    "pythonprocessor",
    PARAMETERS,
    pdg.nodeType.Processor,
    _Refused,
    check=lambda parameters: [_why(parameters.path)],
)
