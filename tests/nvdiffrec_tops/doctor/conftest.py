"""Environments with stand-in packages, contexts with stated facts, and small data sets."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.examination import examined
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.environment import Environment

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

TORCH = """
from . import version
__version__ = version.__version__
class _Tensor:
    def numpy(self):
        if {numpy_problem!r}:
            raise RuntimeError({numpy_problem!r})
        return [0.0, 0.0]
def zeros(count):
    return _Tensor()
class cuda:
    @staticmethod
    def is_available():
        return False
    @staticmethod
    def device_count():
        return 0
    @staticmethod
    def get_arch_list():
        return []
"""


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real venv without any package, to be copied."""
    folder = tmp_path_factory.mktemp("doctor") / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def put_package() -> Callable[..., None]:
    """``put_package(environment, name, version, {file: text})``: installs a stand-in."""

    def put(
        environment: Path, name: str, version: str, files: Mapping[str, str] | None = None
    ) -> None:
        site = environment / SITE
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for path, text in (files or {f"{name}.py": f"__version__ = {version!r}\n"}).items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, encoding="utf-8")

    return put


@pytest.fixture
def environment(bare: Path, tmp_path: Path) -> Path:
    """A venv of this test alone."""
    folder = tmp_path / "my environment"
    shutil.copytree(bare, folder, symlinks=True)
    return folder


@pytest.fixture
def put_torch(put_package: Callable[..., None]) -> Callable[..., None]:
    """Installs a PyTorch that answers as a build of this version would."""

    def put(
        environment: Path,
        version: str = "2.8.0+cpu",
        cuda: str | None = None,
        numpy_problem: str = "",
    ) -> None:
        text = f"__version__ = {version!r}\ncuda: Optional[str] = {cuda!r}\nhip = None\n"
        put_package(
            environment,
            "torch",
            version,
            {
                "torch/version.py": "from typing import Optional\n" + text,
                "torch/__init__.py": TORCH.format(numpy_problem=numpy_problem),
            },
        )

    return put


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The process's environment without variables that matter; returns its home folder."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("PYTHON", "CUDA", "HFS", "TORCH", "XDG_", "CONDA", "VIRTUAL")):
            monkeypatch.delenv(name)
    for name in ("WORLD_SIZE", "LD_LIBRARY_PATH", "CC", "CXX", "HFS", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    return home


def light_facts() -> dict[str, Any]:
    """What a healthy Linux environment with one card tells without importing anything."""
    names = {
        "torch": "2.8.0+cu128", "numpy": "2.1.0", "nvdiffrast": "0.4.0", "tinycudann": "2.0",
        "imageio": "2.37", "xatlas": "0.0.11",
    }  # fmt: skip
    modules = (*names, "warp", "numba", "cv2", "diffrec")
    return {
        "python": {
            "version": [3, 11, 9], "implementation": "cpython", "bits": 64, "platform": "linux",
            "user_site": "",
        },
        "packages": {
            "distributions": {
                name: {"version": version, "folder": "/e/site"} for name, version in names.items()
            },
            "modules": {name: {"origin": f"/e/site/{name}/__init__.py"} for name in modules},
            "torch_build": {"version": "2.8.0+cu128", "cuda": "12.8", "hip": None, "known": True},
            "nvdiffrast_compiled": ["_nvdiffrast_c.so"],
            "tinycudann_compiled": ["_90_C.cpython-311-x86_64-linux-gnu.so"],
            "freeimage": ["/e/lib/libfreeimage-3.16.0.so"],
        },
        "tools": {
            "nvcc": {"path": "/usr/local/cuda/bin/nvcc", "version": "12.8"},
            "ninja": {"path": "/usr/bin/ninja", "version": "1.11.1"},
            "compiler": {"path": "/usr/bin/c++", "version": "12.2.0", "kind": "gcc"},
        },
        "driver": {
            "tool": "/usr/bin/nvidia-smi",
            "version": "570.86.15",
            "cards": [
                {
                    "name": "NVIDIA H100", "driver_version": "570.86.15", "memory.total": "81559",
                    "memory.free": "80000", "compute_cap": "9.0",
                }
            ],
        },
    }  # fmt: skip


def heavy_facts() -> dict[str, Any]:
    """What importing its packages gives."""
    return {
        "torch": {
            "version": "2.8.0+cu128", "cuda": "12.8", "hip": None, "available": True,
            "arch_list": ["sm_80", "sm_90", "compute_90"], "numpy": [0.0, 0.0], "computed": 8.0,
            "devices": [{"name": "NVIDIA H100", "capability": [9, 0], "memory": 80 << 30}],
        },
        "numpy": {"version": "2.1.0"},
        "nvdiffrast": {"version": "0.4.0"},
        "tinycudann": {"version": "2.0", "called": "[128, 3]"},
        "imageio": {"version": "2.37", "brightest": 4.0},
        "diffrec": {"installed": True},
    }  # fmt: skip


@pytest.fixture
def healthy() -> Callable[..., Context]:
    """``healthy(change, engine=..., ...)``: a context whose facts are stated, not asked for.

    ``change(light, heavy)`` may alter them in place.
    """

    def make(
        change: Callable[[dict[str, Any], dict[str, Any]], object] | None = None,
        *,
        engine: str = "nvdiffrec",
        environ: Mapping[str, str] | None = None,
        quick: bool = False,
        kind: str = "conda",
        **more: Any,
    ) -> Context:
        context = Context(
            "/opt/envs/my env", engine=engine, quick=quick, environ=environ or {}, **more
        )
        light, heavy = light_facts(), heavy_facts()
        if change is not None:
            change(light, heavy)
        context.__dict__["light"] = light
        context.__dict__["heavy"] = {} if quick else heavy
        context.__dict__["described"] = Environment(
            "/opt/envs/my env", kind, "my env", "/opt/envs/my env/bin/python3"
        )
        return context

    return make


@pytest.fixture
def look() -> Callable[[Context, str], Finding]:
    """The worst finding of one check."""

    def at(context: Context, check: str) -> Finding:
        from nvdiffrec_tops.doctor.finding import worst_first

        found = worst_first(examined(context, [check]))
        assert found, f"{check} said nothing"
        assert all(one.check == check for one in found)
        assert not found[0].evidence.startswith("the check itself failed"), found[0]
        return found[0]

    return at


def png(width: int, height: int, value: int = 255, channels: int = 1) -> bytes:
    """A PNG with one value in all channels of its middle, 0 around it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = b""
    for y in range(height):
        inside = height // 4 <= y < height - height // 4
        row = bytearray(width * channels)
        if inside:
            for x in range(width // 4, width - width // 4):
                row[x * channels : (x + 1) * channels] = bytes([value]) * channels
        rows += b"\0" + bytes(row)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    """See :func:`png`."""
    return png


def npy(rows: Sequence[Sequence[float]], columns: int = 17) -> bytes:
    """A NumPy file of float64."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {columns}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    values = [value for row in rows for value in row]
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header.encode()
        + struct.pack(f"<{len(values)}d", *values)
    )


