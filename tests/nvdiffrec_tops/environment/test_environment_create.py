"""Conda environments are made from an environment file, completed when stopped, and removed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem, describe
from nvdiffrec_tops.environment import create as creation
from nvdiffrec_tops.environment.create import create
from nvdiffrec_tops.environment.marker import NAME, read_marker, remove_environment
from nvdiffrec_tops.environment.setup.progress import Progress
from nvdiffrec_tops.environment.specification import parse_specification


def run(folder, code):
    """Run code in an environment's own Python; what it prints."""
    command = [str(folder / "bin" / "python"), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HOME", str(tmp_path))


def small(text):
    return parse_specification(text, "/shows/small.yml")


def test_a_made_environment_is_whole(conda_environment):
    described = describe(conda_environment)
    assert described.kind == "conda" and described.name == "small"
    assert described.version == tuple(sys.version_info[:3])
    assert described.cuda_home == str(conda_environment) and described.cuda_version == "12.9.86"
    assert run(conda_environment, "import part7, tinything; print(tinything.ANSWER)") == "42"
    assert run(conda_environment, "import sys; print(sys.prefix)") == str(conda_environment)
    said = subprocess.run([conda_environment / "bin/nvcc"], capture_output=True, text=True)
    assert said.stdout.strip() == str(conda_environment)  # the placeholder was replaced
    assert (conda_environment / "conda-meta" / "history").is_file()
    marker = read_marker(str(conda_environment))
    assert marker["state"] == "complete" and len(marker["packages"]) == 11
    assert not [name for name in os.listdir(conda_environment) if name.endswith(".tmp")]


def test_what_is_complete_is_left_alone(conda_environment, specification_text, cache):
    class Told(Progress):
        def step(self, title, total=None):
            raise AssertionError(title)

    before = (conda_environment / NAME).stat().st_mtime_ns
    made = create(small(specification_text), conda_environment, cache=str(cache), progress=Told())
    assert made == describe(conda_environment)
    assert (conda_environment / NAME).stat().st_mtime_ns == before


KILLED = """
import os, signal, sys
from nvdiffrec_tops.environment.create import create
from nvdiffrec_tops.environment.setup.progress import Progress
from nvdiffrec_tops.environment.specification import parse_specification
class Kill(Progress):
    count = 0
    def advance(self):
        self.count += 1
        if self.count == 3:
            os.kill(os.getpid(), signal.SIGKILL)
create(parse_specification(open(sys.argv[1]).read(), sys.argv[1]), sys.argv[2],
       cache=sys.argv[3], progress=Kill())
"""


def test_a_killed_run_is_completed_by_the_next(specification_text, cache, tmp_path, offline):
    source = tmp_path / "small.yml"
    source.write_text(specification_text)
    folder = tmp_path / "with space" / "small"
    command = [sys.executable, "-c", KILLED, str(source), str(folder), str(cache)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert read_marker(str(folder))["state"] == "incomplete"
    assert not (folder / f"lib/{creation_site()}/tinything.py").exists()
    # One package whose files are there but whose record was not written.
    linked = sorted((folder / "conda-meta").glob("part*.json"))
    for record in linked[:1]:
        record.unlink()
    made = create(small(specification_text), folder, cache=str(cache))
    names = " ".join(f"part{number}" for number in range(8))
    code = f"import tinything\nfor n in {names.split()!r}: print(__import__(n).NUMBER, end='')"
    assert run(folder, code) == "01234567"
    assert read_marker(str(folder))["state"] == "complete"
    assert made.name == "small"
    remove_environment(str(folder))
    assert not folder.exists() and os.listdir(folder.parent) == []


def creation_site():
    return f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def test_another_specification_changes_the_environment(channel, cache, tmp_path, offline):
    folder = tmp_path / "changing"
    text = f"channels: ['{channel.as_uri()}']\ndependencies: [python, part0, part1]\n"
    create(parse_specification(text, "/shows/a.yml"), folder, cache=str(cache))
    create(parse_specification(text.replace("part1", "part2"), "/a.yml"), folder, cache=str(cache))
    code = "import importlib.util as i; print([n for n in range(3) if i.find_spec(f'part{n}')])"
    assert run(folder, code) == "[0, 2]"


def test_the_channel_may_be_a_folder_beside_the_file(channel, cache, tmp_path, offline):
    text = "channels: [./packages]\ndependencies: [python]\n"
    (tmp_path / "packages").symlink_to(channel)
    made = create(
        parse_specification(text, str(tmp_path / "env.yml")), tmp_path / "x", cache=str(cache)
    )
    assert made.version == tuple(sys.version_info[:3])


@pytest.mark.parametrize(
    ("dependencies", "told"),
    [
        ("[python, nothing-of-this-name]", "nothing-of-this-name"),
        ("[python >=99]", "python"),
        ("['python ===[']", "python"),
    ],
)
def test_what_cannot_be_solved_is_named(channel, cache, tmp_path, dependencies, told):
    text = f"channels: ['{channel.as_uri()}']\ndependencies: {dependencies}\n"
    with pytest.raises(EnvironmentProblem, match=told) as caught:
        create(parse_specification(text, "/shows/a.yml"), tmp_path / "x", cache=str(cache))
    assert caught.value.cure
    assert read_marker(str(tmp_path / "x"))["state"] == "incomplete"


def test_a_machine_without_a_driver_is_told_what_to_do(channel, cache, tmp_path, monkeypatch):
    text = f"channels: ['{channel.as_uri()}']\ndependencies: [python, gpu-only]\n"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    with pytest.raises(EnvironmentProblem, match="__cuda") as caught:
        create(small(text), tmp_path / "x", cache=str(cache))
    assert "CONDA_OVERRIDE_CUDA" in caught.value.cure
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.9")
    assert create(small(text), tmp_path / "x", cache=str(cache)).kind == "conda"


def test_a_missing_channel_is_named(cache, tmp_path):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    text = f"channels: ['{(tmp_path / 'nowhere').as_uri()}']\ndependencies: [python]\n"
    with pytest.raises(EnvironmentProblem) as caught:
        create(parse_specification(text, "/shows/a.yml"), tmp_path / "x", cache=str(cache))
    assert "nowhere" in str(caught.value) + caught.value.cure


def test_pip_says_what_it_could_not_install(channel, cache, tmp_path, offline):
    text = (
        f"channels: ['{channel.as_uri()}']\n"
        "dependencies: [python, pip, {pip: [no-such-thing-anywhere]}]\n"
    )
    specification = parse_specification(text, "/shows/a.yml")
    with pytest.raises(EnvironmentProblem, match="no-such-thing-anywhere") as caught:
        create(specification, tmp_path / "x", cache=str(cache))
    log = tmp_path / "x" / creation.PIP_LOG
    assert str(log) in caught.value.cure and "no-such-thing-anywhere" in log.read_text()


def test_without_rattler_nothing_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(creation.importlib.util, "find_spec", lambda _name: None)
    specification = parse_specification("dependencies: [python]", "/shows/a.yml")
    with pytest.raises(EnvironmentProblem, match="py-rattler") as caught:
        create(specification, tmp_path / "x")
    assert "-m pip install py-rattler" in caught.value.cure
    assert os.listdir(tmp_path) == []


def test_a_folder_of_somebody_else_is_refused(tmp_path, channel):
    specification = parse_specification("dependencies: [python]", "/shows/a.yml")
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "scene.hip").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("film", "file", "file/below", "", "a\nb"):
        prefix = f"{tmp_path}/{name}" if name else ""
        with pytest.raises(EnvironmentProblem):
            create(specification, prefix)
    assert sorted(os.listdir(tmp_path)) == ["file", "film"]
    assert os.listdir(tmp_path / "film") == ["scene.hip"]


anywhere = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(
        ["", ".", "..", "film", "film/..", "film/scene.hip", "made", "made/../film", "~"]
    ),
)


