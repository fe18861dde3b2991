"""No environment, configuration, data set or variable breaks the doctor."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_tops import doctor
from nvdiffrec_tops.doctor.context import LIGHT, Context
from nvdiffrec_tops.doctor.examination import examined
from nvdiffrec_tops.doctor.finding import SEVERITIES
from nvdiffrec_tops.job import engines

FIELDS = (
    "iter", "batch", "spp", "layers", "train_res", "texture_res", "ref_mesh", "envmap",
    "base_mesh", "mesh_scale", "dmtet_grid", "isosurface", "diffrec", "display_interval",
    "save_interval", "kd_min", "kd_max", "learning_rate", "display", "mtl_override",
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([".", "a.obj", "../..", "/", "~", "~nobody", "a\0b", "\udcff"])
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
paths = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "",
            "\0",
            "/",
            "~",
            "/dev/null",
            "/proc/self/mem",
            "a/" * 3000,
            "\udcff",
            "*",
            "{",
            "$HOME",
        ]
    )
)


def told(findings: list[doctor.Finding]) -> None:
    assert findings
    for one in findings:
        assert one.severity in SEVERITIES
        assert one.title and one.evidence
        assert one.cure or one.severity in ("ok", "note", "skipped"), one
        assert "the check itself failed" not in one.evidence, one


@given(
    environment=paths,
    working_dir=paths,
    config=paths,
    output=paths,
    engine=st.sampled_from(engines.names()),
)
@settings(max_examples=60)
def test_paths(
    environment: str | None,
    working_dir: str | None,
    config: str | None,
    output: str | None,
    engine: str,
) -> None:
    told(
        doctor.examine(
            environment=environment or "/nowhere",
            working_dir=working_dir,
            config=config,
            output=output,
            engine=engine,
            quick=True,
        )
    )


def test_a_current_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for one in doctor.examine(
        environment="env", working_dir="a", config="b.json", output="c", quick=True
    ):
        assert one.severity in SEVERITIES


def test_no_room_for_temporary_files(
    environment: Path, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    findings = {one.check: one for one in doctor.examine(environment=str(environment), quick=True)}
    assert findings["interpreter_starts"].severity == "error"
    assert "No space left on device" in findings["interpreter_starts"].evidence


@given(engine=st.text(max_size=10).filter(lambda text: text not in engines.names()))
@settings(max_examples=10)
def test_engines(engine: str) -> None:
    (found,) = doctor.examine(environment="/nowhere", engine=engine, quick=True)
    assert (found.check, found.severity) == ("engine", "error")


@given(
    document=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), documents),
    engine=st.sampled_from(engines.names()),
)
@settings(max_examples=75)
def test_configurations(document: dict[str, Any], engine: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(document), encoding="utf-8")
        told(
            doctor.examine(
                environment="/nowhere",
                working_dir=folder,
                config="job.json",
                engine=engine,
                output=folder,
                quick=True,
            )
        )


@given(data=st.binary(max_size=300), suffix=st.sampled_from(["", "[", "{", '{"iter": ']))
@settings(max_examples=60)
def test_bytes_in_place_of_a_configuration(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job.json").write_bytes(suffix.encode() + data)
        told(examined(Context("/nowhere", folder, "job.json", quick=True, environ={})))


header = st.builds(
    lambda magic, text, body: magic + len(text).to_bytes(2, "little") + text + body,
    st.sampled_from([b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b""]),
    st.binary(max_size=40)
    | st.builds(
        lambda descr, order, shape: repr(
            {"descr": descr, "fortran_order": order, "shape": shape}
        ).encode(),
        st.sampled_from(["<f8", ">f4", "|O", "<i8", "f8", ""]) | st.none(),
        st.booleans(),
        st.lists(st.integers(-3, 20) | st.just(2**62), max_size=3).map(tuple),
    ),
    st.binary(max_size=400),
)


@given(array=header, transforms=documents)
@settings(max_examples=8)  # a process each; the formats have tests of their own with many more
def test_data_sets(array: bytes, transforms: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind, name, data in (
            ("llff", "poses_bounds.npy", array),
            ("nerf", "transforms_train.json", json.dumps(transforms).encode()),
        ):
            Path(folder, kind, "images").mkdir(parents=True)
            Path(folder, kind, "masks").mkdir()
            Path(folder, kind, "images", "a.png").write_bytes(array)
            Path(folder, kind, "masks", "a.png").write_bytes(array)
            Path(folder, kind, name).write_bytes(data)
            Path(folder, "job.json").write_text(json.dumps({"ref_mesh": kind}))
            told(examined(Context("/nowhere", folder, "job.json", quick=True, environ={})))


names = st.sampled_from(
    [
        "PYTHONHOME", "PYTHONPATH", "HFS", "LD_LIBRARY_PATH", "LD_PRELOAD", "WORLD_SIZE", "HOME",
        "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME",
        "CONDA_PREFIX", "VIRTUAL_ENV", "DISPLAY",
    ]
)  # fmt: skip
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(
    variables=st.dictionaries(
        names, texts | st.sampled_from(["/", "/opt/hfs", ":", "/opt/hfs/x:/y", "4"])
    ),
    engine=st.sampled_from(engines.names()),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_variables(bare: Path, variables: dict[str, str], engine: str) -> None:
    for prefix in (str(bare), None):
        context = Context(prefix, engine=engine, quick=True, environ={"PATH": "", **variables})
        told(examined(context))


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(data=st.data(), engine=st.sampled_from(engines.names()))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_interpreter_that_answers_nonsense(
    healthy: Callable[..., Context], data: st.DataObject, engine: str
) -> None:
    """The answers come from a process that may be anything: no answer may leave an exception."""

    def change(light: dict[str, Any], heavy: dict[str, Any]) -> None:
        for facts in (light, heavy):
            for section in data.draw(st.sets(st.sampled_from([*LIGHT, *heavy]), max_size=2)):
                facts[section] = data.draw(st.dictionaries(st.text(max_size=5), odd))

    for one in examined(healthy(change, engine=engine)):
        assert one.severity in SEVERITIES
