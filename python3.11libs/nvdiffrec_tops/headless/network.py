"""From a scene to a graph that can be cooked: which nodes, wired how, with which parameters."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..cookcommand import Override
from ..expressions import ExpressionError, number_text
from ..houfiles import HouFileError, Node, Scene, load
from . import assets, nodes, pdg
from .building import build_graph
from .houdinionly import refusal, with_houdini
from .nodes.hqueuescheduler import JOB_PARAMETERS as HQUEUE_JOB_PARAMETERS
from .nodes.localscheduler import JOB_PARAMETERS as LOCAL_JOB_PARAMETERS
from .nodes.localscheduler import PARAMETERS
from .parameters import NodeParameters, Surroundings
from .parmtable import NUMERIC, Kind, ParmSpec, ParmTable
from .wiring import NetworkError, end_nodes, nearest, upstream

_MAX_CHANNELS = 50


@dataclass
class Network:
    """A TOP network that is ready to generate.

    ``scheduler_type``: ``localscheduler``, or ``hqueuescheduler`` for jobs on a farm.
    """

    context: pdg.GraphContext
    scheduler: NodeParameters
    scheduler_type: str
    path: str
    surroundings: Surroundings
    notes: list[str] = field(default_factory=list)


def open_network(
    scene_path: str | os.PathLike[str],
    *,
    top: str | None = None,
    ends: Sequence[str] = (),
    all_ends: bool = False,
    overrides: Iterable[Override] = (),
    variables: Mapping[str, str] | None = None,
    allow_unknown: bool = False,
    local: bool = False,
    scene_python: bool = False,
) -> Network:
    """Read a scene and build the graph of one of its TOP networks.

    ``ends`` names the nodes to cook with everything upstream of them; without it the display
    node is cooked, and without a display node, or with ``all_ends``, every end of the network.
    ``variables`` replace ``$`` variables. ``local``: a network on a farm's scheduler is cooked on
    this machine. ``scene_python``: Python Script nodes may run. Raises NetworkError or
    HouFileError; nothing has run.
    """
    path = Path(scene_path)
    if not path.is_file():
        raise HouFileError(f"the scene {path} does not exist")
    scene = load(path)
    topnet = _topnet(scene, top)
    around = Surroundings(_variables(scene, path, variables or {}), _frame(scene))
    children = {child.name: child for child in topnet.children}
    values: dict[str, NodeParameters] = {}
    for child in [topnet, *topnet.children]:
        values[child.path] = _parameters(child, around)
        if (asset := assets.find(child.type)) is not None:
            for inner in asset.inner():
                inside = f"{child.path}/{inner.name}"
                values[inside] = _parameters(inner, around, inside)
    around.scene_python = scene_python
    _apply(overrides, topnet, children, values)
    around.channel = _channels(values)
    chosen, notes = end_nodes(topnet, children, ends, all_ends)
    order = upstream(chosen, children)
    kind, scheduler, problems = _scheduler(topnet, children, values, around, order, local)
    for child in order:
        problems += _type_problems(child, values[child.path], allow_unknown)
    if topnet.path in values:
        problems += nodes.TOPNET.problems(values[topnet.path], allow_unknown=allow_unknown)
    problems += nodes.TYPES[kind].problems(scheduler, allow_unknown=allow_unknown)
    if problems:
        raise NetworkError(*dict.fromkeys(problems))
    context = build_graph(topnet, order, children, values)
    return Network(context, scheduler, kind, topnet.path, around, notes)


# -- finding things -------------------------------------------------------------------------
def _topnet(scene: Scene, top: str | None) -> Node:
    networks = [node for node in scene.walk() if node.type == "topnet"]
    if top is not None:
        found = next((node for node in networks if node.path == "/" + top.strip("/")), None)
        if found is None:
            listed = ", ".join(node.path for node in networks) or "none"
            raise NetworkError(f"--top {top}: the scene has no such TOP network; it has {listed}")
        return found
    if len(networks) != 1:
        listed = ", ".join(node.path for node in networks)
        raise NetworkError(
            f"the scene has {len(networks)} TOP networks ({listed}); choose one with --top PATH"
            if networks
            else "the scene has no TOP network"
        )
    return networks[0]


def _variables(scene: Scene, path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """``$`` variables: the environment, the scene's own, what opening the file sets, the given."""
    found = {name: value for name, value in os.environ.items() if re.fullmatch(r"\w+", name)}
    found.update({n: v for n, v in scene.variables.items() if not n.startswith("_HIP_")})
    home = os.environ.get("HOME") or os.path.expanduser("~")
    absolute = Path(os.path.abspath(path))
    found.setdefault("TOPS_NVDIFFREC", str(assets.ROOT))
    found.update(
        HOME=home,
        HIP=str(absolute.parent),
        HIPFILE=str(absolute),
        HIPNAME=absolute.stem,
    )
    found.setdefault("JOB", str(absolute.parent))
    found.setdefault("HOUDINI_TEMP_DIR", os.path.join(tempfile.gettempdir(), "houdini_temp"))
    if "TEMP" not in found:
        found["TEMP"] = tempfile.gettempdir()
    found.update(given)
    return found


