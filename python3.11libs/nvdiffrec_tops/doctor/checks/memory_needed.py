"""Whether the memory will do, as far as the configuration tells."""

from __future__ import annotations

import os

from nvdiffrec_contract.memory import GIB
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    height, width = training_size(context)
    batch = context.number("batch", 1)
    need, single = (_needed(context, (height, width), views) for views in (int(batch), 1))
    cards = memory_of_cards(context)
    rule = f"about {need / GIB:.1f} GiB are foreseen (batch {batch:g} of {width} x {height})"
    view = (need - single) / (batch - 1) if batch > 1 else need
    fitting = max(int(1 + (max(cards or [0.0]) - single) / view), 1)
    if cards:
        there = max(cards)
        if there >= need and free_of_cards(context, there) < need:
            free = free_of_cards(context, there)
            return [
                CHECK.warning(
                    f"{rule}; of the card's {there / GIB:.0f} GiB only {free / GIB:.1f} are free",
                    "nvidia-smi shows who uses it: close that, or wait",
                )
            ]
        if there >= need:
            return CHECK.ok(f"{rule}; the card has {there / GIB:.0f} GiB")
        cure = f'"batch": {fitting}, smaller pictures or fewer layers'
        return [CHECK.warning(f"{rule}; the card has {there / GIB:.1f} GiB", cure)]
    if context.trainer.needs_gpu:
        return CHECK.skipped(f"{rule}; the card's memory is not known")
    machine = memory_of_machine()
    if machine is None:
        return CHECK.skipped(f"{rule}; the machine's memory is not known")
    if machine >= need:
        return CHECK.ok(f"{rule}; the machine has {machine / GIB:.0f} GiB")
    return [
        CHECK.warning(
            f"{rule}; the machine has {machine / GIB:.1f} GiB",
            'a smaller "batch", smaller pictures, or a machine with more memory',
        )
    ]


def _needed(context: Context, size: tuple[int, int], batch: int) -> float:
    """Bytes that a training takes with a batch of so many views."""
    given = context.configuration
    assert isinstance(given, dict)
    return context.trainer.memory(given, context.number, size, batch)


def training_size(context: Context) -> tuple[int, int]:
    """(height, width) of what is drawn in a training: photographs keep their own size."""
    size = context.size("train_res", (512, 512))
    dataset = context.dataset
    if dataset is None or not dataset.pictures:
        return size
    if not context.trainer.reads_section and dataset.nvdiffrec != "own_size":
        return size
    looked = dataset.looks.get(dataset.pictures[0])
    own = looked.size if looked is not None and looked.size else size
    nested = context.setting("diffrec", {})
    largest = nested.get("photo_res") if isinstance(nested, dict) else None
    if not context.trainer.reads_section or not isinstance(largest, list) or len(largest) != 2:
        return own
    if not all(type(one) is int and one > 0 for one in largest):
        return own
    return min(own[0], largest[0]), min(own[1], largest[1])


def memory_of_cards(context: Context) -> list[float]:
    """Bytes of each card, by PyTorch or else by nvidia-smi."""
    found = [float(one["memory"]) for one in context.facts("torch").get("devices", [])]
    if found:
        return found
    totals = [one.get("memory.total", "") for one in context.facts("driver").get("cards", [])]
    return [float(one) * (1 << 20) for one in totals if one.isdecimal()]


def free_of_cards(context: Context, total: float) -> float:
    """Free bytes of the emptiest card; ``total`` where that is not known."""
    found = [
        float(one["free"]) for one in context.facts("torch").get("devices", []) if "free" in one
    ]
    if not found:
        cards = context.facts("driver").get("cards", [])
        free = [one.get("memory.free", "") for one in cards]
        found = [float(one) * (1 << 20) for one in free if one.isdecimal()]
    return max(found, default=total)


def memory_of_machine() -> float | None:
    """Bytes of main memory; None where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


CHECK = Check("memory_needed", "Memory", "data", run, needs=("configuration_values",))
