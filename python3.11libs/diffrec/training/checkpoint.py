"""Checkpoints: the state of a run in one file, written whole, read without running anything.

The file is a line that names format and version, the SHA-256 of the rest, and the rest as
`torch.save` writes it: plain numbers, text and tensors, read with `weights_only`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from diffrec.data.views import ShuffledIndices
from diffrec.training.adam import Adam
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config

NAME = layout.CHECKPOINT  # below the run's output folder
VERSION = 2
_MAGIC = b"diffrec checkpoint %d\n" % VERSION
_ANY_MAGIC = b"diffrec checkpoint "

# What leaves the results as they are: a run may go on with another value.
_WITHOUT_EFFECT = ("out_dir", "display_interval", "pre_load")
_OURS_WITHOUT_EFFECT = ("device", "checkpoint_interval", "checkpoint_seconds", "guard")


class UnusableCheckpoint(Exception):
    """A checkpoint cannot be gone on from; the text says why, to follow "checkpoint FILE"."""


@dataclass(frozen=True)
class LoopState:
    """Everything of a training pass that decides how it goes on. All of it is changed in place.

    pass_number: from 1. tensors: what is trained, by kind (geometry, material, light).
    generators: of random numbers, by purpose. averages: of the losses since the last line of the
    log, which decide nothing but that line.
    """

    pass_number: int
    tensors: Mapping[str, list[Tensor]]
    optimizers: list[Adam]
    order: ShuffledIndices
    generators: Mapping[str, torch.Generator]
    averages: list[Tensor] = field(default_factory=list)

    def all_tensors(self) -> list[Tensor]:
        """The tensors of every kind."""
        return [tensor for tensors in self.tensors.values() for tensor in tensors]

    def changing(self) -> list[Tensor]:
        """What a step changes: the tensors of every kind and the optimizers' own."""
        return [*self.all_tensors(), *(t for one in self.optimizers for t in one.tensors())]


def configuration_hash(config: Config) -> str:
    """SHA-256 of what decides the results of a configuration: not where they go, nor on what
    device or with which checkpoints they are computed."""
    values = config.to_json()
    for name in _WITHOUT_EFFECT:
        del values[name]
    for name in _OURS_WITHOUT_EFFECT:
        del values["diffrec"][name]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def captured(state: LoopState) -> dict[str, Any]:
    """The state as plain data and tensors, which still share their memory with it on a CPU."""
    device = state.tensors["light"][0].device
    document: dict[str, Any] = {
        "pass": state.pass_number,
        "device": device.type,
        "tensors": {kind: list(tensors) for kind, tensors in state.tensors.items()},
        "optimizers": [optimizer.state() for optimizer in state.optimizers],
        "order": {
            "waiting": list(state.order.waiting),
            "generator": state.order.generator.get_state(),
        },
        "generators": {name: one.get_state() for name, one in state.generators.items()},
        "torch": torch.get_rng_state(),
        "averages": list(state.averages),
    }
    if device.type == "cuda":
        document["torch_cuda"] = torch.cuda.get_rng_state(device)
    return document


def restore(state: LoopState, saved: Mapping[str, Any]) -> None:
    """Bring `state` back to what `captured` found.

    Where the device is of another kind now, its own random sequence starts anew.
    Raises UnusableCheckpoint when the two do not fit; the state is of no use then.
    """
    try:
        if saved["tensors"].keys() != state.tensors.keys():
            raise ValueError("other kinds of tensors")
        for kind, tensors in state.tensors.items():
            _same_shapes(tensors, saved["tensors"][kind])
        for optimizer, optimizer_state in zip(state.optimizers, saved["optimizers"], strict=True):
            optimizer.restore(optimizer_state)
        waiting = saved["order"]["waiting"]
        if any(type(one) is not int or not 0 <= one < state.order.length for one in waiting):
            raise ValueError("other views")
        state.order.waiting[:] = waiting
        state.order.generator.set_state(saved["order"]["generator"])
        device = state.tensors["light"][0].device
        for name, generator in state.generators.items():
            if generator.device.type == "cpu" or saved["device"] == generator.device.type:
                generator.set_state(saved["generators"][name])
        torch.set_rng_state(saved["torch"])
        if device.type == "cuda" and "torch_cuda" in saved:
            torch.cuda.set_rng_state(saved["torch_cuda"], device)
        with torch.no_grad():
            for kind, tensors in state.tensors.items():
                for tensor, value in zip(tensors, saved["tensors"][kind], strict=True):
                    tensor.copy_(value)
            if "averages" in saved:  # not in older ones
                _same_shapes(state.averages, saved["averages"])
                for tensor, value in zip(state.averages, saved["averages"], strict=True):
                    tensor.copy_(value)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise UnusableCheckpoint(f"does not fit this version of the trainer ({error})") from None


