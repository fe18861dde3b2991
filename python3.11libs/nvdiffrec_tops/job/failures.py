"""Failures, read from the log of a trainer that did not tell of one itself.

Here are those that any trainer of PyTorch can run into; an engine's own ones are in its folder. To
teach the job a failure, add one entry to a table and one log sample to the test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nvdiffrec_contract.failure import (
    EXIT_ENVIRONMENT,
    EXIT_OUTPUT,
    EXIT_TRAINING,
    Failure,
)

LAST_LINES = 20
# Characters at the start of a line in which a failure is looked for.
MAX_SEARCHED = 4000


class JobError(Exception):
    """A failure found by the job process itself."""

    def __init__(self, id: str, cause: str, cure: str, exit_code: int) -> None:
        super().__init__(cause)
        self.failure = Failure(id, cause, cure, exit_code)

    @classmethod
    def of(cls, failure: Failure) -> JobError:
        """The error that reports ``failure``."""
        error = JobError(failure.id, failure.cause, failure.cure, failure.exit_code)
        error.failure = failure
        return error


@dataclass(frozen=True)
class KnownFailure:
    """A pattern in the log (searched line by line) and what it means.

    ``cause`` and ``cure`` may use the pattern's named groups in braces. ``retry`` says whether the
    same command may succeed when simply started again.
    """

    id: str
    pattern: str
    cause: str
    cure: str
    retry: bool = False
    exit_code: int = EXIT_TRAINING


# In a table the first match wins, so the specific stands before the general.
ENVIRONMENT = (
    KnownFailure(
        "tinycudann-crash",
        # As Python prints the stack of a crash, not that of an exception.
        r'File "[^"]*tinycudann[^"]*", line \d+ in ',
        "tiny-cuda-nn crashed in its first call: it was built with a second C++ runtime, or for "
        "another PyTorch",
        "build it again with the system compiler (CC=/usr/bin/gcc CXX=/usr/bin/g++): pip install "
        "--no-build-isolation --force-reinstall "
        "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "torch-missing",
        r"ModuleNotFoundError: No module named 'torch'",
        "PyTorch is not installed in the training environment",
        "install it there: pip install torch (the diffrec engine's other needs: pip install "
        "numpy warp-lang numba xatlas opencv-python-headless), or name another environment",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "numpy-mismatch",
        r"RuntimeError: Numpy is not available|"
        r"A module that was compiled using NumPy 1\.x cannot be run in\s*NumPy 2",
        "this PyTorch was built for NumPy 1 and the environment holds NumPy 2",
        'pip install "numpy<2", or a PyTorch of version 2.3 or newer',
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "torch-without-cuda",
        r"Unknown compute capability|Torch not compiled with CUDA enabled",
        "this PyTorch is a build without CUDA, or no NVIDIA GPU is visible to the job",
        'install a CUDA build of PyTorch; check with: python -c "import torch; '
        'print(torch.__version__, torch.cuda.is_available())" and nvidia-smi; '
        "or train with the diffrec engine, which also runs on a CPU",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "no-gpu",
        r"No CUDA GPUs are available|Found no NVIDIA driver|no CUDA-capable device is detected",
        "no NVIDIA GPU is visible to the job",
        "check nvidia-smi and CUDA_VISIBLE_DEVICES on this machine, or send the job to a machine "
        "with a GPU, or train with the diffrec engine on the CPU",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gpu-busy",
        r"all CUDA-capable devices are busy or unavailable|CUDA-capable device\(s\) is/are busy",
        "another process holds the GPU exclusively",
        "wait for it, or run one training at a time (scheduler: Single)",
        retry=True,
    ),
    KnownFailure(
        "gpu-architecture",
        r"no kernel image is available for execution on the device",
        "PyTorch or an extension was built for another generation of GPU",
        "install builds for this GPU, or rebuild nvdiffrast and tiny-cuda-nn on this machine; if "
        "the card was changed, delete the folder named after 'Shim extension-cache' in the log",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "out-of-gpu-memory",
        r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA error: out of memory|"
        r"CUBLAS_STATUS_ALLOC_FAILED",
        "the GPU's memory is full",
        "lower batch, train_res or layers in the configuration, or reduce the photographs first "
        "(LLFF photographs are used at their own size); close other programs that use the GPU; or "
        "let the job try again with half the batch (on_out_of_memory: halve_batch)",
    ),
)
"""PyTorch, CUDA and the graphics card."""

MACHINE = (
    KnownFailure(
        "library-conflict",
        r"version `(?P<symbol>(?:GLIBCXX|CXXABI|GLIBC)_[\d.]+)' not found",
        "a library of another program is loaded in place of the environment's own "
        "({symbol} is missing)",
        "take that program's folders out of LD_LIBRARY_PATH, or conda install "
        "conda-forge::libstdcxx-ng in the environment",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "disk-full",
        r"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]",
        "the disk is full",
        "make room on the disk of the output folder (or raise the quota), then cook again",
        exit_code=EXIT_OUTPUT,
    ),
    KnownFailure(
        "network-disk",
        r"Stale file handle|\[Errno 116\]|Input/output error|\[Errno 5\]",
        "a file on a network disk could not be read or written",
        "check that the share is mounted and reachable from this machine",
        retry=True,
    ),
    KnownFailure(
        "module-missing",
        r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'",
        "the Python module {module} is not installed in the training environment",
        "install it there: pip install {module} (the package may carry another name)",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "file-missing",
        r"FileNotFoundError: (?P<what>.*No such file or directory.*)",
        "the trainer did not find a file: {what}",
        "check the paths in the configuration; relative ones are read from the working directory",
    ),
    KnownFailure(
        "host-memory",
        r"\bMemoryError\b|DefaultCPUAllocator: (?:can't|not enough)|std::bad_alloc",
        "the machine's memory is full",
        "lower batch, train_res or texture_res, or give the job a machine with more memory",
    ),
)
"""What any program can run into; the last of a table."""


def recognise(lines: Sequence[str], table: Sequence[KnownFailure]) -> Failure | None:
    """The first entry of the table that some line of the log shows; the last such line.

    What the launcher says of its shims is no sign of a failure.
    """
    told = [line[:MAX_SEARCHED] for line in lines if not line.startswith("Shim ")]
    for known in table:
        pattern = re.compile(known.pattern)
        for line in reversed(told):
            match = pattern.search(line)
            if match:
                groups = {key: value or "" for key, value in match.groupdict().items()}
                return Failure(
                    known.id,
                    known.cause.format(**groups),
                    known.cure.format(**groups) if groups else known.cure,
                    known.exit_code,
                    known.retry,
                    tuple(lines[-LAST_LINES:]),
                )
    return None


def ended(code: int, lines: Sequence[str], log: str, table: Sequence[KnownFailure]) -> Failure:
    """The failure of a trainer that has ended.

    Args:
        code: its exit code; negative: it was ended by that signal.
        lines: the end of its log, oldest first.
        log: where the whole log can be read.
        table: what to look for.
    """
    known = recognise(lines, table)
    if known is not None:
        return known
    tail = tuple(lines[-LAST_LINES:])
    if code == -9:
        return Failure(
            "killed",
            "the trainer was killed, most likely because the machine's memory was full",
            "lower batch, train_res or texture_res, or run fewer jobs at a time",
            lines=tail,
        )
    if code in (-11, -6, -4, -7, 0xC0000005):
        return Failure(
            "crashed",
            f"the trainer crashed ({f'signal {-code}' if code < 0 else hex(code)})",
            "a crash at the first call of tiny-cuda-nn comes from a second C++ runtime: build it "
            "with the system compiler. Otherwise check the GPU driver, or use the diffrec engine",
            lines=tail,
        )
    cause = f"the trainer ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
    said = next((line.strip() for line in reversed(tail) if line.strip()), "")
    if said:
        cause += f"; its last line: {said}"
    return Failure("unknown", cause, f"read the end of the log: {log}", lines=tail)
