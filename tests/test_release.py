"""The release: built, read back strictly, cooked from as it lies; nothing is written into it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from houfiles import load
from houfiles.libraries import hda
from houfiles.libraries.expanded import encode_expanded, read_expanded
from nvdiffrec_contract import VERSION
from nvdiffrec_tops.assets.resultassets import RESULTS
from nvdiffrec_tops.assets.shipped import ASSETS

NAME = "tops_nvdiffrec"


@pytest.fixture(scope="module")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist") / "release.zip"
    script = root / "scripts" / "build_release.py"
    done = subprocess.run(
        [sys.executable, script, "--output", target], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(target.parent) == [target.name] and str(target) in done.stdout
    return target


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``packages`` folder of a Houdini, with the release in it, read-only."""
    packages = tmp_path_factory.mktemp("houdini21.0") / "packages"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(packages)
    for path in [packages, *packages.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    return packages


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def test_the_zip_is_plain(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        entries = opened.infolist()
    names = [one.filename for one in entries]
    assert len(names) == len({name.lower() for name in names}) and names == sorted(names)
    for one in entries:
        path = PurePosixPath(one.filename)
        assert not path.is_absolute() and ".." not in path.parts and "\\" not in one.filename
        assert stat.S_ISREG(one.external_attr >> 16) and not one.flag_bits & 1
        # Windows, below C:/Users/NAME/Documents/houdini21.0/packages.
        assert len(one.filename) < 160
    assert {name.split("/")[0] for name in names} == {f"{NAME}.json", NAME}
    unwanted = re.compile(r"(^|/)(\.|tests/|dist/)|\.egg-info|\.venv|\.lock$|/api/")
    assert not [name for name in names if unwanted.search(name)]


def test_houdini_finds_everything(unpacked: Path, root: Path) -> None:
    assert [path.name for path in unpacked.glob("*.json")] == [f"{NAME}.json"]
    package = json.loads((unpacked / f"{NAME}.json").read_text(encoding="utf-8"))
    ours = json.loads((root / "package.json").read_text(encoding="utf-8"))
    assert set(package) == set(ours) and package["version"] == VERSION
    assert package["env"] == [{"TOPS_NVDIFFREC": f"$HOUDINI_PACKAGE_PATH/{NAME}"}]
    assert package["hpath"] == "$TOPS_NVDIFFREC"
    folder = unpacked / NAME
    for name in ("otls", "hip", "toolbar", "pdg", "python3.11libs", "python3.13libs", "docs"):
        assert (folder / name).is_dir()
    for name in ("LICENSE", "README.md", "scripts/python/pythonrc.py", "sample/sample.json"):
        assert (folder / name).is_file()
    ElementTree.parse(folder / "toolbar" / "nvdiffrec.shelf")
    for scene in (folder / "hip").glob("*.hip"):
        assert scene.read_bytes() == (root / "hip" / scene.name).read_bytes()
        load(scene)
    configuration = json.loads((folder / "sample/sample.json").read_text(encoding="utf-8"))
    assert (folder / "sample" / configuration["ref_mesh"]).is_file()


def test_the_binary_assets_are_the_expanded_ones(unpacked: Path, root: Path) -> None:
    for asset in (*ASSETS.values(), *RESULTS.values()):
        path = unpacked / NAME / "otls" / asset.library
        assert path.is_file()
        kept = encode_expanded(read_expanded(root / "otls" / asset.library))
        assert encode_expanded(hda.expand(path.read_bytes())) == kept


def test_every_module_is_there_with_its_byte_code(unpacked: Path, root: Path) -> None:
    source, made = root / "python3.11libs", unpacked / NAME / "python3.11libs"
    version = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
    for path in source.rglob("*.py"):
        other = made / path.relative_to(source)
        assert other.read_bytes() == path.read_bytes()
        if sys.version_info[:2] in ((3, 11), (3, 13)):
            assert (other.parent / "__pycache__" / f"{path.stem}.{version}.pyc").is_file()
    assert (made / "nvdiffrec_tops/environment/setup/diffrec.lock.txt").is_file()
    assert (made / "nvdiffrec_tops/templates/env-diffrec.yml").is_file()


def test_a_cook_from_it_writes_nothing_into_it(unpacked: Path, tmp_path: Path) -> None:
    before = content(unpacked)
    folder = unpacked / NAME
    unset = ("TOPS_NVDIFFREC", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if name not in unset}
    environ["PYTHONPATH"] = str(folder / "python3.11libs")
    scene = folder / "hip" / "TOPs_nvdiffrec_Static.hip"
    command = [sys.executable, "-m", "nvdiffrec_tops", "cook", scene, "--dry-run", "--json"]
    command += ["--set", f"attributes.output_dir={tmp_path / 'out'}"]
    command += ["--set", f"attributes.miniconda_env={sys.prefix}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = json.dumps(json.loads(done.stdout))
    assert f"{folder}/python3.11libs/nvdiffrec_tops/job" in text and "hip/../sample/" in text
    assert content(unpacked) == before
    assert not list(tmp_path.rglob("*.pyc"))


def test_the_set_up_starts_from_it(unpacked: Path, tmp_path: Path) -> None:
    """The program behind *Create Environment*, with a list of packages that is not there."""
    before = content(unpacked)
    program = unpacked / NAME / "python3.11libs" / "nvdiffrec_tops" / "create_environment.py"
    command = [sys.executable, "-I", "-S", program, tmp_path / "own", "--lock", tmp_path / "none"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr and content(unpacked) == before
