"""Generated items against the items that Houdini itself recorded in nine real scenes.

Each record is reproduced member by member and attribute by attribute. Where it was taken with
other parameter values than the scene was saved with, the case sets those values and says so; what
only that machine or that cook could give is listed with the reason and left out.
"""

from __future__ import annotations

import base64
import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from houfiles import load
from topcook.cook import Cook, Watcher
from topcook.jobs import serialise
from topcook.network import assets
from topcook.network.opening import open_network
from topcook.network.overrides import Override
from topcook.planning import generate_all
from topcook.schedulers.local import LocalScheduler

Record = dict[str, Any]
COMMAND = "__pdg_commandstring"
# A record is taken at some moment of a cook, in a graph that has been generated before.
OF_THE_MOMENT = {
    "id": "ids count on over every generation since the scene was opened",
    "state": "a record is taken while its item waits or cooks",
}


@dataclass(frozen=True)
class Disk:
    """A file that has to be there: its size in bytes and its time in seconds."""

    path: str
    size: int
    time: int


@dataclass(frozen=True)
class Golden:
    """How the record of one scene is reproduced.

    ``settings``: parameter values that were other ones when the record was taken. ``hip``: the
    scene's folder on that machine. ``files``: below that folder. ``cooks``: the items upstream
    have to run. ``explained``: attributes, or members of a file value as ``attribute/member``,
    that this cook cannot give, and why. ``other_members``: the same for members of the item.
    """

    scene: str
    node: str
    hip: str
    why: str = ""
    index: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Disk, ...] = ()
    cooks: bool = False
    explained: Mapping[str, str] = field(default_factory=dict)
    other_members: Mapping[str, str] = field(default_factory=dict)


_THEIR_FOLDER = "the size and the time of a folder are those of that machine's file system"
_OUR_ARCHIVE = "the archive is written now, from files of the same size with other contents"
_AFTER_THE_RUN = "these files are there only when the program has run"
_POSTSHOT = "C:/Users/vfx/Documents/HoudiniProjects/PostshotProject"
_KARTAVERSE = "/Users/vfx/Documents/Git/Kartaverse-Repos/Kartaverse-for-Houdini/HoudiniProjects"

