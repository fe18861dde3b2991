"""Forks of nvdiffrec, with readers and fields of their own, and nvdiffrecmc's configurations."""

from __future__ import annotations

import pytest

from nvdiffrec_contract.configuration import hint
from nvdiffrec_tops.doctor import examine
from nvdiffrec_tops.job import trainer
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile


def prepared(studio, config, script=None):
    made = JobFile(
        "nvdiffrec", str(studio.output), config, working_dir=str(studio.checkout), script=script
    )
    return trainer.prepare(made)


@pytest.fixture
def scan(studio):
    folder = studio.checkout / "data/scan"
    (folder / "train").mkdir(parents=True)
    (folder / "train/0001.png").touch()
    return folder


def test_pictures_without_cameras_are_refused_in_a_plain_checkout(studio, scan):
    for name in ("dataset.py", "dataset_llff.py", "dataset_mesh.py", "dataset_nerf.py"):
        (studio.checkout / "dataset").mkdir(exist_ok=True)
        (studio.checkout / "dataset" / name).touch()
    with pytest.raises(JobError, match="nothing says where the cameras were"):
        prepared(studio, {"ref_mesh": str(scan)})


@pytest.mark.parametrize("mark", ["field", "reader", "script", "data"])
def test_a_fork_reads_what_it_can(studio, scan, mark):
    config, script = {"ref_mesh": str(scan)}, None
    if mark == "field":
        config["use_bb"] = False
    elif mark == "reader":
        (studio.checkout / "dataset").mkdir()
        (studio.checkout / "dataset/dataset_scan.py").touch()
    elif mark == "script":
        (studio.checkout / "train_scan.py").touch()
        script = "train_scan.py"
    else:
        (scan / "images.txt").write_text("# Image list\n")
    notes = prepared(studio, config, script).notes
    assert [note for note in notes if note.startswith("warning: ") and "a fork may read" in note]


def test_the_doctor_judges_as_the_job_does(studio, scan, tmp_path):
    (tmp_path / "scan.json").write_text(f'{{"ref_mesh": "{scan}"}}')
    (scan / "images.txt").touch()

    def said():
        found = examine(
            environment=str(studio.environment), working_dir=str(studio.checkout), quick=True,
            config=str(tmp_path / "scan.json"), engine="nvdiffrec",
        )  # fmt: skip
        return [one for one in found if one.check == "data_present"]

    assert [one.severity for one in said()] == ["warning"] and "images.txt" in said()[0].cure
    (scan / "images.txt").unlink()
    assert [one.severity for one in said()] == ["error"]


def test_fields_of_nvdiffrecmc_are_called_so(studio):
    config = {
        "ref_mesh": "data/bob/bob_tri.obj", "envlight": "sky.hdr", "n_samples": 8,
        "denoiser": "bilateral", "lambda_chroma": 0.025, "transparency": True,
    }  # fmt: skip
    notes = "\n".join(prepared(studio, config).notes)
    assert notes.count("nvdiffrecmc") == 5 and "did you mean" not in notes
    assert 'it is "envmap" here' in hint("envlight")
    assert "without a counterpart" in hint("n_samples")
    assert hint("itre") == 'did you mean "iter"?'