def _same_shapes(tensors: list[Tensor], values: Any) -> None:
    if len(tensors) != len(values):
        raise ValueError(f"{len(values)} tensors in place of {len(tensors)}")
    for tensor, value in zip(tensors, values, strict=True):
        if not isinstance(value, Tensor) or value.dtype != tensor.dtype:
            raise ValueError("a tensor of another type")
        if value.shape != tensor.shape:
            raise ValueError(f"a tensor {list(value.shape)} in place of {list(tensor.shape)}")


def write(path: Path, config: Config, document: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name beside `path`, and rename it when it is on disk.

    Raises OSError when it cannot be written; an earlier one is still there then.
    """
    whole = {**_compact(document), "configuration": configuration_hash(config)}
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(_MAGIC)
            start = stream.tell()
            stream.write(b"0" * 64 + b"\n")
            hashing = _Hashing(stream)
            try:
                torch.save(whole, cast("BinaryIO", hashing))
            except RuntimeError as error:  # what PyTorch makes of a full disk
                raise OSError(str(error).splitlines()[0]) from error
            stream.seek(start)
            stream.write(hashing.digest.hexdigest().encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read(path: Path, config: Config) -> dict[str, Any] | None:
    """The checkpoint of a run of `config`; None when there is none.

    Raises UnusableCheckpoint when it is broken, or of another program, version or configuration.
    """
    if path.exists() and not path.is_file():  # a pipe or a device would be read for ever
        raise UnusableCheckpoint("is no file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, MemoryError) as error:
        raise UnusableCheckpoint(f"cannot be read ({error})") from None
    if not data.startswith(_MAGIC):
        if data.startswith(_ANY_MAGIC):
            raise UnusableCheckpoint("is of another version of the trainer")
        raise UnusableCheckpoint("is not one of this trainer")
    head = len(_MAGIC) + 65
    body = memoryview(data)[head:]
    if data[len(_MAGIC) : head] != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise UnusableCheckpoint("is damaged")
    try:
        document = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        expected = document["configuration"]
        if document["iteration"] not in range(config.iter + 2) or document["pass"] not in (1, 2):
            raise ValueError
        float(document["seconds"])
    except Exception:  # whatever a reader of foreign data raises, the answer is the same
        raise UnusableCheckpoint("is damaged") from None
    if expected != configuration_hash(config):
        raise UnusableCheckpoint("is of another configuration")
    plain: dict[str, Any] = document
    return plain


def remove(path: Path) -> None:
    """Remove a checkpoint, and what an ended attempt to write one left. A lost disk is no error."""
    for one in (path, path.with_name(f".{path.name}.part")):
        try:
            one.unlink(missing_ok=True)
        except OSError:
            continue


def size(document: Mapping[str, Any]) -> int:
    """Bytes of all tensors of a document."""
    return sum(tensor.nbytes for tensor in _tensors(document))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(one)


def _compact(value: Any) -> Any:
    """The same with every tensor on the CPU, detached, in memory of its own size."""
    if isinstance(value, Tensor):
        plain = value.detach().cpu()
        return plain.clone() if plain.untyped_storage().nbytes() != plain.nbytes else plain
    if isinstance(value, Mapping):
        return {key: _compact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_compact(one) for one in value]
    if dataclasses.is_dataclass(value) or callable(value):
        raise TypeError(f"{type(value).__name__} has no place in a checkpoint")
    return value


class _Hashing(io.RawIOBase):
    """Passes on what is written, and hashes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def writable(self) -> bool:
        return True


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network disks cannot; the file itself is safe
    finally:
        os.close(descriptor)
