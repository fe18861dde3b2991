"""Attributes that try to add arguments: in every shipped scene each value stays one argument."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houfiles import load
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.job import commandline
from nvdiffrec_tops.scenes import stock
from nvdiffrec_tops.scenes.shipped import SCENES
from topcook.network.opening import open_network
from topcook.network.overrides import Override
from topcook.parameters.expressions import expand
from topcook.parameters.functions import Scope
from topcook.planning import generate_all

HOSTILE = [
    'a" --python "evil.sh',
    "a' --python 'evil.sh",
    "a\\",
    'a\\" --python=evil.sh',
    "$(touch evil) `touch evil` ; touch evil",
    "$HOME ${PATH} %PATH%",
    "__PDG_PYTHON__ --python evil.sh",
    "a\n--python\nevil.sh",
    "--python=evil.sh",
    "it's 100 % ~7E ~ grün",
]
PHOTOGRAPHS = "TOPs_nvdiffrec_Photographs"
ORDER = ("ENGINE", "WORKING_DIR", "SCRIPT_NAME", "CONFIG_NAME", "OUTPUT_DIR")
texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)


def _expanded(platform: str, values: dict[str, str]) -> str:
    """The command as Houdini gives it to the scheduler."""
    train = next(one for one in stock.describe().tasks[0].children if one.name.startswith("train_"))
    scope = Scope({"HIP": "/show/hip"}, attribute=lambda name: (values[name],))
    return expand(str(train.parms[f"{platform}command"]), scope)


def _scheduler(line: str) -> list[str]:
    """A scheduler that fills in tokens and variables before it splits the command."""
    line = re.sub(r"__PDG_[A-Z_]+__", '" TOKEN "', line)
    line = re.sub(r"\$\{?\w+\}?", '" EXPANDED "', line)
    return shlex.split(line)


@given(values=st.fixed_dictionaries(dict.fromkeys(stock.ATTRIBUTES, texts)))
@pytest.mark.parametrize("platform", ["linux", "mac"])
def test_each_value_is_one_argument_of_the_stock_command(
    platform: str, values: dict[str, str]
) -> None:
    values["MINICONDA_ENV"] = re.sub(r"[\\$_]", "", values["MINICONDA_ENV"])
    words = _scheduler(_expanded(platform, values))
    job = "/show/hip/../python3.11libs/nvdiffrec_tops/job/__main__.py"
    program = values["MINICONDA_ENV"].replace('"', "") + "bin/python3"
    assert words[:6] == [program, "-I", "-X", "utf8", job, commandline.ESCAPED]
    assert [commandline.unescape(one) for one in words[6:]] == [
        f"--{option}={values[name]}"
        for option, name in (
            ("engine", "ENGINE"),
            ("working-dir", "WORKING_DIR"),
            ("script", "SCRIPT_NAME"),
            ("config", "CONFIG_NAME"),
            ("output", "OUTPUT_DIR"),
        )
    ]


@given(values=st.fixed_dictionaries(dict.fromkeys(stock.ATTRIBUTES, texts)))
def test_each_value_is_one_argument_on_windows(values: dict[str, str]) -> None:
    """Between quotation marks, in which neither a mark nor a backslash before it is left."""
    line = _expanded("windows", values)
    words = re.findall(r'"[^"]*"|[^\s"]+', line)
    assert len(words) == 11 and " ".join(words) == line
    assert not any(re.search(r'\\"|[%$]|__[A-Z]', word) for word in words[6:])
    for word, name in zip(words[6:], ORDER, strict=True):
        value = commandline.unescape(word.strip('"')).partition("=")[2]
        assert value == values[name].replace("\\", "/")


@pytest.fixture
def hostile(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Attributes with a folder and a configuration that are really called so."""
    name = str(request.param)
    folder = tmp_path / f"show {name}".replace("/", "")
    folder.mkdir()
    (folder / f"{name}.json").write_text('{"ref_mesh": "bob.obj"}', encoding="utf-8")
    return {
        "MINICONDA_ENV": f"{sys.prefix}/",
        "WORKING_DIR": f"{folder}/",
        "SCRIPT_NAME": f"{name}.py",
        "CONFIG_NAME": f"{name}.json",
        "OUTPUT_DIR": str(tmp_path / f"out {name}".replace("/", "")),
    }


