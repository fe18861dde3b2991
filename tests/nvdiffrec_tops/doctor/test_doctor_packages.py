"""Checks of what is installed, on stated facts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.checks import build_tools
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], Finding]
Healthy = Callable[..., Context]
Facts = dict[str, Any]
PYTHON = "/opt/envs/my env/bin/python3"


@pytest.mark.parametrize(
    "check",
    [
        "numpy_and_torch", "trainer_packages", "nvdiffrast", "tiny_cuda_nn", "hdr_reading",
        "build_tools", "compilers_match",
    ],
)  # fmt: skip
@pytest.mark.parametrize("quick", [False, True])
def test_all_is_well(healthy: Healthy, look: Look, check: str, quick: bool) -> None:
    assert look(healthy(quick=quick), check).severity == "ok"


@pytest.mark.parametrize(
    ("check", "module"),
    [
        ("torch_imports", "torch"),
        ("numpy_and_torch", "numpy"),
        ("trainer_packages", "imageio"),
        ("nvdiffrast", "nvdiffrast"),
        ("tiny_cuda_nn", "tinycudann"),
    ],
)
def test_what_is_missing_can_be_installed(
    healthy: Healthy, look: Look, check: str, module: str
) -> None:
    found = look(healthy(lambda light, heavy: light["packages"]["modules"].pop(module)), check)
    assert found.severity == "error"
    assert "not installed" in found.evidence
    assert "install" in shlex.split(found.cure)
    assert PYTHON in shlex.split(found.cure) or "/opt/envs/my env" in shlex.split(found.cure)


@pytest.mark.parametrize(
    ("check", "section"),
    [
        ("torch_imports", "torch"),
        ("nvdiffrast", "nvdiffrast"),
        ("tiny_cuda_nn", "tinycudann"),
        ("numpy_and_torch", "numpy"),
    ],
)
def test_what_cannot_be_imported(healthy: Healthy, look: Look, check: str, section: str) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy[section] = {"problem": "crashed with signal 11", "crashed": True, "stderr": ["x"]}

    found = look(healthy(change), check)
    assert found.severity == "error"
    assert "signal 11" in found.evidence
    assert found.cure


def test_the_embedded_trainer_needs_no_xatlas(healthy: Healthy, look: Look) -> None:
    context = healthy(
        lambda light, heavy: light["packages"]["modules"].pop("xatlas"), engine="diffrec"
    )
    assert look(context, "trainer_packages").severity == "ok"


def test_another_trainers_package_that_cannot_be_imported(healthy: Healthy, look: Look) -> None:
    context = healthy(
        lambda light, heavy: heavy.update(warp={"problem": "OSError: libcuda"}), engine="diffrec"
    )
    found = look(context, "trainer_packages")
    assert (found.severity, "libcuda" in found.evidence) == ("error", True)
    assert look(context, "diffrec_trainer").severity == "skipped"


def test_flavours_of_nvdiffrast(healthy: Healthy, look: Look) -> None:
    def older(light: Facts, heavy: Facts) -> None:
        light["packages"]["nvdiffrast_compiled"] = []
        light["packages"]["distributions"]["nvdiffrast"]["version"] = "0.3.3"

    def damaged(light: Facts, heavy: Facts) -> None:
        light["packages"]["nvdiffrast_compiled"] = []

    assert look(healthy(older), "nvdiffrast").severity == "note"
    assert look(healthy(damaged), "nvdiffrast").severity == "warning"


def test_tiny_cuda_nn_crashes_in_its_first_call(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy["tinycudann"] = {"problem": "crashed with signal 11", "crashed": True, "stderr": []}

    found = look(healthy(change), "tiny_cuda_nn")
    assert "second C++ runtime" in found.evidence
    assert found.cure.startswith("CC=/usr/bin/gcc CXX=/usr/bin/g++ ")


def test_tiny_cuda_nn_without_a_visible_card(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy["tinycudann"] = {"problem": "OSError: Unknown compute capability. Ensure PyTorch"}

    found = look(healthy(change), "tiny_cuda_nn")
    assert "no graphics card is visible" in found.evidence


@pytest.mark.parametrize(
    "facts",
    [
        {"hdr_problem": "NeedDownloadError: freeimage"},
        {"brightest": 255.0},
        {"brightest": 1.0},
    ],
)
def test_imageio_without_its_plug_in(healthy: Healthy, look: Look, facts: Facts) -> None:
    found = look(healthy(lambda light, heavy: heavy.update(imageio=facts)), "hdr_reading")
    assert found.severity == "note"  # the launcher stands in for it
    assert found.cure == "conda install --prefix '/opt/envs/my env' conda-forge::freeimage"
    own = healthy(lambda light, heavy: heavy.update(imageio=facts), kind="venv")
    assert look(own, "hdr_reading").cure == "sudo apt install libfreeimage3"


def test_imageio_without_its_plug_in_by_its_files(healthy: Healthy, look: Look) -> None:
    context = healthy(lambda light, heavy: light["packages"].update(freeimage=[]), quick=True)
    assert look(context, "hdr_reading").severity == "note"


@pytest.mark.parametrize("kind", ["conda", "venv"])
@pytest.mark.parametrize("tool", ["nvcc", "ninja", "compiler"])
def test_build_tools_that_are_missing(healthy: Healthy, look: Look, tool: str, kind: str) -> None:
    missing = healthy(lambda light, heavy: light["tools"].update({tool: {"path": ""}}), kind=kind)
    broken = healthy(
        lambda light, heavy: light["tools"][tool].update(problem="PermissionError"), kind=kind
    )
    for context in (missing, broken):
        found = look(context, "build_tools")
        assert found.severity == "error"
        assert "install" in found.cure
    assert look(missing, "compilers_match").severity == "skipped"


@pytest.mark.parametrize(
    ("nvcc", "gcc", "severity", "word"),
    [
        ("12.8", "14.2.0", "ok", ""),
        ("12.8", "15.1.0", "error", "GCC up to 14"),
        ("12.4", "13.3.0", "note", "is not the release"),
        ("11.8", "11.4.0", "error", "another generation"),
        ("10.1", "9.4.0", "error", "another generation"),
    ],
)
def test_compilers(
    healthy: Healthy, look: Look, nvcc: str, gcc: str, severity: str, word: str
) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["tools"]["nvcc"]["version"] = nvcc
        light["tools"]["compiler"]["version"] = gcc

    found = look(healthy(change), "compilers_match")
    assert found.severity == severity
    assert word in found.evidence


def test_the_trainer_refuses_the_configuration(healthy: Healthy, look: Look) -> None:
    context = healthy(
        lambda light, heavy: heavy.update(diffrec={"refused": '"iter": found 0; allowed: 1'}),
        engine="diffrec",
    )
    found = look(context, "diffrec_trainer")
    assert found.severity == "error"
    assert '"iter": found 0' in found.evidence
    assert look(healthy(engine="diffrec"), "diffrec_trainer").severity == "ok"


def test_the_trainer_lacks_a_module(healthy: Healthy, look: Look) -> None:
    problem = "ModuleNotFoundError: No module named 'diffrec.ops'"
    context = healthy(
        lambda light, heavy: heavy.update(diffrec={"problem": problem}), engine="diffrec"
    )
    assert look(context, "diffrec_trainer").severity == "error"


def test_the_compiler_is_looked_for_where_pytorch_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CUDA_HOME without nvcc is an error, though another nvcc is on PATH."""
    toolkit, other = tmp_path / "cuda", tmp_path / "other"
    for folder in (toolkit / "bin", other):
        folder.mkdir(parents=True)
    script = toolkit / "bin/nvcc"
    script.write_text("#!/bin/sh\necho Cuda compilation tools, release 12.8, V12.8.93\n")
    script.chmod(0o755)
    found = {}
    for home in (str(other), str(toolkit), ""):
        environ = {"PATH": f"{toolkit / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
        if home:
            environ["CUDA_HOME"] = home
        context = Context(sys.executable, engine="nvdiffrec", quick=True, environ=environ)
        found[home] = [one for one in build_tools.run(context) if "ninja" not in one.evidence]
    wrong = [one for one in found[str(other)] if "CUDA_HOME" in one.evidence]
    assert len(wrong) == 1 and wrong[0].severity == "error"
    assert str(other / "bin/nvcc") in wrong[0].evidence
    for home in (str(toolkit), ""):
        assert not [
            one for one in found[home] if "nvcc" in one.evidence and one.severity == "error"
        ]
