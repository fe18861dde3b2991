"""The capture node: its work items, and the training behind it that has no configuration yet."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from houfiles.describe import NodeDescription, Token
from nvdiffrec_contract.preparation import CONFIGURATION, Preparation
from nvdiffrec_tops.attributes import is_promised
from nvdiffrec_tops.cook.farm import needs
from nvdiffrec_tops.cook.refusals import promised, refusal
from nvdiffrec_tops.job import commandline
from nvdiffrec_tops.job.outputs import prepared
from nvdiffrec_tops.job.outputs.result import write_json
from topcook import pdg

Generate = Callable[..., dict[str, list[pdg.WorkItem]]]
Ours = Callable[..., NodeDescription]


@pytest.fixture
def shoots(tmp_path: Path) -> Path:
    """A folder with two captures and a film."""
    folder = tmp_path / "shoots"
    for name in ("red vase", "owl"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jpg").write_bytes(b"a")
    (folder / "cup.mp4").write_bytes(b"film")
    return folder


@pytest.fixture
def capture(ours: Ours, environment: Path, shoots: Path, tmp_path: Path) -> Ours:
    """``capture(parms, inputs)``: a capture node called c, of one folder."""

    def make(parms: dict[str, Any] | None = None, inputs: tuple[str, ...] = ()) -> NodeDescription:
        given = {
            "photographs": f"{shoots}/owl",
            "dataset_dir": f"{tmp_path}/sets",
            "miniconda_env": str(environment),
            **(parms or {}),
        }
        return ours("c", "nvdiffrec_capture", given, inputs)

    return make


def asked(item: pdg.WorkItem) -> Preparation:
    words = shlex.split(item.command)
    found = commandline.preparation_of(words[words.index("-X") + 3 :])
    assert found is not None
    return found


def values(item: pdg.WorkItem, *names: str) -> list[str]:
    return [str(item.stringAttribValue(name)) for name in names]


def expected(item: pdg.WorkItem) -> dict[str, str]:
    return {one.path: one.tag for one in item.expectedOutputFiles}


TAKEN = {
    "engine": "`@ENGINE`",
    "miniconda_env": "`@MINICONDA_ENV`",
    "working_dir": "`@WORKING_DIR`",
    "config_name": "`@CONFIG_NAME`",
    "output_dir": "`@OUTPUT_DIR`",
}


def test_a_capture_is_the_preparation_that_its_parameters_say(
    capture: Ours, generate: Generate, shoots: Path, environment: Path, tmp_path: Path
) -> None:
    parms = {
        "most": 80,
        "longest": 1200,
        "train_size": 512,
        "matching": "film",
        "masks": f"{shoots}/red vase",
        "mask_model": f"{shoots}/m.onnx",
        "threads": 3,
        "height": 0.25,
    }
    [item] = generate(capture(parms))["c"]
    out = tmp_path / "sets"
    assert asked(item) == Preparation(
        source=shoots / "owl",
        out=out,
        masks=shoots / "red vase",
        mask_model=shoots / "m.onnx",
        most=80,
        longest=1200,
        train_size=512,
        matching="film",
        threads=3,
        height=0.25,
    )
    assert shlex.split(item.command)[0].startswith(str(environment))
    assert values(item, "CAPTURE_DIR", "WORKING_DIR", "CONFIG_NAME", "OUTPUT_DIR", "ENGINE") == [
        f"{out}/",
        f"{out}/",
        f"{out}/{CONFIGURATION}",
        f"{out}/result",
        "diffrec",
    ]
    assert expected(item) == {f"{out}/{one.path}": one.tag for one in prepared.OUTPUTS}
    assert item.label == "owl"


def test_a_pattern_makes_a_capture_of_each(
    capture: Ours, generate: Generate, shoots: Path, tmp_path: Path
) -> None:
    found = generate(capture({"photographs": f"{shoots}/*", "output_dir": f"{tmp_path}/out"}))["c"]
    assert [asked(one).source.name for one in found] == ["cup.mp4", "owl", "red vase"]
    assert [one.label for one in found] == ["cup", "owl", "red-vase"]
    assert [asked(one).out for one in found] == [
        tmp_path / "sets" / name for name in ("cup", "owl", "red-vase")
    ]
    assert [values(one, "OUTPUT_DIR") for one in found] == [
        [f"{tmp_path}/out/{name}"] for name in ("cup", "owl", "red-vase")
    ]
    assert [one.index for one in found] == [0, 1, 2]


def test_each_upstream_item_is_a_capture(
    capture: Ours, generate: Generate, shoots: Path, tmp_path: Path
) -> None:
    shots = NodeDescription("shots", "genericgenerator", {"itemcount": 2})
    parms = {"dataset_dir": f"{tmp_path}/set`@pdg_index`"}
    found = generate(shots, capture(parms, ("shots",)))["c"]
    assert [asked(one).out.name for one in found] == ["set0", "set1"]
    with pytest.raises(pdg.CookError, match="would both write to"):
        generate(shots, capture({}, ("shots",)))


def test_the_environment_may_come_from_upstream(
    capture: Ours, ours: Ours, generate: Generate, environment: Path
) -> None:
    variables = {"variables": 1, "varname1": "OMP_NUM_THREADS", "varvalue1": "2 of $4"}
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", variables, ("a",)),
        capture({"miniconda_env": ""}, ("e",)),
    )
    [item] = items["c"]
    assert shlex.split(item.command)[0].startswith(str(environment))
    words = shlex.split(item.command)
    assert "--env=OMP_NUM_THREADS=2 of $4" in map(commandline.unescape, words)


@pytest.mark.parametrize("between", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_training_follows_before_its_data_set_is_there(
    capture: Ours, ours: Ours, generate: Generate, tmp_path: Path, between: bool, there: bool
) -> None:
    """Also where the folder of the data set is there, of a preparation that failed."""
    if there:
        (tmp_path / "sets").mkdir()
    overrides = {"overrides": 1, "overridename1": "iter", "overridevalue1": "5"}
    chain = [capture()]
    if between:
        chain.append(ours("a", "nvdiffrec_attributes", {**TAKEN, **overrides}, ("c",)))
    chain.append(ours("t", "nvdiffrec_train", {}, (chain[-1].name,)))
    items = generate(*chain)
    [train] = items["t"]
    words = shlex.split(train.command)
    job = commandline.parse(words[words.index("-X") + 3 :])[0]
    assert job.config == f"{tmp_path}/sets/{CONFIGURATION}"
    assert job.output == f"{tmp_path}/sets/result"
    assert job.overrides == ({"iter": 5} if between else {})
    assert f"{job.output}/mesh/mesh.obj" in expected(train)
    assert train.label == ("sets" if between else "owl")
    # A dry run and a farm know that the configuration is still to come.
    assert promised(train) and refusal(train.command, here=True, promised=True) is None
    assert "does not exist" in str(refusal(train.command, here=True))
    nearest = tmp_path / "sets" if there else tmp_path
    assert str(nearest) in needs.needs(train, words)


def test_another_configuration_is_not_promised(
    capture: Ours, ours: Ours, generate: Generate, tmp_path: Path, show: Path
) -> None:
    (tmp_path / "sets").mkdir()
    named = {**TAKEN, "config_name": "other.json"}
    with pytest.raises(pdg.CookError, match=r"other\.json does not exist"):
        generate(
            capture(),
            ours("a", "nvdiffrec_attributes", named, ("c",)),
            ours("t", "nvdiffrec_train", {}, ("a",)),
        )
    made = {"CAPTURE_DIR": "/d/set/", "WORKING_DIR": "/d/set/", "CONFIG_NAME": "train.json"}
    assert is_promised(made)
    assert is_promised({**made, "WORKING_DIR": "/nvdiffrec", "CONFIG_NAME": "/d/set/train.json"})
    assert not is_promised({**made, "CAPTURE_DIR": ""})
    assert not is_promised({**made, "WORKING_DIR": "/elsewhere/"})


def _prepare(item: pdg.WorkItem) -> None:
    """What the item's job would leave."""
    wanted = asked(item)
    for one in prepared.OUTPUTS:
        (wanted.out / one.path).parent.mkdir(parents=True, exist_ok=True)
        (wanted.out / one.path).write_text("{}")
    said = prepared.document(
        "done",
        prepared.asked_digest(wanted),
        prepared.masks_digest(wanted.out),
        {"cameras": 31},
        None,
    )
    write_json(str(wanted.out / prepared.NAME), said)


