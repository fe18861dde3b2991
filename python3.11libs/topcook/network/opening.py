"""From a scene to a graph that can be cooked: which nodes, wired how, with which parameters."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from houfiles import HouFileError, LicensedScene, Node, Scene, load
from houfiles.scene import TOP_NETWORKS
from topcook import nodes, pdg
from topcook.host import registered
from topcook.network.overrides import Entry, Override
from topcook.nodes.hqueuescheduler import JOB_PARAMETERS as HQUEUE_JOB_PARAMETERS
from topcook.nodes.localscheduler import JOB_PARAMETERS as LOCAL_JOB_PARAMETERS
from topcook.nodes.localscheduler import PARAMETERS
from topcook.parameters.evaluation import NodeParameters, Surroundings
from topcook.parameters.functions import ExpressionError, number_text
from topcook.parameters.table import EVERY_NODE, NUMERIC, Kind, ParmSpec, ParmTable
from topcook.parameters.unknown import UnknownParameters
from topcook.schedulers import tempfolder

from . import assets, choosing, timeline
from .graph import build_graph
from .houdinionly import refusal, with_houdini
from .wiring import NetworkError, PassedThrough, end_nodes, nearest, upstream

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
    overrides: Iterable[Override | Entry] = (),
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
    scene = _load(path)
    topnet, notes = choosing.choose(scene, top)
    line = timeline.read(scene)
    known = _variables(scene, path, {**line.variables(), **(variables or {})})
    around = Surroundings(known, line.current)
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
    around.target = _targets(values)
    around.channel = _channels(around.target)
    through = PassedThrough(children, values)
    chosen, uncooked = end_nodes(topnet, children, ends, all_ends, through)
    order = upstream(chosen, children, through)
    kind, scheduler, problems = _scheduler(topnet, children, values, around, order, local)
    for child in order:
        problems += _type_problems(child, values[child.path])
    problems += nodes.TOPNET.problems(values[topnet.path])
    problems += nodes.TYPES[kind].problems(scheduler)
    if not allow_unknown:
        unknown = UnknownParameters(scene)
        used = [topnet, *order, *(one for one in topnet.children if values[one.path] is scheduler)]
        for child in used:
            if _is_known(child):
                unknown.judge(child, values[child.path])
        problems += unknown.problems
        notes += unknown.notes
    if problems:
        raise NetworkError(*dict.fromkeys(problems))
    context = build_graph(topnet, order, children, values, through)
    return Network(context, scheduler, kind, topnet.path, around, through.notes + notes + uncooked)


def _load(path: Path) -> Scene:
    """Read a scene; one that only Houdini can read is said to be that, with the way to cook it."""
    try:
        return load(path)
    except LicensedScene as error:
        raise NetworkError(
            f"{error}. Cook it with Houdini's own Python of that licence: "
            f"hython scripts/batch_cook.py {shlex.quote(str(path))}"
        ) from None


# -- finding things -------------------------------------------------------------------------
def _variables(scene: Scene, path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """``$`` variables: the environment, the scene's own, what opening the file sets, the given."""
    found = {name: value for name, value in os.environ.items() if re.fullmatch(r"\w+", name)}
    found.update({n: v for n, v in scene.variables.items() if not n.startswith("_HIP_")})
    home = os.environ.get("HOME") or os.path.expanduser("~")
    absolute = Path(os.path.abspath(path))
    for name, value in registered().variables.items():
        found.setdefault(name, value)
    found.update(
        HOME=home,
        HIP=str(absolute.parent),
        HIPFILE=str(absolute),
        HIPNAME=absolute.stem,
    )
    found.setdefault("JOB", str(absolute.parent))
    found.setdefault("HOUDINI_TEMP_DIR", tempfolder.default())
    if "TEMP" not in found:
        found["TEMP"] = tempfile.gettempdir()
    found.update(given)
    return found


def _table(node: Node) -> ParmTable:
    """The type's own parameters, those of Add Job Parms, and those an artist has added."""
    known = nodes.TOPNET if node.type in TOP_NETWORKS else assets.node_type(node.type)
    if known is None:
        return ParmTable([])
    specs = dict(known.table.specs)
    for spec in EVERY_NODE:
        specs.setdefault(spec.name, spec)
    if known.kind is pdg.nodeType.Processor:
        for spec in (*LOCAL_JOB_PARAMETERS, *HQUEUE_JOB_PARAMETERS):
            specs.setdefault(spec.name, spec)
    for name, kind in _added(node.spare_interface or ""):
        if known.table.find(name) is None:
            specs.setdefault(name, ParmSpec(name, kind, ("",)))
    return ParmTable(specs.values())


_BLOCKS = {"parm": Kind.STRING, "group": Kind.LAYOUT, "multiparm": Kind.COUNT}


