"""From a scene to meshes of an nvdiffrec checkout: written, then cooked without Houdini."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.houfiles.build import build
from nvdiffrec_tops.houfiles.describe import NodeDescription, SceneDescription
from nvdiffrec_tops.scenes import assets, stock


@pytest.fixture
def cook(studio, capsys, monkeypatch, root) -> Any:
    """Cook the nodes of a network; the report, with the exit code and what was said."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CACHE_HOME", "TORCH_EXTENSIONS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOUDINI_TEMP_DIR", str(studio.folder / "temp"))
    monkeypatch.setenv("HOME", str(studio.folder / "home"))
    monkeypatch.setenv("STANDIN_USES", "names hdr gl")

    def run(described: SceneDescription, *nodes: NodeDescription) -> dict[str, Any]:
        network = dataclasses.replace(described.tasks[0], children=nodes, notes=())
        scene = studio.folder / "hip/shot.hip"
        scene.parent.mkdir()
        # The stock nodes find the job process from the scene's folder.
        (studio.folder / "python3.11libs").symlink_to(root / "python3.11libs")
        scene.write_bytes(build(dataclasses.replace(described, tasks=(network,))))
        code = main(["cook", str(scene), "--json"])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        report: dict[str, Any] = json.loads(captured.out) if captured.out else {}
        return {**report, "code": code, "said": captured.err}

    return run


def test_the_chain_of_stock_nodes(studio, cook):
    scene = stock.describe()
    tokens = {
        "MINICONDA_ENV": f"{studio.environment}/",
        "WORKING_DIR": f"{studio.checkout}/",
        "SCRIPT_NAME": "train.py",
        "CONFIG_NAME": "configs/bob.json",
        "ENGINE": "nvdiffrec",
        "OUTPUT_DIR": str(studio.output),
    }
    children = []
    for node in scene.tasks[0].children:
        if node.name == "shell_tokens":
            values = dict(node.parms)
            for number, name in enumerate(stock.ATTRIBUTES, 1):
                values[f"stringvalue{number}"] = tokens[name]
            node = dataclasses.replace(node, parms=values)
        children.append(node)
    report = cook(scene, *children)
    assert report["code"] == 0, report["said"]
    trained = next(item for item in report["items"] if item["node"] == "train_genericgenerator1")
    assert trained["stateName"] == "CookedSuccess"
    paths = {one["path"] for one in trained["outputs"]}
    assert str(studio.output / "mesh/mesh.obj") in paths
    assert "after 20 iterations" in (studio.output / "mesh/mesh.obj").read_text()
    log = (studio.output / "job.log").read_text()
    assert "Shim extension-name: " in log and "Shim hdr-files: " in log


def test_a_wedge_of_the_digital_asset(studio, cook):
    scene = assets.wedge()
    node = next(one for one in scene.tasks[0].children if "nvdiffrec_static" in one.type)
    values = {
        "engine": "nvdiffrec",
        "miniconda_env": f"{studio.environment}/",
        "working_dir": f"{studio.checkout}/",
        "script_name": "train.py",
        "config_name": "configs/bob.json",
        "output_dir": str(studio.output),
        "overrides": 1,
        "overrideenable1": True,
        "overridename1": "iter",
        "overridevalue1": "10; 30",
    }
    wedge = dataclasses.replace(node, parms=values)
    report = cook(scene, *(wedge if one is node else one for one in scene.tasks[0].children))
    assert report["code"] == 0, report["said"]
    found = sorted(studio.output.rglob("mesh/mesh.obj"))
    assert len(found) == 2
    assert {path.read_text().split(" after ")[1].split()[0] for path in found} == {"10", "30"}
    assert not list(studio.output.rglob(".run-*")) and not (studio.checkout / "out").exists()
