"""FFmpeg Extract Images, with a program in ffmpeg's place that writes what it was given."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topcook import pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.network.opening import open_network
from topcook.schedulers.local import LocalScheduler

from .conftest import TopNode, write_scene

FAKE = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import json, os, sys
json.dump(sys.argv[1:], open({words!r}, "w"))
if os.environ.get("FAKE_FAILS"):
    sys.exit("no such codec")
for number in range(1, 4):
    open(sys.argv[-1].replace("%04d", "%04d" % number), "w").write(sys.argv[0])
"""


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin/ffmpeg"
    path.write_text(FAKE.format(python=sys.executable, words=str(tmp_path / "words.json")))
    path.chmod(0o755)
    return path


def cook(hip: Path) -> CookResult:
    network = open_network(hip)
    scheduler = LocalScheduler(network.scheduler, jobs=1, grace=1.0)
    return Cook(network.context, scheduler, Watcher()).run()


def only(cooked: CookResult, node: str = "frames") -> pdg.WorkItem:
    (item,) = (one for one in cooked.graph.workItems() if one.node.name == node)
    return item


def frames(*inputs: str, **parms: Any) -> TopNode:
    base = {
        "inputsource": "1",
        "inputfilepath": "$HIP/film.mp4",
        "outputfilepattern": "$HIP/out/f.%04d.png",
    }
    return TopNode("frames", "ffmpegextractimages", {**base, **parms}, inputs)


