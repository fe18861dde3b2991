"""A panorama that cannot be read, through a whole cook: a sentence, a result file, an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.cli import main

CUT = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n" + bytes(100)


def test_a_work_item_says_what_is_wrong_with_its_light(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "sky.hdr").write_bytes(CUT)
    (tmp_path / "vase.json").write_text('{"ref_mesh": "mesh.obj", "envmap": "sky.hdr"}')
    settings = {
        "working_dir": tmp_path,
        "miniconda_env": sys.prefix,
        "config_name": "vase.json",
        "output_dir": tmp_path / "out",
    }
    words = [f"--set=attributes.{name}={value}" for name, value in settings.items()]
    code = main(["cook", str(root / "hip/TOPs_nvdiffrec_Static.hip"), *words])
    said = capsys.readouterr()
    assert code == 1, said
    assert "Traceback" not in said.out + said.err

    document = json.loads((tmp_path / "out/result.json").read_text())
    cause, cure = document["failure"]["cause"], document["failure"]["cure"]
    assert document["status"] == "failed"
    assert str(tmp_path / "sky.hdr") in cause and "cut off" in cause
    [told] = [line for line in said.out.splitlines() if cause in line]
    assert told.endswith(f"{cause}. Cure: {cure} (exit code {document['failure']['exit_code']})")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"job.log", "result.json"}
