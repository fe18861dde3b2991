"""What Houdini's training monitor is told, over a ``hou`` that records."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_contract.configuration import Config

DOCUMENTED = {"name": str, "first_epoch": int, "max_epochs": int}


@pytest.fixture
def monitor(hou: Any) -> Iterator[Any]:
    yield importlib.import_module("nvdiffrec_tops.houdini.training_monitor")
    sys.modules.pop("nvdiffrec_tops.houdini.training_monitor", None)
    vars(importlib.import_module("nvdiffrec_tops.houdini")).pop("training_monitor", None)


@pytest.fixture
def project(tmp_path: Path) -> str:
    (tmp_path / "two.json").write_text('{"ref_mesh": "a.obj", "iter": 300}')
    (tmp_path / "one.json").write_text('{"ref_mesh": "a.obj", "iter": 300, "base_mesh": "b.obj"}')
    return str(tmp_path)


def test_each_work_item_is_a_training_with_its_epochs(
    monitor: Any, node: Any, item: Any, project: str
) -> None:
    asset = node("kartaverse::nvdiffrec_train::1.0", "train")
    inner = asset.createNode("pythonprocessor", "train")
    place = {"WORKING_DIR": project}
    inner.items = [
        item(**place, CONFIG_NAME="two.json", OUTPUT_DIR="/out/bob"),
        item(**place, CONFIG_NAME="one.json", OUTPUT_DIR="/out/spot/"),
        item(**place, CONFIG_NAME="two.json", OUTPUT_DIR="/w/bob", OVERRIDES='{"iter": 9}'),
        item(**place, CONFIG_NAME="two.json"),
    ]
    described = monitor.ml_description(asset)
    assert [(one["name"], one["max_epochs"]) for one in described] == [
        ("bob", 2 * 301),
        ("spot", 301),
        ("bob (3)", 2 * 10),
    ]
    for one in described:
        assert {name: type(value) for name, value in one.items()} == DOCUMENTED
        assert one["first_epoch"] == 0
    json.dumps(described)


def test_before_a_cook_the_nodes_own_parameters_answer(
    monitor: Any, node: Any, project: str
) -> None:
    asset = node("kartaverse::nvdiffrec_static::1.0", "static")
    asset.values = {"working_dir": project, "config_name": "two.json", "output_dir": "/out/bob"}
    assert monitor.ml_description(asset) == [{"name": "bob", "first_epoch": 0, "max_epochs": 602}]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"config_name": "absent.json"},
        {"config_name": "*.json"},
        {"source": "known", "known": "no such environment"},
    ],
)
def test_a_mistake_is_left_to_the_cook(
    monitor: Any, node: Any, project: str, values: dict[str, str]
) -> None:
    asset = node("kartaverse::nvdiffrec_train::1.0", "train")
    asset.values = {"working_dir": project, **values}
    default = 2 * (Config(ref_mesh="a.obj").iter + 1)
    assert monitor.ml_description(asset) == [
        {"name": "train", "first_epoch": 0, "max_epochs": default}
    ]
