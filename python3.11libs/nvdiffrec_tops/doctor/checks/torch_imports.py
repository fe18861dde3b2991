"""Whether PyTorch is there and can be imported."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context, complaint
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    if not context.importable("torch"):
        return [
            CHECK.error(
                "PyTorch is not installed in the environment", context.pip("install", "torch")
            )
        ]
    version = context.version("torch") or context.facts("packages")["torch_build"].get("version")
    if context.quick:
        return CHECK.ok(f"PyTorch {version or 'of unknown version'} is installed")
    facts = context.facts("torch")
    if facts.get("problem"):
        evidence = f"import torch: {complaint(facts)}"
        return [CHECK.error(evidence, context.pip("install", "--force-reinstall", "torch"))]
    return CHECK.ok(f"PyTorch {facts.get('version') or version} is imported")


def without_torch(context: Context) -> str:
    """Why nothing that needs PyTorch can be tried; '' where PyTorch is imported."""
    broken = not context.importable("torch") or context.facts("torch").get("problem")
    return f"waits for a cure of: {CHECK.title}" if broken else ""


CHECK = Check("torch_imports", "PyTorch", "packages", run, needs=("interpreter_starts",))
