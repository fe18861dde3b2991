"""Packages of others that may stand in for a part of this one, where the artist has them."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from diffrec.errors import DiffrecError


@dataclass(frozen=True)
class OptionalPackage:
    """A package for NVIDIA GPUs that a configuration field asks for by name.

    `field`: of the configuration, whose value `own` needs nothing; `name`: the value that asks for
    the package; `module`: what is imported; `install`: the command that brings it; `remark`: what
    to know before that.
    """

    field: str
    name: str
    module: str
    install: str
    remark: str

    def load(self) -> Any:
        """The module; imported on first use."""
        _enter_built_extensions()
        return import_module(self.module)

    def require(self, device: torch.device | str) -> None:
        """Raise DiffrecError, one sentence for the artist, unless the package works on `device`."""
        wanted = f'{self.field} "{self.name}"'
        instead = f'or set {self.field} to "own", which needs no other package'
        if torch.device(device).type != "cuda":
            raise DiffrecError(
                f"{wanted} works on an NVIDIA GPU and this run is on the CPU: run it with --device "
                f"cuda on a machine that has one, {instead}"
            )
        try:
            self.load()
        except ModuleNotFoundError as error:
            raise DiffrecError(
                f"{wanted} needs the package {error.name}, which is not installed in this "
                f"environment; {self.remark}: {self.install}, {instead}"
            ) from None
        except Exception as error:  # whatever a foreign extension says when it does not fit
            raise DiffrecError(
                f"{wanted}: the installed package does not load with PyTorch {torch.__version__} "
                f"({error}): {self.install} once more, {instead}"
            ) from None


@functools.cache
def _enter_built_extensions() -> None:
    """Let an extension that PyTorch has built, now or earlier, be imported by its name.

    Packages that compile themselves on first use rely on it; PyTorch 2.11 does it no more.
    """
    from torch.utils import cpp_extension

    build = cpp_extension.load

    @functools.wraps(build)
    def load(name: str, *arguments: Any, **options: Any) -> Any:
        built = build(name, *arguments, **options)
        if isinstance(built, ModuleType):
            sys.modules.setdefault(name, built)
        return built

    cpp_extension.load = load
    sys.meta_path.append(_BuiltEarlier())


class _BuiltEarlier(importlib.abc.MetaPathFinder):
    """Finds extensions where PyTorch keeps what it has built; asked after all others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or "." in fullname:
            return None
        for folder in _extension_folders():
            file = folder / fullname / f"{fullname}.so"
            if file.is_file():
                return importlib.util.spec_from_file_location(fullname, file)
        return None


def _extension_folders() -> list[Path]:
    """TORCH_EXTENSIONS_DIR, or what PyTorch uses without it: a folder per Python and CUDA."""
    named = os.environ.get("TORCH_EXTENSIONS_DIR")
    if named:
        return [Path(named)]
    from torch.utils.cpp_extension import get_default_build_root

    cuda = torch.version.cuda
    kind = "cpu" if cuda is None else f"cu{cuda.replace('.', '')}"
    python = f"py{sys.version_info.major}{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"
    return [Path(get_default_build_root(), f"{python}_{kind}")]
