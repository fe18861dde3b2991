"""A scene's bytes from its description: deterministic, with all members Houdini 20.5 writes.

``.OPfallbacks`` and ``.OPdummydefs`` are written for the assets that the description names, from
those assets' own DialogScripts, and for stock TOP nodes, which are assets of Houdini's own library.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from . import stocktypes
from .containers import cpio, indexdata
from .describe import (
    STOCK_VERSIONS,
    AssetDescription,
    NodeDescription,
    NoteDescription,
    Scalar,
    SceneDescription,
    Token,
    Value,
)
from .errors import HouFileError, shown
from .members import channels, definition, options, parms, texts
from .members.definition import (
    Definition,
    Init,
    NamedInput,
    NamedOutput,
    NoteDefinition,
    Stat,
    Wire,
)
from .members.parms import Expression, Parm, ParmFile, ParmValue

Members = list[tuple[str, bytes]]

_START = """fplayback -i on -r off -f 1 -e on -h on -t on -a on -k on -s 1
tcur 0
fps 24
tset 0 10
frange 1 240
unitlength 1
unitmass 1
prompt '`strcat(oppwf(), " -> ")`'
"""
_ALIASES = {
    "bye": "quit",
    "cd": "opcf",
    "cp": "opcp",
    "h": "history",
    "hython": "python",
    "ls": "opls",
    "matramp": "opramp",
    "opcd": "opcf",
    "oppwd": "oppwf",
    "pwd": "oppwf",
    "rm": "oprm",
}
_TAKES = b"HoudiniTakeFile 1.0\ntake name Main kids 0\n\x00\x00\x00\x02e\n"
_STYLES = b"\x7fNSJb{}"
# Network position of each manager, in the order of the file, and the flags that are on in it.
_MANAGERS = {
    "vex": ("0 6", "compress colordefault"),
    "mat": ("0 3.75", "compress colordefault exposed"),
    "obj": ("0 0", "display render compress colordefault exposed"),
    "out": ("0 1.5", "compress colordefault exposed"),
    "ch": ("0 0.75", "compress colordefault exposed"),
    "shop": ("0 2.25", "compress colordefault exposed"),
    "img": ("0 3", "compress colordefault exposed"),
    "stage": ("0 4.5", "compress colordefault exposed"),
    "tasks": ("0 5.25", "compress colordefault exposed"),
}
_STAGE_PARMS: Mapping[str, Value] = {
    "pinnedprims": "",
    "resolvercontextassetpath": "",
    "resolvercontextstringcount": 0,
    "variantselectioncount": 0,
    "insertionpointdescriptor": "",
    "rendergallerysource": "$HIP/galleries/$HIPNAME.$OS/rendergallery.db",
}
_STAGE_BLOCKS = (
    options.DataBlock("__onload__.expansion", "expansion", '{\n\t"expanded":true\n}\n'),
    options.DataBlock(
        "__onload__.loadmasks",
        "loadmasks",
        '{\n\t"populateall":true,\n\t"populatepaths":[\n\t],\n\t"mutelayers":[\n\t],\n'
        '\t"loadall":true,\n\t"loadpaths":[\n\t],\n\t"fallbacks":{\n\t}\n}\n',
    ),
)
_VERSION = "___Version___"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]{0,199}")


def build(scene: SceneDescription) -> bytes:
    """The ``.hip`` file of a description; the same description gives the same bytes.

    Raises HouFileError when the description cannot be written: a name Houdini does not allow, a
    wire to a node that is not there, a value of no known type.
    """
    header = cpio.Header(mtime=scene.saved)
    members = tuple(cpio.Member(name, data, header) for name, data in _scene_members(scene))
    return cpio.encode(cpio.Archive(members, header))


def _scene_members(scene: SceneDescription) -> Iterator[tuple[str, bytes]]:
    yield ".start", _START.encode()
    yield ".variables", texts.encode_variables(_variables(scene)).encode()
    yield ".aliases", "".join(f"alias {one} '{as_}'\n" for one, as_ in _ALIASES.items()).encode()
    yield ".takeconfig", b"takename -g take\n"
    for empty in (".hou.session", ".OPlibraries", ".OPpreferences"):
        yield empty, b""
    if assets := (*scene.assets, *stocktypes.used(scene)):
        yield ".OPfallbacks", _fallbacks(assets)
        yield ".OPdummydefs", dummies(assets, scene.saved)
    yield "expression.func", b"# 0 bytes\n"
    for name in ("vex", "mat", "obj", "out", "ch", "shop", "img"):
        yield from _manager(scene, name)
    for name in ("vex", "mat"):
        yield f"{name}.net", b"1\n"
    yield from _manager(scene, "stage")
    yield from _manager(scene, "tasks", scene.tasks)
    yield ".scenefilevisualizers", b""
    yield ".application", b""
    yield ".takes", _TAKES
    yield ".styles", _STYLES
    yield ".contextoptions", b"[\n]\n"
    yield ".cwd", b"opcf /\ntakeset Main\n"


def _variables(scene: SceneDescription) -> dict[str, str]:
    values = {
        "ACTIVETAKE": "Main",
        "E": "2.7182818284590452354",
        "EYE": "stereo",
        "HIP": scene.folder,
        "HIPFILE": f"{scene.folder}/{scene.name}.hip",
        "HIPNAME": scene.name,
        "PI": "3.1415926535897932384",
        "_HIP_SAVEPLATFORM": scene.platform,
        "_HIP_SAVETIME": time.asctime(time.gmtime(scene.saved)),
        "_HIP_SAVEVERSION": scene.houdini_version,
        "status": "0",
    }
    for name, value in values.items():
        if set(value) & set("'\\\n\r"):
            raise HouFileError(f"the variable {name} cannot hold '{shown(value)}'")
    return values


def _manager(
    scene: SceneDescription, name: str, children: Sequence[NodeDescription] = ()
) -> Members:
    position, on = _MANAGERS[name]
    flags = {one: one in on.split() for one in definition.FLAGS}
    if name == "stage":
        flags["debug"] = False
    where = _definition(scene.saved, scene.author, flags)
    where = _placed(where, tuple(position.split()), (0.8, 0.8, 0.8))
    own = _STAGE_PARMS if name == "stage" else {}
    found = [
        (f"{name}.def", definition.encode(where).encode()),
        (f"{name}.parm", parm_member(own)),
        (f"{name}.userdata", options.encode({_VERSION: scene.houdini_version})),
    ]
    if name == "stage":
        found.append((f"{name}.datablocks", options.encode_blocks(_STAGE_BLOCKS)))
    found += network_members(scene, name, children)
    return found if name in ("vex", "mat") else [*found, (f"{name}.net", b"1\n")]


def network_members(
    scene: SceneDescription, path: str, children: Sequence[NodeDescription]
) -> Members:
    """The children of a network, and their order."""
    names = [one.name for one in children]
    if len(set(names)) != len(names):
        raise HouFileError(f"/{path} would have two nodes of one name")
    wired = {name for one in children for name in one.inputs}
    if missing := sorted(wired - set(names)):
        raise HouFileError(f"/{path}: something is wired to '{missing[0]}', which is not there")
    has_output = {one.name: len(one.inputs) for one in children if one.name in wired}
    found: Members = []
    for one in children:
        found += node_members(scene, path, one, has_output)
    if len(names) > 1:
        found.append((f"{path}.order", texts.encode_order(names).encode()))
    return found


def node_members(
    scene: SceneDescription,
    network: str,
    node: NodeDescription,
    output_ids: Mapping[str, int],
) -> Members:
    """The members of one node. ``output_ids``: id of the output of each sibling that is wired."""
    if not _NAME.fullmatch(node.name):
        raise HouFileError(f"'{shown(node.name)}' cannot be the name of a node")
    if not _TYPE.fullmatch(node.type):
        raise HouFileError(f"'{shown(node.type)}' cannot be the type of a node")
    path = f"{network}/{node.name}"
    version = node.version
    if version is None:
        version = STOCK_VERSIONS.get(node.type, scene.houdini_version)
    found: Members = [
        (f"{path}.init", definition.encode_init(Init(node.type, node.locked)).encode()),
        (f"{path}.def", definition.encode(node_definition(scene, node, output_ids)).encode()),
    ]
    if node.expressions:
        driven = [
            channels.driven(name, Expression(text)) for name, text in node.expressions.items()
        ]
        found.append((f"{path}.chn", channels.encode(driven).encode()))
    found.append((f"{path}.parm", parm_member(node.parms, set(node.expressions))))
    found.append((f"{path}.userdata", options.encode({_VERSION: version})))
    for number, note in enumerate(node.notes, 1):
        found += _note(scene, f"{path}/__stickynote{number}", note)
    found += network_members(scene, path, node.children)
    if node.is_network or node.children:
        found.append((f"{path}.net", texts.encode_net(1).encode()))
    return found


def node_definition(
    scene: SceneDescription, node: NodeDescription, output_ids: Mapping[str, int]
) -> Definition:
    """How a node lies and is wired: inputs have the ids 0, 1, ..., the output the next one."""
    if unknown := set(node.flags) - set(definition.FLAGS):
        raise HouFileError(f"{node.name}: there is no flag '{shown(sorted(unknown)[0])}'")
    on = {"colordefault", "exposed", *node.flags}
    count = len(node.inputs)
    has_output = node.name in output_ids
    where = _definition(scene.saved, scene.author, {one: one in on for one in definition.FLAGS})
    where = _placed(where, _floats(node.position), node.color)
    return Definition(
        position=where.position,
        flags=where.flags,
        stat=where.stat,
        color=where.color,
        comment=node.comment,
        connector_next_id=count + has_output,
        outputs=(NamedOutput(count, "output1"),) if has_output else (),
        named_inputs=tuple(
            NamedInput(index, source, output_ids[source], f"input{index + 1}")
            for index, source in enumerate(node.inputs)
        ),
        inputs=tuple(Wire(index, source) for index, source in enumerate(node.inputs)),
        delete_script="",
        expression_language="hscript",
    )


def _definition(saved: int, author: str, flags: Mapping[str, bool]) -> Definition:
    return Definition(
        flags=flags,
        stat=Stat(saved, saved, author),
        comment="",
        connector_next_id=0,
        outputs=(),
        named_inputs=(),
        inputs=(),
        delete_script="",
        expression_language="hscript",
    )


def _placed(
    where: Definition, position: tuple[str, ...], color: tuple[float, float, float]
) -> Definition:
    return replace(where, position=position, color=_floats(color))


def _note(scene: SceneDescription, path: str, note: NoteDescription) -> Members:
    value = NoteDefinition(
        position=_floats(note.position),
        flags={"minimize": False},
        stat=Stat(scene.saved, scene.saved, scene.author),
        color=_floats(note.color),
        text=note.text,
        size=_floats(note.size),
    )
    return [
        (f"{path}.postitinit", definition.encode_init(Init("postitnote")).encode()),
        (f"{path}.postitdef", definition.encode_note(value).encode()),
    ]


def _floats(values: Sequence[float]) -> tuple[str, ...]:
    if not all(math.isfinite(one) and abs(one) < 1e9 for one in values):
        raise HouFileError("a position, size or colour is not finite")
    return tuple(f"{one:.6g}" for one in values)


# -- parameters -----------------------------------------------------------------------------
def parm_member(
    values: Mapping[str, Value], driven: set[str] | frozenset[str] = frozenset()
) -> bytes:
    """The ``.parm`` member; ``driven`` names the parms whose value a channel gives."""
    found = []
    for name, value in values.items():
        written = parm_values(value)
        if name in driven:
            written = tuple(ParmValue(one.text, one.quoted, name) for one in written)
        found.append(Parm(name, written))
    if missing := sorted(driven - set(values)):
        raise HouFileError(f"the parameter '{shown(missing[0])}' is driven but has no value")
    return parms.encode(ParmFile(tuple(found))).encode()


def parm_values(value: Value) -> tuple[ParmValue, ...]:
    return tuple(_scalar(one) for one in value) if isinstance(value, tuple) else (_scalar(value),)


def _scalar(value: Scalar) -> ParmValue:
    if isinstance(value, Token):
        return parms.token(value.text)
    if isinstance(value, bool):
        return parms.token("on" if value else "off")
    if isinstance(value, str):
        if "\0" in value:
            raise HouFileError("a text has a NUL in it")
        return parms.string(value)
    if not math.isfinite(value):
        raise HouFileError("a number is not finite")
    return parms.number(value)


# -- digital assets -------------------------------------------------------------------------
def _record(asset: AssetDescription, saved: int) -> indexdata.Record:
    record = indexdata.Record(asset.type, asset.label, "", asset.icon)
    section = indexdata.section_name(record)
    return indexdata.Record(
        name=asset.type,
        label=asset.label,
        path=f"oplib:/{section}?{section}",
        icon=asset.icon,
        extra=asset.extra,
        min_inputs=asset.min_inputs,
        max_inputs=asset.max_inputs,
        modified=saved,
        is_subnet=asset.is_network,
        is_dummy=True,
        outputs=asset.outputs,
        # The number of outputs is written where it is not one.
        version=4 if asset.outputs == 1 else 5,
    )


def _fallbacks(assets: Sequence[AssetDescription]) -> bytes:
    """Where each asset was loaded from, and where else it may be found."""
    rows = [
        (indexdata.section_name(_record(one, 0)), place)
        for one in sorted(assets, key=lambda one: one.type)
        for place in (*([f"{one.installed}/{one.library}"] if one.installed else []), one.library)
    ]
    return texts.encode_fallbacks(rows).encode()


def dummies(assets: Sequence[AssetDescription], saved: int) -> bytes:
    """The library of dummies of these assets."""
    ordered = sorted(assets, key=lambda one: one.type)
    records = tuple(_record(one, saved) for one in ordered)
    empty = cpio.encode(cpio.Archive((), cpio.Header(mtime=saved)))
    definitions = tuple(
        indexdata.AssetDefinition(
            indexdata.section_name(record),
            (
                *([indexdata.Section("Contents", empty, saved)] if one.is_network else []),
                indexdata.Section("DialogScript", one.dialog_script.encode(), saved),
            ),
            saved,
        )
        for record, one in zip(records, ordered, strict=True)
    )
    return indexdata.encode_library(indexdata.Library(records, definitions, (saved, saved)))
