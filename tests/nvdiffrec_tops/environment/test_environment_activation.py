"""Activation without a prompt changes what a shell's activation changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import activation as module
from nvdiffrec_tops.environment import describe
from nvdiffrec_tops.environment.activation import Change, activation, activation_scripts
from nvdiffrec_tops.environment.description import Environment
from nvdiffrec_tops.environment.layout import layout

BASE = {"PATH": "/usr/bin:/bin", "HOME": "/home/a"}


@pytest.fixture
def scripted(tmp_path, lay):
    """A conda environment with these activation scripts: name -> bash code."""

    def make(folder="nv", **scripts):
        prefix = lay(tmp_path / folder, {
            "conda-meta/history": "",
            "etc/conda/activate.d/": "",
            **{f"etc/conda/activate.d/{name}.sh": code for name, code in scripts.items()},
        })  # fmt: skip
        (prefix / "bin").mkdir(exist_ok=True)
        (prefix / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        return describe(prefix)

    return make


def test_a_venv_is_activated_as_by_its_own_script(venv):
    environ = {**BASE, "PYTHONHOME": "/opt/hfs/python", "VIRTUAL_ENV_DISABLE_PROMPT": "1"}
    change = activation(describe(venv), environ)
    script = f". {venv}/bin/activate; /usr/bin/env -0"
    said = subprocess.run(
        ["bash", "--norc", "-c", script], env=environ, capture_output=True, check=True
    )
    shell = dict(entry.split("=", 1) for entry in said.stdout.decode().split("\0")[:-1])
    mine = change.applied(environ)
    for name in ("PWD", "SHLVL", "_", "PS1", "VIRTUAL_ENV_PROMPT"):
        shell.pop(name, None)
        mine.pop(name, None)
    assert mine == shell
    assert environ["PYTHONHOME"] == "/opt/hfs/python"


def test_a_real_conda_environment_is_activated_with_its_scripts(conda_environment):
    prefix = str(conda_environment)
    change = activation(describe(prefix), {**BASE, "CC": "gcc"})
    assert change.warnings == ()
    environ = change.applied({**BASE, "CC": "gcc"})
    assert environ == {
        **BASE,
        "PATH": f"{prefix}/nvvm/bin:{prefix}/bin:/usr/bin:/bin",
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": "small",
        "CONDA_PROMPT_MODIFIER": "(small) ",
        "CONDA_SHLVL": "1",
        "NVCC_PREPEND_FLAGS": f"-I{prefix}/include",
        "CC": "conda-cc",
        "CONDA_BACKUP_CC": "gcc",
        "RENDER_FARM": "night",
    }
    assert change.prepend_path == (f"{prefix}/nvvm/bin", f"{prefix}/bin")


def test_activating_again_changes_nothing_more(conda_environment):
    found = describe(conda_environment)
    once = activation(found, {**BASE, "CC": "gcc"}).applied({**BASE, "CC": "gcc"})
    twice = activation(found, once).applied(once)
    differing = {name for name in {*once, *twice} if once.get(name) != twice.get(name)}
    assert differing <= {"PATH", "__CONDA_SHLVL_1_RENDER_FARM"}
    assert twice["CONDA_BACKUP_CC"] == "gcc"


def test_what_the_environment_before_put_aside_is_put_back(scripted):
    environ = {
        **BASE,
        "CONDA_PREFIX": "/opt/conda",
        "CONDA_SHLVL": "1",
        "CC": "x86_64-conda-gcc",
        "CONDA_BACKUP_CC": "gcc",
        "CXX": "x86_64-conda-g++",
        "CONDA_BACKUP_CXX": "",
        "VIRTUAL_ENV": "/old",
    }
    after = activation(scripted(), environ).applied(environ)
    assert after["CC"] == "gcc"
    assert not {"CXX", "CONDA_BACKUP_CC", "CONDA_BACKUP_CXX", "VIRTUAL_ENV"} & set(after)
    assert (after["CONDA_PREFIX_1"], after["CONDA_SHLVL"]) == ("/opt/conda", "2")


def test_scripts_run_in_order_and_see_each_other(scripted):
    found = scripted(b="export SECOND=$FIRST$FIRST", a="export FIRST='x y'; PRIVATE=1")
    change = activation(found, BASE)
    assert change.set["SECOND"] == "x yx y" and "PRIVATE" not in change.set
    assert change.warnings == ()


def test_a_script_may_unset_and_rebuild(scripted):
    found = scripted(a="unset HOME; export PATH=/only:$PATH:/last; export LINES2=$'a\\nb=c'")
    after = activation(found, BASE).applied(BASE)
    assert "HOME" not in after
    assert after["PATH"] == f"/only:{found.prefix}/bin:/usr/bin:/bin:/last"
    assert after["LINES2"] == "a\nb=c"


@pytest.mark.parametrize(
    "code",
    [
        "export SET=1; echo no licence >&2; exit 3",
        "export SET=1; echo no licence >&2; return 3",
        "export SET=1; set -e; echo no licence >&2; false; export LATER=1",
        "export SET=1; echo no licence >&2; if then",
        "set -a; SET=1; echo no licence; exit 4",
        "export SET=1; set -- a b; shift 9; echo no licence; (exit 7)",
    ],
)
def test_a_script_that_fails_is_named_and_the_others_run(scripted, code):
    found = scripted(a=code, b="export OTHER=1")
    change = activation(found, BASE)
    (warning,) = change.warnings
    assert f"{found.prefix}/etc/conda/activate.d/a.sh" in warning and "failed" in warning
    assert change.set["OTHER"] == "1" and "LATER" not in change.set
    assert not [name for name in change.set if name.startswith("_")]


def test_a_script_without_end_is_stopped(scripted):
    found = scripted(a="sleep 600 & sleep 600", b="export OTHER=1")
    change = activation(found, BASE, timeout=0.6)
    assert "did not end in time" in change.warnings[0] and "a.sh" in change.warnings[0]
    assert "time was up" in change.warnings[1] and "b.sh" in change.warnings[1]


def test_no_path_reaches_a_shell_as_code(scripted, tmp_path):
    evil = "nv $(touch PWNED) `touch PWNED` '; touch PWNED; \"&& touch PWNED #\n"
    found = scripted(folder=evil, **{"a ; touch PWNED": "export RAN=1"})
    change = activation(found, {**BASE, "X": "$(touch PWNED)"})
    assert change.set["RAN"] == "1" and change.warnings == ()
    assert not list(tmp_path.rglob("PWNED")) and not os.path.exists("PWNED")


def test_bash_runs_nobody_elses_file(scripted, tmp_path):
    (tmp_path / "rc").write_text("export FOREIGN=1")
    found = scripted(a="export OWN=1")
    change = activation(found, {**BASE, "BASH_ENV": str(tmp_path / "rc"), "ENV": "x"})
    assert "FOREIGN" not in change.set and "OWN" in change.set
    assert "BASH_ENV" not in change.unset


def test_scripts_are_left_out_on_request_and_for_other_systems(scripted):
    found = scripted(a="export OWN=1")
    assert "OWN" not in activation(found, BASE, scripts=False).set
    assert "OWN" not in activation(found, BASE, platform="win32").set
    assert activation_scripts(found, layout("win32")) == []


def test_an_interpreter_that_does_not_run_is_a_warning(scripted, tmp_path):
    found = scripted(a="export OWN=1")
    os.unlink(found.python)
    change = activation(found, BASE)
    assert "a.sh" in change.warnings[0] and change.set["CONDA_PREFIX"] == found.prefix


def test_windows_has_its_own_folders(tmp_path, lay):
    environ = {"Path": r"C:\Windows", "PythonHome": "x"}
    found = Environment(r"D:\envs\nv", "conda", "nv", r"D:\envs\nv\python.exe")
    after = activation(found, environ, platform="win32").applied(environ, windows=True)
    folders = after["Path"].split(";")
    assert folders[:2] == [r"D:\envs\nv", r"D:\envs\nv\Library\mingw-w64\bin"]
    assert folders[-3:] == [r"D:\envs\nv\Scripts", r"D:\envs\nv\bin", r"C:\Windows"]
    assert "PythonHome" not in after
    found = Environment(r"D:\v", "uv", "v", r"D:\v\Scripts\python.exe")
    after = activation(found, environ, platform="win32").applied(environ, windows=True)
    assert after["Path"] == r"D:\v\Scripts;C:\Windows" and after["VIRTUAL_ENV"] == r"D:\v"


def test_variables_that_conda_records_are_set(tmp_path, lay):
    state = {"env_vars": {"A": "1", "B": "***unset***", "C": 3, "": "x", "D=E": "x", "P": "set"}}
    prefix = lay(tmp_path / "nv", {
        "bin/python": "",
        "conda-meta/state": json.dumps(state),
        "etc/conda/env_vars.d/a.json": '{"B": "package", "A": "package", "Q": "package"}',
        "etc/conda/env_vars.d/b.json": "[broken",
    })  # fmt: skip
    environ = {**BASE, "P": "before", "CONDA_SHLVL": "x"}
    change = activation(describe(prefix), environ)
    assert {name: change.set.get(name) for name in "ABCPQ"} == {
        "A": "1", "B": None, "C": None, "P": "set", "Q": "package",
    }  # fmt: skip
    assert "D=E" not in change.set and "" not in change.set
    assert change.set["__CONDA_SHLVL_0_P"] == "before"
    assert activation(describe(prefix), change.applied(environ)).set["P"] == "set"


anything = st.text(st.characters(), max_size=6)


@given(st.dictionaries(anything, st.none() | anything | st.integers()))
def test_whatever_is_recorded_can_be_given_to_a_process(tmp_path_factory, lay, variables):
    files = {"bin/python": "", "conda-meta/state": json.dumps({"env_vars": variables})}
    change = activation(describe(lay(tmp_path_factory.mktemp("any"), files)), BASE)
    for name, value in change.set.items():
        assert name and "=" not in name and "\0" not in name + value
        assert os.fsencode(name + value)


def test_a_batch_file_gets_its_paths_as_arguments(tmp_path):
    python = r"D:\my envs\nv & co\python.exe"
    script = r"D:\my envs\nv & co\etc\conda\activate.d\a.bat"
    tell = [python, "-I", "-S", "D:\\t\\dump.py", "D:\\t\\answer.json"]
    command = module._windows_command("cmd.exe", str(tmp_path), script, tell)
    assert command.startswith('"cmd.exe" /d /v:off /s /c ""') and command.endswith('""')
    assert f'"{script}" "{python}" "D:\\t\\dump.py" "D:\\t\\answer.json"' in command
    batch = (tmp_path / "activate.bat").read_text(encoding="utf-8")
    assert "nv & co" not in batch and "@call %1" in batch


def test_a_plain_interpreter_has_no_activation():
    found = Environment("/usr", "system", "usr", "/usr/bin/python3")
    assert activation(found, BASE) == Change()


names = st.one_of(
    st.sampled_from(["PATH", "CONDA_SHLVL", "CONDA_PREFIX", "CONDA_BACKUP_X", "X", "PYTHONHOME"]),
    st.text(st.characters(exclude_characters="=\0"), min_size=1, max_size=8),
)


@given(
    st.dictionaries(names, st.text(st.characters(exclude_characters="\0"), max_size=20)),
    st.sampled_from(["conda", "pixi", "venv", "uv", "system"]),
    st.booleans(),
)
def test_a_change_leaves_the_rest_alone(environ, kind, windows):
    before = dict(environ)
    found = Environment("/envs/nv", kind, "nv", "/envs/nv/bin/python")
    platform = "win32" if windows else "linux"
    change = activation(found, environ, platform=platform, scripts=False)
    after = change.applied(environ, windows=windows)
    assert environ == before
    touched = {name.upper() for name in (*change.set, *change.unset, "PATH")}
    for name, value in environ.items():
        if name.upper() not in touched:
            assert after[name] == value
    if kind != "system":
        assert after.get("PYTHONHOME") is None
    assert change.warnings == ()
