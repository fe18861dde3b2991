"""A scene as artists build it, written by the scene builder, cooked by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token

FFMPEG = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import os, sys
film, pattern = sys.argv[sys.argv.index("-i") + 1], sys.argv[-1]
for number in (1, 2):
    with open(pattern.replace("%04d", "%04d" % number), "w") as file:
        file.write(os.path.basename(film) + str(number))
"""

SCRIPT = """
names = [file.path.rsplit("/", 1)[-1] for file in work_item.inputFiles]
work_item.setStringAttrib("names", names)
work_item.setIntAttrib("frames", len(names))
"""


def node(name: str, kind: str, source: str, **parms: Any) -> NodeDescription:
    return NodeDescription(name, kind, parms, inputs=(source,) if source else ())


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Films become frames, frames are collected, renamed, packed and listed."""
    program = tmp_path / "ffmpeg of mine"
    program.write_text(FFMPEG.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "video").mkdir()
    for name in ("Camera 0001.mp4", "Camera 0002.mp4"):
        (tmp_path / "video" / name).write_text("film")
    nodes = (
        node("films", "filepattern", "", pattern="$HIP/video/*.mp4"),
        node("folder", "makedir", "films", dirname="$HIP/images/`@filename`",
             outputfiles=Token("0")),
        node("frames", "ffmpegextractimages", "folder", fps=12.0,
             outputfilepattern="$HIP/images/`@filename`/f.%04d.png",
             ffmpegbinary=Token("2"), customffmpegbinary="$HIP/ffmpeg of mine"),
        node("names", "pythonscript", "frames", pdg_cooktype=Token("1"), script=SCRIPT),
        node("list", "textoutput", "names", filepath="$HIP/lists/`@pdg_index`.json",
             filetag="file/json",
             text='{"film": "`@filename`", "frames": `@frames`, "first": "`@names`"}'),
        node("pack", "filecompress", "list", output_filename="$HIP/all.zip"),
        node("read", "jsoninput", "list", pdg_workitemgeneration=Token("0"), extractmult=1,
             query1="frames", attributename1="count"),
        node("copy", "filecopy", "read", filepath="$HIP/lists/`@pdg_index`.json",
             destfile="$HIP/copies/`@filename`-`@count`.json"),
    )  # fmt: skip
    topnet = NodeDescription("topnet1", "topnet", children=nodes, is_network=True)
    path = tmp_path / "everyday.hip"
    path.write_bytes(build(SceneDescription("everyday", (topnet,))))
    return path


def test_films_to_lists_and_archives(scene: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    libraries = Path(__file__).resolve().parents[2] / "python3.11libs"
    environment = {**os.environ, "PYTHONPATH": str(libraries)}
    command = [sys.executable, "-m", "nvdiffrec_tops", "cook", str(scene), "--all-ends"]
    options = ["--allow-scene-python", "--report", str(report)]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "--allow-scene-python" in refused.stderr
    assert not (tmp_path / "images").exists()
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    frame = tmp_path / "images/Camera 0002/f.0002.png"
    assert frame.read_text() == "Camera 0002.mp42"
    listed = json.loads((tmp_path / "lists/1.json").read_text())
    assert listed == {"film": "Camera 0002", "frames": 2, "first": "f.0001.png"}
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["0.json", "1.json"]
    items = [one for one in json.loads(report.read_text())["items"] if one["node"] == "read"]
    assert [one["attributes"]["count"] for one in items] == [[2], [2]]
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == [
        "Camera 0001-2.json",
        "Camera 0002-2.json",
    ]
