"""The tools of the *nvdiffrec* shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import hou

from nvdiffrec_tops.attributes import ENVIRONMENT, OUTPUT
from nvdiffrec_tops.houdini import callbacks, environment_setup, load_result, messages
from nvdiffrec_tops.houdini.messages import ToolError

STATIC = "kartaverse::nvdiffrec_static::1.0"
OBJECTS, SOLARIS, CANCEL = range(3)
"""The buttons of *Load Result*."""


@messages.told
def static_scene(kwargs: Mapping[str, Any]) -> None:
    """A node that trains a static scene: in the TOP network in front, else in a new one."""
    if hou.topNodeTypeCategory().nodeType(STATIC) is None:
        raise ToolError(
            f"Houdini does not find the asset {STATIC}; check that the package is installed: its "
            "otls folder must be on HOUDINI_PATH"
        )
    with hou.undos.group("nvdiffrec Static Scene"):
        network = _network_in_front(kwargs) or _new_network()
        node = cast("hou.TopNode", network.createNode(STATIC, "nvdiffrec_static1"))
        node.moveToGoodPosition()
        node.setDisplayFlag(True)
        node.setSelected(True, clear_all_selected=True)


def _network_in_front(kwargs: Mapping[str, Any]) -> hou.OpNode | None:
    """The TOP network of the tool's pane, else of the first network editor, if one may edit it."""
    pane = kwargs.get("pane")
    if pane is None and hou.isUIAvailable():
        pane = hou.ui.paneTabOfType(hou.paneTabType.NetworkEditor)
    if pane is None or pane.type() != hou.paneTabType.NetworkEditor:
        return None
    shown = pane.pwd()
    if shown.childTypeCategory() != hou.topNodeTypeCategory():
        return None
    if shown.isLockedHDA() or not shown.isEditableInsideLockedHDA():
        return None
    return cast("hou.OpNode", shown)


def _new_network() -> hou.OpNode:
    tasks = hou.node("/tasks") or hou.node("/obj")
    if tasks is None:
        raise ToolError("this scene has neither /tasks nor /obj")
    made = cast("hou.OpNode", tasks).createNode("topnet", "nvdiffrec")
    made.moveToGoodPosition()
    # Houdini makes one itself, unless a studio has changed what a new network holds.
    if not any(one.type().name().endswith("scheduler") for one in made.children()):
        scheduler = made.createNode("localscheduler", "localscheduler")
        scheduler.moveToGoodPosition()
    return made


@messages.told
def check_environment(kwargs: Mapping[str, Any]) -> None:
    """Examine the environment of the selected node, or of a folder that is asked for."""
    for node in hou.selectedNodes():
        if isinstance(node, hou.TopNode):
            callbacks.show_findings(callbacks.settings_of(node))
            return
    if not hou.isUIAvailable():
        raise ToolError("select a TOP node whose environment is to be checked")
    folder = hou.ui.selectFile(
        title="Folder of the Python environment", file_type=hou.fileType.Directory
    )
    if folder:
        callbacks.show_findings({ENVIRONMENT: hou.text.expandString(folder)})


@messages.told
def create_environment(kwargs: Mapping[str, Any]) -> None:
    """Make a Python environment in a folder that is asked for; the selected TOP node uses it."""
    nodes = [one for one in hou.selectedNodes() if isinstance(one, hou.TopNode)]
    environment_setup.create(nodes[0] if nodes else None)


@messages.told
def load_results(kwargs: Mapping[str, Any]) -> None:
    """Import trained meshes with material and light: those of the selected nodes, or a folder.

    With windows, and where the results have USD, the artist says whether into /obj or Solaris.
    """
    folders = _folders_of(hou.selectedNodes())
    if not folders and hou.isUIAvailable():
        chosen = hou.ui.selectFile(
            title="Output folder of a training", file_type=hou.fileType.Directory
        )
        folders = [hou.text.expandString(chosen)] if chosen else []
    if not folders:
        raise ToolError("select a node with trained work items, or choose an output folder")
    place = _place(folders)
    if place == CANCEL:
        return
    missing: list[str] = []
    with hou.undos.group("nvdiffrec Load Result"):
        for folder in folders:
            if place == SOLARIS:
                load_result.load_into_solaris(Path(folder))
            else:
                missing += load_result.load(Path(folder))
    if missing:
        messages.tell(
            "The results are loaded, but some things could not be set:",
            details="\n".join(dict.fromkeys(missing)),
        )


def _place(folders: Sequence[str]) -> int:
    """Where results are to go: the button that the artist presses."""
    if not hou.isUIAvailable() or not all(load_result.has_component(Path(one)) for one in folders):
        return OBJECTS
    return hou.ui.displayMessage(
        "Where are the results to be loaded?",
        buttons=("/obj", "Solaris", "Cancel"),
        default_choice=OBJECTS,
        close_choice=CANCEL,
        title=messages.TITLE,
    )


def _folders_of(nodes: Sequence[Any]) -> list[str]:
    """The output folders of the selected nodes' work items."""
    found: list[str] = []
    for node in nodes:
        pdg_node = node.getPDGNode() if hasattr(node, "getPDGNode") else None
        for item in list(pdg_node.workItems) if pdg_node is not None else []:
            folder = item.stringAttribValue(OUTPUT) if item.hasAttrib(OUTPUT) else ""
            if folder and folder not in found and Path(folder, "mesh", "mesh.obj").is_file():
                found.append(folder)
    return found
