"""Whether nvdiffrast is there, and which flavour of it."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_imports import without_torch
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import numbers

INSTALL = ("install", "--no-build-isolation", "git+https://github.com/NVlabs/nvdiffrast/")
COMPILED_FROM = (0, 4)


def run(context: Context) -> list[Finding]:
    if not context.importable("nvdiffrast"):
        return [
            CHECK.error(
                "nvdiffrast is not installed in the environment",
                f"with PyTorch already there: {context.pip(*INSTALL)}",
            )
        ]
    waits = without_torch(context)
    if waits:
        return CHECK.skipped(waits)
    problem = context.facts("nvdiffrast").get("problem")
    version = context.version("nvdiffrast") or context.facts("nvdiffrast").get("version") or ""
    if problem:
        return [
            CHECK.error(
                f"import nvdiffrast.torch: {problem}",
                context.pip(INSTALL[0], "--force-reinstall", "--no-deps", *INSTALL[1:]),
            )
        ]
    if compiled(context):
        return CHECK.ok(f"nvdiffrast {version}, compiled when it was installed; it draws by CUDA")
    if numbers(version) >= COMPILED_FROM:
        return [
            CHECK.warning(
                f"nvdiffrast {version} has no compiled module, which this version should have",
                context.pip(INSTALL[0], "--force-reinstall", "--no-deps", *INSTALL[1:]),
            )
        ]
    return [
        CHECK.note(
            f"nvdiffrast {version} compiles itself at the first start, which takes a minute and "
            "needs a compiler; drawing by OpenGL needs a display driver",
            "newer ones draw by CUDA alone: " + context.pip(*INSTALL),
        )
    ]


def compiled(context: Context) -> bool:
    """Whether it was compiled when it was installed (0.4 and newer), by its files."""
    return bool(context.facts("packages").get("nvdiffrast_compiled"))


CHECK = Check(
    "nvdiffrast",
    "nvdiffrast",
    "packages",
    run,
    needs=("interpreter_starts",),
    by_engine=True,
)
