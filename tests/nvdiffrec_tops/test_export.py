"""``nvdiffrec-tops export``: what it hands to the exporter, and how an asset gets its name."""

from __future__ import annotations

import argparse
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_contract import exporting, layout
from nvdiffrec_tops import cli
from nvdiffrec_tops.job.engines import engine
from nvdiffrec_tops.job.jobfile import JobFile

ECHO = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ["PYTHONPATH"]]))
sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Python is a script")
@pytest.mark.parametrize("name", ["a result", "-rf", "$(touch x); 'y'", "ü"])
def test_every_value_reaches_the_exporter_as_it_is(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    # By a shell, since a script's first line cannot name a path with a space.
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$0.py" "$@"\n')
    (tmp_path / "python.py").write_text(ECHO)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.chdir(tmp_path)
    given = ["--out", f"./{name}.out", f"--name={name}", "--python", str(python), "--turntable=5"]
    code = cli.main(["export", *given, "--formats", "glb", "usd", "--", name])
    assert code == 3
    (module, found, *rest), path = json.loads(capfd.readouterr().out)
    assert (module, found) == ("-m", exporting.MODULE)
    parser = argparse.ArgumentParser()
    exporting.add_arguments(parser)
    asked = parser.parse_args(rest)
    assert asked.result == tmp_path / name and asked.out == tmp_path / f"{name}.out"
    assert asked.name == name and asked.formats == ["glb", "usd"] and asked.turntable == 5
    assert Path(path.split(":")[0], "diffrec").is_dir()


def test_a_python_that_is_none_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "no python")
    assert cli.main(["export", str(tmp_path), "--python", missing]) == 1
    told = capsys.readouterr().err
    assert missing in told and "--python" in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("section", "expected"),
    [({}, "bob"), (None, "bob"), ({"asset_name": "hero"}, "hero"), ({"seed": 1}, "bob")],
)
def test_an_asset_is_named_after_the_jobs_folder(
    section: dict[str, Any] | None, expected: str, tmp_path: Path
) -> None:
    job = JobFile(engine="diffrec", output=str(tmp_path / "bob") + "/", config={})
    config: dict[str, Any] = {} if section is None else {"diffrec": section}
    assert engine("diffrec").check(job, config, str(tmp_path)) == []
    assert config["diffrec"] == {**(section or {}), "asset_name": expected}


def test_whole_usd_files_are_found_by_their_tag() -> None:
    assert {layout.tag(f"asset/bob{end}") for end in (".usd", ".usdz")} == {"file/geo/usd"}
    layers = [*layout.ASSET_LAYERS, f"bob{layout.ASSET_LIGHT}"]
    assert {layout.tag(f"asset/{name}") for name in layers} == {"file/usdlayer"}
