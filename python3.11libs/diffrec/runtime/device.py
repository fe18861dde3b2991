"""The device that a training computes on."""

from __future__ import annotations

import torch

from nvdiffrec_contract.errors import ConfigError


def choose_device(name: str, number: int | None = None) -> torch.device:
    """The torch device for auto, cpu, cuda or cuda:N.

    Args:
        name: as in the configuration.
        number: of this process among several on one machine; each takes a GPU of its own.

    Raises:
        ConfigError: CUDA is asked for and absent, or there are more processes than GPUs.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"--device {name}: this PyTorch sees no CUDA device. Install the CUDA build of torch "
            "and check the driver with nvidia-smi, or use --device cpu"
        )
    if name.startswith("cuda") and number is not None:
        if number >= torch.cuda.device_count():
            raise ConfigError(
                f"process {number + 1} finds no GPU of its own: PyTorch sees "
                f"{torch.cuda.device_count()}. Start as many processes as there are GPUs "
                "(torchrun --nproc-per-node)"
            )
        torch.cuda.set_device(number)
        return torch.device("cuda", number)
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """How the log names a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the CPU ({torch.get_num_threads()} threads)"
