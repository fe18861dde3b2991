"""From a scene to meshes of an nvdiffrec checkout: written, then cooked without Houdini."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token
from nvdiffrec_tops.cli import main
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


def stock_scene(studio) -> SceneDescription:
    """The shipped scene of stock nodes on the studio's checkout."""
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
    return dataclasses.replace(
        scene, tasks=(dataclasses.replace(scene.tasks[0], children=tuple(children)),)
    )


def test_the_chain_of_stock_nodes(studio, cook):
    scene = stock_scene(studio)
    report = cook(scene, *scene.tasks[0].children)
    assert report["code"] == 0, report["said"]
    trained = next(item for item in report["items"] if item["node"] == "train_genericgenerator1")
    assert trained["stateName"] == "CookedSuccess"
    paths = {one["path"] for one in trained["outputs"]}
    assert str(studio.output / "mesh/mesh.obj") in paths
    assert "after 20 iterations" in (studio.output / "mesh/mesh.obj").read_text()
    log = (studio.output / "job.log").read_text()
    assert "Shim extension-name: " in log and "Shim hdr-files: " in log


def assets_scene(studio) -> SceneDescription:
    """The shipped scene of digital assets on the studio's checkout."""
    scene = assets.static()
    values = {
        "engine": "nvdiffrec",
        "miniconda_env": f"{studio.environment}/",
        "working_dir": f"{studio.checkout}/",
        "config_name": "configs/bob.json",
        "output_dir": str(studio.output),
    }
    children = tuple(
        dataclasses.replace(one, parms={**one.parms, **values}) if one.name == "attributes" else one
        for one in scene.tasks[0].children
    )
    return dataclasses.replace(
        scene, tasks=(dataclasses.replace(scene.tasks[0], children=children),)
    )


@pytest.fixture
def toolkit(studio, monkeypatch) -> Path:
    """A CUDA toolkit of the machine, on PATH; the training environment has no nvcc."""
    folder = studio.folder / "opt/cuda"
    (folder / "bin").mkdir(parents=True)
    nvcc = folder / "bin/nvcc"
    nvcc.write_text(f"#!/bin/sh\necho $1 >> '{folder}/compiled'\n")
    nvcc.chmod(0o755)
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_CUDA", "1")
    assert not (studio.environment / "bin/nvcc").exists()
    return folder


def test_the_stand_in_needs_the_toolkit_where_pytorch_does(studio, toolkit):
    """By hand it compiles with the machine's toolkit, not with the environment in its place."""
    words = ("--config", "configs/bob.json")
    wrong = studio.by_hand(*words, CUDA_HOME=str(studio.environment))
    assert not (toolkit / "compiled").exists()
    assert f"{studio.environment}/bin/nvcc: not found" in wrong.stdout + wrong.stderr
    shutil.rmtree(studio.folder / "home/.cache", ignore_errors=True)
    studio.by_hand(*words)
    assert (toolkit / "compiled").read_text() == "renderutils_plugin\n"


@pytest.mark.parametrize("describe", [stock_scene, assets_scene])
def test_a_shipped_scene_uses_the_machines_toolkit(studio, cook, toolkit, describe):
    scene = describe(studio)
    report = cook(scene, *scene.tasks[0].children)
    assert report["code"] == 0, report["said"]
    assert (studio.output / "mesh/mesh.obj").is_file()
    # The preflight asks the compiler for its version, and the build has it compile.
    assert (toolkit / "compiled").read_text().split() == ["--version", "renderutils_plugin"]
    assert all("CUDA_HOME" not in item["attributes"] for item in report["items"])


def test_a_scene_that_still_exports_the_environment_trains_too(studio, cook, toolkit):
    """As the original workflow's scene does: the job takes the false toolkit out, and says so."""
    scene = stock_scene(studio)
    exported = {
        "environment": 1, "varenable1": True, "varname1": "CUDA_HOME", "vartype1": Token("2"),
        "varconflict1": Token("0"), "strvarvalue1": "`@MINICONDA_ENV`",
    }  # fmt: skip
    children = [
        dataclasses.replace(one, parms={**one.parms, **exported})
        if one.name == "environmentedit"
        else one
        for one in scene.tasks[0].children
    ]
    report = cook(scene, *children)
    assert report["code"] == 0, report["said"]
    log = (studio.output / "job.log").read_text()
    assert f"CUDA_HOME is {studio.environment}/, a Python environment without nvcc" in log


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
