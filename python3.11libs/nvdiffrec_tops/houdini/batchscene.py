"""The scene of a batch cook: loaded into Houdini, its network found, its parameters set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import hou

from topcook.network.overrides import Entry, Override

PACKAGE = Path(__file__).resolve().parents[3]
NAMESPACE = "kartaverse::"
_ASSET = f"{NAMESPACE}nvdiffrec_static::1.0"
_ROOT_VARIABLE = "TOPS_NVDIFFREC"
_NETWORKS, _LOCAL = ("topnet", "topnetmgr"), "localscheduler"
_ON = {"on": 1, "1": 1, "true": 1, "off": 0, "0": 0, "false": 0}


class BatchError(Exception):
    """Something in the scene or on the command line that keeps it from being cooked."""


def load_scene(scene: str) -> list[str]:
    """Load a scene, with the toolkit's own assets; gives what an artist should know of them.

    Raises:
        BatchError: there is no such file, or Houdini cannot load it.
    """
    path = Path(scene)
    if not path.is_file():
        raise BatchError(f"the scene {scene} does not exist")
    notes = _install_assets()
    try:
        hou.hipFile.load(
            path.absolute().as_posix(), suppress_save_prompt=True, ignore_load_warnings=True
        )
    except hou.OperationFailed as error:
        raise BatchError(f"Houdini cannot load {scene}: {error}") from None
    return notes


def _install_assets() -> list[str]:
    """Where the package is not installed (a farm, a first try), take assets and root from here."""
    if hou.topNodeTypeCategory().nodeType(_ASSET) is not None:
        return []
    if not hou.getenv(_ROOT_VARIABLE):
        hou.putenv(_ROOT_VARIABLE, PACKAGE.as_posix())
    notes = []
    for library in sorted((PACKAGE / "otls").glob("*.hda")):
        try:
            # For this session alone: the artist's list of libraries stays as it is.
            hou.hda.installFile(library.as_posix(), change_oplibraries_file=False)
        except hou.OperationFailed as error:
            notes.append(f"warning: {library} was not installed ({error}); load the package")
    return notes


def find_network(path: str | None) -> hou.TopNode:
    """The TOP network to be cooked.

    Raises:
        BatchError: there is none of that path, or there are several and none is chosen.
    """
    networks = _networks()
    listed = ", ".join(one.path() for one in networks)
    if path is not None:
        found = hou.node("/" + path.strip("/"))
        if found is None or found.type().name() not in _NETWORKS:
            raise BatchError(
                f"--top {path}: the scene has no such TOP network; it has {listed or 'none'}"
            )
        return cast("hou.TopNode", found)
    if not networks:
        raise BatchError("the scene has no TOP network")
    candidates = [one for one in networks if any(map(_makes_items, one.children()))] or networks
    for mark in (_shows_a_node, _holds_ours):
        marked = [one for one in candidates if mark(one)]
        candidates = marked if len(marked) == 1 else candidates
    if len(candidates) > 1:
        raise BatchError(
            f"the scene has {len(candidates)} TOP networks to cook; choose one: "
            + ", ".join(f"--top {one.path()}" for one in candidates)
        )
    return candidates[0]


def _shows_a_node(network: hou.TopNode) -> bool:
    tasks = [cast("hou.TopNode", node) for node in network.children() if _makes_items(node)]
    return any(node.isDisplayFlagSet() for node in tasks)


def _holds_ours(network: hou.TopNode) -> bool:
    return any(node.type().name().startswith(NAMESPACE) for node in network.children())


def _networks() -> list[hou.TopNode]:
    root = hou.node("/")
    every = root.allSubChildren(recurse_in_locked_nodes=False) if root is not None else ()
    return [cast("hou.TopNode", node) for node in every if node.type().name() in _NETWORKS]


def chosen(top: hou.TopNode, names: Sequence[str], all_ends: bool) -> list[hou.TopNode]:
    """The nodes to cook: the named ones, every end, or the display node.

    Raises:
        BatchError: a node does not exist or makes no work items, or there is nothing to cook.
    """
    tasks = [cast("hou.TopNode", node) for node in top.children() if _makes_items(node)]
    if names:
        found = [_child(top, name, f"--node {name}") for name in names]
        for name, node in zip(names, found, strict=True):
            if not _makes_items(node):
                raise BatchError(f"--node {name}: this is no node that makes work items")
        return found
    shown = [node for node in tasks if node.isDisplayFlagSet()]
    ends = shown if shown and not all_ends else [node for node in tasks if not node.outputs()]
    if not ends:
        raise BatchError(f"{top.path()} has no nodes to cook")
    return ends


def _makes_items(node: hou.Node) -> bool:
    return isinstance(node, hou.TopNode) and not node.isScheduler()


def _child(top: hou.TopNode, name: str, what: str) -> hou.TopNode:
    relative = name.removeprefix(top.path() + "/")
    node = None if relative.startswith(("/", ".")) else top.node(relative)
    if node is None:
        listed = ", ".join(one.name() for one in top.children())
        raise BatchError(f"{what}: {top.path()} has no node '{name}'; it has {listed}")
    return cast("hou.TopNode", node)


def set_parm(top: hou.TopNode, override: Override) -> None:
    """Set a parameter from the command line's text.

    Raises:
        BatchError: the node or parameter does not exist, or does not take the value.
    """
    what = f"--set {override.node}.{override.parm}"
    same = override.node in (top.name(), top.path())
    node = top if same else _child(top, override.node, what)
    parms = node.parmTuple(override.parm)
    if parms is None:
        raise BatchError(f"{what}: {node.path()} has no parameter '{override.parm}'")
    texts = override.value.split() if len(parms) > 1 else [override.value]
    if len(texts) != len(parms):
        raise BatchError(f"{what}: it takes {len(parms)} values, not {len(texts)}")
    for parm, text in zip(parms, texts, strict=True):
        try:
            value = _value(parm, text)
            # An expression would win over the value.
            parm.deleteAllKeyframes()
            parm.set(value)
        except (hou.Error, TypeError, ValueError) as error:
            raise BatchError(f"{what}: it does not take '{text}' ({error})") from None


def add_entry(top: hou.TopNode, entry: Entry) -> None:
    """Give every node of the network that has such a list of parameters an entry more.

    Raises:
        BatchError: no node has one.
    """
    nodes = [node for node in top.children() if node.parm(entry.counter) is not None]
    if not nodes:
        raise BatchError(f"{entry.shown}: no node of {top.path()} has a list '{entry.counter}'")
    for node in nodes:
        count = int(_text(node, entry.counter))
        names = [entry.key.replace("#", str(number)) for number in range(1, count + 1)]
        number = entry.number([_text(node, name) for name in names])
        if number > count:
            set_parm(top, Override(node.name(), entry.counter, str(number)))
        for name, text in entry.values.items():
            set_parm(top, Override(node.name(), name.replace("#", str(number)), text))


def _text(node: hou.OpNode, name: str) -> str:
    parm = node.parm(name)
    return "" if parm is None else str(parm.eval())


def _value(parm: hou.Parm, text: str) -> int | float | str:
    """The text as the parameter's own type.

    Of a menu the token is set as text, which Houdini documents; a number that is no token is the
    entry's position.

    Raises:
        ValueError: the parameter takes no such value.
    """
    kinds = hou.parmTemplateType
    kind = parm.parmTemplate().type()
    if kind == kinds.Toggle:
        if text.lower() not in _ON:
            raise ValueError("write on or off")
        return _ON[text.lower()]
    if kind == kinds.Menu and (tokens := _tokens(parm)):
        position = int(text) if text.isascii() and text.isdigit() else len(tokens)
        if text not in tokens and position >= len(tokens):
            raise ValueError(f"its entries are {', '.join(tokens)}")
        return text if text in tokens else tokens[position]
    if kind == kinds.Int and text in (tokens := _tokens(parm)) and not _is_integer(text):
        return tokens.index(text)
    if kind in (kinds.Int, kinds.Folder):
        # The value of a multiparm's folder is its number of entries.
        return int(text)
    if kind == kinds.Float:
        return float(text)
    if kind in (kinds.Button, kinds.Label, kinds.Separator, kinds.FolderSet):
        raise ValueError("it has no value")
    return text


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", text, re.ASCII) is not None


def _tokens(parm: hou.Parm) -> Sequence[str]:
    """Tokens of a parameter's menu; empty where it has none."""
    try:
        return parm.menuItems()
    except hou.OperationFailed:
        return ()


