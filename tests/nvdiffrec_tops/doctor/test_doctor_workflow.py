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
