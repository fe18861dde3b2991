"""Whether what nvdiffrec compiles at its first start can be compiled."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.failures import quoted


def run(context: Context) -> list[Finding]:
    tools = context.facts("tools")
    findings = _toolkit(context)
    for name, what in (
        ("nvcc", "the CUDA compiler nvcc"),
        ("ninja", "ninja"),
        ("compiler", "a C++ compiler"),
    ):
        tool = tools.get(name, {})
        if name == "nvcc" and findings:
            continue
        if not tool.get("path"):
            findings.append(
                CHECK.error(
                    f"{what} is missing: nvdiffrec compiles an extension at its first start",
                    _cure(name, context),
                )
            )
        elif tool.get("problem"):
            findings.append(
                CHECK.error(f"{tool['path']} does not run: {tool['problem']}", _cure(name, context))
            )
    shown = ", ".join(
        f"{name} {tools.get(name, {}).get('version', '?')}" for name in ("nvcc", "ninja")
    )
    compiler = tools.get("compiler", {})
    return findings or CHECK.ok(
        f"{shown}, {compiler.get('kind', 'compiler')} {compiler.get('version', '?')}"
    )


def _toolkit(context: Context) -> list[Finding]:
    """Whether the folder that PyTorch takes for the CUDA toolkit has a compiler."""
    tools = context.facts("tools")
    home, wanted = tools.get("cuda_home", ""), tools.get("nvcc", {}).get("wanted", "")
    asked = context.facts("torch").get("cuda_home")
    if asked and home and os.path.normpath(asked) != os.path.normpath(home):
        home, wanted = asked, os.path.join(asked, "bin", os.path.basename(wanted) or "nvcc")
        if os.path.isfile(wanted):
            return []
    elif not home or tools.get("nvcc", {}).get("path"):
        return []
    by = tools.get("named_by", "")
    named = f"{by} is {home}" if by.startswith("CUDA") else f"PyTorch takes {home} for CUDA"
    return [
        CHECK.error(
            f"{named}, and there is no {wanted}: PyTorch looks nowhere else for the CUDA compiler",
            f"set CUDA_HOME on the environment node to the folder of a CUDA toolkit, or take "
            f"{by if by.startswith('CUDA') else 'it'} out; {_cure('nvcc', context)}",
        )
    ]


def _cure(name: str, context: Context) -> str:
    if name == "ninja":
        return context.pip("install", "ninja")
    if context.place.conda:
        package = {"nvcc": "conda-forge::cuda-toolkit", "compiler": "conda-forge::cxx-compiler"}
        return f"conda install --prefix {quoted(context.place.prefix)} {package[name]}"
    if context.facts("python").get("platform") == "win32":
        return {
            "nvcc": "install the CUDA toolkit: https://developer.nvidia.com/cuda-downloads",
            "compiler": "install the C++ Build Tools for Visual Studio, and start from its prompt",
        }[name]
    return {
        "nvcc": "sudo apt install nvidia-cuda-toolkit, or set CUDA_HOME to the toolkit's folder",
        "compiler": "sudo apt install g++",
    }[name]


CHECK = Check(
    "build_tools",
    "Build tools",
    "packages",
    run,
    needs=("interpreter_starts",),
    by_engine=True,
)
