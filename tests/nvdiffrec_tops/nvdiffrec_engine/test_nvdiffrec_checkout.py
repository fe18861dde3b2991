"""What is refused before anything starts, and what a run folder shows of a checkout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_contract import configuration
from nvdiffrec_tops.job import engines, trainer
from nvdiffrec_tops.job.engines.nvdiffrec import checkout
from nvdiffrec_tops.job.engines.nvdiffrec.failures import FAILURES
from nvdiffrec_tops.job.failures import JobError, recognise
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import placing
from nvdiffrec_tops.job.retries import Retries

EMPTY = "AssertionError: Got empty training triangle mesh (unrecoverable discontinuity)"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def job(studio, **overrides: object) -> JobFile:
    made = JobFile(
        "nvdiffrec", str(studio.output), "configs/bob.json", overrides=dict(overrides),
        working_dir=str(studio.checkout),
    )  # fmt: skip
    return made.based_on(str(studio.folder))


def refusal(studio, **overrides: object) -> str:
    with pytest.raises(JobError) as caught:
        trainer.prepare(job(studio, **overrides))
    return f"{caught.value}; {caught.value.failure.cure}"


def test_grids(studio):
    said = refusal(studio, dmtet_grid=96)
    assert "grids of 32, 64 only" in said and "set dmtet_grid to one of 32, 64" in said
    (studio.checkout / "data/tets/128_tets.npz").write_bytes(POINTER)
    assert "128_tets.npz is a Git LFS pointer" in refusal(studio, dmtet_grid=128)
    for unread in ({"isosurface": "flexicubes"}, {"base_mesh": "data/bob/bob_tri.obj"}):
        trainer.prepare(job(studio, dmtet_grid=96, **unread))
    for path in (studio.checkout / "data/tets").iterdir():
        path.unlink()
    trainer.prepare(job(studio))  # another revision may keep them elsewhere


@pytest.mark.parametrize("name", ["irrmaps/bsdf_256_256.bin", "irrmaps/light.hdr"])
def test_pointers(studio, name):
    (studio.checkout / "data" / name).write_bytes(POINTER)
    assert f"{name} is a Git LFS pointer" in refusal(studio)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("iter", "5OO", '"iter" in the configuration must be a whole number from 1, not "5OO"'),
        ("batch", 0, "not 0"),
        ("layers", 1.5, "not 1.5"),
        ("spp", True, "not true"),
        ("train_res", 512, "two whole numbers such as [512, 512], not 512"),
        ("texture_res", [512], "not [512]"),
        ("train_res", [512, -1], "not [512, -1]"),
        ("train_res", [512, "x"], '"x"'),
    ],
)
def test_values_of_another_type(studio, field, value, said):
    assert said in refusal(studio, **{field: value})


def test_settings_of_the_other_engine_are_noted(studio):
    made = job(studio, **{"diffrec.light_res": 64, "iter": 5})
    training = trainer.prepare(made)
    assert "nvdiffrec does not know diffrec.light_res; not used" in training.notes
    assert "diffrec" not in training.config and training.config["iter"] == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(configuration.NAMES)), JSON, max_size=5))
def test_any_configuration_is_used_or_refused_with_a_sentence(studio, fields):
    whole = {"ref_mesh": "data/bob/bob_tri.obj", **fields}
    made = JobFile("nvdiffrec", str(studio.output), whole, working_dir=str(studio.checkout))
    try:
        training = trainer.prepare(made)
    except JobError as error:
        assert str(error) and error.failure.cure
    else:
        retries = Retries(made, training)
        assert retries.explained(recognise([EMPTY], FAILURES)).id == "empty-mesh"
        assert retries.after(recognise(["CUDA out of memory"], FAILURES)) is None


def test_photographs(studio):
    folder = studio.checkout / "data/cape"
    folder.mkdir()
    assert "nothing says where the cameras were" in refusal(studio, ref_mesh="data/cape")
    (folder / "poses_bounds.npy").touch()
    assert "no photographs in its folder images" in refusal(studio, ref_mesh="data/cape")
    for name in ("images/b.JPG", "images/a.jpg", "images/.DS_Store", "masks/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert "2 photographs and 1 masks" in refusal(studio, ref_mesh="data/cape")
    (folder / "masks/b.png").touch()
    assert "no NumPy array" in refusal(studio, ref_mesh="data/cape")
    matrix = [0, 1, 0, 0, 32, -1, 0, 0, 0, 32, 0, 0, 1, 4, 40]
    numpy.save(folder / "poses_bounds.npy", [[*matrix, 1, 9]] * 2)
    assert "stand in one place" in refusal(studio, ref_mesh="data/cape")
    moved = [*matrix[:3], 1, *matrix[4:]]
    numpy.save(folder / "poses_bounds.npy", [[*matrix, 1, 9], [*moved, 1, 9]])
    trainer.prepare(job(studio, ref_mesh="data/cape"))
    # The array of LLFF is what train.py reads, whatever lies beside it.
    (folder / "transforms_train.json").touch()
    trainer.prepare(job(studio, ref_mesh="data/cape"))
    (folder / "masks/b.png").unlink()
    assert "2 photographs and 1 masks" in refusal(studio, ref_mesh="data/cape")


def test_pictures_that_only_the_other_engine_reads(studio):
    folder = studio.checkout / "data/lego"
    folder.mkdir()
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]
    frame = {"file_path": "r_0", "transform_matrix": pose}
    path = folder / "transforms_train.json"
    path.write_text(json.dumps({"camera_angle_x": 0.8, "frames": [frame]}))
    assert "r_0.png" in refusal(studio, ref_mesh="data/lego")
    (folder / "r_0.png").touch()
    trainer.prepare(job(studio, ref_mesh="data/lego"))
    frame["file_path"] = "r_0.png"
    path.write_text(json.dumps({"camera_angle_x": 0.8, "frames": [frame]}))
    assert "take the endings out" in refusal(studio, ref_mesh="data/lego")
    path.rename(folder / "transforms.json")
    assert "rename transforms.json" in refusal(studio, ref_mesh="data/lego")


def test_the_run_folder_shows_the_checkout_and_removing_it_leaves_the_checkout(studio):
    for name in (".git", "out", "previous", "render/c_src"):
        (studio.checkout / name).mkdir()
    before = studio.digest()
    made = job(studio)
    training = trainer.prepare(made)
    folder = studio.folder / "run"
    folder.mkdir()
    config = trainer.make_run_folder(made, training, str(folder), "unique")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "configs", "data", "render",
    ]  # fmt: skip
    assert (folder / "data/tets/64_tets.npz").is_file() and (folder / "data").is_symlink()
    assert Path(config) == folder / "config.json"
    placing.remove_run_folder(str(folder))
    assert not folder.exists() and studio.digest() == before


def test_a_preview_stays_where_there_is_a_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    config = {"display_interval": 5}
    assert checkout.without_preview(config, {"DISPLAY": ":1"}) == []
    assert config == {"display_interval": 5}
    assert "no display" in checkout.without_preview(config, {})[0]
    assert config == {"display_interval": 0}
    assert checkout.without_preview(config, {}) == []
    assert checkout.without_preview({}, {}) == []


def test_any_script_of_the_checkout(studio):
    other = studio.checkout / "other/start.py"
    other.parent.mkdir()
    other.write_text("raise SystemExit('another script')")
    done = studio.run("--script=other/start.py")
    assert done.code == 1 and "another script" in done.error
    command = engines.engine("nvdiffrec").command(
        job(studio), trainer.prepare(job(studio)), "/env/bin/python3", "/run/config.json"
    )
    script = str(studio.checkout / "train.py")
    assert command[2:] == [checkout.LAUNCHER, script, "--config", "/run/config.json"]
