"""From a work item's attributes to the command of its training."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job import commandline
from nvdiffrec_tops.training import TrainingError, TrainingSettings, plan

POSIX = pytest.mark.skipif(os.name == "nt", reason="the layout of a POSIX environment")


@pytest.fixture
def item(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bob.json").write_text('{"ref_mesh": "bob.obj", "iter": 5}')
    return {
        "MINICONDA_ENV": "/nowhere/envs/nvdiffrec/",
        "WORKING_DIR": f"{tmp_path}/",
        "SCRIPT_NAME": "train.py",
        "CONFIG_NAME": "bob.json",
        "ENGINE": "diffrec",
        "OUTPUT_DIR": "/show/bob",
    }


def _job(item: dict[str, str], settings: TrainingSettings, index: int = 0) -> Any:
    words = shlex.split(plan(item, index, settings).command.line(windows=False))
    job, force = commandline.parse(words[words.index("-X") + 3 :])
    return job, force, words[0]


@POSIX
def test_the_command_says_all_that_the_item_says(item: dict[str, str]) -> None:
    item["OVERRIDES"] = '{"iter": 9, "background": "$HOME `x`"}'
    settings = TrainingSettings(
        device="cpu", seed=7, retries=3, timeout=60.0, force=True, variables={"A": "b c"}
    )
    job, force, python = _job(item, settings)
    assert python == "/nowhere/envs/nvdiffrec/bin/python3"
    assert (job.engine, job.output, job.device, job.seed) == ("diffrec", "/show/bob", "cpu", 7)
    assert job.overrides == {"iter": 9, "background": "$HOME `x`"}
    assert (job.retries, job.timeout, force) == (3, 60.0, True)
    assert job.environment.set == {"A": "b c"}


def test_the_expected_outputs_are_those_of_the_engine(item: dict[str, str]) -> None:
    made = plan(item, 0, TrainingSettings())
    paths = {made.path(one): one.tag for one in made.outputs}
    assert paths["/show/bob/mesh/mesh.obj"] == "file/geo/obj"
    assert paths["/show/bob/mesh/probe.hdr"] == "file/image/hdr"
    assert "/show/bob/dmtet_mesh/mesh.obj" in paths
    item["OVERRIDES"] = json.dumps({"base_mesh": "known.obj"})
    one_pass = plan(item, 0, TrainingSettings())
    assert not any("dmtet_mesh" in output.path for output in one_pass.outputs)


@pytest.mark.parametrize(
    ("mode", "index", "cards"),
    [("any", 1, None), ("these", 1, "0,2"), ("turn", 1, "2"), ("free", 0, "0,2")],
)
def test_graphics_cards(item: dict[str, str], mode: str, index: int, cards: str | None) -> None:
    settings = TrainingSettings(gpu_mode=mode, gpus="0 2")
    command = plan(item, index, settings).command
    variables = command.variables
    assert command.claim_card is (mode == "free") and command.job().claim_card is (mode == "free")
    assert variables.get("CUDA_VISIBLE_DEVICES") == cards


def test_items_of_the_original_workflow_mean_the_checkout(item: dict[str, str]) -> None:
    for name in ("ENGINE", "OUTPUT_DIR"):
        del item[name]
    made = plan(item, 0, TrainingSettings(output_dir="/show/out/"))
    assert made.command.engine == "nvdiffrec" and made.command.script == "train.py"
    assert made.output == "/show/out/bob"


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        ({"MINICONDA_ENV": ""}, {}, "no attribute MINICONDA_ENV"),
        ({"CONFIG_NAME": "bib.json"}, {}, "bib.json does not exist"),
        ({"ENGINE": "difrec"}, {}, 'did you mean "diffrec"'),
        ({"OVERRIDES": "[1]"}, {}, "must be a JSON object"),
        ({"OUTPUT_DIR": ""}, {}, "Output Folder is empty"),
        ({}, {"gpu_mode": "these", "gpus": "0;1"}, "Card Numbers: '0;1'"),
        ({"ENGINE": "nvdiffrec"}, {"device": "cpu"}, "trains on auto or cuda, not on cpu"),
    ],
)
def test_mistakes_name_the_attribute(
    item: dict[str, str], change: dict[str, str], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(TrainingError, match=words):
        plan({**item, **change}, 0, replace(TrainingSettings(), **settings))


def test_a_configuration_that_is_no_json_is_named(item: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bob.json").write_text("{iter: 5}")
    with pytest.raises(TrainingError, match=r"bob\.json: line 1, .*not JSON"):
        plan(item, 0, TrainingSettings())


def test_a_folder_of_the_farm_need_not_be_here(item: dict[str, str]) -> None:
    made = plan({**item, "WORKING_DIR": "/farm/data/"}, 0, TrainingSettings())
    assert made.command.working_dir == "/farm/data/"


_NAMES = st.sampled_from(
    ["MINICONDA_ENV", "WORKING_DIR", "SCRIPT_NAME", "CONFIG_NAME", "OUTPUT_DIR", "OVERRIDES"]
)


@given(st.dictionaries(_NAMES, st.text(max_size=60)))
def test_hostile_attributes_arrive_as_they_are_or_are_refused(values: dict[str, str]) -> None:
    """Nothing in an attribute becomes an option, a second word or a variable of the scheduler."""
    base = {"MINICONDA_ENV": "/e/", "CONFIG_NAME": "/a/b.json", "OUTPUT_DIR": "/o"}
    item = {**base, "WORKING_DIR": "/nowhere/", **values, "ENGINE": "diffrec"}
    item["MINICONDA_ENV"] = "/e/"
    try:
        command = plan(item, 0, TrainingSettings()).command
    except TrainingError as error:
        assert str(error)
        return
    words = shlex.split(command.line(windows=False))
    assert words[0] == "/e/bin/python3" or os.name == "nt"
    assert not any("$" in word or "`" in word for word in words)
