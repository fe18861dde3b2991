"""Environments are found where their tools keep them, by name, and in the active shell."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem, active, describe, find, known

CONDA = {"conda-meta/history": "", "bin/python": ""}
VENV = {"pyvenv.cfg": "home = /usr/bin\nversion = 3.11.1\n", "bin/python": ""}


@pytest.fixture
def home(tmp_path, lay):
    """A home folder with an environment in every usual place."""
    lay(tmp_path / "home" / ".conda", {"environments.txt": f"{tmp_path}/listed\n\n/gone\nx\0\n"})
    lay(tmp_path / "listed", CONDA)
    lay(tmp_path / "home/miniconda3", {**CONDA, "condabin/": "", "envs/.hidden/": ""})
    lay(tmp_path / "home/miniconda3/envs/nvdiffrec", CONDA)
    lay(tmp_path / "home/micromamba/envs/micro", CONDA)
    lay(tmp_path / "home/.virtualenvs/worked", VENV)
    lay(tmp_path / "home/.pixi/envs/tool", CONDA)
    lay(tmp_path / "disk/envs/configured", CONDA)
    lay(tmp_path / "disk/more/second", CONDA)
    lay(tmp_path / "disk/exported/third", CONDA)
    lay(tmp_path / "root/envs/rooted", CONDA)
    lay(tmp_path / "project", {"pixi.toml": ""})
    lay(tmp_path / "project/.venv", VENV)
    lay(tmp_path / "project/.pixi/envs/default", CONDA)
    lay(tmp_path / "home/miniconda3/envs/broken", {"conda-meta/history": ""})
    lay(tmp_path / "home", {
        ".condarc": f"envs_dirs:\n  - {tmp_path}/disk/envs\n  - $DISK/more\n  - 7\nchannels: [x]\n",
        ".mambarc": "envs_dirs: [unclosed",
    })  # fmt: skip
    return {
        "HOME": str(tmp_path / "home"),
        "DISK": str(tmp_path / "disk"),
        "CONDA_ENVS_PATH": f"{tmp_path}/disk/exported:relative:",
        "MAMBA_ROOT_PREFIX": str(tmp_path / "root"),
    }


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Installations of this very machine are left out."""
    monkeypatch.setattr("nvdiffrec_tops.environment.discovery._SHARED_INSTALLATIONS", ())
    monkeypatch.setattr("nvdiffrec_tops.environment.discovery.TOOLKIT", "/nowhere/toolkit")


def test_every_usual_place_is_searched(home, tmp_path):
    found = {item.name: item for item in known(home, platform="linux", folder=str(tmp_path))}
    assert set(found) == {
        "listed", "base", "nvdiffrec", "micro", "worked", "tool", "configured", "second", "third",
        "rooted",
    }  # fmt: skip
    here = known(home, platform="linux", folder=str(tmp_path / "project"))
    assert {item.name for item in here} - set(found) == {"project"}
    assert {item.kind for item in here if item.name == "project"} == {"venv", "pixi"}


def test_the_active_one_stands_first_and_once(home, tmp_path):
    prefix = str(tmp_path / "home/micromamba/envs/micro")
    found = known({**home, "CONDA_PREFIX": prefix}, platform="linux", folder=str(tmp_path))
    assert found[0].prefix == prefix
    assert [item.prefix for item in found].count(prefix) == 1


def test_no_process_is_started(home, venv, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_a, **_k: pytest.fail("a process"))
    monkeypatch.setattr(os, "system", lambda *_a: pytest.fail("a process"))
    assert known(home, folder=str(tmp_path)) and find(str(venv)) == describe(venv)


def test_windows_names_its_folders_in_variables(tmp_path, lay):
    windows = {"conda-meta/history": "", "python.exe": ""}
    lay(tmp_path / "local/miniconda3/envs/nv", windows)
    lay(tmp_path / "user/anaconda3/envs/old", windows)
    environ = {"LocalAppData": str(tmp_path / "local"), "UserProfile": str(tmp_path / "user")}
    found = known(environ, platform="win32", folder=str(tmp_path))
    assert {item.name for item in found} == {"nv", "old"}


def test_a_name_finds_its_environment(home, tmp_path):
    found = find("nvdiffrec", home, platform="linux", folder=str(tmp_path))
    assert found.prefix == str(tmp_path / "home/miniconda3/envs/nvdiffrec")
    assert find(f"{found.prefix}/", home, platform="linux") == found


def test_a_name_of_two_is_not_guessed(home, tmp_path):
    with pytest.raises(EnvironmentProblem, match="several") as caught:
        find("project", home, platform="linux", folder=str(tmp_path / "project"))
    assert str(tmp_path / "project/.venv") in str(caught.value) and caught.value.cure


def test_a_name_of_none_tells_what_there_is(home, tmp_path):
    with pytest.raises(EnvironmentProblem, match="no environment named nvdifrec") as caught:
        find("nvdifrec", home, platform="linux", folder=str(tmp_path))
    assert "nvdiffrec" in str(caught.value) and "env create" in caught.value.cure


def test_a_venv_inside_conda_is_the_active_one(venv, tmp_path, lay):
    conda = str(lay(tmp_path / "c", CONDA))
    assert active({"CONDA_PREFIX": conda}, platform="linux").kind == "conda"
    assert active({"CONDA_PREFIX": conda, "VIRTUAL_ENV": str(venv)}).prefix == str(venv)
    broken = {"VIRTUAL_ENV": str(tmp_path / "gone"), "CONDA_PREFIX": conda}
    assert active(broken, platform="linux").prefix == conda
    assert active({}) is None and active({"VIRTUAL_ENV": "relative"}) is None


values = st.one_of(
    st.text(st.characters(exclude_characters="\0"), max_size=30),
    st.sampled_from(
        ["/", "~", "/proc", "/dev/null", ".", "..", ":::", "\n", "/etc/passwd", "C:\\"]
    ),
)
variables = st.sampled_from([
    "CONDA_PREFIX", "VIRTUAL_ENV", "CONDA_ENVS_PATH", "MAMBA_ROOT_PREFIX", "CONDARC", "WORKON_HOME",
    "PIXI_PROJECT_ROOT", "TOPS_NVDIFFREC", "CONDA_EXE", "USERPROFILE", "LOCALAPPDATA",
    "SYSTEMDRIVE",
])  # fmt: skip


@given(
    st.dictionaries(variables, values, max_size=5),
    st.text(max_size=80),
    st.text(max_size=80),
    st.sampled_from(["linux", "darwin", "win32"]),
)
def test_nothing_that_a_machine_says_gives_a_traceback(
    tmp_path_factory, environ, listed, settings, platform
):
    home = tmp_path_factory.mktemp("home")
    (home / ".conda").mkdir()
    (home / ".conda/environments.txt").write_text(listed, encoding="utf-8", errors="replace")
    (home / ".condarc").write_text("envs_dirs: " + settings, encoding="utf-8", errors="replace")
    environ = {"HOME": str(home), "USERPROFILE": str(home), **environ}
    before = sorted(os.walk(home))
    for item in known(environ, platform=platform, folder=str(home)):
        assert os.path.isabs(item.prefix)
    active(environ, platform=platform)
    assert sorted(os.walk(home)) == before


@given(st.text(max_size=30))
def test_no_name_gives_a_traceback(name):
    try:
        find(name, {"HOME": "/nonexistent"}, folder="/nonexistent")
    except EnvironmentProblem as problem:
        assert problem.cure
