"""What a run will need is made ready beside its first seconds: the GPU, and compiled kernels.

The GPU is woken while PyTorch loads. Warp's kernels are compiled on threads while data are read,
so that a first run waits for the slowest file of kernels instead of for all in turn. The kernels
of Numba are compiled by child processes into Numba's cache: a thread would take turns with the
run, as Numba compiles under Python's global lock. Later runs find everything compiled.

Whatever fails here, the run does for itself, see `diffrec.side_work`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec import side_work
from diffrec.runtime.processor_cores import usable_cores

if TYPE_CHECKING:
    import torch

_PACKAGE = Path(__file__).resolve().parents[1]
_PATIENCE = 10.0  # seconds for what is told to end
_MANY = 4  # cores, from which on compilers run side by side


@dataclass(frozen=True)
class _Work:
    """Parts that `python -m module PART ...` compiles with Numba; `what`: for who waits for it."""

    what: str
    module: str
    parts: tuple[str, ...]
    sources: tuple[Path, ...]


class WarmUp:
    """Makes ready what a run needs, as long as the context lasts; leaving it ends what is not done.

    `wake_gpu`, `compile_cleaning` and `compile_charting` belong before the import of PyTorch,
    `compile_kernels` after
    all others. Nothing here raises, waits, or prints.
    """

    def __init__(self, cores: int | None = None) -> None:
        """`cores`: that may be kept busy; None takes those that this process may run on."""
        self._cores = cores or usable_cores()
        self._threads: list[threading.Thread] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._changing = threading.Lock()
        self._later: list[_Work] = []
        self._pool: ThreadPoolExecutor | None = None
        self._announced: set[str] = set()
        self._ended = False

    def __enter__(self) -> WarmUp:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._changing:
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
            side_work.done(name)

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
        self._compile_between(side_work.CHARTING, ("packing", "layout"))

    def compile_cleaning(self) -> None:
        """The same of what comes before charting."""
        self._compile_between(side_work.CLEANING, ("cleaning",))

    def _compile_between(self, room: str, parts: tuple[str, ...]) -> None:
        """The kernels of a room that works between the passes."""
        sources = sorted((_PACKAGE / room).glob("*.py"))
        work = _Work(room, f"diffrec.{room}.compile_kernels", parts, tuple(sources))
        if self._cores < _MANY:
            self._later.append(work)
        else:
            self._compile_apart([work])

    def compile_kernels(self, device: torch.device) -> None:
        """Compile the kernels of an iteration; what is compiled already is passed over."""
        if device.type == "cuda":
            self._compile_warp(warp_files(), f"cuda:{device.index or 0}")
        works, self._later = self._later, []
        if device.type == "cpu":
            # An iteration needs them last. They are not waited for: who comes first compiles.
            folders = (_PACKAGE / name for name in ("losses", "materials", "ops", "shading"))
            sources = [path for folder in folders for path in folder.rglob("*.py")]
            module = "diffrec.training.compile_cpu_kernels"
            parts = ("shading", "field", "textures", "similarity")
            works.insert(0, _Work("an iteration", module, parts, tuple(sorted(sources))))
        self._compile_apart(works)

    def _compile_warp(self, names: Sequence[str], device: str) -> None:
        self._announce(names)
        self._start(self._compile_files, names, device)

    def _compile_files(self, names: Sequence[str], device: str) -> None:
        try:
            from diffrec.ops.warp import start_warp

            compiler = _compiler(start_warp(), device)
            if compiler is None:
                return
            for name in names:
                if self._ended:
                    return
                importlib.import_module(name)
            self._pool = ThreadPoolExecutor(min(len(names), self._cores), "kernels")
            for name in names:
                self._pool.submit(self._compile_file, compiler, name)
            self._pool.shutdown(wait=True, cancel_futures=self._ended)
        except Exception:
            return
        finally:
            for name in names:
                side_work.done(name)

    def _compile_file(self, compiler: Callable[[str], Any], name: str) -> None:
        try:
            if not self._ended:
                compiler(name)
        except Exception:  # of files without kernels as well
            return
        finally:
            side_work.done(name)

    def _compile_apart(self, works: Sequence[_Work]) -> None:
        """Compile with Numba in child processes, one work after the other."""
        if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            return
        marks = [_mark(work) for work in works]
        new = [
            (work, mark)
            for work, mark in zip(works, marks, strict=True)
            if (mark is None or not mark.is_file()) and not side_work.is_pending(work.what)
        ]
        if new:
            for work, _file in new:
                self._announce([work.what], len(work.parts))
            self._start(self._follow, new)

    def _follow(self, works: Sequence[tuple[_Work, Path | None]]) -> None:
        for work, mark in works:
            try:
                codes = [_followed(child, work.what) for child in self._begun(work)]
                if mark is not None and codes and not any(codes):
                    mark.touch()
            except OSError:
                pass
            finally:
                side_work.done(work.what)

    def _begun(self, work: _Work) -> list[subprocess.Popen[bytes]]:
        """The processes of a work, one for each part where there are cores for that."""
        shares = [work.parts] if self._cores < _MANY else [(part,) for part in work.parts]
        with self._changing:
            if self._ended:
                return []
            begun: list[subprocess.Popen[bytes]] = []
            try:
                for share in shares:
                    begun.append(_child(work.module, share))
            finally:
                self._children += begun
            return begun

    def _announce(self, names: Sequence[str], parts: int = 1) -> None:
        side_work.announce(names, parts)
        self._announced.update(names)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def warp_files() -> list[str]:
    """The modules that hold Warp's kernels, those that take longest to compile first.

    They are called `warp`, or `warp_` and what they hold, and lie beside what they are kernels of.
    """
    files = sorted(_PACKAGE.rglob("warp.py")) + sorted(_PACKAGE.rglob("warp_*.py"))
    files.sort(key=lambda file: -file.stat().st_size)
    return [".".join(file.relative_to(_PACKAGE.parent).with_suffix("").parts) for file in files]


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


def _followed(child: subprocess.Popen[bytes], what: str) -> int:
    """Wait for a child, which says a line when a part is ready; its exit code."""
    if child.stdout is not None:
        with child.stdout as lines:
            for _line in lines:
                side_work.part_done(what)
    return child.wait()


def _child(module: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `python -m module`, quiet, and of this process's group, so that both end together."""
    environment = dict(os.environ)
    paths = [str(_PACKAGE.parent), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def _mark(work: _Work) -> Path | None:
    """The file that says that this machine has compiled these sources; None without a place.

    It lies in Numba's cache, so that it goes with it.
    """
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(place) if place else work.sources[0].parent / "__pycache__"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        known = [platform.node(), platform.machine(), sys.version, metadata.version("numba")]
        for source in work.sources:
            state = source.stat()
            known.append(f"{source} {state.st_mtime_ns} {state.st_size}")
    except (OSError, metadata.PackageNotFoundError):
        return None
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()
    return folder / f"diffrec-{work.what}-{digest[:16]}.compiled"
