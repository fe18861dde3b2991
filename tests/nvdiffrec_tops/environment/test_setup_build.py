"""Environments made by the standard library and pip: whole, by hash, and after kills."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.environment.marker import NAME, read_marker, remove_environment
from nvdiffrec_tops.environment.setup import build as building
from nvdiffrec_tops.environment.setup import packages, progress, pythons, readiness
from nvdiffrec_tops.environment.setup.build import build, claimed
from nvdiffrec_tops.environment.setup.healing import heal
from nvdiffrec_tops.environment.setup.readiness import Plan, is_complete
from nvdiffrec_tops.job.process.lock import OutputLock

FILES = {"toything/__init__.py": "ANSWER = 42\n", "toything/more.py": "MORE = 'x' * 100\n"}


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """A wheel in a folder; its SHA-256."""
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text)}\n"
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in content.items():
            archive.writestr(inner, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Where pip finds packages, the list that names them, and the variables that say so."""
    folder = tmp_path_factory.mktemp("shop")
    digest = wheel(folder, "toything", "1.0", FILES)
    # What an index of builds for a processor alone has: another file than the list names.
    wheel(folder, "torch", "2.0+cpu", {"torch/__init__.py": "version = '2.0+cpu'\n"})
    lock = folder / "toy.lock.txt"
    lock.write_text(
        f"toything==1.0 ; sys_platform != 'os9' \\\n    --hash=sha256:{'0' * 64} \\\n"
        f"    --hash=sha256:{digest}\n"
        f"torch==2.0 \\\n    --hash=sha256:{'1' * 64}\n"
        f"nvidia-thing==1 ; sys_platform == 'linux' \\\n    --hash=sha256:{'1' * 64}\n"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environ = {
        **own,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        # As Houdini leaves them: another Python's.
        "PYTHONHOME": "/opt/hfs/python",
        "PYTHONPATH": "/opt/hfs/houdini/python3.11libs",
        "HOME": str(folder),
        "PYTHON": sys.executable,
    }
    return folder, lock, environ


def killed_in_ensurepip(folder: Path, lock: Path, environ: dict[str, str], root: Path) -> None:
    """Start a set-up as the buttons do, and kill all of it while pip is being copied."""
    program = root / "python3.11libs" / "nvdiffrec_tops" / "create_environment.py"
    clean = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", program, folder, "--lock", lock],
        env={**clean, "PYTHON": sys.executable},
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("lib/python*/site-packages/pip/_internal")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # The last of its children may still be ending, and hold the lock meanwhile.
    while (report := progress.read(str(folder))) and report.state == progress.RUNNING:
        assert time.monotonic() < deadline + 60
        time.sleep(0.01)


@pytest.fixture(scope="module")
def made(shop: Any, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """An environment whose first set-up was killed inside ensurepip, and whose second was not."""
    _, lock, environ = shop
    folder = tmp_path_factory.mktemp("own") / "with space" / "toy"
    killed_in_ensurepip(folder, lock, environ, root)
    report = progress.read(str(folder))
    assert report is not None and report.state == progress.STOPPED and report.cure
    assert json.loads((folder / NAME).read_text())["state"] == building.MAKING
    build(str(folder), Plan("toy", str(lock)), environ=environ)
    return folder


def run(folder: Path, code: str) -> str:
    command = [folder / "bin" / "python", "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_set_up_killed_inside_ensurepip_is_completed(made: Path, shop: Any) -> None:
    plan = Plan("toy", str(shop[1]))
    assert is_complete(str(made), plan)
    assert run(made, "import toything, torch, pip; print(toything.ANSWER, torch.version)") == (
        "42 2.0+cpu"
    )
    report = progress.read(str(made))
    assert report is not None and report.state == progress.DONE and report.fraction == 1.0
    said = (made / building.LOG).read_text()
    assert "nvidia-thing" not in said
    assert not [name for name in os.listdir(made) if name.endswith(".tmp")]
    assert not (made / ".job.lock").exists()


def test_a_pip_that_was_killed_and_a_file_with_another_hash(
    made: Path, shop: Any, tmp_path: Path
) -> None:
    """What is half there is installed again, and only from the file that the list names."""
    _, lock, environ = shop
    plan = Plan("toy", str(lock))
    (site,) = made.glob("lib/python*/site-packages")
    (site / "toything" / "more.py").unlink()
    (site / "~orch").mkdir()
    marker = json.loads((made / NAME).read_text())
    (made / NAME).write_text(json.dumps({**marker, "state": building.INSTALLING}))
    assert not is_complete(str(made), plan)
    other = tmp_path / "other.lock.txt"
    other.write_text(f"toything==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EnvironmentProblem, match="pip could not install") as caught:
        build(str(made), Plan("toy", str(other)), environ=environ)
    assert building.LOG in caught.value.cure and not (site / "toything" / "more.py").exists()
    report = progress.read(str(made))
    assert report is not None and report.state == progress.FAILED and report.message
    assert not is_complete(str(made), plan)
    build(str(made), plan, environ=environ)
    assert run(made, "import toything.more; print(len(toything.more.MORE))") == "100"
    assert not (site / "~orch").exists() and is_complete(str(made), plan)


def test_the_projects_own_environment_is_mended_whoever_left_it(
    made: Path, shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the older scripts left it: no marker, and a pip of which half is there."""
    _, lock, environ = shop
    (site,) = made.glob("lib/python*/site-packages")
    marker = (made / NAME).read_text()
    assert building._has_whole_pip(str(made))
    (made / NAME).unlink()
    with pytest.raises(EnvironmentProblem, match="not made here"):
        claimed(str(made))
    claimed(str(made), ours=True)
    assert json.loads((made / NAME).read_text())["state"] == building.INSTALLING
    (made / NAME).unlink()
    shutil.move(site / "pip" / "_vendor", tmp_path / "aside")
    assert not building._has_whole_pip(str(made))
    claimed(str(made), ours=True)
    assert json.loads((made / NAME).read_text())["state"] == building.MAKING

    def made_anew(*_: object) -> None:
        raise EnvironmentProblem("cleared and made anew", "")

    monkeypatch.setattr(building, "_make_venv", made_anew)
    for state in (building.MAKING, building.INSTALLING):
        document = {**json.loads((made / NAME).read_text()), "state": state}
        (made / NAME).write_text(json.dumps(document))
        with pytest.raises(EnvironmentProblem, match="made anew"):
            build(str(made), Plan("toy", str(lock)), environ=environ)
    shutil.move(tmp_path / "aside", site / "pip" / "_vendor")
    (made / NAME).write_text(marker)


def test_two_do_not_build_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = claimed(str(tmp_path / "own"))
    plan = Plan("toy", "/no/lock")
    waiting = threading.Event()

    def sleep(_seconds: float) -> None:
        waiting.set()
        time.sleep(0.01)

    monkeypatch.setattr(building, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(building, "_build", lambda *_: "made")
    holder = OutputLock(folder)
    with holder:
        assert progress.held(folder)
        with pytest.raises(EnvironmentProblem, match="another program"):
            build(folder, plan)
    assert not progress.held(folder)
    made: list[object] = []
    with holder:
        thread = threading.Thread(target=lambda: made.append(build(folder, plan, wait=True)))
        thread.start()
        assert waiting.wait(60)
        assert made == []
    thread.join(60)
    assert made == ["made"]
    assert capsys.readouterr().err.count("Waiting for the set-up") == 1


ORPHAN = """
import sys
from types import SimpleNamespace
from nvdiffrec_tops.environment.setup import build, packages, progress
from nvdiffrec_tops.job.process.lock import OutputLock
folder, pip = sys.argv[1:]
with OutputLock(folder) as lock:
    environment = SimpleNamespace(prefix=folder, python=pip)
    build._pip(environment, packages.Request("x", ()), {}, progress.Progress(), lock)
"""


def test_a_pip_that_outlives_its_set_up_keeps_others_out(tmp_path: Path, root: Path) -> None:
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho $$ >pid.part\nmv pid.part pid\nexec /bin/sleep 300\n")
    pip.chmod(0o755)
    environ = {**os.environ, "PYTHONPATH": str(root / "python3.11libs")}
    process = subprocess.Popen([sys.executable, "-c", ORPHAN, tmp_path, pip], env=environ)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    orphan = int((tmp_path / "pid").read_text())
    assert progress.held(str(tmp_path))
    os.kill(orphan, signal.SIGKILL)
    while progress.held(str(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_others_have_put_into_the_projects_own_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .venv of uv has no pip, one that was killed half of it: neither is cleared for that."""
    site = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in ("theirs", "pip", "pip-23.0.dist-info", "pip_tools"):
        (site / name).mkdir(parents=True)
    (tmp_path / ".venv" / "notes.txt").write_text("mine")
    folder = claimed(str(tmp_path / ".venv"), ours=True)
    monkeypatch.setattr(pythons, "find", lambda *_, **__: pythons.Python("/bin/true", (3, 11)))
    with OutputLock(folder) as lock:
        document = dict(read_marker(folder) or {})
        building._make_venv(folder, document, progress.Progress(), {}, lock)
    assert sorted(os.listdir(site)) == ["pip_tools", "theirs"]
    assert (tmp_path / ".venv" / "notes.txt").read_text() == "mine"
    with pytest.raises(EnvironmentProblem, match="not made by env create"):
        remove_environment(folder)
    own = claimed(str(tmp_path / "own"))
    (tmp_path / "own" / "half").mkdir()
    with OutputLock(own) as lock:
        building._make_venv(own, dict(read_marker(own) or {}), progress.Progress(), {}, lock)
    assert not (tmp_path / "own" / "half").exists()
    remove_environment(own)


@pytest.mark.parametrize("name", ["film", "file", "file/below", "", "a\nb", "\ud800"])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "scene.hip").write_text("x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem) as caught:
        claimed(f"{tmp_path}/{name}" if name else "")
    assert caught.value.cure and sorted(os.listdir(tmp_path)) == ["file", "film"]
    assert os.listdir(tmp_path / "film") == ["scene.hip"]


def test_a_path_too_long_for_windows_is_told_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    with pytest.raises(EnvironmentProblem, match="characters") as caught:
        claimed(str(folder), platform="win32")
    assert r"C:\envs" in caught.value.cure and not folder.exists()
    assert read_marker(claimed(str(folder))) is not None


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.from_regex(r"p/[a-z]{1,6}\.py", fullmatch=True), st.text("ab", max_size=9), min_size=1
    ),
    st.data(),
)
def test_what_is_not_whole_is_found(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], data: st.DataObject
) -> None:
    site = tmp_path_factory.mktemp("site")
    info = site / "p-1.dist-info"
    info.mkdir()
    (site / "p").mkdir()
    for name, text in files.items():
        (site / name).write_text(text)
    (info / "INSTALLER").write_text("pip\n")
    rows = [f"{name},sha256=x,{len(text)}" for name, text in files.items()]
    (info / "RECORD").write_text(
        "\n".join([*rows, "p/__pycache__/gone.pyc,,", "p-1.dist-info/RECORD,,"])
    )
    assert heal(str(site)) == [] and info.is_dir()
    hurt = data.draw(
        st.sampled_from(["missing", "shorter", "no installer", "no record", "garbage"])
    )
    name = data.draw(st.sampled_from(sorted(files)))
    if hurt == "missing":
        (site / name).unlink()
    elif hurt == "shorter":
        (site / name).write_text(files[name] + "c")
    elif hurt == "garbage":
        (info / "RECORD").write_bytes(b"\x00,\xff\n,,,,\n")
    else:
        (info / ("INSTALLER" if hurt == "no installer" else "RECORD")).unlink()
    assert heal(str(site)) == ["p-1.dist-info"] and not info.exists()


def test_what_pip_is_asked() -> None:
    lock = packages.lock_text(packages.SHIPPED)
    (whole,) = packages.requests(lock, index_chosen=False, cuda_index=False)
    assert {"--require-hashes", "--no-deps"} <= set(whole.options)
    assert "torch==" in whole.lines and "nvidia-cublas==" in whole.lines
    assert whole.count == whole.lines.count("==") - whole.lines.count(" == ") or whole.count > 30
    for chosen, card in ((True, False), (True, True), (False, True)):
        hashed, torch = packages.requests(lock, index_chosen=chosen, cuda_index=card)
        assert "torch==" not in hashed.lines and "nvidia-" not in hashed.lines
        assert "numpy==" in hashed.lines and "--require-hashes" in hashed.options
        assert torch.lines.startswith("torch==") and "--require-hashes" not in torch.options
        assert "numpy==" in torch.constraints
        # Where an index was chosen, it is the one: builds for a processor come from there.
        assert ("--index-url" in torch.options) == (not chosen)
    *_, own = packages.requests(lock, index_chosen=False, cuda_index=False, project="/a clone")
    assert {"--no-build-isolation", "--no-index", "--no-deps"} <= set(own.options)
    assert own.arguments == ("--editable", "/a clone")
    # What the build needs is among what was checked by its hash.
    assert "\nsetuptools==" in whole.lines


def test_the_lists_name_the_versions_of_the_constraints(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "scripts" / "build_locks.py", "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.count("is up to date") == 2, done.stdout
    declared = (root / "pyproject.toml").read_text(encoding="utf-8")
    listed = packages.lock_text(packages.SHIPPED)
    for name in ("torch", "numpy", "warp-lang", "numba", "xatlas", "opencv-python-headless"):
        assert f'"{name}>=' in declared and f"\n{name}==" in listed


def test_every_file_of_the_lists_has_a_hash(root: Path) -> None:
    for path in (Path(packages.SHIPPED), root / "development.lock.txt"):
        entries = path.read_text(encoding="utf-8").split("\n\n")[0]
        lines = [line for line in entries.splitlines() if line and not line.startswith("#")]
        for one, following in zip(lines, [*lines[1:], ""], strict=True):
            if not one.startswith(" "):
                assert following.strip().startswith("--hash=sha256:"), one


def test_a_plan_changes_with_its_files(tmp_path: Path) -> None:
    lock, project = tmp_path / "lock", tmp_path / "pyproject.toml"
    lock.write_text("a")
    project.write_text("b")
    plan = Plan("x", str(lock), str(tmp_path), (str(project),))
    seen = {plan.digest()}
    project.write_text("c")
    seen.add(plan.digest())
    lock.write_text("d")
    seen.add(plan.digest())
    seen.add(Plan("x", str(lock), "/elsewhere", (str(project),)).digest())
    assert len(seen) == 4


@settings(max_examples=30)
@given(st.binary(max_size=200) | st.sampled_from([b"[]", b'{"plans": 3}', b'{"plans": {"x": 1}}']))
def test_no_marker_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("x")
    (folder / readiness.MARKER).write_bytes(data)
    (folder / progress.NAME).write_bytes(data)
    assert not is_complete(str(folder), Plan("x", "/no/lock"))
    assert progress.read(str(folder)) is None