@given(anywhere)
def test_removing_and_claiming_touch_nothing_else(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("disk")
    (folder / "film").mkdir()
    (folder / "film" / "scene.hip").write_text("x")
    with pytest.raises(EnvironmentProblem) as caught:
        remove_environment(f"{folder}/{name}")
    assert caught.value.cure
    with contextlib.suppress(EnvironmentProblem):
        claimed = creation._claimed(f"{folder}/{name}")
        assert read_marker(claimed) is not None
        assert claimed not in (str(folder), str(folder / "film"))
        remove_environment(claimed)
        assert not os.path.lexists(claimed)
    assert (folder / "film" / "scene.hip").read_text() == "x"
    assert os.listdir(folder / "film") == ["scene.hip"]


def test_a_complete_environment_that_was_broken_is_told(channel, cache, tmp_path, offline):
    text = f"channels: ['{channel.as_uri()}']\ndependencies: [python]\n"
    folder = tmp_path / "x"
    create(small(text), folder, cache=str(cache))
    for name in ("python", "python3"):
        (folder / "bin" / name).unlink()
    with pytest.raises(EnvironmentProblem, match="something in it is gone") as caught:
        create(small(text), folder, cache=str(cache))
    assert "env remove" in caught.value.cure


def test_two_programs_do_not_make_one_environment(tmp_path, channel):
    from nvdiffrec_tops.job.process.lock import OutputLock

    folder = tmp_path / "x"
    creation._claimed(str(folder))
    specification = parse_specification("dependencies: [python]", "/shows/a.yml")
    with OutputLock(str(folder)), pytest.raises(EnvironmentProblem, match="not free"):
        create(specification, folder)


def test_only_what_was_made_here_is_removed(tmp_path, venv):
    made = Path(creation._claimed(str(tmp_path / "made")))
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / NAME).write_bytes((made / NAME).read_bytes())
    (tmp_path / "link").symlink_to(made)
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / NAME).write_text(json.dumps({"version": 1, "prefix": str(tmp_path)}))
    for folder in (copied, forged, venv, tmp_path, tmp_path / "link", tmp_path / "absent", "/"):
        with pytest.raises(EnvironmentProblem) as caught:
            remove_environment(str(folder))
        assert caught.value.cure
    assert copied.is_dir() and venv.is_dir() and made.is_dir()
    remove_environment(str(made))
    assert not made.exists()


def test_the_folder_one_stands_in_is_not_removed(tmp_path, monkeypatch):
    made = creation._claimed(str(tmp_path / "made"))
    monkeypatch.chdir(made)
    with pytest.raises(EnvironmentProblem, match="working folder"):
        remove_environment(made)
