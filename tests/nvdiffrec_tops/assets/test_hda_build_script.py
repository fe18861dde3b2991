"""The builder of the shipped assets, in a copy of the tree."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from houfiles.libraries import sections
from nvdiffrec_tops.assets.resultassets import RESULTS
from nvdiffrec_tops.assets.shipped import ASSETS, WRITTEN

Run = Callable[..., int]
TRAIN = ASSETS["nvdiffrec_train"]
EVERY = (*ASSETS.values(), *RESULTS.values())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "scripts" / "build_assets.py"
    spec = importlib.util.spec_from_file_location("build_assets", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def otls(root: Path, tmp_path: Path) -> Path:
    """Only what people write."""
    for asset in EVERY:
        inside = Path(asset.library) / sections.mangle(asset.section)
        (tmp_path / "otls" / inside).mkdir(parents=True)
        for name in WRITTEN:
            shutil.copy(root / "otls" / inside / name, tmp_path / "otls" / inside / name)
    return tmp_path / "otls"


@pytest.fixture
def run(script: ModuleType, otls: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(script, "ROOT", otls.parent)

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["build_assets.py", *arguments])
        return int(script.main())

    return call


def _tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_everything_else_is_made_from_what_people_write(
    run: Run, otls: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_ino for path in otls.rglob("*") if path.is_file()}
    assert run("--check") == 1
    assert capsys.readouterr().out.count("NOT up to date: INDEX__SECTION, ") == len(EVERY)
    assert {path for path in otls.rglob("*") if path.is_file()} == set(before)
    assert run() == 0
    made = _tree(otls)
    assert made.keys() == _tree(root / "otls").keys()
    assert all(path.stat().st_ino == known for path, known in before.items())
    capsys.readouterr()
    assert (run(), run("--check")) == (0, 0)
    assert capsys.readouterr().out.count("is up to date") == len(EVERY)
    assert _tree(otls) == made


def test_a_changed_file_is_named_and_made_again(
    run: Run, otls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    before = _tree(otls)
    index = otls / TRAIN.library / "INDEX__SECTION"
    index.write_bytes(index.read_bytes().replace(b"\n", b"\r\n"))
    capsys.readouterr()
    assert run("--check") == 1
    assert f"{TRAIN.library} is NOT up to date: INDEX__SECTION\n" in capsys.readouterr().out
    assert run() == 0
    assert _tree(otls) == before
    assert capsys.readouterr().out == f"wrote {index}\n"


def test_files_of_others_are_told_and_left_alone(
    run: Run, otls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    (otls / TRAIN.library / "notes.txt").write_text("keep")
    assert run() == 0
    assert "notes.txt is not part of the library; remove it" in capsys.readouterr().err
    assert run("--check") == 1
    assert (otls / TRAIN.library / "notes.txt").read_text() == "keep"


@pytest.mark.parametrize("name", WRITTEN)
def test_what_people_write_must_be_there(
    run: Run, otls: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = otls / TRAIN.library / sections.mangle(TRAIN.section) / name
    path.unlink()
    assert run() == 1
    assert capsys.readouterr().err == f"error: {path} is missing; it is written by hand\n"
    assert not path.exists()
