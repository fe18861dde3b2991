"""What `import diffrec` offers to other programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import diffrec
from diffrec import Progress, train
from diffrec.measure.metrics import read_metrics
from nvdiffrec_contract import layout
from nvdiffrec_contract.errors import ConfigError, UserError


@pytest.fixture
def configuration(sample: Path) -> dict[str, Any]:
    return {
        "ref_mesh": str(sample / "sample.obj"),
        "envmap": str(sample / "sky.hdr"),
        "iter": 10,
        "batch": 1,
        "save_interval": 0,
        "train_res": [32, 32],
        "texture_res": [32, 32],
        "dmtet_grid": 8,
        "diffrec": {
            "light_res": 16,
            "validation_views": 1,
            "hashgrid_size_log2": 8,
            "start": "hull",
            "checkpoint_interval": 0,
        },
    }


def test_a_training_tells_how_far_it_is_and_where_its_results_are(
    configuration: dict[str, Any], tmp_path: Path, read_once: None
) -> None:
    told: list[Progress] = []
    log: list[str] = []
    result = train(
        configuration,
        folder=tmp_path / "made",
        device="cpu",
        on_progress=told.append,
        log=log.append,
    )
    assert [(one.pass_number, one.iteration) for one in told] == [(1, 0), (1, 10), (2, 0), (2, 10)]
    assert {one.iterations for one in told} == {10}
    lines = [line for line in log if line.startswith("iter=")]
    for one, line in zip(told, lines, strict=True):
        assert f"img_loss={one.image_loss:.6f}" in line
    assert result.folder == tmp_path / "made"
    assert result.mesh.read_text().count("\nf ") > 0
    assert all((result.folder / name).is_file() for name in layout.REQUIRED)
    _views, (_mse, psnr) = read_metrics(result.folder / "validate" / "metrics.txt")
    assert result.psnr == pytest.approx(psnr, abs=1e-3)


def test_a_configuration_file_with_the_callers_device_and_seed(
    configuration: dict[str, Any], tmp_path: Path, read_once: None
) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**configuration, "iter": 1}))

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Enough(str(progress.iterations))

    with pytest.raises(Enough, match=r"^1$"):
        train(path, folder=tmp_path / "made", device="cpu", seed=3, on_progress=stop)


@pytest.mark.parametrize(
    "wrong", [{"itr": 3}, {"diffrec": {"devise": "cpu"}}, {"diffrec": 3}, {"iter": "many"}]
)
def test_a_wrong_configuration_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"configuration: .*(itr|devise|diffrec|iter)"):
        train(wrong)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json"):
        train(tmp_path / "none.json")


def test_importing_loads_no_pytorch_and_every_name_is_described() -> None:
    code = "import sys, diffrec; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in diffrec.__all__:
        assert getattr(diffrec, name).__doc__
