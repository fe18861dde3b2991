"""Presets: the toolkit's own, a studio's, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.configuration import from_mapping
from nvdiffrec_tops import presets
from nvdiffrec_tops.presets import PresetError


def test_every_preset_is_a_set_of_fields_that_the_trainer_knows() -> None:
    assert set(presets.names({})) == {"cpu", "draft", "final", "photographs"}
    for name in presets.names({}):
        preset = presets.load(name, {})
        assert preset.label and preset.help and preset.overrides
        from_mapping({"ref_mesh": "a.obj", **preset.overrides}, name)


def test_a_studio_adds_and_replaces_presets(tmp_path: Path) -> None:
    (tmp_path / "draft.json").write_text('{"label": "Ours", "overrides": {"iter": 7}}')
    (tmp_path / "show.json").write_text('\ufeff{"overrides": {"batch": 2}}', encoding="utf-8")
    environ = {presets.VARIABLE: str(tmp_path)}
    assert presets.load("draft", environ).overrides == {"iter": 7}
    assert presets.load("show", environ).label == "show"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"overides": {"iter": 1}}', "these entries only: label, help, overrides"),
        ('{"overrides": [1]}', "must list fields"),
        ('{"a": [', "is not JSON"),
        ('{"overrides": {"iter": NaN}}', "is not JSON: NaN is no number"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "these entries only"),
    ],
)
def test_what_is_no_preset_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(PresetError, match=words):
        presets.load("bad", {presets.VARIABLE: str(tmp_path)})


@pytest.mark.parametrize("ending", [".yaml", ".yml"])
def test_a_preset_in_yaml_is_not_passed_over_in_silence(tmp_path: Path, ending: str) -> None:
    environ = {presets.VARIABLE: str(tmp_path)}
    for name in ("show", "draft"):
        (tmp_path / f"{name}{ending}").write_text("overrides: {iter: 7}\n")
        with pytest.raises(PresetError, match=rf"are JSON files; write it anew as {name}\.json"):
            presets.load(name, environ)
    (tmp_path / "draft.json").write_text('{"overrides": {"iter": 7}}')
    assert presets.load("draft", environ).overrides == {"iter": 7}


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_bytes(data)
    try:
        presets.read_json(path)
    except PresetError as error:
        assert str(path) in str(error)
