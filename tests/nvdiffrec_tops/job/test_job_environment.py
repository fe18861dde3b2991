"""The trainer's environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job.environment import (
    ACTIVATION,
    SEARCH_PATHS,
    EnvironmentPolicy,
    clean_environment,
)

HFS = "/opt/hfs20.5.584"
HOUDINI = {
    "HFS": HFS,
    "HOUDINI_PATH": "&",
    "HOUDINI_MAXTHREADS": "4",
    "PYTHONHOME": f"{HFS}/python",
    "PYTHONPATH": f"{HFS}/houdini/python3.11libs",
    "PYTHONSTARTUP": "/home/artist/start.py",
    "QT_PLUGIN_PATH": f"{HFS}/dsolib/Qt_plugins",
    "LD_LIBRARY_PATH": f"{HFS}/dsolib:/usr/local/cuda/lib64:{HFS}9/lib:/home/a/lib",
    "LD_PRELOAD": f"{HFS}/dsolib/libjemalloc.so /usr/lib/libnss.so",
    "PATH": f"{HFS}/bin:/usr/bin:/bin",
    "CONDA_PREFIX": "/home/a/miniconda3",
    "CUDA_HOME": "/usr/local/cuda",
    "CUDA_VISIBLE_DEVICES": "1",
    "https_proxy": "http://proxy:3128",
    "TEMP": "/scratch",
    "PYTHON": "/usr/bin/python3",
    "PDG_ITEM_ID": "7",
    "HOME": "/home/a",
}


def test_what_houdini_sets_goes_and_the_rest_stays():
    environment, report = clean_environment(
        HOUDINI, EnvironmentPolicy("/envs/nv", "conda"), windows=False
    )
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "QT_PLUGIN_PATH", "HOUDINI_PATH"):
        assert name not in environment and name in report.removed
    assert environment["LD_LIBRARY_PATH"] == f"/usr/local/cuda/lib64:{HFS}9/lib:/home/a/lib"
    assert environment["LD_PRELOAD"] == "/usr/lib/libnss.so"
    assert environment["PATH"] == "/envs/nv/bin:/usr/bin:/bin"
    assert environment["CONDA_PREFIX"] == "/envs/nv"
    assert environment["CONDA_DEFAULT_ENV"] == "nv"
    for name in ("CUDA_HOME", "CUDA_VISIBLE_DEVICES", "https_proxy", "TEMP", "PYTHON", "HFS",
                 "PDG_ITEM_ID", "HOME"):  # fmt: skip
        assert environment[name] == HOUDINI[name]
    assert ("LD_LIBRARY_PATH", f"{HFS}/dsolib") in report.removed_entries
    assert any("PYTHONHOME" in line for line in report.lines())


def test_a_venv_takes_the_place_of_a_conda_environment():
    environment, _ = clean_environment(HOUDINI, EnvironmentPolicy("/e", "venv"), windows=False)
    assert environment["VIRTUAL_ENV"] == "/e"
    assert "CONDA_PREFIX" not in environment


def test_a_search_path_of_houdini_alone_is_removed_whole():
    inherited = {"HFS": HFS, "LD_LIBRARY_PATH": f"{HFS}/dsolib"}
    environment, _ = clean_environment(inherited, EnvironmentPolicy(), windows=False)
    assert "LD_LIBRARY_PATH" not in environment


def test_windows_names_have_no_case():
    inherited = {
        "Hfs": r"C:\Program Files\Side Effects Software\Houdini 20.5",
        "PythonHome": "x",
        "Path": r"c:\program files\side effects software\houdini 20.5\bin;C:\Windows",
        "SystemRoot": r"C:\Windows",
    }
    environment, _ = clean_environment(
        inherited, EnvironmentPolicy(r"D:\envs\nv", "conda"), windows=True
    )
    assert "PythonHome" not in environment
    assert environment["SystemRoot"] == r"C:\Windows"
    assert [name for name in environment if name.upper() == "PATH"] == ["Path"]
    assert environment["Path"].startswith(r"D:\envs\nv;D:\envs\nv\Library\mingw-w64\bin;")
    assert environment["Path"].endswith(r";D:\envs\nv\Scripts;C:\Windows")


def test_the_artists_policy_has_the_last_word():
    policy = EnvironmentPolicy(
        set={"PYTHONPATH": "/mine"}, unset=("CUDA_VISIBLE_DEVICES",), keep=("QT_PLUGIN_PATH",)
    )
    environment, report = clean_environment(HOUDINI, policy, windows=False)
    assert environment["PYTHONPATH"] == "/mine"
    assert environment["QT_PLUGIN_PATH"] == HOUDINI["QT_PLUGIN_PATH"]
    assert "CUDA_VISIBLE_DEVICES" not in environment
    assert "CUDA_VISIBLE_DEVICES" in report.removed


def test_several_processes_are_warned_of():
    _, report = clean_environment({"WORLD_SIZE": "4"}, EnvironmentPolicy(), windows=False)
    assert "WORLD_SIZE is 4" in report.warnings[0]


names = st.one_of(
    st.sampled_from([*HOUDINI, *SEARCH_PATHS, *ACTIVATION, "QTDIR", "PYTHONX", "HOUDINI", "HH"]),
    st.text("ABCDEFHINOPQTUY_abz0", min_size=1, max_size=12),
)
values = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from([HFS, f"{HFS}/bin", f"{HFS}9", "/usr/lib", "", " "])).map(":".join),
)


@given(st.dictionaries(names, values, max_size=12), st.sampled_from([None, "conda", "venv"]))
def test_nothing_is_lost_or_changed_that_the_report_does_not_list(inherited, kind):
    before = dict(inherited)
    policy = EnvironmentPolicy("/envs/nv" if kind else None, kind)
    environment, report = clean_environment(inherited, policy, windows=False)
    assert inherited == before
    edited = {name for name, _ in report.removed_entries}
    for name, value in inherited.items():
        if name in report.set or name in edited:
            continue
        if name in report.removed:
            assert name not in environment
            dropped = name.startswith(("PYTHON", "HOUDINI_", "QT_")) and name != "PYTHON"
            assert dropped or name in ACTIVATION
        else:
            assert environment[name] == value
    assert edited <= set(SEARCH_PATHS)
    assert set(environment) <= set(inherited) | set(report.set)
    roots = [inherited[name] for name in ("HFS", "ORIGINAL_HFS") if inherited.get(name)]
    assert not report.removed_entries or roots
    assert not any(name.startswith("QT_") for name in environment)
