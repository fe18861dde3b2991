"""Generated items against the items that Houdini itself recorded in three real scenes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.houfiles import load

STATE = "state"
COMMAND = "__pdg_commandstring"


def _items(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    assert main(["cook", "--dry-run", "--json", *arguments]) == 0
    printed = json.loads(capsys.readouterr().out)
    return {one["workitem"]["nodeName"]: one for one in printed}


def _recorded(scene: Path) -> dict[str, Any]:
    item = load(scene).selected_work_item
    assert item is not None
    return item


def _reduced(item: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """The members that a scene's record has, less the state, which only a cook gives."""
    assert item["version"] == record["version"]
    kept = {key: item["workitem"][key] for key in record["workitem"] if key != STATE}
    for attribute in kept["attributes"].values():
        attribute["own"] = True  # the records are of loaded scenes, which own everything
    assert set(kept) | {STATE} == set(record["workitem"])
    return kept


def test_nvdiffrec_scene(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/vfx")
    scene = shared / "data/kartaverse/TOPs_nvdiffrec_Static_V001.hip"
    record = _recorded(scene)
    item = _reduced(_items(capsys, str(scene))["train_genericgenerator1"], record)
    expected = {key: value for key, value in record["workitem"].items() if key != STATE}
    # The record was taken when the command parameter still read `@MINICONDA_ENV`/bin/python3:
    # with the attribute's own trailing slash that gives the doubled one. The parameter saved in
    # the same scene has no slash there.
    recorded = expected["attributes"][COMMAND]
    assert recorded["value"][0].count("nvdiffrec//bin/python3") == 1
    recorded["value"][0] = recorded["value"][0].replace("//bin/python3", "/bin/python3")
    assert item == expected


def test_3dgrut_scene(
    shared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The record shows the state before an attribute was renamed, in another folder: an attribute
    that does not exist leaves its place in the command empty.
    """
    monkeypatch.setenv("HOME", "/home/vfx")
    source = shared / "data/kartaverse/TOPs_3DGRUT_Static_V001.hip"
    scene = Path(shutil.copy(source, tmp_path))
    record = _recorded(source)
    items = _items(
        capsys,
        str(scene),
        "--set",
        "shell_tokens.stringname7=EXPERIMENT_NAME1",
        "--set",
        "shell_tokens.stringvalue7=Shot1_3dgut",
    )
    item = _reduced(items["train_genericgenerator1"], record)
    folder = "/home/vfx/Documents/HoudiniProjects/TOPs_3DGRUT"
    moved = json.loads(json.dumps(item).replace(str(tmp_path), folder))
    assert moved == {key: value for key, value in record["workitem"].items() if key != STATE}


def test_postshot_scene(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recorded on Windows with other paths. The program's path has backslashes in the attribute
    and slashes in the command. The id tells how often the graph had been generated before.
    """
    source = shared / "data/kartaverse/TOPs_Postshot_Static_V001.hip"
    record = _recorded(source)
    attributes = record["workitem"]["attributes"]
    settings = []
    for number, name in enumerate(
        ("Executable", "ImportPath", "Profile", "OutputPath", "ExportPath", "TrainSteps"), 1
    ):
        value = attributes[name]["value"][0]
        settings += ["--set", f"shell_tokens.stringvalue{number}={value}"]
    items = _items(capsys, str(source), *settings)
    item = _reduced(items["train_genericgenerator1"], record)
    expected = {key: value for key, value in record["workitem"].items() if key != STATE}
    assert item.pop("id") == 2 and expected.pop("id") == 7
    assert item == expected
    # The export node generates when its input has cooked: never static.
    assert items["export_genericgenerator2"]["workitem"].get("isStatic", False) is False
