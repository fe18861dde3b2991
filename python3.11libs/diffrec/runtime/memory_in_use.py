"""How much memory a training holds at present."""

from __future__ import annotations

import os
import sys

import torch


def memory_in_use(device: torch.device) -> float:
    """MiB: on a GPU what PyTorch holds of its memory, on a processor that of the whole process.
    Not a number where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device) / 2**20
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return float("nan")
