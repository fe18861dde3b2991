"""Whether a graphics card can be seen, and can compute."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.checks.torch_cuda_build import built_for
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

LOOK = "nvidia-smi"
BOOT = "restart the machine when the driver was just updated"


def run(context: Context) -> list[Finding]:
    driver = context.facts("driver")
    cards = [card.get("name", "?") for card in driver.get("cards", [])]
    torch = context.facts("torch")
    if torch.get("available"):
        names = [device["name"] for device in torch.get("devices", [])]
        if "computed_problem" in torch:
            return [
                CHECK.error(
                    f"{', '.join(names)}: the first computation fails: {torch['computed_problem']}",
                    f"{LOOK}; close what holds the card, or mend what gpu_architecture says",
                )
            ]
        return CHECK.ok(", ".join(names) or "a card")
    hidden = _hidden(context)
    if hidden:
        return [_bad(context, hidden, "unset CUDA_VISIBLE_DEVICES")]
    if cards and torch and not torch.get("problem") and built_for(context):
        return [
            _bad(
                context,
                f"nvidia-smi shows {', '.join(cards)}, but PyTorch does not see it",
                f"{LOOK}; {BOOT}",
            )
        ]
    if cards:
        return CHECK.ok(", ".join(cards))
    if driver.get("problem"):
        return [
            _bad(context, f"nvidia-smi does not answer: {driver['problem']}", f"{LOOK}; {BOOT}")
        ]
    if driver.get("tool"):
        said = " ".join(driver.get("said", "").split())[:200]
        return [_bad(context, f"nvidia-smi shows no card: {said}", LOOK)]
    evidence = "there is no NVIDIA card or no driver on this machine"
    if not context.trainer.needs_gpu:
        return [
            CHECK.note(f"{evidence}: {context.engine} trains on the processor, many times slower")
        ]
    cure = "send the work item to a machine with an NVIDIA card, or choose the engine diffrec"
    return [_bad(context, evidence, cure)]


def _hidden(context: Context) -> str:
    visible = context.variables.get("CUDA_VISIBLE_DEVICES")
    if visible is None or visible.strip() not in ("", "-1", "none", "NoDevFiles"):
        return ""
    return f"CUDA_VISIBLE_DEVICES is {visible!r}, which hides every card"


def _bad(context: Context, evidence: str, cure: str) -> Finding:
    if not context.trainer.needs_gpu:
        return CHECK.warning(f"{evidence}: {context.engine} would train on the processor", cure)
    if context.quick:
        # Where an artist cooks is not where a farm trains.
        return CHECK.warning(evidence, cure)
    return CHECK.error(evidence, cure)


CHECK = Check("gpu_visible", "Graphics card", "graphics", run, needs=("interpreter_starts",))
