"""What `import diffrec` offers: train a configuration from Python.

PyTorch is loaded when `train` is called, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffrec.progress import OnProgress
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config, from_mapping, load_config


@dataclass(frozen=True)
class Result:
    """What a training made.

    Attributes:
        folder: the output folder; ``nvdiffrec_contract.layout`` says what lies in it.
        psnr: mean over the validation views, in dB; None where nothing was validated.
        mesh: the final mesh, an OBJ file with its material and textures beside it.
    """

    folder: Path
    psnr: float | None
    mesh: Path


def train(
    configuration: str | Path | Mapping[str, Any] | Config,
    *,
    folder: str | Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    restart: bool = False,
    on_progress: OnProgress | None = None,
    log: Callable[[str], None] | None = None,
) -> Result:
    """Train a configuration in this process, on one device, and write every output.

    A training that was ended goes on from the checkpoint in its folder when it is started again.

    Args:
        configuration: a configuration file, or what stands in one (``docs/fields.md``). Paths in
            it are relative to the current folder.
        folder: the output folder; None is ``out/<out_dir>`` in the current folder.
        device: auto, cpu, cuda or cuda:N; None is what the configuration says.
        seed: start of every random sequence; None is what the configuration says.
        restart: begin anew where a checkpoint would go on.
        on_progress: called with a `Progress` after every tenth iteration. An error that it raises
            ends the training and reaches the caller.
        log: called with every line of the log; None drops them.

    Returns:
        Where the results are, and what the validation views measure.

    Raises:
        UserError: something to mend, for example in the configuration or its data; the text says
            what, where, and what to do.
    """
    config = _configuration(configuration, device, seed)
    path = config.output_folder if folder is None else Path(folder)
    say = log or _say_nothing
    from diffrec.runtime.compilation_ahead import WarmUp

    with WarmUp() as warm:
        warm.wake_gpu(config.diffrec.device)
        warm.compile_cleaning()
        warm.compile_charting()

        from diffrec.runtime import gpu_memory
        from diffrec.runtime.device import choose_device
        from diffrec.training.run import reconstruct

        chosen = choose_device(config.diffrec.device)
        warm.compile_kernels(chosen)
        gpu_memory.foresee(config, chosen, say)
        try:
            made = reconstruct(config, chosen, path, say, restart=restart, on_progress=on_progress)
        except RuntimeError as error:
            if not gpu_memory.is_exhausted(error):
                raise
            raise gpu_memory.exhausted(config, chosen) from error
    psnr = None if made.final is None else made.final.psnr
    return Result(path, psnr, path / layout.FINAL / "mesh.obj")


def _configuration(
    given: str | Path | Mapping[str, Any] | Config, device: str | None, seed: int | None
) -> Config:
    asked: dict[str, Any] = {"device": device, "seed": seed}
    own = {name: value for name, value in asked.items() if value is not None}
    if isinstance(given, Config):
        return replace(given, diffrec=replace(given.diffrec, **own))
    if not isinstance(given, Mapping):
        return load_config(given, {"diffrec": own})
    nested = given.get("diffrec", {})
    if isinstance(nested, Mapping):
        nested = {**nested, **own}
    return from_mapping({**given, "diffrec": nested}, "configuration")


def _say_nothing(_line: str) -> None:
    return
