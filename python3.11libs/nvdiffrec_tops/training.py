"""What Generic Generator does in the original workflow: from a scene's attributes to its command.

Everything here is decided on the machine that cooks; the job process reads the same configuration
again on the machine that trains.
"""

from __future__ import annotations

import json
import ntpath
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.layout import Output
from nvdiffrec_contract.options import OPTIONS
from nvdiffrec_tops import attributes, environment
from nvdiffrec_tops.command import TrainingCommand
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.engines.engine import Engine

ORIGINAL: Final = "nvdiffrec"
"""The engine of the original workflow."""
GPU_MODES: Final = ("any", "these", "turn", "free")


class TrainingError(ValueError):
    """A work item that cannot be trained as it is; names the attribute or parameter."""


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of an *nvdiffrec Train* node, evaluated for one work item.

    ``engine`` and ``output_dir`` stand in where the item has no such attribute (an empty
    ``engine``: what the item's attributes mean). ``timeout`` is in seconds. ``variables`` go into
    the trainer's environment.
    """

    engine: str = ""
    output_dir: str = ""
    device: str = OPTIONS["device"].default
    gpu_mode: str = "any"
    gpus: str = ""
    seed: int | None = None
    force: bool = False
    retries: int = OPTIONS["retries"].default
    timeout: float | None = None
    on_failure: str = OPTIONS["on_failure"].default
    on_out_of_memory: str = OPTIONS["on_out_of_memory"].default
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingPlan:
    """One training: its command, its folder, and the files that it always leaves there."""

    command: TrainingCommand
    output: str
    outputs: tuple[Output, ...]

    def path(self, output: Output) -> str:
        """An expected file's whole path."""
        return f"{self.output.rstrip('/')}/{output.path}"


def plan(item: Mapping[str, str], index: int, settings: TrainingSettings) -> TrainingPlan:
    """The training of a work item with these string attributes and this index.

    Raises:
        TrainingError: an attribute is missing or wrong, or the configuration cannot be read.
    """
    prefix = _required(item, attributes.ENVIRONMENT)
    config = _required(item, attributes.CONFIG)
    working_dir = item.get(attributes.WORKING_DIR, "")
    script = item.get(attributes.SCRIPT, "") or None
    engine = _engine(settings.engine or item.get(attributes.ENGINE, ""), working_dir, script)
    output = item.get(attributes.OUTPUT, "") or _folder_for(settings.output_dir, config)
    overrides = _overrides(item.get(attributes.OVERRIDES, ""))
    if settings.device not in engine.devices:
        raise TrainingError(
            f"Device: the engine {engine.name} trains on {' or '.join(engine.devices)}, not on "
            f"{settings.device}"
        )
    command = TrainingCommand(
        python=interpreter(prefix),
        engine=engine.name,
        config=config,
        output=output,
        environment=prefix,
        working_dir=working_dir or None,
        script=script if engine.needs_checkout else None,
        overrides=overrides,
        device=settings.device,
        seed=settings.seed,
        variables={
            **_gpus(settings, index),
            **variables(item.get(attributes.VARIABLES, "")),
            **settings.variables,
        },
        retries=settings.retries,
        timeout=settings.timeout,
        on_failure=settings.on_failure,
        on_out_of_memory=settings.on_out_of_memory,
        claim_card=settings.gpu_mode == "free" and settings.device != "cpu",
        force=settings.force,
    )
    promised = attributes.is_promised(item)
    document = {**configuration(working_dir, config, promised=promised), **overrides}
    return TrainingPlan(command, output, engine.outputs(document))


def _required(item: Mapping[str, str], name: str) -> str:
    value = item.get(name, "")
    if not value.strip():
        raise TrainingError(
            f"the work item has no attribute {name}; put an nvdiffrec Attributes node, or an "
            f"Attribute Create that sets {name}, upstream"
        )
    return value


def _engine(name: str, working_dir: str, script: str | None) -> Engine:
    """The engine; items of the original workflow name none and mean the checkout they point at."""
    if not name:
        original = script is not None and bool(working_dir)
        name = ORIGINAL if original else engines.DEFAULT
    try:
        return engines.engine(name)
    except engines.EngineError as error:
        raise TrainingError(f"{attributes.ENGINE}: {error}") from None


def _folder_for(base: str, config: str) -> str:
    if not base.strip():
        raise TrainingError(
            f"Output Folder is empty and the work item has no attribute {attributes.OUTPUT}; set "
            "one of them"
        )
    stem = os.path.splitext(os.path.basename(config))[0]
    return f"{base.rstrip('/')}/{stem}"


def _overrides(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TrainingError(
            f'the attribute {attributes.OVERRIDES} must be a JSON object such as {{"iter": 500}}, '
            f"not {text[:60]}"
        )
    return value


def variables(text: str) -> dict[str, str]:
    """The environment variables that an item hands to its training alone, from the attribute.

    Raises:
        TrainingError: the attribute does not hold them.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TrainingError(
            f"the attribute {attributes.VARIABLES} must be a JSON object of texts such as "
            f'{{"TORCH_CUDA_ARCH_LIST": "9.0"}}, not {text[:60]}'
        )
    return value


def _gpus(settings: TrainingSettings, index: int) -> dict[str, str]:
    """``CUDA_VISIBLE_DEVICES`` for the item, with the numbering of nvidia-smi."""
    if settings.gpu_mode not in GPU_MODES:
        raise TrainingError(f"Graphics Cards: there is no choice '{settings.gpu_mode}'")
    if settings.gpu_mode == "any" or settings.device == "cpu":
        return {}
    names = settings.gpus.replace(",", " ").split()
    if settings.gpu_mode == "free" and not names:
        return {}
    if not names or not all(one.isascii() and one.isalnum() for one in _parts(names)):
        raise TrainingError(
            f"Card Numbers: '{settings.gpus}' must list cards as nvidia-smi numbers them, for "
            "example 0 1"
        )
    chosen = [names[index % len(names)]] if settings.gpu_mode == "turn" else names
    return {"CUDA_VISIBLE_DEVICES": ",".join(chosen), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _parts(names: list[str]) -> list[str]:
    # A card may also be named by its UUID: GPU-8f2c...-...
    return [part for one in names for part in one.split("-")]


def interpreter(prefix: str) -> str:
    """The Python of an environment that is named by its folder or by its interpreter.

    An environment that this machine does not have (it lies on the farm) is taken to have the
    layout of this platform.
    """
    expanded = os.path.expanduser(prefix)
    try:
        stamp = os.stat(expanded).st_mtime_ns
    except (OSError, ValueError):
        join = ntpath.join if os.name == "nt" else posixpath.join
        return join(expanded, "python.exe" if os.name == "nt" else join("bin", "python3"))
    return _interpreter(expanded, stamp)


@lru_cache(maxsize=256)
def _interpreter(prefix: str, _stamp: int) -> str:
    try:
        return environment.describe(prefix).python
    except environment.EnvironmentProblem as problem:
        raise TrainingError(f"{attributes.ENVIRONMENT}: {problem}. {problem.cure}") from None


def configuration(working_dir: str, config: str, *, promised: bool = False) -> Mapping[str, Any]:
    """The training configuration, where this machine can read it.

    A working folder that is not here (it lies on the farm) gives an empty configuration, and so
    does a configuration that is ``promised`` and not yet there.

    Raises:
        TrainingError: the folder is here but the configuration is not, or it is no JSON object.
    """
    base = os.path.expanduser(working_dir) if working_dir else os.getcwd()
    path = Path(base, os.path.expanduser(config))
    try:
        stamp = path.stat().st_mtime_ns
    except (OSError, ValueError):
        if promised or not os.path.isdir(base):
            return {}
        raise TrainingError(
            f"{attributes.CONFIG}: {path} does not exist; correct the configuration or the "
            "working folder"
        ) from None
    return _configuration(path, stamp)


@lru_cache(maxsize=256)
def _configuration(path: Path, _stamp: int) -> Mapping[str, Any]:
    try:
        return jsonfiles.read_object(path, f"the configuration {path}")
    except JsonError as error:
        raise TrainingError(str(error)) from None
