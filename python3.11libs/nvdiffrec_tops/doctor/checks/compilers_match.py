"""Whether nvcc fits PyTorch's CUDA, and the C++ compiler fits nvcc."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_cuda_build import built_for
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import newest_gcc, numbers
from nvdiffrec_tops.job.failures import quoted


def run(context: Context) -> list[Finding]:
    tools = context.facts("tools")
    nvcc = numbers(tools.get("nvcc", {}).get("version"))
    compiler = tools.get("compiler", {})
    findings = []
    if not nvcc:
        return CHECK.skipped("nvcc does not tell its version")
    shown = f"nvcc {nvcc[0]}.{nvcc[1]} ({tools['nvcc']['path']})"
    built = built_for(context) or ""
    cuda = numbers(built.removeprefix("CUDA ")) if built.startswith("CUDA ") else ()
    if cuda and cuda[0] != nvcc[0]:
        findings.append(
            CHECK.error(
                f"{shown} is of another generation than PyTorch's {built}, which refuses it",
                f"set CUDA_HOME to a CUDA {cuda[0]} toolkit: conda install --prefix "
                f"{quoted(context.place.prefix)} conda-forge::cuda-toolkit={cuda[0]}"
                if context.place.conda
                else f"set CUDA_HOME to the folder of a CUDA {cuda[0]} toolkit",
            )
        )
    elif len(cuda) > 1 and cuda[1] != nvcc[1]:
        findings.append(
            CHECK.note(f"{shown} is not the release of PyTorch's {built}, which is usually no harm")
        )
    gcc = numbers(compiler.get("version"))
    newest = newest_gcc(nvcc)
    if compiler.get("kind") == "gcc" and gcc and newest is not None and gcc[0] > newest:
        findings.append(
            CHECK.error(
                f"{shown} takes GCC up to {newest}; {compiler['path']} is "
                f"{compiler.get('version')}",
                f"sudo apt install g++-{newest}, then add the variables CC=/usr/bin/gcc-{newest} "
                f"and CXX=/usr/bin/g++-{newest} to the environment node",
            )
        )
    return findings or CHECK.ok(f"{shown}, {built or 'PyTorch'} and the C++ compiler fit together")


CHECK = Check(
    "compilers_match",
    "Compilers",
    "packages",
    run,
    needs=("build_tools", "torch_imports"),
    by_engine=True,
)
