"""What a process does that compiles kernels beside a run. It imports no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def compile_parts(work: Mapping[str, Callable[[], None]], names: Sequence[str]) -> None:
    """Do the work that the names say, or all of it; each name is printed when it is ready."""
    for name in names or work:
        work[name]()
        print(name, flush=True)
