"""Environments that start on another machine, and those that only seem to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.environment import EnvironmentProblem, travel

NUMBERED = f"python{sys.version_info[0]}.{sys.version_info[1]}"
BASE = Path(sys.base_prefix).resolve()
_LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "site-packages", "__pycache__", "config-*"
)


@pytest.fixture(scope="session")
def own_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that carries its own Python, as conda's environments do: a copy of this one's."""
    if os.name == "nt" or travel.of_the_system(str(BASE)):
        pytest.skip("this Python lies in the system's folders and is not copied")
    folder = tmp_path_factory.mktemp("share") / "envs" / "own"
    library = folder / "lib" / NUMBERED
    shutil.copytree(BASE / "lib" / NUMBERED, library, ignore=_LEFT_OUT)
    (library / "site-packages").mkdir()
    for shared in (BASE / "lib").glob("libpython*.so*"):
        shutil.copy(shared, folder / "lib")
    (folder / "bin").mkdir()
    program = folder / "bin" / NUMBERED
    # As conda does: the library beside the program, wherever that is, and not where it was built.
    absolute, relative = os.fsencode(BASE / "lib") + b"\0", b"$ORIGIN/../lib"
    data = Path(sys.executable).resolve().read_bytes()
    if len(relative) < len(absolute):
        data = data.replace(absolute, relative.ljust(len(absolute), b"\0"))
    program.write_bytes(data)
    program.chmod(0o755)
    (folder / "bin" / "python3").symlink_to(NUMBERED)
    (folder / "conda-meta").mkdir()
    return folder


def virtual(python: Path | str, folder: Path, *options: str) -> Path:
    """A venv made by a Python."""
    command = [str(python), "-m", "venv", "--without-pip", *options, str(folder)]
    subprocess.run(command, check=True)
    return folder


def starts_elsewhere(environment: Path) -> bool:
    """Whether its Python starts on a machine that has not this one's: it is hidden meanwhile."""
    hidden = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    if (
        shutil.which("unshare") is None
        or subprocess.run([*hidden, script, str(BASE), "true"], capture_output=True).returncode
    ):
        pytest.skip("folders cannot be hidden from a process here")
    # Debian's library of the same version may step in for the hidden one: that is another Python.
    code = "import ssl, sys; sys.exit(sys.base_prefix == '/usr')"
    done = subprocess.run(
        [*hidden, script, str(BASE), str(environment / "bin" / "python3"), "-I", "-c", code],
        capture_output=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return done.returncode == 0


def reason(environment: Path, share: Path) -> str:
    return travel.needs(str(environment), travel.inside(str(share))).reason


def test_what_carries_its_own_python_travels(own_python: Path) -> None:
    found = travel.needs(str(own_python), travel.inside(str(own_python)))
    assert found.reason == "" and not found.elsewhere and not found.system and not found.virtual
    assert starts_elsewhere(own_python)


@pytest.mark.parametrize("how", ["--symlinks", "--copies"])
def test_a_virtual_environment_stays_with_its_python(
    own_python: Path, tmp_path: Path, how: str
) -> None:
    folder = virtual(sys.executable, tmp_path / "envs" / "training", how)
    said = reason(folder, tmp_path)
    assert said == f"it is a virtual environment, and the Python that it needs is in {BASE}"
    assert not starts_elsewhere(folder)


def test_a_virtual_environment_of_a_shared_python_travels(own_python: Path) -> None:
    share = own_python.parents[1]
    folder = virtual(own_python / "bin" / "python3", share / "envs" / "of own")
    assert reason(folder, share) == ""
    assert "virtual" in reason(folder, folder)
    assert starts_elsewhere(folder)


def test_packages_that_are_elsewhere_are_seen(own_python: Path, tmp_path: Path) -> None:
    share = own_python.parents[1]
    folder = virtual(own_python / "bin" / "python3", share / "envs" / "with links")
    site = folder / "lib" / NUMBERED / "site-packages"
    (tmp_path / "project").mkdir()
    cached = tmp_path / "cached.py"
    cached.write_text("")
    for put, take in (
        (lambda: (site / "mine.pth").write_text(f"{tmp_path}/project\n"), site / "mine.pth"),
        (lambda: (site / "linked.py").symlink_to(cached), site / "linked.py"),
        (lambda: (site / "package" / "linked.py").symlink_to(cached), site / "package/linked.py"),
    ):
        (site / "package").mkdir(exist_ok=True)
        put()
        assert str(tmp_path) in reason(folder, share)
        take.unlink()
        assert reason(folder, share) == ""


def test_an_environment_that_is_seen_through_a_link_travels(
    own_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "mnt").symlink_to(own_python.parents[1])
    assert reason(tmp_path / "mnt" / "envs" / "own", tmp_path / "mnt") == ""


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "echo '[]'",
        'echo \'{"base": "/", "virtual": true}\'',
        "echo; echo no >&2; kill -9 $$",
    ],
)
def test_a_python_that_does_not_start_is_told(tmp_path: Path, script: str) -> None:
    if os.name == "nt":
        pytest.skip("the interpreter is a shell script")
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match="does not start") as problem:
        travel.needs(str(tmp_path), lambda _path: True)
    assert "nvdiffrec-tops doctor" in problem.value.cure


@pytest.mark.skipif(os.name == "nt", reason="folders of other systems")
def test_the_systems_own_folders() -> None:
    assert all(travel.of_the_system(one) for one in ("/usr/lib/libc.so.6", "/lib64/ld.so", "/usr"))
    for one in ("/usr/local/bin/python3", "/opt/conda", "/library", "/usrx"):
        assert not travel.of_the_system(one)
