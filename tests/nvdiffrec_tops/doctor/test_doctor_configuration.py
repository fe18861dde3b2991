"""Checks of the configuration: the file, its fields, its values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import configuration
from nvdiffrec_contract.configuration import faults
from nvdiffrec_contract.errors import ConfigError
from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], Finding]
Configured = Callable[..., dict[str, Any]]


def test_a_configuration_that_reads(configured: Configured, look: Look) -> None:
    context = Context(None, **configured(iter=10, ref_mesh="a.obj"), environ={})
    for check in ("configuration_reads", "configuration_fields", "configuration_values"):
        assert look(context, check).severity == "ok"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"{", "line 1, column 2"),
        (b"[]", "one JSON object"),
        (b'{"iter": 1, "iter": 2}', 'field "iter" stands twice'),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "nested more than"),
    ],
)
def test_a_configuration_that_does_not_read(
    tmp_path: Path, look: Look, text: bytes, word: str
) -> None:
    (tmp_path / "job.json").write_bytes(text)
    context = Context(None, str(tmp_path), "job.json", environ={})
    found = look(context, "configuration_reads")
    assert found.severity == "error"
    assert word in found.evidence
    assert str(tmp_path / "job.json") in found.cure
    assert look(context, "configuration_values").severity == "skipped"


def test_no_configuration(tmp_path: Path, look: Look) -> None:
    found = look(Context(None, str(tmp_path), "gone.json", environ={}), "configuration_reads")
    assert (found.severity, "CONFIG_NAME" in found.cure) == ("error", True)
    found = look(Context(None, str(tmp_path), "*.json", environ={}), "configuration_reads")
    assert found.severity == "skipped"
    assert look(Context(None, environ={}), "configuration_reads").severity == "skipped"


def test_fields_that_nobody_knows(configured: Configured, look: Look) -> None:
    for engine, severity in (("diffrec", "error"), ("nvdiffrec", "warning")):
        context = Context(None, engine=engine, environ={}, **configured(traim_res=[1, 1], seed=3))
        found = look(context, "configuration_fields")
        assert found.severity == severity
        assert 'did you mean "train_res"?' in found.evidence
        assert '"seed" (it belongs inside the object "diffrec"' in found.evidence
    context = Context(None, environ={}, **configured(diffrec={"holdut": 8}))
    found = look(context, "configuration_fields")
    assert '"diffrec.holdut" (did you mean "diffrec.holdout"?)' in found.evidence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iter", 0), ("iter", "5000"), ("iter", 2.5), ("batch", True), ("loss", "l1"),
        ("background", None), ("train_res", [512]), ("texture_res", 512), ("validate", "false"),
        ("mesh_scale", 0), ("mesh_scale", -1.0), ("learning_rate", [0.1, 0.2, 0.3]),
        ("learning_rate", "fast"), ("cam_near_far", [1, 0.1]), ("kd_min", [0, 0]),
        ("display", {"latlong": True}), ("ref_mesh", ["a"]), ("out_dir", ""), ("dmtet_grid", 1),
        ("isosurface", "marching_cubes"), ("laplace_scale", -1.0),
    ],
)  # fmt: skip
def test_values_that_cannot_be_used(
    configured: Configured, look: Look, name: str, value: object
) -> None:
    context = Context(None, environ={}, **configured(**{name: value}))
    found = look(context, "configuration_values")
    assert found.severity == "error"
    assert found.evidence.startswith(f'"{name}": found ')
    assert "allowed: " in found.evidence


def test_bounds_that_cross(configured: Configured, look: Look) -> None:
    context = Context(None, environ={}, **configured(ks_min=[0, 0.5, 0], ks_max=[1, 0.25, 1]))
    assert 'lies above "ks_max"' in look(context, "configuration_values").evidence


plain = st.none() | st.booleans() | st.integers(-5, 600) | st.floats(-3, 3) | st.text(max_size=4)
values = plain | st.lists(plain | st.lists(plain, max_size=3), max_size=4)


@given(data=st.data())
def test_the_doctor_and_the_trainer_agree_on_every_value(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(configuration.FIELDS.keys() - {"config"})))
    value: Any = data.draw(
        values | st.sampled_from(["black", "logl1", "dmtet", "relative", [0.1, 1], [64, 64]])
    )
    refused = False
    try:
        configuration.from_mapping({name: value}, "a test")
    except ConfigError:
        refused = True
    # Limits that cross with a default are the trainer's alone to see.
    assert bool(faults({name: value})) == refused or name.endswith(("_min", "_max"))


def test_the_stock_configurations_are_taken(shared: Path, look: Look) -> None:
    paths = sorted((shared / "data" / "nvdiffrec_configs").glob("*.json"))
    assert len(paths) == 15
    for path in paths:
        assert faults(json.loads(path.read_text())) == []
        context = Context(None, config=str(path), engine="nvdiffrec", environ={})
        assert look(context, "configuration_fields").severity == "ok"


@pytest.mark.parametrize(
    ("size", "engine", "severity", "cure"),
    [
        ([1024, 2048], "nvdiffrec", "ok", ""),
        ([1000, 1024], "nvdiffrec", "warning", '"texture_res": [1024, 1024]'),
        ([1025, 3], "diffrec", "note", '"texture_res": [2048, 4]'),
    ],
)
def test_sizes_of_textures(
    configured: Configured, look: Look, size: list[int], engine: str, severity: str, cure: str
) -> None:
    context = Context(None, engine=engine, environ={}, **configured(texture_res=size))
    found = look(context, "texture_size")
    assert (found.severity, found.cure) == (severity, cure)


def test_a_preview_needs_a_display(configured: Configured, look: Look) -> None:
    for interval, environ, severity in (
        (10, {"PATH": ""}, "note"),
        (0, {"PATH": ""}, "ok"),
        (10, {"DISPLAY": ":0"}, "ok"),
    ):
        given_fields = configured(display_interval=interval)
        context = Context(None, engine="nvdiffrec", environ=environ, **given_fields)
        assert look(context, "preview_window").severity == severity