GOLDEN = [
    Golden(
        "TOPs_nvdiffrec_Static_V001",
        "train_genericgenerator1",
        "/home/vfx",
        "the command read `@MINICONDA_ENV`/bin/python3, the saved one has no slash there",
        settings={
            "train_genericgenerator1.pdg_command": (
                '"`@MINICONDA_ENV`/bin/python3" "`@WORKING_DIR``@SCRIPT_NAME`" '
                '--config "`@WORKING_DIR``@CONFIG_NAME`"'
            )
        },
    ),
    Golden(
        "TOPs_3DGRUT_Static_V001",
        "train_genericgenerator1",
        "/home/vfx/Documents/HoudiniProjects/TOPs_3DGRUT",
        "an attribute was renamed since: the command refers to a name that did not exist",
        settings={
            "shell_tokens.stringname7": "EXPERIMENT_NAME1",
            "shell_tokens.stringvalue7": "Shot1_3dgut",
        },
    ),
    Golden(
        "TOPs_BeebleSwitchlight_API_V001",
        "switchlight_genericgenerator1",
        "C:/Media/HoudiniProjects/TOPS_BeebleSwitchLight",
    ),
    Golden(
        "TOPs_Postshot_Static_V001",
        "train_genericgenerator1",
        _POSTSHOT,
        "other paths, profile and export were set",
        settings={
            "shell_tokens.stringvalue2": "$HIP/images/Shot1/",
            "shell_tokens.stringvalue3": "Splat MCMC",
            "shell_tokens.stringvalue4": "$HIP/psht/Shot1/splat-mcmc.psht",
            "shell_tokens.stringvalue5": "$HIP/ply/Shot1/splat-mcmc.ply",
        },
    ),
    Golden(
        "TOPs_PTS_to_Frameset_Folders_V001",
        "filepattern1",
        f"{_KARTAVERSE}/TOPS_ptBatchStitcher",
        "the range ended at 144",
        index=96,
        settings={"rangegenerate1.range": "2 144 1"},
        files=(Disk("images/0001/Under the Bridge PTGui.pts", 37847, 1720142885),),
        explained={"directory/size": _THEIR_FOLDER, "directory/hash": _THEIR_FOLDER},
    ),
    Golden(
        "TOPs_FFmpeg_Movies_to_Frameset_Images_V001",
        "ffmpegextractimages1",
        "/Volumes/Kartaverse/SRC",
        "pictures were written as JPEG, with the ffmpeg of the parameter below the menu",
        settings={
            "ffmpegextractimages1.outputfilepattern": "$HIP/images/Camera_`@ViewNum`.%04d.jpg",
            "ffmpegextractimages1.ffmpegbinary": "2",
        },
        files=(Disk("video/Camera.0001.mp4", 189663232, 1720142885),),
        explained={
            "directory/size": _THEIR_FOLDER,
            "directory/hash": _THEIR_FOLDER,
            COMMAND: "ffmpeg is run by a program of this toolkit, not by Houdini's ffmpeg.py",
            "__pdg_addedfiles": _AFTER_THE_RUN,
            "__pdg_outputfiles": _AFTER_THE_RUN,
        },
    ),
    Golden(
        "TOPs_OBJ_Mesh_Sequence_to_ZIP_Archive_V001",
        "waitforall4",
        "/Volumes/Kartaverse/SRC",
        files=(
            Disk("obj/Mesh.0001.obj", 12, 1723638175),
            Disk("obj/Mesh.0001.mtl", 16, 1723638185),
            Disk("obj/Mesh_u1_v1.0001.png", 44825, 1723638243),
        ),
        cooks=True,
        explained={
            "directory/size": _THEIR_FOLDER,
            "directory/hash": _THEIR_FOLDER,
            "__pdg_outputfiles/size": _OUR_ARCHIVE,
            "__pdg_outputfiles/hash": _OUR_ARCHIVE,
        },
    ),
    Golden(
        "TOPs_MetashapePro_RunJob_Static_V001",
        "MetashapePro_import_photos",
        "/home/vfx",
        "the script was another one, the node had no inputs",
        other_members={
            "attributes": "nothing was wired into the node that could have given any",
            "isPostCook": "what gives an item this mark is not known",
        },
    ),
]
# The record of this scene is that of another one, byte by byte.
COPIED = {"TOPs_Postshot_Sequence_V001": "TOPs_Postshot_Static_V001"}


def _record(scene: Path) -> Record:
    item: Record = json.loads(load(scene).members[".selectedworkitem"])
    return item


def _missing(scene: Path, node: str) -> list[str]:
    """The types upstream of a node, and its own, that a cook without Houdini does not know."""
    (top,) = [one for one in load(scene).walk() if one.path == "/tasks/topnet1"]
    children = {child.name: child for child in top.children}
    types: set[str] = set()
    waiting = [node]
    while waiting:
        child = children[waiting.pop()]
        types.add(child.type)
        waiting += [wire.source for wire in child.inputs]
    return sorted(one for one in types if assets.node_type(one) is None)


def _prepare(golden: Golden, folder: Path) -> None:
    for one in golden.files:
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(one.size)
        os.utime(path, (one.time, one.time))


