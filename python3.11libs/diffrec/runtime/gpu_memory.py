"""A GPU's memory: what a training will take, what it took, and what to say where it is too much.

How much that is stands in ``nvdiffrec_contract.memory``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from diffrec.errors import DiffrecError
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.memory import CLOSE, Part, gib, least, likely, parts


class TooLittleMemory(DiffrecError):
    """A training does not fit on the GPU; says what it needs, what is free and what to lower."""

    id = "out-of-gpu-memory"


def verdict(found: Sequence[Part], free: float) -> str:
    """'' where a training of these parts fits into `free` bytes, else what to say.

    Raises TooLittleMemory when it certainly does not.
    """
    wanted = likely(found)
    most = f"most of it for {found[0].name}"
    if least(found) > free:
        raise TooLittleMemory(
            f"CUDA out of memory, as can be foreseen: the training needs some {gib(wanted)} of "
            f"the GPU, {most}, and {gib(free)} are free",
            f"lower {found[0].cure}, or close other programs that use the GPU",
        )
    if wanted > CLOSE * free:
        return (
            f"Warning: the training may need some {gib(wanted)} of the GPU, {most}, and "
            f"{gib(free)} are free. Should it fail, lower {found[0].cure}."
        )
    return ""


def foresee(
    config: Config,
    device: torch.device,
    log: Callable[[str], None],
    *,
    processes: int = 1,
    photographs: int = 0,
) -> None:
    """Warn where a training may not fit into what is free of a GPU; nothing to do without one.

    Raises TooLittleMemory when it certainly does not.
    """
    if device.type != "cuda":
        return
    free, _total = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    warning = verdict(parts(config, processes=processes, photographs=photographs), float(free))
    if warning:
        log(warning)


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that a GPU's memory is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "CUDA error: out of memory" in text or "CUBLAS_STATUS_ALLOC_FAILED" in text
    )


def exhausted(config: Config, device: torch.device, *, processes: int = 1) -> TooLittleMemory:
    """The error of a training that ended because the GPU's memory was full."""
    found = parts(config, processes=processes)
    text = "CUDA out of memory: the GPU's memory is full"
    if device.type == "cuda":
        try:
            free, total = torch.cuda.mem_get_info(device)
            own = torch.cuda.memory_reserved(device)
            others = max(0, total - free - own)
            text = (
                f"CUDA out of memory: of the GPU's {gib(total)} the training had {gib(own)} and "
                f"wanted more; {gib(others)} were taken by CUDA itself and by other programs"
            )
        except RuntimeError:  # a GPU that no longer answers
            pass
    return TooLittleMemory(
        f"{text}. Most of what it needs is for {found[0].name}", f"lower {found[0].cure}"
    )


def used(config: Config, device: torch.device, *, processes: int = 1, photographs: int = 0) -> str:
    """A line for the log: the most that a training has taken so far; '' without a GPU."""
    if device.type != "cuda":
        return ""
    most = torch.cuda.max_memory_reserved(device)
    foreseen = likely(parts(config, processes=processes, photographs=photographs))
    return f"GPU memory: {gib(most)} at most, {gib(foreseen)} were foreseen"