def _overrides(name: str, values: dict[str, str]) -> list[Override]:
    """The values set where the scene has them, as an artist would type them."""
    scene = load(Path(__file__).parents[3] / "hip" / f"{name}.hip")
    typed = {key: re.sub(r"([$`])", r"\\\1", value) for key, value in values.items()}
    if name == stock.NAME:
        tokens = next(one for one in scene.walk() if one.name == "shell_tokens")
        parms = {
            parm.values[0].text: name.replace("name", "value")
            for name, parm in tokens.parms.items()
            if re.fullmatch(r"stringname\d+", name)
        }
        return [Override("shell_tokens", parms[key], text) for key, text in typed.items()]
    node = next(one.name for one in scene.walk() if "miniconda_env" in one.parms)
    return [Override(node, key.lower(), text) for key, text in typed.items()]


@pytest.mark.skipif(os.name == "nt", reason="no such file names there")
@pytest.mark.parametrize("hostile", [one for one in HOSTILE if "\n" not in one], indirect=True)
@pytest.mark.parametrize("name", [one for one in SCENES if one != PHOTOGRAPHS])
def test_a_shipped_scene_with_hostile_attributes(
    name: str, hostile: dict[str, str], root: Path
) -> None:
    network = open_network(
        root / "hip" / f"{name}.hip", overrides=_overrides(name, hostile), local=True
    )
    said: list[str] = []
    items = [one for one in generate_all(network, said.append) if one.command]
    assert items
    for item in items:
        words = shlex.split(item.command)
        python, job = words[0], words[words.index("-X") + 2]
        assert python == f"{sys.prefix}/bin/python3" or python == sys.executable
        assert job.endswith("nvdiffrec_tops/job/__main__.py")
        parsed, force = commandline.parse(words[words.index(job) + 1 :])
        assert not force and parsed.inputs == () and parsed.engine == "diffrec"
        assert parsed.working_dir == hostile["WORKING_DIR"].rstrip("/")
        assert os.path.basename(parsed.config) == hostile["CONFIG_NAME"]
        assert parsed.output.startswith(hostile["OUTPUT_DIR"])
        assert parsed.python in (None, sys.prefix)
        assert parsed.script in (None, hostile["SCRIPT_NAME"])


@pytest.mark.skipif(os.name == "nt", reason="no such file names there")
@pytest.mark.parametrize("hostile", [one for one in HOSTILE if "\n" not in one], indirect=True)
def test_a_capture_with_hostile_folders(
    hostile: dict[str, str], tmp_path: Path, root: Path
) -> None:
    made = f"{hostile['WORKING_DIR']}made"
    typed = {
        "photographs": hostile["WORKING_DIR"],
        "dataset_dir": made,
        "output_dir": hostile["OUTPUT_DIR"],
        "miniconda_env": hostile["MINICONDA_ENV"],
    }
    overrides = [
        Override("capture", name, re.sub(r"([$`])", r"\\\1", text)) for name, text in typed.items()
    ]
    network = open_network(root / "hip" / f"{PHOTOGRAPHS}.hip", overrides=overrides, local=True)
    commands = [one.command for one in generate_all(network, print) if one.command]
    capture, train = (shlex.split(command) for command in commands)
    job = capture.index("-X") + 2
    assert capture[job].endswith("nvdiffrec_tops/job/__main__.py")
    asked = commandline.preparation_of(capture[job + 1 :])
    assert asked is not None
    assert str(asked.source) == hostile["WORKING_DIR"].rstrip("/") and str(asked.out) == made
    parsed, force = commandline.parse(train[train.index("-X") + 3 :])
    assert not force and parsed.working_dir == made
    assert parsed.output.startswith(hostile["OUTPUT_DIR"])


def test_an_added_argument_runs_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: cooked, the job refuses the value and starts no program that it names."""
    evil, trap = tmp_path / "evil.sh", tmp_path / "trap"
    evil.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    evil.chmod(0o755)
    monkeypatch.setenv("HOUDINI_TEMP_DIR", str(tmp_path / "temp"))
    values = {
        "MINICONDA_ENV": f"{sys.prefix}/",
        "WORKING_DIR": str(tmp_path),
        "OUTPUT_DIR": str(tmp_path / "out"),
        "CONFIG_NAME": "bob.json",
        "ENGINE": f'diffrec" --python "{evil}',
    }
    (tmp_path / "bob.json").write_text('{"ref_mesh": "bob.obj"}')
    (tmp_path / "bob.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    options = [
        word
        for one in _overrides(stock.NAME, values)
        for word in ("--set", f"{one.node}.{one.parm}={one.value}")
    ]
    scene = str(root / "hip" / f"{stock.NAME}.hip")
    assert main(["cook", scene, "--json", *options]) == 1
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    [failed] = [one for one in report["items"] if one["stateName"] == "CookedFail"]
    assert "exit code 2" in failed["cause"] and not trap.exists()
    assert "invalid choice" in Path(failed["log"]).read_text()
