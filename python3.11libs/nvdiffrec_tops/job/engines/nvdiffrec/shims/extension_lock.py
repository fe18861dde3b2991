"""Locks that a training which was ended while it compiled has left behind.

PyTorch waits for such a lock without end and without a word.
"""

from __future__ import annotations

import functools
import os
import threading
from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec import extensionlock
from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "extension-lock"
SECONDS = 2.0


def install(start: Start) -> None:
    """Clear stale locks when an extension is about to be loaded, and while one is waited for."""

    def change(module: ModuleType) -> None:
        for function in ("load", "load_inline"):
            if callable(getattr(module, function, None)):
                setattr(module, function, _watched(getattr(module, function), module, start))

    after_import("torch.utils.cpp_extension", change)


def _watched(load: Any, module: ModuleType, start: Start) -> Any:
    @functools.wraps(load)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        name = args[0] if args else kwargs.get("name")
        build = kwargs.get("build_directory") or _build_folder(module, start, name)
        if build is None:
            return load(*args, **kwargs)
        lock = os.path.join(str(build), extensionlock.NAME)
        said = _look(lock, start, "")
        done = threading.Event()

        def watch() -> None:
            # Whoever compiles now may be ended before it has finished.
            last = said
            while not done.wait(SECONDS):
                last = _look(lock, start, last)

        watcher = threading.Thread(target=watch, name="extension lock", daemon=True)
        watcher.start()
        try:
            return load(*args, **kwargs)
        finally:
            done.set()
            watcher.join(SECONDS)

    return loaded


def _build_folder(module: ModuleType, start: Start, name: Any) -> str | None:
    base = start.environ.get("TORCH_EXTENSIONS_DIR")
    if not base:
        find = getattr(module, "get_default_build_root", None)
        return None if find is None else _below_default(str(find()), name)
    return os.path.join(base, str(name))


def _below_default(root: str, name: Any) -> str | None:
    """The one build folder of this name below PyTorch's own cache, when it is already there."""
    for lock in extensionlock.locks(root):
        if os.path.basename(os.path.dirname(lock)) == name:
            return os.path.dirname(lock)
    return None


def _look(lock: str, start: Start, last: str) -> str:
    """Clear ``lock`` when it is stale; what was found, said when it is news."""
    verdict = extensionlock.judge(lock)
    if verdict is None or verdict.holder == os.getpid():
        return last
    if verdict.stale and extensionlock.clear(verdict):
        start.say(NAME, f"removed the stale lock {lock}: {verdict.reason}")
        return ""
    text = f"waiting for the lock {lock}: {verdict.reason}"
    if text != last:
        start.say(NAME, text)
    return text


SHIM = Shim(
    NAME,
    "an earlier run was ended while it compiled an extension, and its lock is still there",
    "removes the lock when no process holds it or compiles; else says for whom it waits",
    install,
)
