"""Checks of driver, card and PyTorch's build, on stated facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.versions import newest_gcc, oldest_driver, pytorch_index, serves

Look = Callable[[Context, str], Finding]
Healthy = Callable[..., Context]
Facts = dict[str, Any]


@pytest.mark.parametrize("engine", ["diffrec", "nvdiffrec"])
@pytest.mark.parametrize(
    "check",
    ["torch_cuda_build", "cuda_driver", "gpu_visible", "gpu_architecture", "torch_imports"],
)
def test_all_is_well(healthy: Healthy, look: Look, engine: str, check: str) -> None:
    assert look(healthy(engine=engine), check).severity == "ok"
    assert look(healthy(engine=engine, quick=True), check).severity == "ok"


def without_cuda(light: Facts, heavy: Facts) -> None:
    light["packages"]["torch_build"].update(cuda=None)
    heavy["torch"].update(cuda=None, available=False, devices=[], arch_list=[])


@pytest.mark.parametrize(
    ("engine", "card", "severity"),
    [
        ("nvdiffrec", True, "error"),
        ("nvdiffrec", False, "error"),
        ("diffrec", True, "warning"),
        ("diffrec", False, "ok"),
    ],
)
def test_a_build_without_cuda(
    healthy: Healthy, look: Look, engine: str, card: bool, severity: str
) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        without_cuda(light, heavy)
        if not card:
            light["driver"] = {"tool": "", "cards": [], "version": ""}

    found = look(healthy(change, engine=engine), "torch_cuda_build")
    assert found.severity == severity
    assert ("pip install" in found.cure) is (severity != "ok")


def test_a_build_for_rocm(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy["torch"].update(cuda=None, hip="6.2")

    assert "ROCm 6.2" in look(healthy(change), "torch_cuda_build").evidence
    assert look(healthy(change), "cuda_driver").severity == "skipped"


@pytest.mark.parametrize(
    ("driver", "cuda", "severity"),
    [
        ("470.82.01", "12.8", "error"),
        ("525.60.13", "12.8", "ok"),
        ("570.86.15", "13.0", "error"),
        ("580.65.06", "13.0", "ok"),
        ("450.80.02", "11.8", "ok"),
        ("570.86.15", "99.0", "skipped"),
    ],
)
def test_drivers(healthy: Healthy, look: Look, driver: str, cuda: str, severity: str) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["driver"]["version"] = driver
        heavy["torch"]["cuda"] = cuda

    found = look(healthy(change), "cuda_driver")
    assert found.severity == severity
    assert ("--index-url" in found.cure) is (severity == "error")
    if severity == "error":
        assert look(healthy(change, engine="diffrec"), "cuda_driver").severity == "warning"


def test_no_card(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["driver"] = {"tool": "", "cards": [], "version": ""}
        heavy["torch"].update(available=False, devices=[])

    assert look(healthy(change), "gpu_visible").severity == "error"
    assert look(healthy(change, quick=True), "gpu_visible").severity == "warning"
    assert look(healthy(change, engine="diffrec"), "gpu_visible").severity == "note"
    assert look(healthy(change), "cuda_driver").severity == "skipped"


def test_a_hidden_card(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy["torch"].update(available=False, devices=[])

    context = healthy(change, environ={"CUDA_VISIBLE_DEVICES": "-1"})
    found = look(context, "gpu_visible")
    assert found.severity == "error"
    assert found.cure == "unset CUDA_VISIBLE_DEVICES"
    found = look(healthy(change), "gpu_visible")
    assert "PyTorch does not see it" in found.evidence


def test_a_driver_that_does_not_answer(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["driver"].update(cards=[], version="", said="Driver/library version mismatch\n")
        heavy["torch"].update(available=False, devices=[])

    assert "version mismatch" in look(healthy(change), "gpu_visible").evidence


def test_an_nvidia_smi_that_hangs(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["driver"] = {"problem": "TimeoutExpired: after 8 seconds"}
        heavy["torch"].update(available=False, devices=[])

    found = look(healthy(change), "gpu_visible")
    assert found.severity == "error"
    assert "does not answer" in found.evidence


def test_a_card_that_computes_nothing(healthy: Healthy, look: Look) -> None:
    problem = "RuntimeError: CUDA error: no kernel image is available"
    context = healthy(lambda light, heavy: heavy["torch"].update(computed_problem=problem))
    found = look(context, "gpu_visible")
    assert found.severity == "error"
    assert problem in found.evidence


@pytest.mark.parametrize(
    ("capability", "check_says"), [([9, 0], ""), ([12, 0], "tiny-cuda-nn"), ([7, 0], "PyTorch")]
)
def test_generations(healthy: Healthy, look: Look, capability: list[int], check_says: str) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        heavy["torch"]["devices"][0]["capability"] = capability

    found = look(healthy(change), "gpu_architecture")
    assert found.severity == ("error" if check_says else "ok")
    assert check_says in found.evidence


def test_the_capability_by_nvidia_smi_alone(healthy: Healthy, look: Look) -> None:
    def change(light: Facts, heavy: Facts) -> None:
        light["driver"]["cards"][0]["compute_cap"] = "8.6"

    found = look(healthy(change, quick=True), "gpu_architecture")
    assert "TCNN_CUDA_ARCHITECTURES=86 " in found.cure
    assert look(healthy(change, quick=True, engine="diffrec"), "gpu_architecture").severity == "ok"


@pytest.mark.parametrize(
    ("built", "card", "does"),
    [
        ("sm_80", (8, 6), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("compute_80", (12, 0), True),
        ("compute_90", (8, 9), False),
        ("sm_120", (12, 0), True),
        ("sm_90a", (9, 0), True),
        ("compute_90a", (10, 0), False),
        ("gfx1100", (9, 0), False),
        ("", (9, 0), False),
    ],
)
def test_architectures(built: str, card: tuple[int, int], does: bool) -> None:
    assert serves(built, card) is does


def test_tables() -> None:
    assert newest_gcc((11, 8)) == 11
    assert newest_gcc((12, 3)) == 12
    assert newest_gcc((12, 9)) == 14
    assert newest_gcc((99, 0)) is None
    assert newest_gcc(()) is None
    assert oldest_driver((12, 1), windows=False) == (525, 60)
    assert oldest_driver((), windows=False) is None
    assert pytorch_index("580.65.06").endswith("cu130")
    assert pytorch_index("550.54").endswith("cu128")
    assert pytorch_index("470.82").endswith("cu118")
    assert pytorch_index("").endswith("cu128")
