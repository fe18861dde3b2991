"""Every job starts some eight processes: none imports what it does not use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARIES = Path(__file__).resolve().parents[3] / "python3.11libs"
JOB = "nvdiffrec_tops/job"
OURS = "nvdiffrec_tops.job"
ENGINE = f"{JOB}/engines/nvdiffrec"
RUN = """
import runpy, sys
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except SystemExit:
    pass
print("\\n" + "\\n".join(sys.modules))
"""
EXAMINED = json.dumps({"environment": "/nothing", "engine": "nvdiffrec"})


@pytest.mark.parametrize(
    ("script", "words", "said", "unused"),
    [
        (f"{JOB}/__main__.py", ["--help"], "", {f"{OURS}.farm", f"{OURS}.preparing"}),
        (f"{JOB}/process/guard.py", ["true"], None, {"subprocess"}),
        (f"{ENGINE}/launcher.py", ["--list-shims"], "", {f"{OURS}.failures", f"{OURS}.engines"}),
        ("diffrec/data/__main__.py", ["none"], "", {"nvdiffrec_contract.configuration"}),
        (
            "nvdiffrec_tops/doctor/preflight.py",
            [],
            EXAMINED,
            {f"{OURS}.engines.nvdiffrec.shims", "statistics"},
        ),
    ],
)
def test_a_process_of_a_job_does_without(script, words, said, unused):
    if script.endswith("guard.py") and os.name != "posix":
        pytest.skip("the guard is for POSIX systems")
    with subprocess.Popen(
        [sys.executable, "-I", "-c", RUN, str(LIBRARIES / script), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        if said is not None:  # the guard ends everything when its input is closed
            running.stdin.write(said)
            running.stdin.close()
        loaded = set(running.stdout.read().split("\n"))
    assert running.returncode == 0
    assert "runpy" in loaded and not unused & loaded
