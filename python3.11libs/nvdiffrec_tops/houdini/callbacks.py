"""What the buttons and menus of the digital assets call.

Menus are asked for while a parameter pane is drawn: they are cheap and never raise. Every asset
imports this module, so it imports nothing that Houdini's Python may lack.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

import hou

from nvdiffrec_contract.wording import counted
from nvdiffrec_tops import attributes
from nvdiffrec_tops.houdini import messages
from nvdiffrec_tops.houdini.messages import ToolError
from nvdiffrec_tops.job.outputs.result import NAME as RESULT

_MENU_SECONDS = 10.0
"""How long a menu is kept: a pane is drawn many times, and a new environment appears soon."""
_SEVERITIES = {"error": "Wrong", "warning": "Doubtful", "note": "To know", "ok": "Good"}


@messages.told
def check_environment(kwargs: Mapping[str, Any]) -> None:
    """Examine the node's environment, working folder and configuration; show the findings."""
    node = cast("hou.OpNode", kwargs["node"])
    settings = settings_of(node)
    show_findings(settings)


def show_findings(settings: Mapping[str, str]) -> None:
    """The doctor's findings about these work item attributes, worst first.

    Raises:
        ToolError: the settings name no environment.
    """
    if not settings.get(attributes.ENVIRONMENT):
        raise ToolError(
            "there is no environment to check: choose one on this node, or cook the nodes "
            "upstream first so that their work items say which"
        )
    from nvdiffrec_tops import doctor

    findings = doctor.examine(
        environment=settings[attributes.ENVIRONMENT],
        working_dir=settings.get(attributes.WORKING_DIR) or None,
        config=settings.get(attributes.CONFIG) or None,
        engine=settings.get(attributes.ENGINE) or "diffrec",
        output=settings.get(attributes.OUTPUT) or None,
    )
    wrong = [one for one in findings if one.severity in ("error", "warning")]
    lines = []
    for severity, word in _SEVERITIES.items():
        for one in findings:
            if one.severity == severity:
                lines.append(f"{word}: {one.title}. {one.evidence}")
                if one.cure:
                    lines.append(f"    {one.cure}")
    broken = any(one.severity == "error" for one in findings)
    count = len(wrong)
    text = f"{counted(count, 'finding')} to look at" if wrong else "All is well"
    where = settings[attributes.ENVIRONMENT]
    messages.tell(f"{where}: {text}.", details="\n".join(lines), problem=broken)


@messages.told
def create_environment(kwargs: Mapping[str, Any]) -> None:
    """Make a Python environment in a folder that is asked for, and have the node use it."""
    from nvdiffrec_tops.houdini import environment_setup

    environment_setup.create(cast("hou.OpNode", kwargs["node"]))


@messages.told
def open_result(kwargs: Mapping[str, Any]) -> None:
    """Show what is in the output folder, in a file browser."""
    folder = settings_of(cast("hou.OpNode", kwargs["node"])).get(attributes.OUTPUT, "")
    if not folder:
        raise ToolError("this node has no work items with an output folder yet; cook it first")
    _show(folder, f"there are no results in {folder} yet; cook the node first")


@messages.told
def open_report(kwargs: Mapping[str, Any]) -> None:
    """Show the report of a capture, masks and cameras, in a file browser."""
    node = cast("hou.OpNode", kwargs["node"])
    folder = _from_items(node).get(attributes.CAPTURE, "")
    parm = node.parm("dataset_dir")
    if not folder and parm is not None:
        folder = parm.evalAsString()
    report = os.path.join(folder, "report")
    empty = f"there is no report in {report} yet; cook the node first"
    if not folder:
        raise ToolError(empty)
    _show(report, empty)


def _show(folder: str, empty: str) -> None:
    """Show what is in a folder, in a file browser. Raises ToolError where there is nothing."""
    shown = _something_in(folder)
    if shown is None:
        raise ToolError(empty)
    if hou.isUIAvailable():
        # The browser opens the folder around a path and selects it there.
        hou.ui.showInFileBrowser(os.path.join(folder, shown))
    else:
        print(folder)


