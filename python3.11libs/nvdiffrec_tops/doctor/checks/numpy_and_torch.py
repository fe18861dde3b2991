"""Whether PyTorch and NumPy fit each other ("Numpy is not available")."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import numbers


def run(context: Context) -> list[Finding]:
    if not context.importable("numpy"):
        return [CHECK.error("NumPy is not installed", context.pip("install", "numpy"))]
    facts = context.facts("torch")
    torch, numpy = context.version("torch"), context.version("numpy")
    both = f"PyTorch {torch or facts.get('version', '?')} with NumPy {numpy or '?'}"
    problem = facts.get("numpy_problem")
    imported = context.facts("numpy").get("problem")
    if imported:
        return [
            CHECK.error(
                f"import numpy: {imported}", context.pip("install", "--force-reinstall", "numpy")
            )
        ]
    # PyTorch is built for NumPy 2 from 2.3 on.
    older = bool(numbers(torch)) and numbers(torch) < (2, 3) and numbers(numpy)[:1] >= (2,)
    if problem or older:
        said = f": {problem}" if problem else ", which is built for NumPy 1"
        return [CHECK.error(both + said, context.pip("install", "'numpy<2'"))]
    return CHECK.ok(both)


CHECK = Check("numpy_and_torch", "NumPy with PyTorch", "packages", run, needs=("torch_imports",))
