"""Photographs on the farm: the capture and the training behind it are sent together."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any


def test_a_training_is_sent_before_its_data_set_is_there(
    standin: Any, run: Any, root: Path, tmp_path: Path
) -> None:
    """It waits for the capture on the farm, although nothing is known of its configuration."""
    farm = standin(0)
    scene = tmp_path / "photographs.hip"
    shutil.copy(root / "hip" / "TOPs_nvdiffrec_Photographs.hip", scene)
    photographs = tmp_path / "shoot"
    photographs.mkdir()
    settings = {
        "photographs": photographs,
        "dataset_dir": tmp_path / "set",
        "miniconda_env": sys.prefix,
    }
    given = [f"capture.{name}={path}" for name, path in settings.items()]
    words = [word for one in given for word in ("--set", one)]
    asked = ["submit", str(scene), "--server", farm.address, "--share", "/", "--json", *words]
    code, out, error = run(*asked)
    assert code == 0, error
    sent = json.loads(out)
    assert len(sent["jobs"]) == 2
    folder = Path(sent["folder"])
    files = {path.name.partition("_")[0]: path for path in folder.rglob("*.farm.json")}
    commands = {name: json.loads(path.read_text())["command"] for name, path in files.items()}
    assert set(commands) == {"capture", "train"}
    assert "--prepare" in commands["capture"] and str(photographs) in commands["capture"]
    assert f"--config={tmp_path}/set/train.json" in commands["train"]
    assert not (tmp_path / "set").exists()

    shutil.rmtree(photographs)
    code, _out, error = run(*asked)
    assert code != 0 and f"{photographs} does not exist" in error