def set_slots(top: hou.TopNode, jobs: int) -> None:
    """Give the local scheduler a number of slots.

    Raises:
        BatchError: the network has no local scheduler.
    """
    schedulers = [node for node in top.children() if node.type().name() == _LOCAL]
    if not schedulers:
        raise BatchError(f"--jobs {jobs}: {top.path()} has no local scheduler")
    for node in schedulers:
        set_parm(top, Override(node.name(), "maxprocsmenu", "1"))
        set_parm(top, Override(node.name(), "maxprocs", str(jobs)))


def force(top: hou.TopNode) -> list[str]:
    """Make every item run although its outputs exist; gives the nodes that cannot be told so.

    Nothing is deleted: Cache Mode becomes *Write Files* on stock nodes (*Read Files* stays, as it
    means that nothing may run), and *Train Again* is turned on on the toolkit's own.
    """
    import pdg

    write, read = int(pdg.cacheMode.AlwaysWrite), int(pdg.cacheMode.AlwaysRead)
    left = []
    for node in top.children():
        ours = node.type().name().startswith(NAMESPACE)
        parm = node.parm("force" if ours else "pdg_cachemode")
        if parm is None or not _makes_items(node):
            continue
        try:
            if ours:
                parm.set(1)
            elif parm.evalAsInt() != read:
                parm.set(write)
        except hou.Error:
            left.append(node.path())
    return left


def upstream_of(ends: Sequence[hou.TopNode]) -> set[str]:
    """Paths of the nodes to be cooked and of everything upstream of them."""
    found: set[str] = set()
    for end in ends:
        every: tuple[Any, ...] = (end, *end.inputAncestors(include_ref_inputs=False))
        found |= {node.path() for node in every}
    return found