def _added(interface: str) -> list[tuple[str, Kind]]:
    """Spare parameters, and tabs under names of their own: what a saved interface adds.

    These are its blocks without the word ``baseparm``.
    """
    found: list[tuple[str, Kind]] = []
    name, own, kind = "", False, Kind.STRING
    for line in [*interface.splitlines(), "parm {"]:
        words = line.split()
        if len(words) == 2 and words[0] in _BLOCKS and words[1] == "{":
            if name and own:
                found.append((name, kind))
            name, own = "", True
            kind = _BLOCKS[words[0]]
        elif words[:1] == ["name"] and len(words) == 2 and not name:
            name = words[1].strip('"')
        elif words[:1] == ["baseparm"]:
            own = False
    return found


def _parameters(node: Node, around: Surroundings, path: str = "") -> NodeParameters:
    values = {name: parm.values for name, parm in node.parms.items()}
    return NodeParameters(_table(node), path or node.path, values, around, node.entry_links)


def _apply(
    overrides: Iterable[Override | Entry],
    topnet: Node,
    children: Mapping[str, Node],
    values: Mapping[str, NodeParameters],
) -> None:
    for override in overrides:
        if isinstance(override, Entry):
            _add(override, topnet, [values[child.path] for child in children.values()])
            continue
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
            close = nearest(override.parm, parameters.table.names_like(override.parm))
            hint = registered().missing_parameter(node.name, override.parm, override.value)
            raise NetworkError(
                f"{shown}: {node.path} has no parameter '{override.parm}'{hint or close}"
            )
        if spec is not None and spec.kind in (Kind.LAYOUT, Kind.BUTTON):
            raise NetworkError(f"{shown}: '{override.parm}' has no value that could be set")
        numbers = parameters.table.instances(override.parm)
        if spec is not None and spec.owner and numbers:
            owner = spec.owner.replace("#", str(numbers[0]))
            count = parameters.count(owner)
            if not 1 <= numbers[-1] <= count:
                raise NetworkError(
                    f"{shown}: {node.path} has {count} entries in '{owner}'; raise it first "
                    f"with --set {node.name}.{owner}={numbers[-1]}"
                )
        size = len(spec.default) if spec is not None else 1
        texts = override.value.split() if size > 1 else [override.value]
        if spec is not None and spec.kind in NUMERIC and len(texts) < size:
            texts += ["0"] * (size - len(texts))
        parameters.set(override.parm, texts)
        if spec is not None and (found := parameters.value_problems(override.parm, spec, texts)):
            raise NetworkError(*(f"{shown}: {one}" for one in found))


def _add(entry: Entry, topnet: Node, nodes: Iterable[NodeParameters]) -> None:
    """Give every node that has such a list an entry more."""
    first = entry.key.replace("#", "1")
    found = [one for one in nodes if one.spec(entry.counter) and one.spec(first)]
    if not found:
        raise NetworkError(
            f"{entry.shown}: no node of {topnet.path} has a list '{entry.counter}' to put it in"
        )
    for parameters in found:
        count = parameters.count(entry.counter)
        names = [entry.key.replace("#", str(number)) for number in range(1, count + 1)]
        number = entry.number([parameters.raw(name) for name in names])
        parameters.set(entry.counter, [str(max(count, number))])
        for name, text in entry.values.items():
            parameters.set(name.replace("#", str(number)), [text])


_Target = Callable[[str, str], tuple[NodeParameters, str] | None]


def _targets(values: Mapping[str, NodeParameters]) -> _Target:
    def find(origin: str, path: str) -> tuple[NodeParameters, str] | None:
        where, _slash, name = path.rpartition("/")
        target = os.path.normpath(os.path.join(origin, where)).replace(os.sep, "/")
        parameters = values.get(target)
        return None if parameters is None or not parameters.has(name) else (parameters, name)

    return find


def _channels(find: _Target) -> Callable[[str, str, pdg.WorkItem | None], str]:
    depth = 0

    def follow(origin: str, path: str, item: pdg.WorkItem | None) -> str:
        nonlocal depth
        found = find(origin, path)
        if found is None:
            raise ExpressionError(f'ch("{path}") leads to no parameter of this network')
        parameters, name = found
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


def _is_known(node: Node) -> bool:
    return node.type in TOP_NETWORKS or assets.node_type(node.type) is not None


def _type_problems(node: Node, parameters: NodeParameters) -> list[str]:
    known = assets.node_type(node.type)
    if known is None and (why := refusal(node.type)):
        scene = parameters.surroundings.variables["HIPFILE"]
        return [f"{node.path} is of type '{node.type}': {why} {with_houdini(scene)}"]
    if known is None or known.callbacks is None:
        supported = ", ".join(
            sorted(n for n, one in nodes.TYPES.items() if one.callbacks or one.passes)
        )
        return [
            f"{node.path} is of type '{node.type}', which cannot be cooked without Houdini; "
            f"supported are {supported}. Bypass it, or cook up to another node with --node"
        ]
    return known.problems(parameters)
