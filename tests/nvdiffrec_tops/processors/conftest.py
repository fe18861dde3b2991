"""Scenes of our assets and stock nodes, and what a cook without Houdini makes of them."""

from __future__ import annotations

import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token, Value
from nvdiffrec_tops.cook.command import generate_all
from nvdiffrec_tops.cook.options import Override
from topcook import pdg
from topcook.network.opening import open_network

Generate = Callable[..., dict[str, list[pdg.WorkItem]]]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, empty Python environment."""
    folder = tmp_path_factory.mktemp("environments") / "train ing"
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    return folder


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with training configurations."""
    for name in ("bob", "spot"):
        (tmp_path / f"{name}.json").write_text('{"ref_mesh": "bob.obj"}')
    return tmp_path


@pytest.fixture
def ours(environment: Path, show: Path) -> Callable[..., NodeDescription]:
    """``ours("train", "nvdiffrec_train", parms, inputs)``: an instance of one of our assets."""

    def make(
        name: str,
        asset: str,
        parms: Mapping[str, Value] | None = None,
        inputs: tuple[str, ...] = (),
    ) -> NodeDescription:
        given: dict[str, Value] = {}
        if asset in ("nvdiffrec_attributes", "nvdiffrec_static"):
            given = {
                "miniconda_env": str(environment),
                "working_dir": str(show),
                "config_name": "bob.json",
                "output_dir": f"{show}/out",
            }
        type_name = f"kartaverse::{asset}::1.0"
        values = {**given, **(parms or {})}
        return NodeDescription(name, type_name, values, inputs, locked=True, version="")

    return make


@pytest.fixture
def write_scene(tmp_path: Path) -> Callable[..., Path]:
    """``write_scene(node, node, ...)`` writes a scene; the last node has the display flag."""

    def write(*nodes: NodeDescription) -> Path:
        local = NodeDescription(
            "localscheduler",
            "localscheduler",
            {"tempdirmenu": Token("2"), "tempdircustom": str(tmp_path / "temp")},
        )
        top = NodeDescription(
            "topnet1",
            "topnet",
            {"topscheduler": "localscheduler"},
            children=(local, *nodes),
            is_network=True,
        )
        path = tmp_path / "shot.hip"
        path.write_bytes(build(SceneDescription("shot", (top,))))
        return path

    return write


@pytest.fixture
def generate(write_scene: Callable[..., Path]) -> Generate:
    """``generate(node, node, ...)``: the work items of each node, in order."""

    def run(*nodes: NodeDescription, overrides: tuple[str, ...] = ()) -> Any:
        network = open_network(
            write_scene(*nodes),
            ends=[nodes[-1].name],
            overrides=[Override.parse(one) for one in overrides],
        )
        generate_all(network, lambda _message: None)
        return {node.name: node.workItems for node in network.context.graph.nodes()}

    return run
