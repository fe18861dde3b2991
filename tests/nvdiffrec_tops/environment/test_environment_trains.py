"""`env create` to a trained sample: the shipped file for diffrec, from a channel on this disk.

The channel stands in for conda-forge (it holds Python and pip); what pip installs comes from the
package index, PyTorch among it, so the test runs only when it is asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.environment import describe
from nvdiffrec_tops.environment.specification import shipped

ASKED = "TOPS_TEST_WHOLE_ENVIRONMENT"

pytestmark = pytest.mark.skipif(
    not os.environ.get(ASKED), reason=f"downloads PyTorch; set {ASKED}=1 to run it"
)
SMALL = {
    "iter": 20,
    "train_res": [48, 48],
    "texture_res": [64, 64],
    "dmtet_grid": 16,
    "batch": 2,
    "diffrec.validation_views": 2,
}


def test_the_environment_of_diffrec_trains_the_sample(
    channel: Path, cache: Path, tmp_path: Path, root: Path
) -> None:
    file = tmp_path / "env.yml"
    text = Path(shipped("diffrec")).read_text(encoding="utf-8")
    assert "- conda-forge" in text and "python=3.11" in text
    python = f"python={sys.version_info[0]}.{sys.version_info[1]}"
    text = text.replace("- conda-forge", f"- {channel.as_uri()}").replace("python=3.11", python)
    file.write_text(text, encoding="utf-8")
    prefix = tmp_path / "an environment"
    program = [sys.executable, "-m", "nvdiffrec_tops", "env", "create"]
    subprocess.run(
        [*program, "--from", file, "--prefix", prefix, "--cache", cache], check=True, cwd=tmp_path
    )
    made = describe(prefix)
    assert made.kind == "conda"
    subprocess.run([sys.executable, "-m", "diffrec.sample", tmp_path / "sample"], check=True)
    job = root / "python3.11libs" / "nvdiffrec_tops" / "job" / "__main__.py"
    argv = [made.python, "-I", "-X", "utf8", job, "--engine=diffrec", "--config=sample.json"]
    argv += [f"--working-dir={tmp_path / 'sample'}", f"--output={tmp_path / 'out'}"]
    argv += [f"--set={name}={json.dumps(value)}" for name, value in SMALL.items()]
    subprocess.run([str(one) for one in argv], check=True, cwd=tmp_path)
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "done" and result["metrics"]["psnr"] > 8
    assert result["environment"]["python"].startswith(str(prefix))
