"""``nvdiffrec-tops new``: what lies in a folder becomes a configuration that every reader takes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffrec import data
from nvdiffrec_contract import configuration, schemas
from nvdiffrec_contract.configuration import load_config
from nvdiffrec_contract.dataset import Camera, Description, Look
from nvdiffrec_tops import cli, presets
from nvdiffrec_tops.job import dataset
from nvdiffrec_tops.job.failures import quoted
from nvdiffrec_tops.job.jobfile import read_configuration
from nvdiffrec_tops.newconfiguration import document
from nvdiffrec_tops.newconfiguration.material import Material

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n"
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 8\n" + bytes([128, 64, 32, 131]) * 32


def mesh(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "vase.obj").write_text(TRIANGLE)
    (folder / "sky.hdr").write_bytes(HDR)
    return folder


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's formats answer in this process, which saves the start of another."""

    def answer(_python: str, words: list[str], *_more: object) -> Any:
        path = Path(words[-1])
        if words[0] == "--inside":
            return [[name, str(one)] for name, one in data.inside(path)]
        return json.loads(json.dumps(data.describe(path, quick=True).document()))

    monkeypatch.setattr(dataset, "_answer", answer)


def made(*words: str) -> int:
    return cli.main(["new", *words])


def test_a_mesh_with_its_light(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mesh(tmp_path / "a 'Büste' $(x)")
    monkeypatch.chdir(tmp_path)
    assert made(str(folder), "--preset", "draft") == 0
    said = capsys.readouterr().out
    target = folder / "train.json"
    assert f"next:  diffrec --config {quoted(str(target))}" in said
    written = json.loads(target.read_text(encoding="utf-8"))
    fields = {name for name in written if not name.startswith("_")}
    assert all(f"_{name}" in written for name in fields)
    jsonschema.validate(written, schemas.of_configuration())
    config = load_config(target)
    # Beside the configuration, so that the folder can be moved.
    assert written["ref_mesh"] == "vase.obj" and Path(str(config.ref_mesh)).samefile(
        folder / "vase.obj"
    )
    assert Path(str(config.envmap)).samefile(folder / "sky.hdr")
    for name, value in presets.load("draft").overrides.items():
        assert json.loads(json.dumps(getattr(config, name))) == value
    # The job and the doctor see the fields alone, so nothing takes a comment for a fork's field.
    assert set(read_configuration(str(target))) == fields

    before = target.read_bytes()
    assert made(str(folder)) == 1
    assert "stays as it is" in capsys.readouterr().err and target.read_bytes() == before
    assert sorted(os.listdir(folder)) == ["sky.hdr", "train.json", "vase.obj"]


@pytest.mark.usefixtures("in_process")
def test_photographs_without_cameras_are_prepared_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.JPG", "b.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"")
    assert made(str(tmp_path), "--preset", "cpu") == 0
    said = capsys.readouterr().out
    prepared = tmp_path / document.PREPARED
    assert "2 photographs without cameras" in said
    assert f"next:  nvdiffrec-tops prepare {tmp_path} --out {prepared}" in said
    assert load_config(tmp_path / "train.json").ref_mesh == str(prepared)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("files", "said", "cure"),
    [
        ({}, "nothing says where the cameras were", ""),
        ({"vase.obj": TRIANGLE}, "has no light", "--light FILE.hdr"),
        ({"vase.obj": TRIANGLE, "a.hdr": "", "b.hdr": ""}, "several panoramas: a.hdr, b.hdr", ""),
        ({"a.obj": TRIANGLE, "b.obj": TRIANGLE}, "holds several: a.obj, b.obj", "a.obj"),
        ({"a.fbx": ""}, "is a FBX file, which is not read", ".obj"),
        ({"one/a.jpg": "", "two/a.jpg": ""}, "several folders of photographs: one, two", "one"),
        ({"a.mp4": "", "b.mov": ""}, "several films", "a.mp4"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    said: str,
    cure: str,
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert made(str(tmp_path)) == 1
    told = capsys.readouterr().err
    assert said in told and cure in told and "Traceback" not in told
    assert not (tmp_path / "train.json").exists()


def test_a_name_with_a_folder_in_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("../x.json", "", "..", str(tmp_path / "x.json")):
        assert made(str(mesh(tmp_path / "m") if not name else tmp_path), "--name", name) == 1
    assert "name it without a folder" in capsys.readouterr().err
    link = tmp_path / "m" / "train.json"
    link.symlink_to(tmp_path / "nowhere.json")
    assert made(str(tmp_path / "m")) == 1
    assert not (tmp_path / "nowhere.json").exists()


names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1)
sizes = st.tuples(st.integers(1, 9000), st.integers(1, 9000))
EYE = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


@given(names, st.sampled_from(sorted(presets.names({}))), sizes, st.booleans())
def test_any_name_size_and_preset_gives_a_configuration(
    name: str, preset: str, size: tuple[int, int], looked: bool
) -> None:
    folder = os.path.join(os.sep, "data", name)
    picture = os.path.join(folder, "1.png")
    camera = Camera(EYE, (1.0, 1.0), (0.0, 0.0), (float(size[0]), float(size[1])))
    looks = {picture: Look(size)} if looked else {}
    found = Description("llff", "pictures", folder, (picture,), cameras=(camera,), looks=looks)
    values = document.fields(Material(folder, folder, found), presets.load(preset).overrides)
    text = document.text(values, ["a head"], {})
    read = configuration.without_comments(json.loads(text))
    config = configuration.from_mapping(read, "a test")
    assert config.ref_mesh == folder
    # Pictures keep their shape and are never enlarged.
    height, width = config.train_res
    assert height <= size[0] and width <= size[1]
    assert abs(height * size[1] - width * size[0]) <= max(size)
    assert config.diffrec.photo_res in (None, config.train_res)


def test_comments_are_passed_over_wherever_they_stand() -> None:
    given_: dict[str, Any] = {
        "_": [1],
        "iter": 3,
        "_iter": {"a": 1},
        "diffrec": {"_x": 0, "seed": 2},
    }
    assert configuration.without_comments(given_) == {"iter": 3, "diffrec": {"seed": 2}}
    jsonschema.validate(given_, schemas.of_configuration())
