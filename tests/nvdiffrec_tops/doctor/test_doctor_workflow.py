"""The original workflow's three troubleshooting cases, in real environments with stand-ins."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops import doctor
from nvdiffrec_tops.doctor import Finding

TINYCUDANN = """
import torch
if not torch.cuda.is_available():
    raise EnvironmentError(
        "Unknown compute capability. Ensure PyTorch with CUDA support is installed."
    )
"""


def of(findings: list[Finding], check: str) -> Finding:
    found = [one for one in findings if one.check == check]
    assert len(found) == 1, found
    return found[0]


def test_numpy_that_this_torch_was_not_built_for(
    environment: Path,
    put_torch: Callable[..., None],
    put_package: Callable[..., None],
    clean: Path,
) -> None:
    put_torch(environment, "2.1.0+cpu", numpy_problem="Numpy is not available")
    put_package(environment, "numpy", "2.0.1")
    found = of(doctor.examine(environment=str(environment)), "numpy_and_torch")
    assert found.severity == "error"
    assert "Numpy is not available" in found.evidence
    assert shlex.split(found.cure) == [
        str(environment / "bin" / "python3"), "-m", "pip", "install", "numpy<2",
    ]  # fmt: skip
    quickly = of(doctor.examine(environment=str(environment), quick=True), "numpy_and_torch")
    assert quickly.severity == "error"


def test_numpy_that_fits(
    environment: Path,
    put_torch: Callable[..., None],
    put_package: Callable[..., None],
    clean: Path,
) -> None:
    put_torch(environment, "2.1.0+cpu")
    put_package(environment, "numpy", "1.26.4")
    for quick in (False, True):
        findings = doctor.examine(environment=str(environment), quick=quick)
        assert of(findings, "numpy_and_torch").severity == "ok"


@pytest.mark.parametrize("quick", [False, True])
def test_torch_without_cuda_under_tiny_cuda_nn(
    environment: Path,
    put_torch: Callable[..., None],
    put_package: Callable[..., None],
    clean: Path,
    quick: bool,
) -> None:
    put_torch(environment, "2.8.0+cpu")
    put_package(environment, "tinycudann", "2.0", {"tinycudann/__init__.py": TINYCUDANN})
    findings = doctor.examine(environment=str(environment), engine="nvdiffrec", quick=quick)
    found = of(findings, "tiny_cuda_nn")
    assert found.severity == "error"
    assert "without CUDA" in found.evidence
    assert ("Unknown compute capability" in found.evidence) is not quick
    words = shlex.split(found.cure)
    assert words[1:6] == ["-m", "pip", "install", "--force-reinstall", "torch"]
    assert of(findings, "torch_cuda_build").severity == "error"


def test_a_lock_that_was_left_is_found_and_removed(
    environment: Path, put_torch: Callable[..., None], clean: Path
) -> None:
    put_torch(environment)
    plugin = clean / ".cache" / "torch_extensions" / "py311_cu118" / "nvdiffrast_plugin_gl"
    plugin.mkdir(parents=True)
    (plugin / "build.ninja").write_text("")
    lock = plugin / "lock"
    lock.write_text("")
    long_ago = 1_600_000_000  # another machine could not still be compiling
    for path in (lock, plugin / "build.ninja"):
        os.utime(path, (long_ago, long_ago))
    asked: dict[str, Any] = {"environment": str(environment), "engine": "nvdiffrec"}
    found = of(doctor.examine(**asked, quick=True), "stale_locks")
    assert found.severity == "warning"
    assert found.repair
    assert str(lock) in found.evidence
    assert found.cure == f"rm {shlex.quote(str(lock))}"
    assert doctor.repair(**asked) == [f"removed {lock}"]
    assert not lock.exists()
    assert (plugin / "build.ninja").exists()
    assert of(doctor.examine(**asked, quick=True), "stale_locks").severity == "ok"
    assert doctor.repair(**asked) == []


def test_a_lock_of_a_running_compilation_stays(environment: Path, clean: Path) -> None:
    cache = clean / ".cache" / "tops_nvdiffrec" / "torch_extensions" / "machine" / "py311"
    plugin = cache / "renderutils_plugin"
    plugin.mkdir(parents=True)
    lock = plugin / "lock"
    lock.write_text("")
    asked: dict[str, Any] = {"environment": str(environment), "engine": "nvdiffrec"}
    with subprocess.Popen(["tail", "-f", str(lock)], stdout=subprocess.PIPE, cwd=plugin) as process:
        try:
            found = of(doctor.examine(**asked, quick=True), "stale_locks")
            assert (found.severity, found.repair) == ("note", False)
            assert str(process.pid) in found.evidence
            assert doctor.repair(**asked) == []
            assert lock.exists()
        finally:
            process.kill()


CARD_TORCH = """
from . import version
__version__ = version.__version__
class _Tensor:
    def numpy(self): return [0.0, 0.0]
    def sum(self): return self
    def item(self): return 8.0
    shape = (128, 3)
