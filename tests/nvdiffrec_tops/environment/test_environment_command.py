"""``env create | list | show | remove`` as they are typed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import pytest

from nvdiffrec_tops.environment import create as creation
from nvdiffrec_tops.environment.command import add_arguments, main

# The channel's Python leads to the interpreter that runs the tests.
BORROWED = "it is a virtual environment, and the Python that it needs is in "


def discovery_at_home():
    """Where the toolkit lies, asked of a process in which no test has changed anything."""
    code = "from nvdiffrec_tops.environment.discovery import TOOLKIT; print(TOOLKIT)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def env(capsys, monkeypatch, tmp_path):
    """Run ``env`` with these words: exit code, output, errors."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nvdiffrec_tops.environment.discovery._SHARED_INSTALLATIONS", ())
    monkeypatch.setattr("nvdiffrec_tops.environment.discovery.TOOLKIT", str(tmp_path / "toolkit"))

    def run(*words):
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        code = main(parser.parse_args([*map(str, words)]))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_create_list_show_and_remove(env, channel, cache, tmp_path):
    source = tmp_path / "mine.yml"
    source.write_text(f"name: mine\nchannels: ['{channel.as_uri()}']\ndependencies: [python]\n")
    code, out, err = env("create", "--from", source, "--cache", cache)
    prefix = tmp_path / ".conda" / "envs" / "mine"
    assert code == 0 and f"MINICONDA_ENV = {prefix}{os.sep}" in out
    assert "solving" in err and "installing 1 packages" in err
    assert f"only on machines that have the same outside this folder; {BORROWED}" in out
    code, out, _ = env("list")
    assert code == 0 and "mine" in out and str(prefix) in out
    code, out, _ = env("list", "--json")
    assert [item["prefix"] for item in json.loads(out)] == [str(prefix)]
    code, out, _ = env("show", "mine")
    assert code == 0 and str(prefix) in out and f"PYTHONHOME={prefix}" in out
    assert f"complete, from {source}" in out
    code, _, err = env("remove", "mine")
    assert code == 1 and "--yes" in err and prefix.is_dir()
    code, out, _ = env("remove", "mine", "--yes")
    assert code == 0 and not prefix.exists()
    assert "No environment was found" in env("list")[1]


def test_show_explains_every_variable(env, venv, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/opt/hfs/python")
    code, out, _ = env("show", venv, "--variables")
    assert code == 0 and "PYTHONHOME: dropped, it configures another Python" in out
    code, out, _ = env("show", venv, "--variables", "--json")
    document = json.loads(out)
    assert {
        "name": "VIRTUAL_ENV",
        "action": "set",
        "why": "the training environment is active",
    } in (document["variables"])
    assert document["exports"]["PYTHONPATH"] == document["site_packages"]


def test_the_active_one_is_shown_unasked(env, venv, monkeypatch):
    assert env("show")[0] == 1
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    code, out, _ = env("show")
    assert code == 0 and str(venv) in out
    assert [line for line in env("list")[1].splitlines() if line.startswith("*")]


def test_a_problem_is_an_error_and_its_cure(env, venv, tmp_path):
    for words in (("show", "no-such"), ("remove", venv, "--yes"), ("remove", "no-such", "--yes"),
                  ("create", "--from", tmp_path / "absent.yml")):  # fmt: skip
        code, out, err = env(*words)
        assert code == 1 and out == "" and err.startswith("error: ") and len(err.splitlines()) >= 2
    assert venv.is_dir()


def test_an_environment_anywhere_is_found_again(env, channel, cache, tmp_path):
    notes = tmp_path / ".conda" / "environments.txt"
    notes.parent.mkdir()
    notes.write_text("/shows/other", encoding="utf-8")
    source = tmp_path / "e.yml"
    source.write_text(f"channels: ['{channel.as_uri()}']\ndependencies: [python]\n")
    prefix = tmp_path / "disk" / "my env"
    assert env("create", "--from", source, "--cache", cache, "--prefix", prefix)[0] == 0
    assert env("create", "--from", source, "--prefix", prefix)[0] == 0
    assert notes.read_text(encoding="utf-8") == f"/shows/other\n{prefix}\n"
    assert str(prefix) in env("show", "my env")[1]
    assert env("remove", prefix, "--yes")[0] == 0
    assert notes.read_text(encoding="utf-8") == "/shows/other\n"


def test_half_an_environment_can_be_removed(env, tmp_path):
    folder = creation._claimed(str(tmp_path / "half"))
    assert env("remove", folder, "--yes")[0] == 0 and not os.path.exists(folder)
    folder = creation._claimed(creation.default_prefix("diffrec"))
    assert env("remove", "diffrec", "--yes")[0] == 0 and not os.path.exists(folder)


def test_the_projects_own_environment_is_listed_wherever_one_stands(env, venv, tmp_path, root):
    assert discovery_at_home() == str(root)
    (tmp_path / "toolkit").mkdir()
    (tmp_path / "toolkit" / ".venv").symlink_to(venv)
    code, out, _ = env("list", "--json")
    assert code == 0
    assert [item["prefix"] for item in json.loads(out)] == [str(tmp_path / "toolkit" / ".venv")]


def test_what_was_changed_in_a_file_is_told(env, tmp_path):
    source = tmp_path / "mine.yml"
    source.write_text("channels: [defaults]\ndependencies: [python]\nother: 1\n")
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "a.hip").write_text("")
    code, _, err = env("create", "--from", source, "--prefix", tmp_path / "film")
    assert code == 1 and "warning: the channel defaults" in err and "'other'" in err
