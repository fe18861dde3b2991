"""The trainer's environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job.environment import (
    ACTIVATION,
    DROPPED_PREFIXES,
    INSTALLATION_NAMES,
    PLACES,
    PREFIX_NAMES,
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


def test_another_active_environment_leaves_nothing_behind():
    inherited = {
        "CONDA_PREFIX": "/home/a/miniconda3",
        "CONDA_PREFIX_1": "/home/a/miniconda3",
        "CONDA_SHLVL": "2",
        "CONDA_BACKUP_CC": "gcc",
        "CONDA_EXE": "/home/a/miniconda3/bin/conda",
        "PIXI_PROJECT_ROOT": "/shows/x",
        "LD_LIBRARY_PATH": "/home/a/miniconda3/lib:/home/a/miniconda3/envs/nv/lib:/opt/lib",
        "PATH": "/home/a/miniconda3/condabin:/usr/bin",
        "__PYVENV_LAUNCHER__": "/usr/bin/python3",
    }
    policy = EnvironmentPolicy("/home/a/miniconda3/envs/nv/", "conda")
    environment, report = clean_environment(inherited, policy, windows=False)
    assert environment == {
        "CONDA_PREFIX": "/home/a/miniconda3/envs/nv/",
        "CONDA_DEFAULT_ENV": "nv",
        "CONDA_EXE": "/home/a/miniconda3/bin/conda",
        "LD_LIBRARY_PATH": "/home/a/miniconda3/envs/nv/lib:/opt/lib",
        "PATH": "/home/a/miniconda3/envs/nv/bin:/home/a/miniconda3/condabin:/usr/bin",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    assert report.removed_entries == (("LD_LIBRARY_PATH", "/home/a/miniconda3/lib"),)


def test_certificates_of_houdini_stay_with_houdini():
    inherited = {"HFS": HFS, "SSL_CERT_FILE": f"{HFS}/ssl/c.pem", "SSL_CERT_DIR": "/etc/ssl"}
    environment, _ = clean_environment(inherited, EnvironmentPolicy(), windows=False)
    assert "SSL_CERT_FILE" not in environment and environment["SSL_CERT_DIR"] == "/etc/ssl"


def test_every_variable_is_explained_without_its_value():
    secret = {**HOUDINI, "RENDER_TOKEN": "hunter2"}
    policy = EnvironmentPolicy(set={"CUDA_VISIBLE_DEVICES": "0"}, unset=("TEMP",))
    _, report = clean_environment(secret, policy, windows=False)
    lines = report.explained()
    assert "PYTHONHOME: dropped, it configures another Python" in lines
    assert (
        "LD_PRELOAD: edited, entries of Houdini or of another environment were taken out" in lines
    )
    assert "CUDA_VISIBLE_DEVICES: set, the settings set it" in lines
    assert "TEMP: dropped, the settings unset it" in lines
    assert "RENDER_TOKEN: kept, nothing speaks against it" in lines
    assert "hunter2" not in "\n".join(lines) + str(report.document())
    assert "decisions" not in report.document()


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
            dropped = name.startswith(tuple(DROPPED_PREFIXES)) and name != "PYTHON"
            assert dropped or name in ACTIVATION or name in PLACES
        else:
            assert environment[name] == value
    assert edited <= set(SEARCH_PATHS)
    assert set(environment) <= set(inherited) | set(report.set)
    roots = [
        inherited[name] for name in (*INSTALLATION_NAMES, *PREFIX_NAMES) if inherited.get(name)
    ]
    assert not report.removed_entries or roots
    assert not any(name.startswith("QT_") for name in environment)
    assert [item.name for item in report.decisions] == sorted({*inherited, *environment})
    for item in report.decisions:
        assert item.why
        if item.action == "kept":
            assert environment[item.name] == inherited[item.name]
        elif item.action == "dropped":
            assert item.name not in environment and item.name in report.removed
        elif item.action == "set":
            assert item.name in environment and item.name in report.set
        else:
            assert item.action == "edited" and item.name in edited


def test_what_keeps_foreign_packages_out_survives():
    for name in ("PYTHONNOUSERSITE", "PYTHONUTF8"):
        environment, report = clean_environment(
            {**HOUDINI, name: "1"}, EnvironmentPolicy("/envs/nv", "conda"), windows=False
        )
        assert environment[name] == "1" and name not in report.removed


def test_a_variable_of_the_artist_is_taken_out_with_a_word():
    mine = {**HOUDINI, "PYTHONPATH": f"{HFS}/houdini/python3.11libs:/home/a/mine"}
    policy = EnvironmentPolicy("/envs/nv", "conda")
    environment, report = clean_environment(mine, policy, windows=False)
    assert "PYTHONPATH" not in environment
    told = [text for text in report.warnings if text.startswith("PYTHONPATH is taken out")]
    assert len(told) == 1 and "/home/a/mine" not in told[0]
    # Houdini's own, an environment's own, and what the settings decide, go without a word.
    _, plain = clean_environment({**HOUDINI, "PYTHONHOME": "/envs/nv"}, policy, windows=False)
    assert [text for text in plain.warnings if "PYTHONHOME" in text] == []
    decided = EnvironmentPolicy("/envs/nv", "conda", {"PYTHONPATH": "/x"})
    assert not any("PYTHONPATH" in text for text in clean_environment(mine, decided)[1].warnings)