def _frame(scene: Scene) -> float:
    """The scene's current frame: ``tcur`` seconds at ``fps``."""
    data = scene.members.get(".start", b"").decode("utf-8", "replace")
    second = re.search(r"^tcur ([-\d.e]+)$", data, re.MULTILINE)
    rate = re.search(r"^fps ([\d.e]+)$", data, re.MULTILINE)
    try:
        return float(second[1]) * float(rate[1]) + 1.0 if second and rate else 1.0
    except ValueError:
        return 1.0


def _table(node: Node) -> ParmTable:
    """The type's own parameters, those of Add Job Parms, and those an artist has added."""
    known = nodes.TOPNET if node.type == "topnet" else assets.node_type(node.type)
    if known is None:
        return ParmTable([])
    specs = dict(known.table.specs)
    if known.kind is pdg.nodeType.Processor:
        for spec in (*LOCAL_JOB_PARAMETERS, *HQUEUE_JOB_PARAMETERS):
            specs.setdefault(spec.name, spec)
    for name, kind in _added(node.spare_interface or ""):
        if known.table.find(name) is None:
            specs.setdefault(name, ParmSpec(name, kind, ("",)))
    return ParmTable(specs.values())


def _added(interface: str) -> list[tuple[str, Kind]]:
    """Spare parameters, and tabs under names of their own: what a saved interface adds.

    These are its blocks without the word ``baseparm``.
    """
    found: list[tuple[str, Kind]] = []
    name, own, kind = "", False, Kind.STRING
    for line in [*interface.splitlines(), "parm {"]:
        words = line.split()
        if words[:2] in (["parm", "{"], ["group", "{"]):
            if name and own:
                found.append((name, kind))
            name, own = "", True
            kind = Kind.LAYOUT if words[0] == "group" else Kind.STRING
        elif words[:1] == ["name"] and len(words) == 2 and not name:
            name = words[1].strip('"')
        elif words[:1] == ["baseparm"]:
            own = False
    return found


def _parameters(node: Node, around: Surroundings, path: str = "") -> NodeParameters:
    values = {name: parm.values for name, parm in node.parms.items()}
    return NodeParameters(_table(node), path or node.path, values, around)


def _apply(
    overrides: Iterable[Override],
    topnet: Node,
    children: Mapping[str, Node],
    values: Mapping[str, NodeParameters],
) -> None:
    for override in overrides:
        short = override.node.removeprefix(topnet.path + "/")
        node = topnet if short in (topnet.name, topnet.path) else children.get(short)
        shown = f"--set {override.node}.{override.parm}"
        if node is None:
            raise NetworkError(
                f"{shown}: {topnet.path} has no node '{override.node}'"
                + nearest(short, [*children, topnet.name])
            )
        parameters = values[node.path]
        spec = parameters.spec(override.parm)
        if spec is None and not parameters.isSet(override.parm):
            close = parameters.table.nearest(override.parm)
            hint = f"; did you mean '{close}'?" if close else ""
            raise NetworkError(f"{shown}: {node.path} has no parameter '{override.parm}'{hint}")
        if spec is not None and spec.kind in (Kind.LAYOUT, Kind.BUTTON):
            raise NetworkError(f"{shown}: '{override.parm}' has no value that could be set")
        number = parameters.table.instance(override.parm)
        if spec is not None and spec.owner and number:
            count = parameters.count(spec.owner)
            if not 1 <= number <= count:
                raise NetworkError(
                    f"{shown}: {node.path} has {count} entries in '{spec.owner}'; raise it first "
                    f"with --set {node.name}.{spec.owner}={number}"
                )
        size = len(spec.default) if spec is not None else 1
        texts = override.value.split() if size > 1 else [override.value]
        if spec is not None and spec.kind in NUMERIC and len(texts) < size:
            texts += ["0"] * (size - len(texts))
        parameters.set(override.parm, texts)
        if spec is not None and (found := parameters.value_problems(override.parm, spec, texts)):
            raise NetworkError(*(f"{shown}: {one}" for one in found))


