"""All example scenes: as built, strict to read, cooked by one command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diffrec.sample import CONFIGURATION, write_sample
from houfiles import Scene, load
from houfiles.build import build
from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets import shipped
from nvdiffrec_tops.assets.resultassets import RESULTS
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.scenes import stock
from nvdiffrec_tops.scenes.shipped import SCENES
from topcook import pdg
from topcook.network.opening import open_network
from topcook.pdg.workitem import COMMAND_ATTRIBUTE
from topcook.planning import generate_all

NODES = {
    "TOPs_nvdiffrec_Static": ["attributes", "environment", "train", "waitforall1"],
    stock.NAME: ["shell_tokens", "environmentedit", "train_genericgenerator1", "waitforall1"],
    "TOPs_nvdiffrec_Photographs": ["capture", "attributes", "environment", "train", "waitforall1"],
    "TOPs_nvdiffrec_Wedge": [*["static"] * 4, "waitforall1"],
    "TOPs_nvdiffrec_HQueue": [
        *["attributes"] * 2,
        *["environment"] * 2,
        *["train"] * 2,
        "waitforall1",
    ],
}


@pytest.fixture(scope="module")
def sample(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's configurations, for scenes that look them up."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


def _items(name: str, root: Path, sample: Path, capsys: Any) -> list[dict[str, Any]]:
    options = []
    if name not in (stock.NAME, "TOPs_nvdiffrec_Photographs"):
        node = "static" if "Wedge" in name else "attributes"
        options = ["--set", f"{node}.working_dir={sample}"]
    scene = str(root / "hip" / f"{name}.hip")
    assert main(["cook", scene, "--dry-run", "--json", *options]) == 0
    return [one["workitem"] for one in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize("name", SCENES)
def test_the_committed_file_is_the_built_one(name: str, root: Path) -> None:
    committed = (root / "hip" / f"{name}.hip").read_bytes()
    assert build(SCENES[name]()) == committed
    assert load(root / "hip" / f"{name}.hip").to_bytes() == committed


def test_the_builders_say_that_everything_is_up_to_date(root: Path) -> None:
    counts = {"build_assets.py": len(shipped.ASSETS) + len(RESULTS), "build_hip.py": len(SCENES)}
    for script, count in counts.items():
        done = subprocess.run(
            [sys.executable, root / "scripts" / script, "--check"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("is up to date") == count


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_generates_what_it_promises(
    name: str, root: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [one["nodeName"] for one in _items(name, root, sample, capsys)] == NODES[name]


def test_our_assets_and_the_stock_nodes_give_the_same_items(root: Path, tmp_path: Path) -> None:
    """But for the names of nodes and items, and the words of the command."""
    for folder in ("hip", "sample"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sample" / "sample.json").write_bytes(json.dumps(CONFIGURATION).encode())
    ours, theirs = (
        [_compared(item) for item in _generated(root / "hip" / f"{name}.hip", tmp_path)]
        for name in ("TOPs_nvdiffrec_Static", stock.NAME)
    )
    assert ours == theirs
    assert set(ours[2]["environment"]) == set(stock.ENVIRONMENT)
    assert len(ours[2]["outputs"]) == len(stock.OUTPUTS)


def _generated(scene: Path, folder: Path) -> list[pdg.WorkItem]:
    """The items of a scene that lies where nothing was ever trained."""
    network = open_network(scene, variables={"HIP": str(folder / "hip")})
    return generate_all(network, lambda _message: None)


def _compared(item: pdg.WorkItem) -> dict[str, Any]:
    attributes = {one.name: (one.type, one.flags, one.values) for one in item.allAttribs()}
    command = attributes.pop(COMMAND_ATTRIBUTE, None)
    return {
        "index": item.index,
        "static": item.isStatic,
        "type": item.type,
        "runs": command is not None,
        "attributes": attributes,
        "environment": item.environment,
        "outputs": [(one.path, one.tag, one.owned) for one in item.expectedOutputFiles],
    }


def fallbacks(scene: Scene) -> list[tuple[str, str]]:
    """`.OPfallbacks`: section name of each asset, and a library that may hold it."""
    lines = scene.members[".OPfallbacks"].decode().splitlines()
    rows = [line.partition(" ") for line in lines]
    assert all(name and path for name, _space, path in rows)
    return [(name, path) for name, _space, path in rows]


def test_scenes_name_the_libraries_of_their_assets(root: Path) -> None:
    scene = load(root / "hip" / "TOPs_nvdiffrec_Static.hip")
    used = [shipped.ASSETS[f"nvdiffrec_{one}"] for one in ("attributes", "environment", "train")]
    ours = [row for row in fallbacks(scene) if row[0].startswith("kartaverse")]
    assert ours == [
        (one.section, f"{folder}otls/{one.library}")
        for one in used
        for folder in ("/opt/tops-nvdiffrec/", "")
    ]
    for asset in used:
        definition = read_expanded(root / "otls" / asset.library).definition(asset.type)
        held = scene.library.definition(asset.section)
        assert held is not None and held.text("DialogScript") == definition.dialog_script
    instances = [node for node in scene.walk() if node.type.startswith("kartaverse::")]
    assert len(instances) == 3
    for node in instances:
        assert node.matches_definition and not node.children
        interface = scene.interface(node.type)
        assert interface is not None
        for name, parm in node.parms.items():
            template = interface.find(name)
            assert template is not None, f"{node.path}: {name}"
            if hasattr(template, "accepts"):
                assert all(template.accepts(one.text) for one in parm.values)


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_names_the_assets_of_its_nodes_as_houdini_does(name: str, root: Path) -> None:
    """Two places for each type, and a dummy with the parameters that the scene sets."""
    scene = load(root / "hip" / f"{name}.hip")
    types = {one.type for one in scene.walk() if one.path.count("/") > 2}
    sections = [row[0] for row in fallbacks(scene)]
    assert {one.rpartition("Top/")[2] for one in sections} == {
        one.removeprefix("kartaverse::") for one in types
    }
    assert sections[::2] == sections[1::2] and len(set(sections)) * 2 == len(sections)
    for (_first, installed), (_second, beside) in zip(
        fallbacks(scene)[::2], fallbacks(scene)[1::2], strict=True
    ):
        assert installed.startswith("/opt/") and installed.endswith(f"/{beside}")
    assert [one.name for one in scene.library.records] == sorted(types)
    for node in scene.walk():
        if node.path.count("/") <= 2:
            continue
        interface = scene.interface(node.type)
        assert interface is not None
        assert all(interface.find(parm) is not None for parm in node.parms), node.path


@pytest.mark.parametrize("name", SCENES)
def test_records_of_stock_types_are_those_of_real_scenes(
    name: str, root: Path, shared: Path
) -> None:
    real = load(shared / "data/kartaverse/TOPs_nvdiffrec_Static_V001.hip")
    known = {one.name: one for one in real.library.records}
    mine = load(root / "hip" / f"{name}.hip").library
    found = [one for one in mine.records if one.name in known]
    assert found
    for one in found:
        assert replace(one, modified=0) == replace(known[one.name], modified=0)
        [theirs, ours] = [library.definition(f"Top/{one.name}") for library in (real.library, mine)]
        assert theirs is not None and ours is not None
        assert [x.name for x in ours.sections] == [x.name for x in theirs.sections]


def test_no_path_of_the_machine_that_built_them(root: Path) -> None:
    for name in SCENES:
        data = (root / "hip" / f"{name}.hip").read_bytes()
        assert str(root).encode() not in data
        assert str(Path.home()).encode() not in data.replace(b"$HOME", b"")
