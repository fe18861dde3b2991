"""Presets: the toolkit's own, a studio's, and files that are none."""

from __future__ import annotations

import sys
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
    (tmp_path / "draft.yaml").write_text("label: Ours\noverrides: {iter: 7}\n")
    (tmp_path / "show.yaml").write_text("overrides: {batch: 2}\n")
    environ = {presets.VARIABLE: str(tmp_path)}
    assert presets.load("draft", environ).overrides == {"iter": 7}
    assert presets.load("show", environ).label == "show"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("overides: {iter: 1}\n", "these entries only: label, help, overrides"),
        ("overrides: [1]\n", "must list fields"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("- 1\n", "these entries only"),
    ],
)
def test_what_is_no_preset_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(PresetError, match=words):
        presets.load("bad", {presets.VARIABLE: str(tmp_path)})


def test_without_pyyaml_the_message_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "a.yaml"
    path.write_text("label: x\n")
    with pytest.raises(PresetError, match=r"hython scripts/install_dependencies\.py"):
        presets.read_yaml(path)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(data)
    try:
        presets.read_yaml(path)
    except PresetError as error:
        assert str(path) in str(error)
