"""What the Attributes node decides: configurations, overrides, folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nvdiffrec_tops.attributes import (
    AttributesError,
    SceneSettings,
    configurations,
    listed_values,
    scenes,
)


@pytest.fixture
def settings(tmp_path: Path) -> SceneSettings:
    for name in ("bob", "spot", "old/bob"):
        path = tmp_path / "configs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return SceneSettings(
        engine="diffrec",
        miniconda_env="/envs/diffrec",
        working_dir=str(tmp_path),
        config_name="configs/bob.json",
        output_dir="/show/out",
    )


def _overrides(values: dict[str, str]) -> dict[str, Any]:
    return dict(json.loads(values["OVERRIDES"]))


def test_one_scene_has_the_attributes_of_the_original_workflow(settings: SceneSettings) -> None:
    [scene] = scenes(settings)
    assert scene.label == "bob"
    assert scene.values == {
        "MINICONDA_ENV": "/envs/diffrec/",
        "WORKING_DIR": settings.working_dir + "/",
        "SCRIPT_NAME": "train.py",
        "CONFIG_NAME": "configs/bob.json",
        "ENGINE": "diffrec",
        "OUTPUT_DIR": "/show/out",
    }


def test_a_pattern_makes_an_item_per_configuration(settings: SceneSettings) -> None:
    made = scenes(replace(settings, config_name="configs/*.json"))
    assert [one.values["CONFIG_NAME"] for one in made] == ["configs/bob.json", "configs/spot.json"]
    assert [one.values["OUTPUT_DIR"] for one in made] == ["/show/out/bob", "/show/out/spot"]


def test_configurations_of_one_name_get_folders_of_their_own(settings: SceneSettings) -> None:
    made = scenes(replace(settings, config_name="configs/**/*.json"))
    folders = [one.values["OUTPUT_DIR"] for one in made]
    assert folders == [f"/show/out/configs_{one}" for one in ("bob", "old_bob", "spot")]


def test_several_values_make_a_wedge(settings: SceneSettings) -> None:
    overrides = (("iter", "500; 1000"), ("background", "white"), ("train_res", "[256, 256]"))
    made = scenes(replace(settings, overrides=overrides))
    assert [one.label for one in made] == ["bob iter=500", "bob iter=1000"]
    assert [one.values["OUTPUT_DIR"] for one in made] == [
        "/show/out/bob_iter=500",
        "/show/out/bob_iter=1000",
    ]
    wanted = {"iter": 1000, "background": "white", "train_res": [256, 256]}
    assert _overrides(dict(made[1].values)) == wanted


def test_a_preset_lies_below_the_overrides(settings: SceneSettings) -> None:
    [scene] = scenes(replace(settings, preset="draft", overrides=(("iter", "7"),)))
    found = _overrides(dict(scene.values))
    assert found["iter"] == 7 and found["train_res"] == [256, 256]


@pytest.mark.parametrize(
    ("layout", "folder"),
    [("auto", "/show/out"), ("always", "/show/out/bob"), ("never", "/show/out")],
)
def test_where_one_item_goes(settings: SceneSettings, layout: str, folder: str) -> None:
    [scene] = scenes(replace(settings, layout=layout))
    assert scene.values["OUTPUT_DIR"] == folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config_name": ""}, "Configuration is empty"),
        ({"config_name": "configs/*.yaml"}, "matches 'configs/*.yaml'"),
        ({"engine": "difrec"}, 'did you mean "diffrec"'),
        ({"engine": "nvdiffrec", "script_name": ""}, "Training Script is empty"),
        ({"preset": "huge"}, "there is no preset 'huge'; there are cpu, draft"),
        ({"overrides": (("iter", ""),)}, "field iter: a value is missing"),
        ({"overrides": (("a b", "1"),)}, "'a b' cannot be a configuration field"),
        ({"overrides": (("iter", "1"), ("iter", "2"))}, "the field iter is given twice"),
        ({"overrides": tuple((f"a{i}", "1;2;3") for i in range(60))}, "list fewer values"),
        ({"output_dir": "a\nb"}, "Output Folder holds a line end"),
    ],
)
def test_mistakes_are_told_with_the_parameter(
    settings: SceneSettings, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(AttributesError, match=words.replace("*", r"\*").replace("?", r"\?")):
        scenes(replace(settings, **change))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("500", [500]),
        ("500; 1000;", [500, 1000]),
        ("[1, 2]; [3, 4]", [[1, 2], [3, 4]]),
        ('"a;b"; c', ["a;b", "c"]),
        ('{"x": "}"}; true', [{"x": "}"}, True]),
        ("white", ["white"]),
        (r'"say \";\""', ['say ";"']),
    ],
)
def test_listed_values(text: str, values: list[Any]) -> None:
    assert listed_values(text) == values


@given(st.lists(st.recursive(st.integers() | st.text() | st.booleans(), st.lists), min_size=1))
def test_any_json_values_come_back(values: list[Any]) -> None:
    assert listed_values("; ".join(json.dumps(one) for one in values)) == values


@given(st.text())
def test_any_text_gives_values_or_a_message(text: str) -> None:
    try:
        assert listed_values(text)
    except AttributesError as error:
        assert str(error)


@pytest.mark.parametrize(
    "values", ['1;"1"', '[1, 2];"1x2"', "[12];12", 'true;"true"', '[1];"[1]"', '1;"+1";1.0']
)
def test_values_that_look_alike_get_folders_of_their_own(values: str) -> None:
    base = SceneSettings("diffrec", "/e", "/w", "a.json", "/out", overrides=())
    made = scenes(replace(base, overrides=(("background", values),)))
    assert len({one.values["OUTPUT_DIR"] for one in made}) == len(made) > 1


@given(st.text(min_size=1, max_size=300))
@example("1")
def test_a_folder_is_one_plain_name(text: str) -> None:
    base = SceneSettings("diffrec", "/e", "/w", "a.json", "/out", overrides=())
    value = json.dumps(text) + ";1"
    made = scenes(replace(base, overrides=(("background", value),)))
    names = [one.values["OUTPUT_DIR"].removeprefix("/out/") for one in made]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and "/" not in name and len(name) < 130 for name in names)


def test_a_literal_name_with_a_bracket_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "take[1].json").write_text("{}")
    assert configurations(str(tmp_path), "take[1].json") == ["take[1].json"]
