"""Trainer, job and doctor find the same file under a relative path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_contract.configuration import load_config
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.job import trainer
from nvdiffrec_tops.job.commandline import parse
from nvdiffrec_tops.job.failures import JobError

NAMES = ("data/mesh.obj", "mesh.obj", "../mesh.obj", "./a b/bühne.obj", "~/mesh.obj")


def trained(config: Path) -> str | None:
    """What the trainer reads, started in the current folder."""
    found = load_config(config).ref_mesh
    assert found is not None
    found = os.path.abspath(os.path.expanduser(found))
    return found if os.path.exists(found) else None


def of_job(config: Path, *words: str) -> str | None:
    job, _force = parse(["--engine=diffrec", f"--config={config}", "--output=out", *words])
    try:
        return trainer.prepare(job).inputs["ref_mesh"]
    except JobError as error:
        assert "does not exist" in error.failure.cause
        return None


def of_doctor(config: Path, working_dir: Path | None = None) -> str | None:
    folder = None if working_dir is None else str(working_dir)
    return Context(None, folder, str(config)).resolved("ref_mesh")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    places=st.sets(st.sampled_from(("current", "beside", "home"))),
    beside=st.sampled_from(("current", "current/configs", "elsewhere/configs")),
)
def test_one_rule(tmp_path_factory, monkeypatch, name, places, beside):
    root = tmp_path_factory.mktemp("paths")
    current, home = root / "current", root / "home"
    config = root / beside / "scene.json"
    for folder in (current, home, config.parent):
        folder.mkdir(parents=True, exist_ok=True)
    folders = {"current": current, "beside": config.parent, "home": home}
    for place in places:
        mesh = folders[place] / name.removeprefix("~/")
        mesh.parent.mkdir(parents=True, exist_ok=True)
        mesh.write_text("v 0 0 0\n")
    config.write_text(json.dumps({"ref_mesh": name}))
    with monkeypatch.context() as patch:
        patch.chdir(current)
        patch.setenv("HOME", str(home))
        patch.setenv("USERPROFILE", str(home))
        in_order = [current, config.parent]
        expected = next(
            (
                str(path)
                for folder in in_order
                for path in [Path(os.path.abspath(folder / os.path.expanduser(name)))]
                if path.exists()
            ),
            None,
        )
        assert trained(config) == expected
        assert of_job(config) == of_doctor(config) == expected
        # A working folder that is named stands for the current one.
        patch.chdir(root)
        assert of_job(config, f"--working-dir={current}") == expected
        assert of_doctor(config, current) == expected


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 5000])
def test_what_can_be_no_path_is_told(tmp_path, monkeypatch, text):
    config = tmp_path / "scene.json"
    config.write_text(json.dumps({"ref_mesh": text}))
    monkeypatch.chdir(tmp_path)
    assert of_doctor(config) is None
    job, _force = parse(["--engine=diffrec", f"--config={config}", "--output=out"])
    with pytest.raises(JobError):
        trainer.prepare(job)
