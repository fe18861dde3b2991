"""The environment of a child process in a training environment."""

from __future__ import annotations

import os
import subprocess

from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import Change, describe, isolated, policy
from nvdiffrec_tops.environment.activation import activation
from nvdiffrec_tops.environment.description import Environment

HFS = "/opt/hfs21"
HOUDINI = {
    "HFS": HFS,
    "PYTHONHOME": f"{HFS}/python",
    "PYTHONPATH": f"{HFS}/houdini/python3.11libs",
    "LD_LIBRARY_PATH": f"{HFS}/dsolib",
    "PATH": f"{HFS}/bin:/usr/bin:/bin",
    "CUDA_HOME": "/usr/local/cuda-9",
}


def test_a_conda_environment_runs_inside_houdini(conda_environment):
    found = describe(conda_environment)
    clean, _ = isolated(HOUDINI, found)
    environ, report = isolated(HOUDINI, found, change=activation(found, clean))
    prefix = str(conda_environment)
    assert environ["PATH"] == f"{prefix}/nvvm/bin:{prefix}/bin:/usr/bin:/bin"
    assert environ["CUDA_HOME"] == prefix and environ["RENDER_FARM"] == "night"
    code = "import tinything, sys; print(sys.prefix)"
    said = subprocess.run([found.python, "-c", code], env=environ, capture_output=True, text=True)
    assert said.stdout.strip() == prefix and said.stderr == ""
    assert "PYTHONHOME: dropped, it configures another Python" in report.explained()
    assert {item.name for item in report.decisions} == {*HOUDINI, *environ}


def test_the_artist_has_the_last_word():
    found = Environment("/envs/nv", "uv", "nv", "/envs/nv/bin/python", cuda_home="/cuda")
    change = Change({"A": "activation", "B": "activation", "C": "activation"})
    environ, _ = isolated(
        HOUDINI, found, change=change, set={"A": "mine"}, unset=("B",), keep=("CUDA_HOME",),
        windows=False,
    )  # fmt: skip
    assert (environ["A"], environ["C"], environ["CUDA_HOME"]) == (
        "mine", "activation", "/usr/local/cuda-9",
    )  # fmt: skip
    assert "B" not in environ and environ["VIRTUAL_ENV"] == "/envs/nv"
    assert policy(found, set={"A": "1"}).set == {"CUDA_HOME": "/cuda", "A": "1"}


def test_a_plain_interpreter_is_not_activated():
    found = Environment("/usr", "system", "usr", "/usr/bin/python3")
    environ, _ = isolated(HOUDINI, found, windows=False)
    assert environ["PATH"] == "/usr/bin:/bin" and "VIRTUAL_ENV" not in environ


names = st.text("ABPYTHONCDE_=x", min_size=1, max_size=10)
values = st.dictionaries(names, st.text(max_size=10), max_size=5)


@given(values, values, values, st.lists(names, max_size=3), st.lists(names, max_size=3),
       st.sampled_from(["conda", "venv", "system"]), st.booleans())  # fmt: skip
def test_isolation_is_pure(inherited, changed, given_, unset, keep, kind, windows):
    found = Environment("/envs/nv", kind, "nv", "/envs/nv/bin/python")
    before = dict(inherited), dict(changed), dict(given_), dict(os.environ)
    arguments = {"set": given_, "unset": unset, "keep": keep, "windows": windows}
    environ, report = isolated(inherited, found, change=Change(changed), **arguments)
    assert (inherited, changed, given_, dict(os.environ)) == before
    assert (environ, report) == isolated(inherited, found, change=Change(changed), **arguments)
    if not windows:
        assert given_.items() <= environ.items()
        assert not set(unset) - set(given_) & set(environ)
        decided = {item.name for item in report.decisions}
        assert {*inherited, *environ} <= decided <= {*inherited, *environ, *unset}
