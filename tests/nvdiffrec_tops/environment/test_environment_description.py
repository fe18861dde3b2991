"""An environment is described by its files, whatever tool and system made it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem, describe, exports
from nvdiffrec_tops.environment import description as module

NUMBERED = f"python{sys.version_info[0]}.{sys.version_info[1]}"
HERE = tuple(sys.version_info[:3])


def told_by(python, expression):
    command = [str(python), "-I", "-c", f"import sys, sysconfig; print({expression})"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_venv_is_what_its_own_python_says(venv):
    found = describe(venv)
    assert (found.kind, found.name, found.version) == ("venv", "training", HERE)
    assert found.site_packages == told_by(found.python, "sysconfig.get_path('purelib')")
    assert found.prefix == told_by(found.python, "sys.prefix")
    assert exports(found)["PYTHONHOME"] == told_by(found.python, "sys.base_prefix")


def test_the_original_variables_start_a_venvs_python(venv):
    """PYTHONHOME of the venv itself would leave Python without its standard library."""
    found = describe(venv)
    environ = {**os.environ, **exports(found)}
    code = "import encodings, sys; print(sys.path)"
    said = subprocess.run([found.python, "-c", code], env=environ, capture_output=True, text=True)
    assert said.returncode == 0 and found.site_packages in said.stdout


@pytest.mark.parametrize("tool", ["virtualenv", "uv"])
def test_other_tools_environments(tool, tmp_path):
    pytest.importorskip(tool, reason=f"{tool} is not installed")
    folder = tmp_path / "shot"
    more = ["--no-seed", "--no-periodic-update"] if tool == "virtualenv" else ["-p", sys.executable]
    command = [sys.executable, "-m", tool, *(["venv"] if tool == "uv" else []), *more, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    found = describe(folder)
    assert (found.kind, found.name, found.version) == (tool, "shot", HERE)
    assert found.site_packages == told_by(found.python, "sysconfig.get_path('purelib')")
    assert exports(found)["PYTHONHOME"] == told_by(found.python, "sys.base_prefix")


def test_an_interpreters_path_serves_as_well(venv):
    assert describe(venv / "bin" / "python").prefix == str(venv)
    assert describe(f"{venv}/bin/").prefix == str(venv)
    found = describe(os.path.realpath(sys.executable))
    assert found.kind == "system" and found.version is not None
    assert found.version[:2] == sys.version_info[:2]
    assert found.prefix == told_by(found.python, "sys.prefix")


def test_a_conda_environment_of_linux(tmp_path, lay, conda_record, no_cuda):
    files = {
        "conda-meta/history": "",
        "conda-meta/python-3.12.4-h1.json": conda_record("python", "3.12.4"),
        "conda-meta/python-dateutil-2.9.0-0.json": conda_record("python-dateutil", "2.9.0"),
        "bin/python3": "",
        "lib/python3.12/os.py": "",
        "lib/python3.12/site-packages/": "",
        "lib/python3.1/site-packages/": "",
    }
    found = describe(f"{lay(tmp_path / 'nv', files)}/", platform="linux")
    prefix = str(tmp_path / "nv")
    assert found == module.Environment(
        prefix, "conda", "nv", f"{prefix}/bin/python3", (3, 12, 4),
        f"{prefix}/lib/python3.12/site-packages",
    )  # fmt: skip
    assert exports(found) == {
        "PYTHONHOME": prefix,
        "PYTHONPATH": f"{prefix}/lib/python3.12/site-packages",
    }


def test_a_free_threaded_conda_python_names_its_own_folder(tmp_path, lay, conda_record):
    record = conda_record(
        "python", "3.13.1", python_site_packages_path="lib/python3.13t/site-packages"
    )
    outside = conda_record("python", "3.13.1", python_site_packages_path="../../etc")
    files = {"bin/python": "", "lib/python3.13t/site-packages/": "", "lib/python3.13/os.py": ""}
    name = "conda-meta/python-3.13.1-h1.json"
    found = describe(lay(tmp_path / "t", {**files, name: record}), platform="linux")
    assert found.site_packages == str(tmp_path / "t/lib/python3.13t/site-packages")
    (tmp_path / "etc").mkdir()
    found = describe(lay(tmp_path / "a" / "o", {**files, name: outside}), platform="linux")
    assert found.site_packages is None


def test_a_conda_environment_of_windows(tmp_path, lay, conda_record):
    files = {
        "conda-meta/python-3.11.9-h1.json": conda_record("python", "3.11.9"),
        "conda-meta/cuda-nvcc-12.8.61-0.json": conda_record("cuda-nvcc", "12.8.61"),
        "python.exe": "",
        "Lib/site-packages/": "",
        "Library/bin/nvcc.exe": "",
    }
    prefix = lay(tmp_path / "nv", files)
    found = describe(prefix, platform="win32")
    assert (found.kind, found.version) == ("conda", (3, 11, 9))
    assert found.python == str(prefix / "python.exe")
    assert found.site_packages == str(prefix / "Lib" / "site-packages")
    assert (found.cuda_home, found.cuda_version) == (str(prefix / "Library"), "12.8.61")
    with pytest.raises(EnvironmentProblem, match="made on Windows"):
        describe(prefix, platform="linux")


def test_a_venv_of_windows(tmp_path, lay):
    files = {
        "pyvenv.cfg": "home = C:\\Python311\nversion = 3.11.4\n",
        "Scripts/python.exe": "",
        "Lib/site-packages/": "",
    }
    found = describe(lay(tmp_path / "film" / ".venv", files), platform="win32")
    assert (found.kind, found.name, found.version) == ("venv", "film", (3, 11, 4))
    assert exports(found)["PYTHONHOME"] == "C:\\Python311"
    by_path = describe(tmp_path / "film/.venv/Scripts/python.exe", platform="win32")
    assert by_path == found


def test_a_plain_python_of_windows_and_of_macos(tmp_path, lay):
    plain = lay(tmp_path / "Python312", {"python.exe": "", "python3.dll": "", "python312.dll": ""})
    found = describe(plain / "python.exe", platform="win32")
    assert (found.kind, found.version, found.prefix) == ("system", (3, 12), str(plain))
    frame = tmp_path / "Python.framework" / "Versions" / "3.11"
    lay(
        frame,
        {"bin/python3.11": "", "lib/python3.11/os.py": "", "lib/python3.11/site-packages/": ""},
    )
    found = describe(frame, platform="darwin")
    assert (found.kind, found.version) == ("system", (3, 11))
    assert found.site_packages == str(frame / "lib/python3.11/site-packages")


def test_pixi_is_named_by_its_project(tmp_path, lay, conda_record):
    files = {"conda-meta/python-3.11.1-0.json": conda_record("python", "3.11.1"), "bin/python": ""}
    lay(tmp_path / "show", {"pixi.toml": ""})
    default = lay(tmp_path / "show" / ".pixi" / "envs" / "default", files)
    other = lay(tmp_path / "show" / ".pixi" / "envs" / "gpu", files)
    assert (describe(default).kind, describe(default).name) == ("pixi", "show")
    assert describe(other).name == "show:gpu"
    with pytest.raises(EnvironmentProblem) as caught:
        describe(tmp_path / "show")
    assert str(default) in caught.value.cure


def test_an_installation_of_conda_is_base(tmp_path, lay, conda_record):
    files = {"conda-meta/history": "", "condabin/conda": "", "bin/python": ""}
    assert describe(lay(tmp_path / "miniconda3", files)).name == "base"


def test_debian_installs_into_dist_packages(tmp_path, lay):
    files = {"bin/python3": "", "lib/python3.11/os.py": "", "lib/python3/dist-packages/": ""}
    found = describe(lay(tmp_path / "usr", files), platform="linux")
    assert found.site_packages == str(tmp_path / "usr/lib/python3/dist-packages")


def test_a_venv_whose_python_was_replaced_has_the_new_version(tmp_path, lay):
    files = {
        "pyvenv.cfg": "home = /usr/bin\nversion = 3.10.1\nprompt = 'film'\n",
        "bin/python": "",
        "lib/python3.12/site-packages/": "",
    }
    found = describe(lay(tmp_path / "v", files), platform="linux")
    assert (found.version, found.name) == ((3, 12), "film")


@pytest.mark.parametrize(
    ("files", "said", "cure"),
    [
        ({}, "there is no Python in the folder", "bin/python3"),
        ({"conda-meta/history": ""}, "has no Python", "conda install"),
        ({"pyvenv.cfg": "home = /opt/gone\n"}, "/opt/gone", "again"),
        ({".venv/pyvenv.cfg": "", ".venv/bin/python": ""}, "holds one", ".venv"),
        ({"envs/nv/conda-meta/history": "", "envs/nv/bin/python": ""}, "holds one", "envs/nv"),
        ({"bin/python/": ""}, "there is no Python", "bin/python3"),
    ],
)
def test_what_is_wrong_is_told_with_its_cure(tmp_path, lay, files, said, cure):
    folder = lay(tmp_path / "broken", files)
    with pytest.raises(EnvironmentProblem) as caught:
        describe(folder, platform="linux")
    assert str(folder) in str(caught.value) and said in str(caught.value)
    assert cure in caught.value.cure


@pytest.mark.parametrize(
    "given_", ["", "  ", "/no/such/folder", "nul\0byte", "x" * 5000, "~nobody/x"]
)
def test_a_folder_that_is_none_is_told(given_):
    with pytest.raises(EnvironmentProblem) as caught:
        describe(given_)
    assert caught.value.cure


def test_a_dangling_interpreter_is_told(venv, tmp_path):
    folder = tmp_path / "v"
    shutil.copytree(venv, folder, symlinks=True)
    for name in os.listdir(folder / "bin"):
        if name.startswith("python"):
            (folder / "bin" / name).unlink()
            (folder / "bin" / name).symlink_to("/opt/gone/python")
    with pytest.raises(EnvironmentProblem, match="Python is gone"):
        describe(folder)


def test_a_file_that_is_no_interpreter_is_refused(tmp_path):
    (tmp_path / "python3").write_text("not to be run")
    for name in ("python3", "../conftest.py"):
        with pytest.raises(EnvironmentProblem):
            describe(tmp_path / name, platform="linux")


# -- CUDA --------------------------------------------------------------------------------------


def test_the_toolkit_of_the_environment_comes_first(tmp_path, lay, conda_record):
    system = lay(tmp_path / "cuda-12.1", {"bin/nvcc": "", "version.txt": "CUDA Version 12.1.105"})
    files = {"conda-meta/history": "", "bin/python": "", "lib/python3.11/site-packages/": ""}
    environ = {"CUDA_HOME": str(system)}
    prefix = lay(tmp_path / "nv", files)
    found = describe(prefix, platform="linux", environ=environ)
    assert (found.cuda_home, found.cuda_version) == (str(system), "12.1.105")
    wheel = "lib/python3.11/site-packages/nvidia"
    lay(prefix, {
        f"{wheel}/cu13/bin/nvcc": "",
        f"{wheel}/cuda_nvcc/bin/ptxas": "",
        "lib/python3.11/site-packages/nvidia_cuda_nvcc-13.0.88.dist-info/": "",
    })  # fmt: skip
    found = describe(prefix, platform="linux", environ=environ)
    assert (found.cuda_home, found.cuda_version) == (str(prefix / wheel / "cu13"), "13.0.88")
    lay(prefix, {
        "bin/nvcc": "",
        "conda-meta/cuda-nvcc-12.8.93-0.json": conda_record("cuda-nvcc", "12.8.93"),
    })  # fmt: skip
    found = describe(prefix, platform="linux", environ=environ)
    assert (found.cuda_home, found.cuda_version) == (str(prefix), "12.8.93")
    assert exports(found)["CUDA_HOME"] == str(prefix)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.3"}}'}, "12.6.3"),
        ({"version.json": '{"cuda": 7}', "version.txt": "CUDA Version 11.8.0"}, "11.8.0"),
        ({"include/cuda.h": "#define CUDA_VERSION 12080\n"}, "12.8"),
        ({"include/cuda_runtime_api.h": "#define CUDART_VERSION  11080\n"}, "11.8"),
        ({"version.json": "[" * 100_000}, None),
        ({}, None),
    ],
)
def test_the_version_of_a_toolkit(tmp_path, lay, files, version):
    root = lay(tmp_path / "toolkit", {"bin/nvcc": "", **files})
    assert module.cuda.version_of(str(root)) == version


def test_the_system_is_searched_in_order(tmp_path, lay):
    root = str(tmp_path)
    search = module.cuda.system_toolkit
    linux, windows = module.layout("linux"), module.layout("win32")
    assert search({"CUDA_HOME": "relative", "PATH": ""}, linux, root) is None
    files = "NVIDIA GPU Computing Toolkit/CUDA"
    lay(tmp_path / "usr/local", {f"cuda-{v}/bin/nvcc": "" for v in ("12.4", "12.10", "9.2")})
    lay(tmp_path / "PF" / files, {f"{v}/bin/nvcc.exe": "" for v in ("v11.8", "v12.4")})
    lay(tmp_path / "other", {"bin/nvcc": ""})
    assert search({}, linux, root) == f"{root}/usr/local/cuda-12.10"
    assert search({"PROGRAMFILES": "/PF"}, windows, root) == f"{root}/PF/{files}/v12.4"
    assert search({"PATH": f"/bin:{root}/other/bin"}, linux, f"{root}/no") == f"{root}/other"
    (tmp_path / "usr/local/cuda").symlink_to(tmp_path / "usr/local/cuda-9.2")
    assert search({}, linux, root) == f"{root}/usr/local/cuda"
    assert module.cuda.version_of(f"{root}/usr/local/cuda") == "9.2"


# -- cheapness and robustness ------------------------------------------------------------------


def test_a_second_look_reads_nothing(venv, monkeypatch, no_cuda):
    first = describe(venv)
    monkeypatch.setattr(module, "_read", lambda *_: pytest.fail("read again"))
    assert describe(venv) == first


def test_a_change_is_seen(tmp_path, lay, conda_record):
    files = {"bin/python": "", "conda-meta/python-3.11.1-0.json": conda_record("python", "3.11.1")}
    prefix = lay(tmp_path / "nv", files)
    assert describe(prefix).version == (3, 11, 1)
    (prefix / "conda-meta/python-3.11.1-0.json").unlink()
    lay(prefix, {"conda-meta/python-3.12.0-0.json": conda_record("python", "3.12.0")})
    assert describe(prefix).version == (3, 12, 0)


def test_a_pipe_in_place_of_a_record_does_not_stop_us(tmp_path, lay):
    prefix = lay(tmp_path / "nv", {"bin/python": "", "conda-meta/": "", "lib/python3.11/": ""})
    os.mkfifo(prefix / "conda-meta" / "python-3.11.1-0.json")
    os.mkfifo(prefix / "pyvenv.cfg")
    assert describe(prefix, platform="linux").version == (3, 11, 1)


texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["version = 3.11.2\n", "version_info = 9" * 9, "uv =", "home = \0", "[" * 9]),
    st.recursive(st.none() | st.integers() | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3)
                 | st.dictionaries(st.sampled_from(["version", "name", "cuda"]), inner, max_size=3),
                 max_leaves=6).map(json.dumps),
)  # fmt: skip
places = st.sampled_from([
    "pyvenv.cfg", "conda-meta/python-3.11.0-0.json", "conda-meta/pixi", "conda-meta/state",
    "bin/python", "bin/python3.99", "python.exe", "Scripts/python.exe", "lib/python3.11/os.py",
    "lib/python3.999999999/x", "lib/python3.11/site-packages/x", "Lib/site-packages/x",
    "version.json", "version.txt", "bin/nvcc", "include/cuda.h", "python39.dll",
    "conda-meta/cuda-nvcc-x-1.json", "conda-meta/python-9.9-x.json", "condabin",
])  # fmt: skip


@given(
    st.dictionaries(places, texts, max_size=8),
    st.sampled_from(["linux", "darwin", "win32", "cygwin", "freebsd14"]),
    st.sampled_from(["", "bin", "bin/python", "python.exe", "conda-meta", "pyvenv.cfg"]),
)
def test_no_folder_whatever_gives_a_traceback(tmp_path_factory, lay, files, platform, inside):
    folder = tmp_path_factory.mktemp("any")
    lay(folder, files)
    try:
        found = describe(folder / inside if inside else folder, platform=platform, environ={})
    except EnvironmentProblem as problem:
        assert str(folder) in str(problem) and problem.cure and "\n" not in str(problem)
    else:
        assert os.path.isabs(found.python) and os.path.isfile(found.python)
        assert found.version is None or len(found.version) >= 2
        assert found.site_packages is None or found.site_packages.startswith(str(folder))
        exports(found)


@given(st.text(st.characters(), max_size=60))
def test_no_path_whatever_gives_a_traceback(path):
    try:
        describe(path)
    except EnvironmentProblem as problem:
        assert problem.cure
