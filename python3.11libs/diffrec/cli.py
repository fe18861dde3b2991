"""The command `python -m diffrec`: nvdiffrec's command line, ours underneath."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvdiffrec_contract import failurefile, layout
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.terminal import plain

if TYPE_CHECKING:
    from diffrec.commandline import Command
    from diffrec.runtime.compilation_ahead import WarmUp
    from diffrec.runtime.signals import StopRequest


def main(argv: Sequence[str] | None = None) -> int:
    """Train one configuration; 0 on success, 1 for a mistake that the message names, 128 + its
    number for a signal, after which the same command goes on."""
    from diffrec.runtime.signals import Interrupted, StopRequest

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

    from diffrec.runtime.compilation_ahead import WarmUp

    with WarmUp() as warm:
        return _trained(asked, stop, warm)


def _trained(asked: Command, stop: StopRequest, warm: WarmUp) -> int:
    from diffrec.commandline import print_flags
    from diffrec.runtime import finished
    from diffrec.runtime.console import Console
    from diffrec.runtime.local_rank import local_rank

    config = asked.config
    number = local_rank()
    folder = config.output_folder
    alone = layout.KEEP_CHECKPOINT not in os.environ  # a job answers for its results itself
    if alone and not asked.restart and finished.is_finished(config, folder):
        if not number:
            print(plain(f"Up to date: results in {folder}; --restart trains again"), flush=True)
        return 0
    warm.wake_gpu(config.diffrec.device, number)
    if not number:  # one process does it for all
        warm.compile_cleaning()
        warm.compile_charting()

    if not number and sys.stdout.isatty():
        print("Loading PyTorch", flush=True)
    import torch  # seconds to load, from a slow disk minutes: not for --help or a mistyped flag

    from diffrec.runtime import gpu_memory
    from diffrec.runtime.device import choose_device, device_name
    from diffrec.runtime.ranks import joined, share_cores

    if number is not None:
        share_cores()

    from diffrec.training.run import reconstruct

    if not gc.isenabled():  # by the command, until all is loaded: that is never garbage
        gc.freeze()
        gc.enable()

    device, processes = torch.device("cpu"), 1
    try:
        device = choose_device(config.diffrec.device, number)
        warm.compile_kernels(device)
        with joined(device) as ranks, contextlib.ExitStack() as stack:
            console = stack.enter_context(Console(sys.stdout)) if ranks.leads else None

            def log(line: str) -> None:
                if console is not None:
                    console.log(line)

            print_flags(config, log)
            log(f"diffrec on {device_name(device)}, PyTorch {torch.__version__}")
            processes = ranks.count
            if processes > 1:
                log(f"{processes} processes share each batch")
            gpu_memory.foresee(config, device, log, processes=processes)
            if ranks.leads:
                failurefile.place(folder, os.environ).unlink(missing_ok=True)
                (folder / finished.NAME).unlink(missing_ok=True)
            reconstruct(
                config,
                device,
                folder,
                log,
                restart=asked.restart,
                stop=stop,
                ranks=ranks,
                on_progress=None if console is None else console.progress,
            )
            if ranks.leads and alone:
                finished.finished(config, folder)
            if line := gpu_memory.used(config, device, processes=processes):
                log(line)
    except UserError as error:
        return _failed(error, config.output_folder)
    except RuntimeError as error:
        if not gpu_memory.is_exhausted(error):
            raise
        return _failed(
            gpu_memory.exhausted(config, device, processes=processes), config.output_folder
        )
    return 0


def _failed(error: UserError, folder: Path | None) -> int:
    """Tell of a failure: a person by one sentence, a program by ``failure.json``.

    `folder`: the run's output folder, where it is known.
    """
    print(f"Error: {plain(str(error))}", file=sys.stderr, flush=True)
    path = failurefile.place(folder or Path(), os.environ)
    if failurefile.PLACE in os.environ or (folder is not None and folder.is_dir()):
        try:
            failurefile.write(path, error.failure())
        except OSError as problem:
            print(
                plain(f"{path} cannot be written: {problem.strerror}"), file=sys.stderr, flush=True
            )
    return 1
