"""``CUDA_HOME`` for the trainer: only a folder that has a CUDA compiler.

PyTorch builds extensions with the compiler in ``CUDA_HOME`` and, where that is not set, looks for
one on ``PATH`` and in the usual folders. Scenes of the original workflow export the training
environment as ``CUDA_HOME``; one without a compiler of its own then hides the machine's toolkit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from nvdiffrec_tops.job.environment import EnvironmentPolicy

NAMES = ("CUDA_HOME", "CUDA_PATH")


def settled(
    inherited: Mapping[str, str], policy: EnvironmentPolicy, *, windows: bool = os.name == "nt"
) -> tuple[EnvironmentPolicy, list[str]]:
    """``policy`` with what to do about ``CUDA_HOME``, and a note for each variable taken out.

    Taken out: a variable that names a Python environment without a compiler. Set: ``CUDA_HOME`` to
    the training environment, where that has a compiler and nothing names another one. What the
    settings set, unset or keep is left to them.
    """
    decided = {*policy.set, *policy.unset, *policy.keep}
    false: list[str] = []
    for name in NAMES:
        folder = inherited.get(name, "").strip()
        if folder and name not in decided and not has_compiler(folder, windows=windows):
            false += [name] if _is_environment(folder, policy.prefix) else []
    gone = {*false, *policy.unset}
    named = any(name in policy.set or (inherited.get(name) and name not in gone) for name in NAMES)
    own = _own_toolkit(policy.prefix, windows)
    wanted = dict(policy.set)
    if own is not None and not named and "CUDA_HOME" not in decided:
        wanted["CUDA_HOME"] = own
    notes = [
        f"{name} is {inherited[name]}, a Python environment without nvcc: taken out, so that the "
        "machine's own CUDA toolkit is found"
        for name in false
    ]
    return replace(policy, set=wanted, unset=(*policy.unset, *false)), notes


def has_compiler(folder: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether a folder is a CUDA toolkit with its compiler."""
    return os.path.isfile(os.path.join(folder, "bin", "nvcc.exe" if windows else "nvcc"))


def _own_toolkit(prefix: str | None, windows: bool) -> str | None:
    """The toolkit that conda put into an environment; on Windows all of conda's is in Library."""
    if not prefix:
        return None
    root = os.path.join(prefix, "Library") if windows else prefix
    return root if has_compiler(root, windows=windows) else None


def _is_environment(folder: str, prefix: str | None) -> bool:
    if prefix and os.path.realpath(folder) == os.path.realpath(prefix):
        return True
    marks = ("pyvenv.cfg", "conda-meta")
    return any(os.path.exists(os.path.join(folder, mark)) for mark in marks)
