"""Tensors as the arrays that kernels on the CPU read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def float32(values: Tensor) -> np.ndarray:
    """Numbers in single precision, row by row, without their gradient."""
    array: np.ndarray = values.detach().to(torch.float32).contiguous().numpy()
    return array
