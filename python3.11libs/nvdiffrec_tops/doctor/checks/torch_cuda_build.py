"""Whether PyTorch is a build for CUDA."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.versions import pytorch_index


def run(context: Context) -> list[Finding]:
    built = built_for(context)
    version = context.version("torch") or "PyTorch"
    if built == "unknown":
        return CHECK.skipped("the files of PyTorch do not tell what it was built for")
    if built is not None:
        return CHECK.ok(f"PyTorch {version} is built for {built}")
    evidence = f"PyTorch {version} is a build without CUDA"
    cure = reinstall(context)
    if context.trainer.needs_gpu:
        users = " and ".join((context.engine, *context.trainer.cuda_packages))
        return [CHECK.error(f"{evidence}, which {users} cannot use", cure)]
    if context.facts("driver").get("cards"):
        card = context.facts("driver")["cards"][0]["name"]
        return [CHECK.warning(f"{evidence}, so training leaves the {card} unused", cure)]
    return CHECK.ok(f"{evidence}: {context.engine} trains on the processor")


def built_for(context: Context) -> str | None:
    """``CUDA 12.8``, ``ROCm 6.2``, None for a build without, ``unknown``."""
    facts = context.facts("torch")
    if not facts or facts.get("problem"):
        facts = context.facts("packages").get("torch_build", {})
        if not facts.get("known"):
            return _by_name(context.version("torch"))
    if facts.get("cuda"):
        return f"CUDA {facts['cuda']}"
    return f"ROCm {facts['hip']}" if facts.get("hip") else None


def _by_name(version: str | None) -> str | None:
    """A wheel's local version tells its build: 2.8.0+cu128, 2.8.0+cpu."""
    local = (version or "").partition("+")[2]
    if local.startswith("cu") and local[2:].isdecimal() and len(local) > 3:
        return f"CUDA {local[2:-1]}.{local[-1]}"
    return None if local == "cpu" else "unknown"


def reinstall(context: Context) -> str:
    """The command that installs a CUDA build which the machine's driver takes."""
    index = pytorch_index(context.facts("driver").get("version"))
    return context.pip("install", "--force-reinstall", "torch", "--index-url", index)


CHECK = Check("torch_cuda_build", "PyTorch's CUDA build", "graphics", run, needs=("torch_imports",))
