"""Digests and the result file."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job import run
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import result


def done(folder, **changed):
    (folder / "mesh.obj").write_text("mesh")
    outputs = result.describe(str(folder), ["mesh.obj"], lambda _: "file")
    return {
        "format": result.FORMAT, "version": result.VERSION, "status": "done", "digest": "d",
        "outputs": outputs, **changed,
    }  # fmt: skip


def test_up_to_date_means_the_same_digest_and_unchanged_files(tmp_path):
    output = str(tmp_path)
    document = done(tmp_path)
    assert result.up_to_date(output, document, "d")
    assert not result.up_to_date(output, document, "e")
    assert not result.up_to_date(output, None, "d")
    assert not result.up_to_date(output, {**document, "outputs": []}, "d")
    failed = {"status": "failed", "previous": document}
    assert result.up_to_date(output, failed, "d")
    assert not result.up_to_date(output, {"status": "failed", "previous": None}, "d")
    (tmp_path / "mesh.obj").write_text("mush")
    assert not result.up_to_date(output, document, "d")
    (tmp_path / "mesh.obj").unlink()
    assert not result.up_to_date(output, document, "d")


def test_a_manifest_never_leaves_its_folder():
    paths = ["../x", "/etc/passwd", "a/../../x", "", "a//b", "good/file"]
    document = {"status": "done", "outputs": [{"path": path, "sha256": "0"} for path in paths]}
    assert set(result.manifest(document)) == {"good/file"}
    assert result.manifest({"status": "done", "outputs": [1, None, {"path": 5}]}) == {}


def test_unreadable_result_files_count_as_none(tmp_path):
    for text in ("", "{", "[]", '{"format": "other"}', '{"format": "%s", "version": 99}'):
        (tmp_path / "result.json").write_text(text.replace("%s", result.FORMAT))
        assert result.read(str(tmp_path)) is None
    assert result.read(str(tmp_path / "none")) is None


def test_a_mesh_counts_with_its_materials_and_textures(tmp_path):
    (tmp_path / "m.obj").write_text("mtllib m n.mtl\nv 0 0 0\n")
    (tmp_path / "m n.mtl").write_text("newmtl a\nmap_Kd kd.png\n  bump none.png\n")
    (tmp_path / "kd.png").write_bytes(b"1")
    path = str(tmp_path / "m.obj")
    digests = [result.input_digest(path)]
    (tmp_path / "kd.png").write_bytes(b"2")
    digests.append(result.input_digest(path))
    (tmp_path / "m n.mtl").write_text("newmtl a\n")
    digests.append(result.input_digest(path))
    (tmp_path / "m.obj").write_text("v 0 0 0\n")
    digests.append(result.input_digest(path))
    assert len(set(digests)) == 4


def test_a_folder_of_photographs_counts_by_names_sizes_and_times(tmp_path):
    (tmp_path / "images").mkdir()
    picture = tmp_path / "images/0.png"
    table = tmp_path / "transforms_train.json"
    picture.write_bytes(b"1")
    table.write_text("{}")
    os.utime(picture, (1000, 1000))
    first = result.input_digest(str(tmp_path))
    os.utime(table, (5, 5))
    assert result.input_digest(str(tmp_path)) == first
    os.utime(picture, (2000, 2000))
    second = result.input_digest(str(tmp_path))
    table.write_text("[]")
    third = result.input_digest(str(tmp_path))
    picture.rename(tmp_path / "images/1.png")
    assert len({first, second, third, result.input_digest(str(tmp_path))}) == 4


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_digest_does_not_depend_on_the_order_of_names(value):
    assert result.digest_of(value) == result.digest_of(dict(reversed(value.items())))


@pytest.fixture
def job(tmp_path):
    """A job whose data and configuration exist, relative to its working directory."""
    (tmp_path / "work/configs").mkdir(parents=True)
    (tmp_path / "work/mesh.obj").write_text("v 0 0 0\n")
    (tmp_path / "work/configs/bob.json").write_text('{"ref_mesh": "mesh.obj", "iter": 20}')
    return JobFile(
        engine="diffrec", config="configs/bob.json", working_dir=str(tmp_path / "work"),
        output=str(tmp_path / "out"), overrides={"batch": 2},
    )  # fmt: skip


def leave_results(job, **changed):
    os.makedirs(job.output, exist_ok=True)
    document = {
        "format": result.FORMAT, "version": result.VERSION, "status": "done", "seconds": 9.5,
        "settings": result.settings_digest(job), "metrics": {"psnr": 30.5, "faces": 10},
        "outputs": [
            {"path": f"validate/{n:06d}.png", "sha256": "0" * 64, "size": 1, "tag": "file"}
            for n in range(50)
        ],
        **changed,
    }  # fmt: skip
    result.write_json(os.path.join(job.output, result.NAME), document)
    return document


def test_settings_are_the_engine_the_configuration_and_the_seed(job):
    assert result.same_settings(job.output, job) is None
    leave_results(job)
    assert result.same_settings(job.output, job) is True
    for change in (
        {"device": "cpu"}, {"retries": 5}, {"timeout": 5.0}, {"on_failure": "warn"},
        {"python": "/envs/other"}, {"output": job.output + "/"},
    ):  # fmt: skip
        assert result.same_settings(job.output, replace(job, **change)) is True, change
    for change in ({"engine": "diffrec", "seed": 3}, {"overrides": {"batch": 3}}):
        assert result.same_settings(job.output, replace(job, **change)) is False, change
    other = replace(job, overrides={}, config={"ref_mesh": "mesh.obj", "iter": 20, "batch": 2})
    assert result.same_settings(job.output, other) is True
    with open(os.path.join(job.working_dir, "configs/bob.json"), "w") as stream:
        stream.write('{"iter": 30, "ref_mesh": "mesh.obj"}')
    assert result.same_settings(job.output, job) is False


def test_settings_of_results_that_do_not_tell(job):
    document = leave_results(job)
    assert result.same_settings(job.output, replace(job, config="none.json")) is None
    os.unlink(os.path.join(job.working_dir, "mesh.obj"))
    assert result.same_settings(job.output, job) is None
    (open(os.path.join(job.working_dir, "mesh.obj"), "w")).close()
    failed = {**document, "status": "failed", "settings": "other", "previous": document}
    result.write_json(os.path.join(job.output, result.NAME), failed)
    assert result.same_settings(job.output, job) is True
    result.write_json(os.path.join(job.output, result.NAME), {**failed, "previous": None})
    assert result.same_settings(job.output, job) is None
    for text in ("", "{", "[]", json.dumps({**document, "settings": 5})):
        with open(os.path.join(job.output, result.NAME), "w") as stream:
            stream.write(text)
        assert result.same_settings(job.output, job) is None


def test_a_job_records_its_settings_and_an_older_result_gets_them(site, monkeypatch):
    from nvdiffrec_tops.job import commandline

    monkeypatch.chdir(site.folder)
    job, _ = commandline.parse(site.arguments())
    assert site.run(*site.arguments()).returncode == 0
    assert result.same_settings(job.output, job) is True
    assert result.same_settings(job.output, replace(job, overrides={"iter": 5})) is False
    path = site.output / "result.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in document.items() if k != "settings"}))
    assert result.same_settings(job.output, job) is None
    assert run.run(job) == 0
    assert result.same_settings(job.output, job) is True
    assert json.loads(path.read_text()) == document


def test_thousands_of_items_are_told_in_seconds(job):
    leave_results(job)
    result.same_settings(job.output, job)
    count = 2000
    before = time.process_time()
    for _ in range(count):
        assert result.same_settings(job.output, job)
    assert (time.process_time() - before) / count < 1e-3


def test_figures(job, monkeypatch):
    assert result.figures(job.output) == {}
    leave_results(job)
    monkeypatch.setenv("HOME", os.path.dirname(job.output))
    assert result.figures("~/out") == result.figures(job.output)
    found = result.figures(job.output)
    assert found == {"psnr": 30.5, "faces": 10, "training_seconds": 9.5}
    assert {name: type(value) for name, value in found.items()} == {
        "psnr": float, "faces": int, "training_seconds": float,
    }  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*result.FIGURES, "seconds"]), json_values), json_values)
def test_figures_are_numbers_whatever_a_file_says(metrics, seconds):
    for document in ({"metrics": metrics, "seconds": seconds}, {"metrics": seconds}):
        for name, value in result.figures_of(document).items():
            assert type(value) is result.FIGURES[name] and abs(value) < 1e15