def test_frames_are_written_and_reported(scene, ffmpeg, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/f.0009.png").write_text("of an earlier cook")
    custom = {"ffmpegbinary": "2", "customffmpegbinary": str(ffmpeg)}
    hip = scene(frames(**custom, enablesize="on", width=64, height=32, fps=12.5))
    item = only(cook(hip))
    assert item.isSuccessful, item.logPath and item.logPath.read_text()
    out = [str(tmp_path / f"out/f.000{number}.png") for number in (1, 2, 3)]
    assert [file.path for file in item.outputFiles] == out
    assert {file.tag for file in item.outputFiles} == {"file/image"}
    words = json.loads((tmp_path / "words.json").read_text())
    film, pattern = str(tmp_path / "film.mp4"), str(tmp_path / "out/f.%04d.png")
    assert words == ["-nostdin", "-y", "-i", film, "-vf", "fps=12.5,scale=64:32", pattern]


def test_the_attributes_are_those_of_a_record(scene, ffmpeg, monkeypatch) -> None:
    """Names, types and flags as in a scene saved by Houdini 20.5."""
    monkeypatch.setenv("PATH", str(ffmpeg.parent), prepend=os.pathsep)
    item = only(cook(scene(frames(ffmpegbinary="0", outputfiletag="file/image"))))
    found = {one.name: (int(one.type), int(one.flags)) for one in item.allAttribs()}
    assert found.pop("__pdg_commandstring") == (2, 9)
    assert found == {
        "enablesize": (0, 1),
        "ffmpegcommand": (2, 1),
        "fps": (1, 0),
        "inputfilepath": (3, 1),
        "inputfiletag": (2, 1),
        "inputsource": (0, 1),
        "operation": (2, 1),
        "outputfilepattern": (2, 1),
        "outputfiles": (3, 1),
        "outputfiletag": (2, 1),
    }
    folder = ffmpeg.parents[1]
    assert item.attribArray("ffmpegcommand") == [
        f'"ffmpeg" -i "{folder}/film.mp4" -vf fps=24.0 "{folder}/out/f.%04d.png"'
    ]


def test_a_missing_ffmpeg_is_a_sentence(scene, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HFS", raising=False)
    for parms in ({}, {"ffmpegbinary": "2", "customffmpegbinary": "$HIP/none"}):
        item = only(cook(scene(frames(**parms))))
        assert item.isUnsuccessful and item.logPath is not None
        said = item.logPath.read_text()
        assert "Install ffmpeg, or name it on the node" in said and "Traceback" not in said
    with pytest.raises(pdg.CookError, match="PDG_FFMPEG is not set"):
        cook(scene(frames(ffmpegbinary="1")))


def test_the_variable_and_houdinis_own(scene, ffmpeg, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PDG_FFMPEG", str(ffmpeg))
    assert only(cook(scene(frames(ffmpegbinary="1")))).isSuccessful
    ffmpeg.rename(ffmpeg.with_name("hffmpeg"))
    monkeypatch.setenv("HFS", str(tmp_path))
    assert only(cook(scene(frames()))).isSuccessful


def test_a_failing_ffmpeg_fails_the_item(scene, ffmpeg, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_FAILS", "1")
    item = only(cook(scene(frames(ffmpegbinary="2", customffmpegbinary=str(ffmpeg)))))
    assert item.isUnsuccessful and item.logPath is not None
    assert "no such codec" in item.logPath.read_text() and not item.outputFiles


def test_a_command_of_the_artists_own_sees_no_shell(scene, ffmpeg, tmp_path) -> None:
    command = f'"{ffmpeg}" -x "a b; touch {tmp_path}/evil" $HOME "$HIP/out/f.%04d.png"'
    item = only(cook(scene(frames(enablecustomcommand="on", ffmpegcommand=command))))
    assert item.isSuccessful, item.logPath and item.logPath.read_text()
    words = json.loads((tmp_path / "words.json").read_text())
    assert words[:2] == ["-x", f"a b; touch {tmp_path}/evil"]
    assert not (tmp_path / "evil").exists()


def test_a_film_from_upstream(scene, top, python, ffmpeg, tmp_path) -> None:
    """The film comes from a job: it is known only when the item's turn has come."""
    film = tmp_path / "film 1.mp4"
    line = f"open('{film}', 'w'); import os; print('PDG_RESULT: ' + os.environ['PDG_ITEM_ID']"
    code = f"{line} + ';-1;{film};file/video;0')"
    render = top("render", "genericgenerator", {"pdg_command": python(code)})
    custom = {"ffmpegbinary": "2", "customffmpegbinary": str(ffmpeg)}
    assert only(cook(scene(render, frames("render", inputsource="0", **custom)))).isSuccessful
    assert json.loads((tmp_path / "words.json").read_text())[3] == str(film)
    wrong = cook(scene(render, frames("render", inputsource="0", inputfiletag="file/x", **custom)))
    assert "no file with the tag 'file/x' comes in" in only(wrong).failure


def test_services_and_obsolete_parameters_are_refused(scene) -> None:
    with pytest.raises(pdg.CookError, match="'pdg_cooktype': services exist only inside Houdini"):
        open_network(scene(frames(pdg_cooktype="3")))
    with pytest.raises(pdg.CookError, match="'inputvideo' is set to 'x'"):
        open_network(scene(frames(inputvideo="x")))


SIGNS = [*"ab '\"$`@;&|*?[]{}()~#!-=\t", "é", "日", "..", "$HOME", "__PDG_DIR__x", "concat:"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.lists(st.sampled_from(SIGNS), min_size=1, max_size=8).map("".join))
def test_any_name_reaches_ffmpeg_as_one_word(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("film")
    (folder / "bin").mkdir()
    program = folder / "bin/ffmpeg"
    program.write_text(FAKE.format(python=sys.executable, words=str(folder / "words.json")))
    program.chmod(0o755)
    literal = name.replace("$", "\\$").replace("`", "\\`").replace("__PDG_DIR__", "_")
    node = frames(
        inputfilepath=f"$HIP/{literal}.mp4",
        outputfilepattern=f"$HIP/{literal} out/%04d.png",
        ffmpegbinary="2",
        customffmpegbinary="$HIP/bin/ffmpeg",
    )
    scheduler = {"tempdirmenu": "2", "tempdircustom": str(folder / "temp")}
    item = only(cook(write_scene(folder / "s.hip", [node], scheduler)))
    assert item.isSuccessful, item.logPath and item.logPath.read_text()
    plain = name.replace("__PDG_DIR__", "_")
    words = json.loads((folder / "words.json").read_text())
    assert words[3] == os.path.abspath(f"{folder}/{plain}.mp4")
    assert words[-1] == f"{folder}/{plain} out/%04d.png" and len(words) == 7
    assert len(item.outputFiles) == 3