def ring(count: int, radius: float = 4.0, size: int = 16) -> list[list[float]]:
    """Rows of poses_bounds.npy: cameras around the origin that look at it, y up."""
    import math

    rows = []
    for i in range(count):
        angle = 2 * math.pi * i / count
        back = (math.sin(angle), 0.0, math.cos(angle))
        right = (math.cos(angle), 0.0, -math.sin(angle))
        down = (0.0, -1.0, 0.0)
        centre = tuple(radius * one for one in back)
        intrinsics = (float(size), float(size), 1.2 * size)
        columns = (down, right, back, centre, intrinsics)
        rows.append([columns[c][r] for r in range(3) for c in range(5)] + [2.0, 6.0])
    return rows


@pytest.fixture
def llff(tmp_path: Path) -> Callable[..., Path]:
    """A folder of ten photographs with masks and cameras; returns the folder."""

    def make(
        name: str = "photos",
        count: int = 10,
        rows: Sequence[Sequence[float]] | None = None,
    ) -> Path:
        folder = tmp_path / name
        for inner in ("images", "masks"):
            (folder / inner).mkdir(parents=True)
            for i in range(count):
                channels = 3 if inner == "images" else 1
                (folder / inner / f"{i:03d}.png").write_bytes(png(16, 16, 200, channels))
        (folder / "poses_bounds.npy").write_bytes(npy(ring(count) if rows is None else rows))
        return folder

    return make


@pytest.fixture
def poses() -> tuple[Callable[..., bytes], Callable[..., list[list[float]]]]:
    """The makers of NumPy files and of cameras in a ring."""
    return npy, ring


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes a configuration; returns the parameters of a context that name it."""

    def make(**fields: Any) -> dict[str, Any]:
        path = tmp_path / "job.json"
        path.write_text(json.dumps(fields), encoding="utf-8")
        return {"config": str(path), "working_dir": str(tmp_path)}

    return make


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What an nvdiffrec checkout looks like from outside."""
    folder = tmp_path / "nvdiffrec"
    tets = folder / "data" / "tets"
    tets.mkdir(parents=True)
    for grid in (32, 64, 128):
        (tets / f"{grid}_tets.npz").write_bytes(b"PK\x03\x04grid")
    (folder / "data" / "irrmaps").mkdir()
    (folder / "data" / "irrmaps" / "bsdf_256_256.bin").write_bytes(b"\0" * 64)
    (folder / "train.py").write_text("")
    return folder
