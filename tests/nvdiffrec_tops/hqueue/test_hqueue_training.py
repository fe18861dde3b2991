"""The shipped HQueue scene: three real trainings on two machines, one graphics card each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main

SETTINGS = {
    "iter": "3",
    "train_res": "[32, 32]",
    "dmtet_grid": "12",
    "texture_res": "[64, 64]",
    "diffrec.light_res": "16",
    "diffrec.validation_views": "2",
    "diffrec.hashgrid_size_log2": "10",
    "diffrec.asset": "[]",
}
NVIDIA_SMI = "#!/bin/sh\nprintf '0\\n1\\n'\n"


@pytest.fixture
def project(
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_small_sample: Callable[[Path], None],
) -> Path:
    """A shared folder with the scene and three small configurations."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_small_sample(tmp_path / "sample")
    for name in ("a", "b", "c"):
        document = {"ref_mesh": "sample.obj", "envmap": "sky.hdr", "validate": True}
        (tmp_path / f"sample/sample_{name}.json").write_text(json.dumps(document))
    (tmp_path / "hip").mkdir()
    shutil.copy(root / "hip/TOPs_nvdiffrec_HQueue.hip", tmp_path / "hip")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").write_text(NVIDIA_SMI)
    (tmp_path / "bin/nvidia-smi").chmod(0o755)
    return tmp_path


def words(project: Path, pattern: str, out: str, settings: dict[str, str] = SETTINGS) -> list[str]:
    """The scene, with the small settings."""
    found = [
        str(project / "hip/TOPs_nvdiffrec_HQueue.hip"),
        f"--set=attributes.overrides={len(settings)}",
    ]
    for number, (name, value) in enumerate(settings.items(), 1):
        found.append(f"--set=attributes.overridename{number}={name}")
        found.append(f"--set=attributes.overridevalue{number}={value}")
    return [
        *found,
        f"--set=attributes.miniconda_env={sys.prefix}",
        f"--set=attributes.working_dir={project}/sample",
        f"--set=attributes.config_name={pattern}",
        f"--set=attributes.output_dir={project}/{out}",
        "--set=attributes.output_layout=1",
    ]


def files(folder: Path) -> set[str]:
    """The visible files below a folder."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def test_three_scenes_on_two_machines(
    standin: Any, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = standin(
        2,
        folders={"linux": "/"},
        environment={
            "PATH": f"{project}/bin:{os.environ['PATH']}",
            "TMPDIR": str(project),
            "OMP_NUM_THREADS": "1",
        },
    )
    summary = ["--summary", str(project / "page")]
    scene = words(project, "sample_*.json", "out")
    code = main(["submit", "--server", farm.address, "--follow", "--json", *summary, *scene])
    said = capsys.readouterr()
    assert code == 0, said.err
    report = json.loads(said.out)
    trained = [item for item in report["items"] if item["node"] == "train"]
    assert [item["stateName"] for item in trained] == ["CookedSuccess"] * 3
    assert all(item["attributes"]["psnr"][0] > 5 for item in trained)
    assert all(item["attributes"]["machine"][0] for item in trained)
    assert {run for job in farm.jobs.values() for run in job.runs} == {"client1", "client2"}

    spans = []
    for name in ("a", "b", "c"):
        folder = project / f"out/sample_{name}"
        log = (folder / "job.log").read_text()
        [card] = [line for line in log.splitlines() if "is claimed for this job" in line]
        # The trainer's own pictures: a job's start and end also hold what it does without a card.
        written = [picture.stat().st_mtime for picture in folder.glob("img_*.png")]
        assert min(written) < max(written)
        spans.append((min(written), max(written), card))
    for one in spans:
        for other in spans:
            overlap = one is not other and one[0] < other[1] and other[0] < one[1]
            assert not overlap or one[2] != other[2], "two trainings on one card"

    page = (project / "page/index.html").read_text()
    assert all(f"sample_{name}" in page for name in ("a", "b", "c"))

    local = words(project, "sample_a.json", "local")
    assert main(["cook", "--local", *local]) == 0
    capsys.readouterr()
    assert files(project / "out/sample_a") == files(project / "local/sample_a")


def test_a_lost_machines_training_goes_on_from_its_checkpoint(
    standin: Any, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = standin(2, folders={"linux": "/"}, environment={"PATH": os.environ["PATH"]})
    more = {"iter": "20", "diffrec.checkpoint_interval": "5", "diffrec.checkpoint_seconds": "0"}
    scene = words(project, "sample_a.json", "out", {**SETTINGS, **more})
    lost: list[str] = []

    def lose() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not lost:
            if [*(project / "out").glob("sample_a/.run-*/**/checkpoint.pt")]:
                lost.append(farm.jobs[1].runs[-1])
                farm.kill_client(lost[0])
            time.sleep(0.05)

    thread = threading.Thread(target=lose)
    thread.start()
    code = main(["submit", "--server", farm.address, "--follow", "--json", *scene])
    thread.join()
    said = capsys.readouterr()
    assert lost and code == 0, said.err
    [log] = project.glob("hip/pdgtemp/farm/*/logs/train*.log")
    text = log.read_text()
    assert "Job: attempt 2" in text and "Resuming from iteration" in text
    assert len(set(farm.jobs[1].runs)) == 2