def _channels(
    values: Mapping[str, NodeParameters],
) -> Callable[[str, str, pdg.WorkItem | None], str]:
    depth = 0

    def follow(origin: str, path: str, item: pdg.WorkItem | None) -> str:
        nonlocal depth
        where, _slash, name = path.rpartition("/")
        target = os.path.normpath(os.path.join(origin, where)).replace(os.sep, "/")
        parameters = values.get(target)
        if parameters is None or not parameters.has(name):
            raise ExpressionError(f'ch("{path}") leads to no parameter of this network')
        if depth >= _MAX_CHANNELS:
            raise ExpressionError(f'ch("{path}") leads back to itself')
        depth += 1
        try:
            spec = parameters.spec(name)
            if spec is None or spec.kind is Kind.STRING:
                return parameters.string(name, item)
            if spec.kind is Kind.MENU:
                return str(parameters.menu(name, item))
            if spec.kind is Kind.TOGGLE:
                return str(int(parameters.toggle(name, item)))
            return number_text(parameters.number(name, item))
        finally:
            depth -= 1

    return follow


# -- checks ---------------------------------------------------------------------------------
def _scheduler(
    topnet: Node,
    children: Mapping[str, Node],
    values: Mapping[str, NodeParameters],
    around: Surroundings,
    order: Sequence[Node],
    local: bool,
) -> tuple[str, NodeParameters, list[str]]:
    """The type and the parameters of the network's scheduler; nodes may only name the same one."""
    problems: list[str] = []
    name = values[topnet.path].string("topscheduler").strip()
    short = name.removeprefix(topnet.path + "/").removeprefix("./")
    node = children.get(short)
    if node is None:
        schedulers = [one for one in topnet.children if one.type == "localscheduler"]
        node = schedulers[0] if len(schedulers) == 1 else None
        if name and name != "localscheduler":
            problems.append(
                f"{topnet.path}, parameter 'topscheduler': there is no scheduler '{name}'"
            )
    if local and node is not None and node.type == "hqueuescheduler":
        others = [one for one in topnet.children if one.type == "localscheduler"]
        node = others[0] if others else None
    if node is not None and node.type not in ("localscheduler", "hqueuescheduler"):
        problems.append(
            f"{node.path} is of type '{node.type}'; only the local and the HQueue scheduler are "
            f"known here. Choose another one with --set {topnet.name}.topscheduler=NAME"
        )
        node = None
    for one in order:
        parameters = values[one.path]
        if not parameters.has("topscheduler"):
            continue
        other = parameters.string("topscheduler").strip()
        if other and (node is None or other not in (node.path, node.name, f"../{node.name}")):
            problems.append(
                f"{one.path}, parameter 'topscheduler': '{other}' is not the network's scheduler; "
                "one cook uses one scheduler"
            )
    if node is None:
        path = f"{topnet.path}/localscheduler"
        return "localscheduler", NodeParameters(PARAMETERS, path, {}, around), problems
    return node.type, values[node.path], problems


def _type_problems(node: Node, parameters: NodeParameters, allow_unknown: bool) -> list[str]:
    known = assets.node_type(node.type)
    if known is None and (why := refusal(node.type)):
        scene = parameters.surroundings.variables["HIPFILE"]
        return [f"{node.path} is of type '{node.type}': {why} {with_houdini(scene)}"]
    if known is None or known.callbacks is None:
        supported = ", ".join(sorted(n for n, one in nodes.TYPES.items() if one.callbacks))
        return [
            f"{node.path} is of type '{node.type}', which cannot be cooked without Houdini; "
            f"supported are {supported}. Bypass it, or cook up to another node with --node"
        ]
    return known.problems(parameters, allow_unknown=allow_unknown)
