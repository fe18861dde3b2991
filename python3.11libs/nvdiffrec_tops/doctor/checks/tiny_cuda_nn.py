"""Whether tiny-cuda-nn is there and can be used."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_cuda_build import built_for, reinstall
from nvdiffrec_tops.doctor.checks.torch_imports import without_torch
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.failures import quoted

SOURCE = "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'"


def run(context: Context) -> list[Finding]:
    conda = context.place.conda
    build = "CC=/usr/bin/gcc CXX=/usr/bin/g++ " + context.pip(
        "install", "--no-build-isolation", "--force-reinstall", "--no-deps", SOURCE
    )
    if not context.importable("tinycudann"):
        install = f"conda install --prefix {quoted(context.place.prefix)} conda-forge::tiny-cuda-nn"
        return [
            CHECK.error(
                "tiny-cuda-nn is not installed in the environment", install if conda else build
            )
        ]
    waits = without_torch(context)
    if waits:
        return CHECK.skipped(waits)
    facts = context.facts("tinycudann")
    problem = facts.get("problem") or facts.get("call_problem") or ""
    if "Unknown compute capability" in problem or built_for(context) is None:
        evidence = problem or "tiny-cuda-nn cannot be imported with a PyTorch without CUDA"
        if built_for(context) is None:
            return [
                CHECK.error(
                    f"{evidence}: PyTorch is a build without CUDA",
                    reinstall(context),
                )
            ]
        return [
            CHECK.error(
                f"{evidence}: no graphics card is visible",
                "send the work item to a machine with an NVIDIA card; check with nvidia-smi",
            )
        ]
    if facts.get("crashed"):
        return [
            CHECK.error(
                f"tiny-cuda-nn crashes in its first call ({problem}): it was built with a second "
                "C++ runtime, or for another PyTorch",
                build,
            )
        ]
    if problem:
        return [CHECK.error(f"import tinycudann: {problem}", build)]
    version = context.version("tinycudann") or facts.get("version") or ""
    called = " and computes" if facts.get("called") else ""
    return CHECK.ok(f"tiny-cuda-nn {version} is installed{called}".replace("  ", " "))


CHECK = Check(
    "tiny_cuda_nn",
    "tiny-cuda-nn",
    "packages",
    run,
    needs=("interpreter_starts",),
    by_engine=True,
)
