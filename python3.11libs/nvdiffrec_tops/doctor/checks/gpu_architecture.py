"""Whether PyTorch and tiny-cuda-nn were built for this generation of card."""

from __future__ import annotations

import re

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_cuda_build import reinstall
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import serves

# tiny-cuda-nn names its compiled modules after the architecture: _86_C.cpython-311-….so
_BINDINGS = re.compile(r"_(\d+)(\d)_C\b")


def run(context: Context) -> list[Finding]:
    cards = capabilities(context)
    if not cards:
        return CHECK.skipped("no graphics card tells its compute capability")
    findings = []
    built = [one for one in context.facts("torch").get("arch_list", []) if isinstance(one, str)]
    bindings = [
        (int(match[1]), int(match[2]))
        for name in context.facts("packages").get("tinycudann_compiled", [])
        if (match := _BINDINGS.search(name))
    ]
    for name, capability in cards:
        shown = f"{name} (compute capability {capability[0]}.{capability[1]})"
        if built and not any(serves(one, capability) for one in built):
            cure = reinstall(context)
            findings.append(
                CHECK.error(f"PyTorch was built for {', '.join(built)}, not for the {shown}", cure)
            )
        if (
            "tiny-cuda-nn" in context.trainer.cuda_packages
            and bindings
            and not any(one[0] == capability[0] and one <= capability for one in bindings)
        ):
            listed = ", ".join(f"{first}.{second}" for first, second in sorted(bindings))
            findings.append(
                CHECK.error(
                    f"tiny-cuda-nn was built for {listed}, not for the {shown}",
                    f"TCNN_CUDA_ARCHITECTURES={capability[0]}{capability[1]} "
                    + context.pip(
                        "install",
                        "--no-build-isolation",
                        "--force-reinstall",
                        "--no-deps",
                        "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'",
                    ),
                )
            )
    listed = ", ".join(f"{name} {first}.{second}" for name, (first, second) in cards)
    return findings or CHECK.ok(f"what is installed serves {listed}")


def capabilities(context: Context) -> list[tuple[str, tuple[int, int]]]:
    """Name and compute capability of each card, by PyTorch or else by nvidia-smi."""
    found = []
    for device in context.facts("torch").get("devices", []):
        found.append((str(device["name"]), (device["capability"][0], device["capability"][1])))
    if found:
        return found
    for card in context.facts("driver").get("cards", []):
        match = re.fullmatch(r"(\d+)\.(\d+)", card.get("compute_cap", ""))
        if match:
            found.append((card["name"], (int(match[1]), int(match[2]))))
    return found


CHECK = Check(
    "gpu_architecture", "Generation of the card", "graphics", run, needs=("torch_imports",)
)