def _reproduced(golden: Golden, scene: Path, folder: Path, record: Record) -> Record:
    """The item as this cook makes it, with the paths of the machine that recorded it."""
    home = str(folder) if golden.files else golden.hip
    settings = dict(golden.settings)
    allowed: dict[str, Any] = {}
    if record["workitem"]["customDataType"] == "scriptdata":
        allowed["scene_python"] = True
        script = base64.b64decode(record["workitem"]["customData"]).decode()
        settings[f"{golden.node}.script"] = script
    network = open_network(
        scene,
        top="/tasks/topnet1",
        ends=[golden.node],
        **allowed,
        overrides=[Override.parse(f"{name}={value}") for name, value in settings.items()],
        variables={"HIP": home, "HOME": "/home/vfx", "HOUDINI_TEMP_DIR": str(folder / "temp")},
    )
    if golden.cooks:
        result = Cook(network.context, LocalScheduler(network.scheduler), Watcher()).run()
        assert result.successful, result.errors
        items = network.context.graph.workItems()
    else:
        items = generate_all(network, lambda _message: None)
    (item,) = [one for one in items if one.node.name == golden.node and one.index == golden.index]
    whole = "nodeName" in record["workitem"]
    saved = serialise.full(item, "localscheduler") if whole else serialise.reduced(item)
    moved: Record = json.loads(json.dumps(saved).replace(home, golden.hip))
    return moved


def _without(record: Record, golden: Golden) -> Record:
    """A record less what is explained."""
    left = copy.deepcopy(record)
    attributes = left["workitem"]["attributes"]
    for name in golden.explained:
        attribute, _slash, member = name.partition("/")
        if not member:
            attributes.pop(attribute, None)
            continue
        for value in attributes[attribute]["value"]:
            del value[member]
    for name in [*OF_THE_MOMENT, *golden.other_members]:
        left["workitem"].pop(name, None)
    return left


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda one: one.scene)
def test_record_is_reproduced(golden: Golden, shared: Path, tmp_path: Path) -> None:
    scene = shared / f"data/kartaverse/{golden.scene}.hip"
    if missing := _missing(scene, golden.node):
        pytest.skip(f"{golden.node} stands on nodes that are not cooked here: {missing}")
    record = _record(scene)
    _prepare(golden, tmp_path)
    item = _reproduced(golden, scene, tmp_path, record)
    for name in golden.explained:
        assert name.partition("/")[0] in record["workitem"]["attributes"], name
    assert set(golden.other_members) <= set(record["workitem"])
    assert _without(item, golden) == _without(record, golden)
    ours, theirs = (list(one["workitem"]["attributes"]) for one in (item, record))
    assert [name for name in ours if name in theirs] == [name for name in theirs if name in ours]


def test_every_scene_has_a_case(shared: Path) -> None:
    scenes = {path.stem for path in (shared / "data/kartaverse").glob("*.hip")}
    assert scenes == {one.scene for one in GOLDEN} | set(COPIED)


@pytest.mark.parametrize("name", COPIED)
def test_copied_record(name: str, shared: Path) -> None:
    """Saved from a copy of another scene: the record has stayed, the attributes are new ones."""
    folder = shared / "data/kartaverse"
    scene = folder / f"{name}.hip"
    record = _record(scene)
    assert record == _record(folder / f"{COPIED[name]}.hip")
    network = open_network(scene, variables={"HIP": _POSTSHOT})
    made = generate_all(network, lambda _message: None)
    (item,) = [one for one in made if one.node.name == "train_genericgenerator1"]
    saved = serialise.full(item)["workitem"]
    mine = set(saved["attributes"])
    assert {"ImportPath"} == set(record["workitem"]["attributes"]) - mine
    assert mine - set(record["workitem"]["attributes"]) == {
        "ImportColmapPath",
        "ImportImagePath",
        "range",
    }
    assert (saved["frame"], saved["hasFrame"]) == (1.0, True)
    assert saved["attributes"]["OutputPath"]["value"] == [f"{_POSTSHOT}/psht/0001.psht"]


def test_members_are_those_of_records(shared: Path) -> None:
    """No item is written with a member that no record has."""
    known: set[str] = set()
    for path in (shared / "data/kartaverse").glob("*.hip"):
        known |= set(_record(path)["workitem"])
    for name in ("TOPs_BeebleSwitchlight_API_V001", "TOPs_nvdiffrec_Static_V001"):
        network = open_network(shared / f"data/kartaverse/{name}.hip")
        for item in generate_all(network, lambda _message: None):
            assert set(serialise.full(item)["workitem"]) <= known