def test_a_data_set_that_is_current_stands_in_and_another_does_not(
    capture: Ours, generate: Generate, shoots: Path
) -> None:
    [item] = generate(capture())["c"]
    assert not item.hasAttrib("cameras")
    _prepare(item)
    [item] = generate(capture())["c"]
    assert item.intAttribValue("cameras") == 31 and len(expected(item)) == len(prepared.OUTPUTS)
    (shoots / "owl" / "b.jpg").write_bytes(b"b")
    [item] = generate(capture())["c"]
    assert not item.hasAttrib("cameras") and expected(item) == {}
    _prepare(item)
    assert expected(generate(capture())["c"][0])
    assert expected(generate(capture({"train_size": 300}))["c"][0]) == {}


@pytest.mark.parametrize(
    ("parms", "said"),
    [
        ({"photographs": ""}, "Photographs is empty"),
        ({"dataset_dir": " "}, "Data Set Folder is empty"),
        ({"miniconda_env": ""}, "Environment is empty"),
        ({"photographs": "/nowhere/*"}, "nothing matches"),
        ({"most": 3}, "Most Photographs is 3; allowed: 8 to 5000"),
        ({"train_size": 9000}, "Train From is 9000"),
        ({"marker": -1.0}, "Marker is -1; allowed: 0.0001 to 10000 metres, or 0"),
        ({"marker": 0.03, "height": 0.2}, "leave one of them at 0"),
        ({"dataset_dir": "$HIP/set"}, "has not been saved yet"),
    ],
)
def test_mistakes_are_told_with_their_parameter(
    capture: Ours,
    generate: Generate,
    parms: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from topcook import hou

    monkeypatch.setattr(hou.hipFile, "isNewFile", lambda: "$HIP" in str(parms))
    with pytest.raises(pdg.CookError, match=said) as caught:
        generate(capture(parms))
    assert "Traceback" not in str(caught.value)


def test_two_of_one_name_are_told_apart(
    capture: Ours, generate: Generate, shoots: Path, tmp_path: Path
) -> None:
    (shoots / "owl.mp4").write_bytes(b"film")
    pattern = {"photographs": f"{shoots}/ow*"}
    with pytest.raises(pdg.CookError, match="several of those that match are called owl"):
        generate(capture(pattern))
    with pytest.raises(pdg.CookError, match="would both write to"):
        generate(capture({**pattern, "output_layout": Token("never")}))


def test_what_a_preparation_needs_is_asked_for_before_a_farm_or_a_dry_run(
    capture: Ours, generate: Generate, shoots: Path, tmp_path: Path
) -> None:
    [item] = generate(capture())["c"]
    words = shlex.split(item.command)
    assert {str(shoots / "owl"), str(tmp_path)} <= set(needs.needs(item, words))
    assert needs.environments(item, words) == [words[0]]
    assert refusal(item.command, here=True) is None
    [item] = generate(capture({"photographs": f"{shoots}/gone"}))["c"]
    assert "gone does not exist" in str(refusal(item.command, here=True))
    assert refusal(item.command, here=False) is None
    with pytest.raises(pdg.CookError, match="gone does not exist"):
        needs.needs(item, shlex.split(item.command))


def test_the_digest_of_a_prepared_set_knows_nothing_of_its_results(tmp_path: Path) -> None:
    from nvdiffrec_tops.job.outputs.result import input_digest

    for name in ("images/a.png", "transforms_train.json", "placement.json", "work/steps/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = input_digest(str(tmp_path))
    for name in ("result/mesh.obj", "report/masks.png", "masks/a.png", "prepared.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(name))
    (tmp_path / "result" / "result.json").write_text("{}")
    assert input_digest(str(tmp_path)) == before
    (tmp_path / "images" / "a.png").write_text("another")
    assert input_digest(str(tmp_path)) != before
