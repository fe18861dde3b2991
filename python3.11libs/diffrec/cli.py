"""The command `python -m diffrec`: nvdiffrec's command line, ours underneath."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvdiffrec_contract import failurefile
from nvdiffrec_contract.errors import UserError

if TYPE_CHECKING:
    import torch

    from diffrec.commandline import Command
    from diffrec.interrupt import StopRequest
    from diffrec.warmup import WarmUp


def main(argv: Sequence[str] | None = None) -> int:
    """Train one configuration; 0 on success, 1 for a mistake that the message names, 128 + its
    number for a signal, after which the same command goes on."""
    from diffrec.interrupt import Interrupted, StopRequest

    stop = StopRequest()
    try:
        with stop.listening():
            return _main(sys.argv[1:] if argv is None else argv, stop)
    except Interrupted as interrupted:
        return interrupted.exit_code


def _main(argv: Sequence[str], stop: StopRequest) -> int:
    from diffrec.commandline import command

    try:
        asked = command(argv)
    except UserError as error:
        return _failed(error, None)

    from diffrec.warmup import WarmUp

    with WarmUp() as warm:
        return _trained(asked, stop, warm)


def _trained(asked: Command, stop: StopRequest, warm: WarmUp) -> int:
    from diffrec.commandline import print_flags
    from diffrec.localrank import local_rank

    config = asked.config
    number = local_rank()
    warm.wake_gpu(config.diffrec.device, number)
    if not number:  # one process charts for all
        warm.compile_charting()

    import torch  # seconds to load: not for --help or a mistyped flag

    from diffrec import memory
    from diffrec.ranks import joined, share_cores

    if number is not None:
        share_cores()

    from diffrec.reconstruct import reconstruct

    device, processes = torch.device("cpu"), 1
    try:
        device = choose_device(config.diffrec.device, number)
        warm.compile_kernels(device)
        with joined(device) as ranks:

            def log(line: str) -> None:
                if ranks.leads:
                    print(line, flush=True)

            print_flags(config, log)
            log(f"diffrec on {device_name(device)}, PyTorch {torch.__version__}")
            processes = ranks.count
            if processes > 1:
                log(f"{processes} processes share each batch")
            memory.foresee(config, device, log, processes=processes)
            folder = config.output_folder
            if ranks.leads:
                failurefile.place(folder, os.environ).unlink(missing_ok=True)
            reconstruct(config, device, folder, log, restart=asked.restart, stop=stop, ranks=ranks)
            if line := memory.used(config, device, processes=processes):
                log(line)
    except UserError as error:
        return _failed(error, config.output_folder)
    except RuntimeError as error:
        if not memory.is_exhausted(error):
            raise
        return _failed(memory.exhausted(config, device, processes=processes), config.output_folder)
    return 0


def choose_device(name: str, number: int | None = None) -> torch.device:
    """The torch device for auto, cpu or cuda; an error where CUDA is asked for and absent.

    `number`: of this process among several on one machine; each takes a GPU of its own.
    """
    import torch

    from nvdiffrec_contract.errors import ConfigError

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
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the CPU ({torch.get_num_threads()} threads)"


def _failed(error: UserError, folder: Path | None) -> int:
    """Tell of a failure: a person by one sentence, a program by ``failure.json``.

    `folder`: the run's output folder, where it is known.
    """
    print(f"Error: {error}", file=sys.stderr, flush=True)
    path = failurefile.place(folder or Path(), os.environ)
    if failurefile.PLACE in os.environ or (folder is not None and folder.is_dir()):
        try:
            failurefile.write(path, error.failure())
        except OSError as problem:
            print(f"{path} cannot be written: {problem.strerror}", file=sys.stderr, flush=True)
    return 1
