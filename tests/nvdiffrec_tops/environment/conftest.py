"""Environments of every kind: real ones made once, and folders laid out as other systems do."""

from __future__ import annotations

import asyncio
import ensurepip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

NUMBERED = f"python{sys.version_info[0]}.{sys.version_info[1]}"
BASE = os.path.realpath(sys.executable)


def write(path: Path, text: str = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.fixture(scope="session")
def lay() -> Callable[..., Path]:
    """``lay(folder, {"bin/python": "..."})``: a folder with these files; programs can be run."""

    def make(folder: Path, files: Mapping[str, str]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            program = name.startswith("bin/") or "/bin/" in name or name.endswith(".exe")
            if name.endswith("/"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            else:
                write(folder / name, text, 0o755 if program else 0o644)
        return folder

    return make


@pytest.fixture(scope="session")
def conda_record() -> Callable[..., str]:
    """The JSON that conda keeps of an installed package."""

    def make(name: str, version: str, **more: object) -> str:
        return json.dumps({"name": name, "version": version, "build": "0", **more})

    return make


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has no CUDA toolkit, whatever it has."""
    monkeypatch.setattr(
        "nvdiffrec_tops.environment.cuda.system_toolkit", lambda *_arguments, **_more: None
    )


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real venv."""
    folder = tmp_path_factory.mktemp("venvs") / "training"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def package() -> Callable[..., None]:
    """Builds a conda package into a channel's folder."""

    def make(
        channel: Path,
        name: str,
        version: str,
        files: Mapping[str, bytes | str],
        *,
        depends: tuple[str, ...] = (),
        links: Mapping[str, str] | None = None,
        noarch: bool = False,
        prefix: str | None = None,
    ) -> None:
        subdir = "noarch" if noarch else _subdir()
        index: dict[str, object] = {
            "name": name, "version": version, "build": "0", "build_number": 0,
            "depends": list(depends), "subdir": subdir,
        }  # fmt: skip
        if noarch:
            index["noarch"] = "python"
        contents = {
            path: text.encode() if isinstance(text, str) else text for path, text in files.items()
        }
        paths: list[dict[str, object]] = []
        for path, data in contents.items():
            entry: dict[str, object] = {
                "_path": path, "path_type": "hardlink", "size_in_bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }  # fmt: skip
            if prefix and prefix.encode() in data:
                entry |= {"prefix_placeholder": prefix, "file_mode": "text"}
            paths.append(entry)
        paths += [{"_path": path, "path_type": "softlink"} for path in links or {}]
        contents["info/index.json"] = json.dumps(index).encode()
        contents["info/paths.json"] = json.dumps({"paths": paths, "paths_version": 1}).encode()
        folder = channel / subdir
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / f"{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1) as tar:
            for path, data in contents.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                info.mode = 0o755 if path.startswith("bin/") else 0o644
                tar.addfile(info, io.BytesIO(data))
            for path, target in (links or {}).items():
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)

    return make


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory, package: Callable[..., None]) -> Path:
    """A conda channel on this disk: python, pip, and small packages, one of which has scripts.

    Its python leads to the interpreter that runs the tests; a ``pyvenv.cfg`` makes that one take
    the environment as its own.
    """
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    if os.name == "nt":
        pytest.skip("the channel's packages hold links")
    folder = tmp_path_factory.mktemp("channel")
    version = ".".join(map(str, sys.version_info[:3]))
    package(
        folder,
        "python",
        version,
        {
            "pyvenv.cfg": f"home = {os.path.dirname(BASE)}\nversion = {version}\n",
            f"lib/{NUMBERED}/site-packages/README.txt": "",
        },
        links={"bin/python3": BASE, "bin/python": "python3"},
    )
    wheel = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        files = {f"site-packages/{name}": archive.read(name) for name in archive.namelist()}
    package(folder, "pip", wheel.name.split("-")[1], files, depends=("python",), noarch=True)
    placeholder = "/opt/placeholder_placeholder_placeholder"
    package(
        folder,
        "cuda-nvcc",
        "12.9.86",
        {
            "bin/nvcc": f"#!/bin/sh\necho {placeholder}\n",
            "etc/conda/activate.d/cuda.sh": 'export NVCC_PREPEND_FLAGS="-I$CONDA_PREFIX/include"\n'
            'export PATH="$CONDA_PREFIX/nvvm/bin:$PATH"\n'
            'if [ -n "$CC" ]; then export CONDA_BACKUP_CC="$CC"; fi\nexport CC=conda-cc\n',
        },
        prefix=placeholder,
    )
    package(folder, "gpu-only", "1.0", {"share/gpu.txt": ""}, depends=("__cuda",), noarch=True)
    for number in range(8):
        body = {f"site-packages/part{number}/__init__.py": f"NUMBER = {number}\n"}
        body |= {f"site-packages/part{number}/m{i}.py": f"# {i}\n" for i in range(20)}
        package(folder, f"part{number}", "1.0", body, depends=("python",), noarch=True)
    from rattler.index import index_fs

    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where py-rattler keeps its downloads in these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel that pip can install without a network."""
    folder = tmp_path_factory.mktemp("wheels")
    with zipfile.ZipFile(folder / "tinything-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tinything.py", "ANSWER = 42\n")
        info = "tinything-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(scope="session")
def specification_text(channel: Path, wheels: Path) -> str:
    """An environment file of that channel with a part for pip."""
    return (
        f"name: small\nchannels: ['{channel.as_uri()}']\n"
        "dependencies: [python, pip, cuda-nvcc, part0, part1, part2, part3, part4, part5, part6,"
        f" part7, {{pip: ['--find-links {wheels}', 'tinything>=1,<2']}}]\n"
        "variables: {RENDER_FARM: night}\n"
    )


@pytest.fixture(scope="session")
def conda_environment(
    specification_text: str, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A real conda environment, made by the product."""
    from nvdiffrec_tops.environment.create import create
    from nvdiffrec_tops.environment.specification import parse_specification

    folder = tmp_path_factory.mktemp("envs") / "small"
    create(
        parse_specification(specification_text, "/shows/small.yml"),
        folder,
        cache=str(cache),
        environ={**os.environ, "PIP_NO_INDEX": "1", "HOME": str(folder.parent)},
    )
    return folder


def _subdir() -> str:
    from rattler.platform import Subdir

    return str(Subdir.current())