def _something_in(folder: str) -> str | None:
    """What to select in a folder: the report of results, else its first entry; None if empty."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return None
    return next((name for name in names if name == RESULT), names[0] if names else None)


def settings_of(node: hou.OpNode) -> dict[str, str]:
    """The work item attributes that a node stands for: those of its selected or first work item,
    else of one upstream, with the node's own parameters on top.
    """
    found = _from_items(node)
    for parm_name, name in (
        ("engine", attributes.ENGINE),
        ("miniconda_env", attributes.ENVIRONMENT),
        ("working_dir", attributes.WORKING_DIR),
        ("config_name", attributes.CONFIG),
    ):
        parm = node.parm(parm_name)
        if parm is not None and (value := parm.evalAsString()):
            found[name] = value
    output = node.parm("output_dir")
    if output is not None and attributes.OUTPUT not in found:
        found[attributes.OUTPUT] = output.evalAsString()
    source = node.parm("source")
    if source is not None:
        found |= _chosen(node, source.evalAsString())
    return found


def _chosen(node: hou.OpNode, source: str) -> dict[str, str]:
    """What an nvdiffrec Environment node's own choice means."""
    from nvdiffrec_tops import environment

    if source == "prefix":
        parm = node.parm("prefix")
        return {attributes.ENVIRONMENT: parm.evalAsString() if parm is not None else ""}
    if source == "known":
        parm = node.parm("known")
        name = parm.evalAsString() if parm is not None else ""
        return {attributes.ENVIRONMENT: environment.find(name).prefix}
    if source == "active":
        active = environment.active()
        return {attributes.ENVIRONMENT: active.prefix if active is not None else ""}
    return {}


def _from_items(node: hou.OpNode) -> dict[str, str]:
    """Attributes of a work item of the node, or of the nearest node upstream that has any."""
    waiting: list[Any] = [node]
    seen: set[str] = set()
    while waiting:
        one = waiting.pop(0)
        if one is None or one.path() in seen:
            continue
        seen.add(one.path())
        pdg_node = one.getPDGNode() if hasattr(one, "getPDGNode") else None
        items = list(pdg_node.workItems) if pdg_node is not None else []
        if items:
            chosen = one.getSelectedWorkItem() if hasattr(one, "getSelectedWorkItem") else -1
            item = next((item for item in items if item.id == chosen), items[0])
            names = (
                attributes.ENGINE,
                attributes.ENVIRONMENT,
                attributes.WORKING_DIR,
                attributes.CONFIG,
                attributes.OUTPUT,
                attributes.CAPTURE,
            )
            found = (name for name in names if item.hasAttrib(name))
            values = {name: item.stringAttribValue(name) or "" for name in found}
            return {name: value for name, value in values.items() if value}
        waiting += list(one.inputs())
    return {}


def _menu(listed: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """A menu that is asked for at most every few seconds, and is empty where it cannot be made."""
    kept: list[str] = []
    until = float("-inf")

    @wraps(listed)
    def menu() -> list[str]:
        nonlocal kept, until
        if time.monotonic() >= until:
            try:
                kept = listed()
            except Exception:
                # An error here would be shown again and again while the pane is drawn.
                kept = []
            until = time.monotonic() + _MENU_SECONDS
        return list(kept)

    return menu


@_menu
def _presets() -> list[str]:
    from nvdiffrec_tops import presets

    menu = []
    for name in presets.names():
        try:
            label = presets.load(name).label
        except presets.PresetError:
            # Unreadable: choosing it says so.
            label = name
        menu += [name, label]
    return menu


def preset_menu() -> list[str]:
    """Tokens and labels of the presets; the first is none."""
    return ["", "None", *_presets()]


@_menu
def environment_menu() -> list[str]:
    """Names and labels of the environments on this machine."""
    from nvdiffrec_tops import environment

    menu = []
    for one in environment.known():
        version = ".".join(str(part) for part in (one.version or ())[:2])
        name = one.name or one.prefix
        menu += [name, f"{name}  ({one.kind}{f', Python {version}' if version else ''})"]
    return menu
