"""Whole jobs on trainers that only look like the real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nvdiffrec_contract import failureline
from nvdiffrec_tops.job import commandline

NAMES = {"mesh.obj", "mesh.mtl", "texture_kd.png", "texture_ks.png", "texture_n.png", "probe.hdr"}
PRODUCED = {f"{folder}/{name}" for folder in ("mesh", "dmtet_mesh") for name in NAMES} | {
    *("img_mesh_pass_000000.png", "metrics.csv")
}


@pytest.mark.parametrize("engine", ["nvdiffrec", "diffrec"])
def test_results_stand_in_the_output_folder_and_are_described(site, engine):
    done = site.run(*site.arguments(engine), PDG_ITEM_ID="41")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    files = site.files()
    assert set(files) == PRODUCED | {"result.json"}
    document = json.loads(files["result.json"])
    assert document["status"] == "done"
    assert document["metrics"] == {
        "psnr": 30.5, "psnr_pass1": 27.125, "mse": 0.001, "faces": 10, "vertices": 5,
        "image_loss": 0.1, "iterations": 20,
    }  # fmt: skip
    assert {entry["path"] for entry in document["outputs"]} == PRODUCED
    tags = {entry["path"]: entry["tag"] for entry in document["outputs"]}
    assert tags["mesh/mesh.obj"] == "file/geo/obj"
    assert tags["mesh/probe.hdr"] == "file/image/hdr" and tags["metrics.csv"] == "file/csv"
    rows = [line.split(",") for line in files["metrics.csv"].splitlines()[1:]]
    assert [row[0] for row in rows] == ["0", "10", "20", "21", "31", "41"]
    assert [row[6] for row in rows] == ["nan", "nan", "27.125", "nan", "nan", "30.500"]
    assert (site.output / "training.csv").read_text() == files["metrics.csv"]
    assert document["versions"]["python"]
    assert document["failure"] is None

    lines = done.stdout.splitlines()
    assert lines[-1].startswith("Job: done in ")
    assert lines[-1].endswith(f" s, PSNR 30.5 dB, outputs in {site.output}")
    percents = [int(line[13:-1]) for line in lines if line.startswith("ALF_PROGRESS ")]
    assert percents == sorted(set(percents)) and percents[-1] == 100
    reported = [line.split(";") for line in lines if line.startswith("PDG_RESULT: 41;-1;")]
    assert {Path(parts[2]).relative_to(site.output).as_posix() for parts in reported} == (
        PRODUCED | {"result.json"}
    )
    assert all(len(parts) == 5 and parts[4] == "0" for parts in reported)


def test_the_trainer_runs_in_a_private_folder_with_a_whole_configuration(site):
    record = site.folder / "record.json"
    done = site.run(
        *site.arguments(FAKE_RECORD=str(record)), "--set", "iter=10", "--set", "background=white",
        PYTHONHOME="/opt/hfs/python", QT_PLUGIN_PATH="/opt/hfs/qt", CUDA_HOME="/usr/local/cuda",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(record.read_text())
    assert seen["data"] is True
    assert Path(seen["cwd"]).parent == site.output
    assert not Path(seen["cwd"]).exists()
    assert seen["config"] == {
        "ref_mesh": str(site.checkout / "data/mesh.obj"),
        "iter": 10,
        "background": "white",
        "out_dir": seen["config"]["out_dir"],
    }
    assert seen["config"]["out_dir"] != "scene"
    assert seen["argv"][1:] == ["--config", os.path.join(seen["cwd"], "config.json")]
    assert "PYTHONHOME" not in seen["environment"]
    assert "QT_PLUGIN_PATH" not in seen["environment"]
    assert seen["environment"]["CUDA_HOME"] == "/usr/local/cuda"
    assert (site.checkout / "data/mesh.obj").exists()
    assert "taken out of the environment: " in (site.output / "job.log").read_text()


def test_diffrec_gets_device_and_seed(site):
    record = site.folder / "record.json"
    words = site.arguments("diffrec", FAKE_RECORD=str(record))
    done = site.run(*words, "--device", "cpu", "--seed", "7", "--set", "diffrec.light_res=64")
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(record.read_text())
    assert seen["argv"][3:] == ["--device", "cpu", "--seed", "7"]
    assert seen["config"]["diffrec"] == {"light_res": 64, "asset_name": "results"}


def test_the_toolkits_own_diffrec_is_used_where_none_is_installed(site, tmp_path):
    bare = tmp_path / "bare"
    (bare / "torch").mkdir(parents=True)
    (bare / "torch/__init__.py").write_text("raise ImportError('torch is a stand-in')")
    import venv

    venv.create(tmp_path / "environment", with_pip=False)
    done = site.run(
        *site.arguments("nvdiffrec")[2:], "--engine=diffrec", "--python",
        str(tmp_path / "environment"), f"--env=PYTHONPATH={bare}",
    )  # fmt: skip
    assert done.returncode != 0, done.stdout + done.stderr
    assert "Job: failed: " in done.stderr
    document = json.loads((site.output / "result.json").read_text())
    log = (site.output / "job.log").read_text()
    assert "torch is a stand-in" in log or document["failure"]["lines"]  # the real trainer ran
    assert document["environment"]["python"].startswith(str(tmp_path / "environment"))


def test_a_refused_job_leaves_no_folder(site):
    for words in (["--set", "iter=oops"], ["--set", "diffrec.bogus=1"], ["--set", "ref_mesh=no"]):
        done = site.run(*site.arguments("diffrec"), *words)
        assert done.returncode == 2 and "Cure: " in done.stderr
        assert not site.output.exists(), words


def test_a_second_cook_is_skipped_until_something_changes(site):
    count = site.folder / "count"
    words = [*site.arguments(FAKE_COUNT=str(count))]

    def runs() -> int:
        return count.stat().st_size

    assert site.run(*words).returncode == 0
    before = site.files()
    again = site.run(*words, PDG_ITEM_ID="3")
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == f"Job: up to date, outputs in {site.output}"
    assert sum(line.startswith("PDG_RESULT: 3;") for line in again.stdout.splitlines()) == (
        len(PRODUCED) + 1
    )
    assert runs() == 1 and site.files() == before

    assert site.run(*words, "--force").returncode == 0
    assert runs() == 2
    assert site.run(*words, "--set", "iter=10").returncode == 0
    assert runs() == 3
    assert site.run(*words).returncode == 0
    assert runs() == 4
    (site.checkout / "data/mesh.obj").write_text("v 1 0 0\n")
    assert site.run(*words).returncode == 0
    assert runs() == 5
    (site.output / "mesh/mesh.obj").unlink()
    assert site.run(*words).returncode == 0
    assert runs() == 6
    assert site.run(*words).returncode == 0
    assert runs() == 6


def test_what_the_job_did_not_make_is_kept(site):
    (site.output / "mesh").mkdir(parents=True)
    (site.output / "mesh/mesh.obj").write_text("the artist's own")
    (site.output / "notes.txt").write_text("mine")
    assert site.run(*site.arguments()).returncode == 0
    (site.output / "mesh/texture_kd.png").write_text("painted over")
    done = site.run(*site.arguments(FAKE_STAMP="second"), "--force")
    assert done.returncode == 0
    contents = list(site.files().values())
    assert "the artist's own" in contents and "mine" in contents and "painted over" in contents
    assert site.files()["mesh/mesh.obj"] == "mesh.obj second"
    assert "Job: note: mesh/texture_kd.png is not from an earlier job: kept as" in done.stdout


def test_files_that_the_new_run_does_not_make_are_removed(site):
    assert site.run(*site.arguments()).returncode == 0
    trainer = (site.checkout / "train.py").read_text()
    renamed = trainer.replace("img_mesh_pass_000000", "img_mesh_pass_000100")
    (site.checkout / "train.py").write_text(renamed)
    assert site.run(*site.arguments()).returncode == 0
    names = {name for name in site.files() if name.startswith("img_")}
    assert names == {"img_mesh_pass_000100.png"}


def test_a_failure_leaves_the_previous_results_and_says_why(site):
    assert site.run(*site.arguments()).returncode == 0
    before = site.files()
    text = "ModuleNotFoundError: No module named 'nvdiffrast'"
    done = site.run(*site.arguments(FAKE=f"say:{text}"), "--set", "iter=30")
    assert done.returncode == 3
    errors = done.stderr.splitlines()
    assert errors[0] == ("Job: failed: nvdiffrast is not installed in the training environment")
    assert errors[1].startswith("Cure: ") and "--no-build-isolation" in errors[1]
    after = site.files()
    document = json.loads(after.pop("result.json"))
    first = json.loads(before.pop("result.json"))
    assert after == before
    assert document["status"] == "failed"
    assert document["failure"]["id"] == "nvdiffrast-missing"
    assert document["previous"] == first
    # The configuration of the files in place is up to date, and says so again.
    assert "Job: up to date" in site.run(*site.arguments()).stdout
    assert json.loads(site.files()["result.json"]) == first


def _told(**fields):
    return json.dumps({"format": "tops-nvdiffrec-failure", "version": 1, **fields})


@pytest.mark.parametrize(
    "given",
    [
        {"id": "diverged", "cause": "the loss is NaN", "cure": "lower learning_rate",
         "field": "learning_rate", "exit_code": 1},
        {"id": "data", "cause": "104 cameras, 103 masks", "cure": "add the mask",
         "file": "/d/masks", "exit_code": 2},
        {"id": "new-kind", "cause": "Error: CUDA out of memory?", "cure": "", "exit_code": 4},
    ],
    ids=lambda given: given["id"],
)  # fmt: skip
def test_what_the_trainer_tells_is_what_the_job_reports(site, given):
    done = site.run(*site.arguments("diffrec", FAKE=f"tell:{_told(**given)}"), PDG_ITEM_ID="7")
    assert done.returncode == given["exit_code"]
    failure = json.loads((site.output / "result.json").read_text())["failure"]
    assert {name: failure[name] for name in given} == given
    assert done.stderr.splitlines() == [
        f"Job: failed: {given['cause']}", f"Cure: {given['cure']}"
    ]  # fmt: skip
    [told] = [failureline.read(line, 7) for line in done.stdout.splitlines() if "FAILURE" in line]
    assert told is not None
    assert {name: told.document()[name] for name in given} == given


def test_a_foreign_engine_is_not_asked_to_tell(site):
    record = site.folder / "record"
    words = site.arguments(FAKE_RECORD=str(record))
    assert site.run(*words).returncode == 0
    assert "NVDIFFREC_FAILURE_FILE" not in json.loads(record.read_text())["environment"]


@pytest.mark.parametrize("text", ["", "[1]", _told(id=3), _told(id="a", cause="b")])
def test_a_damaged_failure_file_is_passed_over(site, text):
    done = site.run(*site.arguments("diffrec", FAKE=f"tell:{text}"))
    assert done.returncode == 1
    assert json.loads((site.output / "result.json").read_text())["failure"]["id"] == "unknown"


def test_the_batch_is_halved_whatever_the_message_says(site):
    count = site.folder / "count"
    words = site.arguments("diffrec", FAKE="batches:2", FAKE_COUNT=str(count))
    done = site.run(*words, "--set=batch=8", "--on-out-of-memory=halve_batch")
    assert done.returncode == 0, done.stderr
    assert count.read_text() == "xxx"
    assert "starting again with batch 2 in place of 4" in done.stdout


def test_another_start_is_made_where_the_trainer_says_that_it_helps(site):
    count = site.folder / "count"
    told = _told(id="odd", cause="odd", cure="wait", retry=True)
    words = site.arguments("diffrec", FAKE=f"tell:{told}", FAKE_COUNT=str(count))
    assert site.run(*words, "--retries=2").returncode == 1
    assert count.read_text() == "xxx"


def test_what_an_earlier_start_told_does_not_explain_a_later_crash(site):
    trainer = (site.modules / "diffrec/__main__.py").read_text()
    told = _told(id="odd", cause="odd", cure="wait", retry=True)
    count = site.folder / "count"
    (site.modules / "diffrec/__main__.py").write_text(
        trainer.replace(
            'if mode == "tell":',
            'if mode == "tell" and os.path.getsize(os.environ["FAKE_COUNT"]) == 2:\n'
            "    os.kill(os.getpid(), 11)\n"
            'if mode == "tell":',
        )
    )
    done = site.run(*site.arguments("diffrec", FAKE=f"tell:{told}", FAKE_COUNT=str(count)))
    assert done.returncode == 1
    assert json.loads((site.output / "result.json").read_text())["failure"]["id"] == "crashed"


def test_an_unknown_failure_shows_the_last_lines(site):
    done = site.run(*site.arguments(FAKE="say:the sky fell"))
    assert done.returncode == 1
    assert "exit code 1; its last line: the sky fell" in done.stderr
    document = json.loads(site.files()["result.json"])
    assert document["failure"]["lines"][-1] == "the sky fell"
    assert str(site.output / "job.log") in done.stderr


def test_a_crash_is_told_by_its_signal(site):
    done = site.run(*site.arguments(FAKE="signal:11"))
    assert done.returncode == 1
    assert "crashed (signal 11)" in done.stderr


def test_retries_only_where_they_help(site):
    count = site.folder / "count"
    busy = "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"
    done = site.run(*site.arguments(FAKE=f"once:{busy}", FAKE_COUNT=str(count)))
    assert done.returncode == 0, done.stderr
    assert count.read_text() == "xx"
    assert "starting again (1 of 1)" in done.stdout
    count.write_text("")
    memory = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    words = site.arguments(FAKE=f"say:{memory}", FAKE_COUNT=str(count))
    assert site.run(*words, "--retries", "5", "--force").returncode == 1
    assert count.read_text() == "x"


def test_a_trainer_that_writes_nothing_has_failed(site):
    done = site.run(*site.arguments(FAKE="nothing"))
    assert done.returncode == 4
    assert "did not write mesh/mesh.obj" in done.stderr
    assert set(site.files()) == {"result.json"}


def test_the_time_limit_ends_the_training(site):
    done = site.run(*site.arguments(FAKE="hang"), "--timeout", "0.5")
    assert done.returncode == 124
    assert "limit of 0.5 s" in done.stderr
    assert set(site.files()) == {"result.json"}


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'it\'s "quoted"',
        "$(touch pwned) `id` $HOME",
        "new\nline",
        "grün 雪 é",
        "100% %PATH% ;&|",
    ],
)
def test_awkward_paths(make_site, name):
    site = make_site(name)
    done = site.run(*site.arguments())
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(site.files()) == PRODUCED | {"result.json"}
    assert not (site.folder / "pwned").exists()


def test_a_job_file_does_the_same(site):
    path = site.folder / "job.json"
    job = {
        "format": "tops-nvdiffrec-job", "version": 1, "engine": "nvdiffrec",
        "config": {"ref_mesh": "data/mesh.obj", "iter": 10}, "output": "results",
        "working_dir": "nvdiffrec checkout", "overrides": {"iter": 20},
    }  # fmt: skip
    path.write_text(json.dumps(job))
    done = site.run(str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(site.files()) == PRODUCED | {"result.json"}
    assert "--config cannot stand beside a job file" in site.run(str(path), "--config=x").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine=diffrec", "--config=none.json", "--output=o"], "configuration does not exist"),
        (["--engine=diffrec", "--output=o"], "--config is missing"),
        (["none.json"], "none.json cannot be read"),
        (
            ["--engine=nvdiffrec", "--config=none.json", "--output=o", "--working-dir=no"],
            "no folder",
        ),
    ],
)
def test_mistakes_are_explained_without_a_traceback(site, words, said):
    done = site.run(*words)
    assert done.returncode == 2
    assert said in done.stderr and "Cure: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"ref_mesh": "data/no.obj"}', '"ref_mesh" in the configuration names a file'),
        ('{"ref_mesh": "data/mesh.obj", "envmap": 5}', '"envmap" in the configuration must be'),
        ('{"iter": 5}', 'has no "ref_mesh"'),
        ('{"ref_mesh": "data/mesh.obj", "display": [{"relight": "x.hdr"}]}', "display[0].relight"),
        ("[]", "must be one JSON object"),
        ("{", "not JSON: "),
    ],
)
def test_mistakes_in_a_configuration_name_the_field(site, config, said):
    (site.checkout / "configs/scene.json").write_text(config)
    done = site.run(*site.arguments())
    assert done.returncode == 2
    assert said in done.stderr


def test_an_override_that_no_configuration_has_names_the_nearest(site):
    done = site.run(*site.arguments(), "--set", "itter=5")
    assert done.returncode == 2
    assert 'did you mean "iter"?' in done.stderr
    assert not site.output.exists()


def test_an_output_that_cannot_be_written(site):
    site.output.write_text("a file in the way")
    done = site.run(*site.arguments())
    assert done.returncode == 4
    assert "cannot be written" in done.stderr and "Cure: " in done.stderr


def test_a_reader_that_goes_away_does_not_end_the_training(site):
    import subprocess

    job = subprocess.Popen(
        site.command(*site.arguments()), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert job.stdout is not None and job.stderr is not None
    job.stdout.close()
    assert job.wait(60) == 0
    job.stderr.close()
    assert set(site.files()) == PRODUCED | {"result.json"}


def test_command_line_and_parse_agree(site, monkeypatch):
    monkeypatch.chdir(site.folder)
    job, force = commandline.parse([*site.arguments(), "--force", "--set", "iter=5"])
    assert force and job.overrides == {"iter": 5}
    assert job.output == str(site.output)
    assert job.config == str(site.checkout / "configs/scene.json")


def test_the_working_directorys_configuration_comes_before_one_beside_the_caller(site, monkeypatch):
    (site.folder / "configs").mkdir()
    (site.folder / "configs/scene.json").write_text("{}")
    monkeypatch.chdir(site.folder)
    job, _ = commandline.parse(site.arguments())
    assert job.config == str(site.checkout / "configs/scene.json")