def zeros(count): return _Tensor()
def ones(count, device): return _Tensor()
def rand(*shape, device): return _Tensor()
class _Card:
    name, major, minor, total_memory = "NVIDIA H100", 9, 0, 80 << 30
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    get_arch_list = staticmethod(lambda: ["sm_90"])
    get_device_properties = staticmethod(lambda index: _Card)
    mem_get_info = staticmethod(lambda index: (79 << 30, 80 << 30))
"""
CARD_TINYCUDANN = """
class Encoding:
    def __init__(self, count, settings): pass
    def __call__(self, points): return points
"""
PROGRAMS = {
    "nvidia-smi": "NVIDIA H100, 570.86.15, 81559, 80994, 9.0",
    "nvcc": "Cuda compilation tools, release 12.8, V12.8.93",
    "ninja": "1.11.1",
    "c++": "c++ (GCC) 13.2.0",
}


@pytest.mark.parametrize("quick", [False, True])
def test_an_environment_a_checkout_and_data_as_they_should_be(
    environment: Path,
    put_package: Callable[..., None],
    clean: Path,
    checkout: Path,
    llff: Callable[..., Path],
    configured: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quick: bool,
) -> None:
    """Nothing is complained of: no check cries wolf."""
    toolkit = tmp_path / "cuda"
    (toolkit / "bin").mkdir(parents=True)
    for name, said in PROGRAMS.items():
        (toolkit / "bin" / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (toolkit / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{toolkit / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_HOME", str(toolkit))
    build = "__version__ = '2.8.0+cu128'\ncuda: str = '12.8'\nhip = None\n"
    files = {"torch/__init__.py": CARD_TORCH, "torch/version.py": build}
    put_package(environment, "torch", "2.8.0+cu128", files)
    put_package(
        environment,
        "nvdiffrast",
        "0.4.0",
        {"nvdiffrast/__init__.py": "", "nvdiffrast/torch.py": "", "_nvdiffrast_c.so": ""},
    )
    bindings = {"tinycudann_bindings/_90_C.cpython-311.so": ""}
    files = {"tinycudann/__init__.py": CARD_TINYCUDANN, **bindings}
    put_package(environment, "tinycudann", "2.0", files)
    reading = "class _P:\n    max = staticmethod(lambda: 4.0)\ndef imread(path):\n    return _P\n"
    put_package(environment, "imageio", "2.37.0", {"imageio/__init__.py": reading})
    (environment / "lib" / "libfreeimage.so.3").write_text("")
    for name in ("numpy", "xatlas"):
        put_package(environment, name, "2.1.0")
    photographs = llff()
    given = configured(ref_mesh=str(photographs), mesh_scale=2.1, texture_res=[512, 512])
    findings = doctor.examine(
        environment=f"{environment}/",
        working_dir=f"{checkout}/",
        config=given["config"],
        engine="nvdiffrec",
        output=str(tmp_path / "out"),
        quick=quick,
    )
    bad = [one for one in findings if one.severity in ("error", "warning", "note")]
    # The environment's folder has a space in its name, which nvdiffrec alone cannot have.
    assert [one.check for one in bad] == ["plain_path"]
    expected = {"reference_mesh"}
    skipped = {one.check for one in findings if one.severity == "skipped"}
    assert skipped <= expected, [one for one in findings if one.severity == "skipped"]
