"""What a run will need is made ready beside its first seconds: the GPU, and compiled kernels.

The GPU is woken while PyTorch loads. Warp's kernels are compiled on threads while data are read,
so that a first run waits for the slowest file of kernels instead of for all in turn. The kernels
of Numba are compiled by child processes into Numba's cache: a thread would take turns with the
run, as Numba compiles under Python's global lock. Later runs find everything compiled.

Whatever fails here, the run does for itself, see `diffrec.background`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import os
import pkgutil
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec import background

if TYPE_CHECKING:
    import torch

_PACKAGE = Path(__file__).resolve().parent
_PATIENCE = 10.0  # seconds for what is told to end


class WarmUp:
    """Makes ready what a run needs, as long as the context lasts; leaving it ends what is not done.

    `wake_gpu` and `compile_charting` belong before the import of PyTorch, `compile_kernels` after
    all others. Nothing here raises, waits, or prints.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._announced: set[str] = set()
        self._ended = False

    def __enter__(self) -> WarmUp:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended = True
        for child in self._children:
            with contextlib.suppress(OSError):
                child.terminate()
        # A compiler that is at work when the process ends would have its memory taken away.
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for thread in self._threads:
            thread.join(_PATIENCE)
        for name in self._announced:
            background.done(name)

    def wake_gpu(self, name: str, number: int | None = None) -> None:
        """Begin with the GPU that a configuration's `device` (auto, cuda, cuda:N) asks for.

        `number`: of this process among several on one machine, which decides for plain cuda.
        """
        if name == "cpu":
            return
        os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")  # as PyTorch has it
        index = name.partition(":")[2]
        self._start(_wake, int(index) if index else number or 0)

    def compile_charting(self) -> None:
        """Compile the kernels of charting where this machine has not done so before."""
        sources = sorted((_PACKAGE / "geometry").glob("*chart*.py"))
        self._compile_apart(
            background.CHARTING, "diffrec.geometry.chartcompile", ("packing", "layout"), sources
        )

    def compile_kernels(self, device: torch.device) -> None:
        """Compile Warp's kernels for a CUDA device; what is compiled already is passed over."""
        if device.type == "cuda":
            self._compile_warp(warp_files(), f"cuda:{device.index or 0}")

    def _compile_warp(self, names: Sequence[str], device: str) -> None:
        self._announce(names)
        self._start(self._compile_files, names, device)

    def _compile_files(self, names: Sequence[str], device: str) -> None:
        try:
            from diffrec.ops.backends import usable_cores, warp

            compiler = _compiler(warp(), device)
            if compiler is None:
                return
            for name in names:
                importlib.import_module(name)
            self._pool = ThreadPoolExecutor(min(len(names), usable_cores()), "kernels")
            for name in names:
                self._pool.submit(self._compile_file, compiler, name)
            self._pool.shutdown(wait=True, cancel_futures=self._ended)
        except Exception:
            return
        finally:
            for name in names:
                background.done(name)

    def _compile_file(self, compiler: Callable[[str], Any], name: str) -> None:
        try:
            if not self._ended:
                compiler(name)
        except Exception:  # of files without kernels as well
            return
        finally:
            background.done(name)

    def _compile_apart(
        self, what: str, module: str, parts: Sequence[str], sources: Sequence[Path]
    ) -> None:
        """Compile with Numba in processes `python -m module PART …`, one per core to spare."""
        mark = _mark(what, sources)
        if (mark is not None and mark.is_file()) or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            return
        cores = os.cpu_count() or 1
        shares = [parts] if cores < 4 else [[part] for part in parts]
        try:
            started = [_child(module, share) for share in shares]
        except OSError:
            return
        self._children += started
        self._announce([what])
        self._start(self._follow, what, started, mark)

    def _follow(
        self, what: str, children: Sequence[subprocess.Popen[bytes]], mark: Path | None
    ) -> None:
        try:
            codes = [child.wait() for child in children]
            if mark is not None and not any(codes):
                mark.touch()
        except OSError:
            return
        finally:
            background.done(what)

    def _announce(self, names: Sequence[str]) -> None:
        background.announce(names)
        self._announced.update(names)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def warp_files() -> list[str]:
    """The modules that hold Warp's kernels, those that take longest to compile first."""
    folder = _PACKAGE / "ops"
    names = [one.name for one in pkgutil.iter_modules([str(folder)]) if one.name[:5] == "warp_"]
    names.sort(key=lambda name: -(folder / f"{name}.py").stat().st_size)
    return [f"diffrec.ops.{name}" for name in names]


def _compiler(wp: Any, device: str) -> Callable[[str], Any] | None:
    """What compiles a module of kernels; None with a Warp that does not on several threads."""
    if not hasattr(wp.config, "load_module_max_workers"):
        return None
    if device == "cpu":
        return lambda name: wp.load_module(name, device="cpu")
    # Compiled, not loaded: CUDA must not be asked for memory while a graph is being recorded.
    if not hasattr(wp, "compile_aot_module"):
        return None
    return lambda name: wp.compile_aot_module(name, device=device)


def _wake(ordinal: int) -> None:
    """Have CUDA's driver make the context that PyTorch and Warp will work in."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        if driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), ordinal) == 0:
            driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    except (OSError, AttributeError):
        return


def _child(module: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `python -m module`, quiet, and of this process's group, so that both end together."""
    environment = dict(os.environ)
    paths = [str(_PACKAGE.parent), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def _mark(what: str, sources: Sequence[Path]) -> Path | None:
    """The file that says that this machine has compiled these sources; None without a place.

    It lies in Numba's cache, so that it goes with it.
    """
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(place) if place else sources[0].parent / "__pycache__"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        known = [platform.node(), platform.machine(), sys.version, metadata.version("numba")]
        for source in sources:
            state = source.stat()
            known.append(f"{source} {state.st_mtime_ns} {state.st_size}")
    except (OSError, metadata.PackageNotFoundError):
        return None
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()
    return folder / f"diffrec-{what}-{digest[:16]}.compiled"
