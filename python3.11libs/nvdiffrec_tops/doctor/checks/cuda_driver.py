"""Whether NVIDIA's driver is new enough for PyTorch's CUDA."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_cuda_build import built_for, reinstall
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import numbers, oldest_driver


def run(context: Context) -> list[Finding]:
    built = built_for(context) or ""
    if not built.startswith("CUDA "):
        return CHECK.skipped("PyTorch is no build for CUDA")
    driver = context.facts("driver").get("version") or ""
    if not driver:
        return CHECK.skipped("there is no NVIDIA driver on this machine")
    windows = context.facts("python").get("platform") == "win32"
    oldest = oldest_driver(numbers(built[5:]), windows)
    if oldest is None:
        return CHECK.skipped(f"which driver {built} needs is not known here")
    needed = ".".join(map(str, oldest))
    if numbers(driver) >= oldest:
        return CHECK.ok(f"driver {driver} serves {built}")
    evidence = f"driver {driver} is too old for PyTorch's {built}, which needs {needed} or newer"
    cure = "install a newer NVIDIA driver, or a PyTorch for an older CUDA: " + reinstall(context)
    if not context.trainer.needs_gpu:
        return [CHECK.warning(f"{evidence}: {context.engine} would train on the processor", cure)]
    return [CHECK.error(evidence, cure)]


CHECK = Check("cuda_driver", "NVIDIA driver", "graphics", run, needs=("torch_imports",))
