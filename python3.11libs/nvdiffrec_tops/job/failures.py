"""The failures that training is known to run into, with cause and cure.

To teach the job a failure, add one entry to :data:`FAILURES` and one log sample to its test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nvdiffrec_contract.failure import (
    EXIT_ENVIRONMENT,
    EXIT_OUTPUT,
    EXIT_TRAINING,
    EXIT_USAGE,
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


# The path of a lock in PyTorch's cache of extensions, between quotation marks where it has spaces.
# It begins where a word does, so that a line of any length is searched in one go.
LOCK_PATH = (
    r"""(?:(?P<quote>["'])|(?<!\S))(?P<lock>(?(quote)[^"']*?|[^\s"']*?)torch_extensions"""
    r"""(?(quote)[^"']*?|[^\s"']*?)[/\\]lock)\b"""
)

# The first match in this order wins, so the specific stands before the general.
FAILURES = (
    KnownFailure(
        "path-with-spaces",
        r"ld: cannot find \S*/torch/lib: No such file or directory",
        "the training environment lies in a folder with a space in its name, where PyTorch cannot "
        "link compiled extensions",
        "make the environment in a folder without spaces (nvdiffrec-tops env create --prefix DIR), "
        "or train with the diffrec engine, which compiles nothing",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-lost",
        r"ModuleNotFoundError: No module named 'renderutils_plugin'",
        "nvdiffrec's CUDA extension was built, but this PyTorch (2.11 or newer) does not make a "
        "just-built extension importable by its name",
        "start it through the toolkit, whose launcher enters the extension under its name; does it "
        "still fail, delete the folder named after 'Shim extension-cache' in the log, or train "
        "with the diffrec engine",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-unfinished",
        r"ImportError: \S*torch_extensions\S*\.(?:so|pyd): ",
        "a CUDA extension that another process was compiling was not finished",
        "cook again: it is compiled anew then",
        retry=True,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "several-processes",
        r"No module named 'apex(?:\.[\w.]+)?'|DistNetworkError|DistStoreError|"
        r"Address already in use|EADDRINUSE|clients joined",
        "nvdiffrec was switched to several graphics cards (WORLD_SIZE above 1), which needs apex, "
        "one process per card, and port 23456 free",
        "take WORLD_SIZE, RANK and LOCAL_RANK out of the environment to train on one card, or use "
        "one work item per card",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "no-display",
        r"this machine has no display|GLFWError|Failed to open display|"
        r"cannot connect to X server|DISPLAY environment variable is missing",
        "nvdiffrec was asked for a preview window (display_interval), and no window can be opened "
        "on this machine",
        "set display_interval to 0; the pictures of save_interval show the same",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "opengl-missing",
        r"\begl\w+\(?\)? failed|Failed to initialize EGL|GLEW initialization failed|EGL/egl\.h",
        "this nvdiffrast draws by OpenGL, which is not usable on this machine",
        "install nvdiffrast 0.4 or newer, which draws by CUDA alone: pip install "
        "--no-build-isolation git+https://github.com/NVlabs/nvdiffrast/",
        exit_code=EXIT_ENVIRONMENT,
    ),
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
        "diffrec-missing",
        r"No module named (?:diffrec$|'diffrec'|diffrec\.__main__)",
        "the diffrec trainer is not importable in the training environment",
        "install the toolkit there: pip install -e 'FOLDER_OF_THE_TOOLKIT[diffrec]'",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "diffrec-incomplete",
        r"No module named '(?P<module>diffrec\.[\w.]+)'",
        "the diffrec trainer is incomplete: its module {module} is missing",
        "install the toolkit again, whole",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "nvdiffrast-missing",
        r"ModuleNotFoundError: No module named 'nvdiffrast(?:\.[\w.]+)?'",
        "nvdiffrast is not installed in the training environment",
        "install PyTorch first, then: pip install --no-build-isolation "
        "git+https://github.com/NVlabs/nvdiffrast/",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "tinycudann-missing",
        r"ModuleNotFoundError: No module named 'tinycudann(?:_bindings)?(?:\.[\w.]+)?'",
        "tiny-cuda-nn is not installed in the training environment",
        "conda install conda-forge::tiny-cuda-nn, or build it with the system compiler: "
        "pip install --no-build-isolation "
        "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'",
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
    KnownFailure(
        "empty-mesh",
        r"Got empty training triangle mesh",
        "the training lost the object: its mesh became empty",
        "check the masks first (none may be empty; white is the object), then mesh_scale (the "
        "object must fit into a cube of that size around the origin, and fill a good part of it), "
        "then the learning rate: a lower one also helps",
    ),
    KnownFailure(
        "hdr-reader",
        r"[Ff]ree[Ii]mage|NeedDownloadError|InternetNotAllowedError|imageio.*\.hdr|"
        r"Could not find a (?:format|backend) to (?:read|open).*\.hdr",
        "imageio cannot read Radiance pictures (.hdr) in this environment",
        "start it through the toolkit, whose launcher reads them itself; for a training by hand "
        "install the FreeImage library: conda install conda-forge::freeimage, or on Debian "
        "apt-get install libfreeimage3",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "stale-build-lock",
        LOCK_PATH,
        "an earlier run was ended while it built a CUDA extension and left a lock: {lock}",
        "delete that file when no other training is starting, then cook again",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "compiler-missing",
        r"Ninja is required to load C\+\+ extensions|ninja: command not found|"
        r"nvcc: (?:command )?not found|CUDA_HOME environment variable is not set|"
        r"No such file or directory: '(?:\S*/)?nvcc'|Error checking compiler version",
        "nvdiffrec builds a CUDA extension at its first start and a build tool is missing",
        "install ninja, the CUDA toolkit (nvcc) and a C++ compiler in the environment and set "
        "CUDA_HOME to the toolkit's folder",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-build",
        r"Error building extension '(?P<name>\w+)'",
        "the CUDA extension {name} could not be compiled",
        "the compiler's message stands in the log above this line; the CUDA toolkit must fit the "
        "CUDA version of PyTorch and the C++ compiler must be one that nvcc supports",
        exit_code=EXIT_ENVIRONMENT,
    ),
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
        "git-lfs",
        r"_tets\.npz.*(?:pickle|allow_pickle)|Cannot load file containing pickled data|"
        r"version https://git-lfs",
        "a data file of the nvdiffrec checkout is a Git LFS pointer, not the file itself",
        "in the checkout: git lfs install, then git lfs pull",
        exit_code=EXIT_ENVIRONMENT,
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

_COMPILED = [(known, re.compile(known.pattern)) for known in FAILURES]


def recognise(lines: Sequence[str]) -> Failure | None:
    """The first entry of :data:`FAILURES` that some line of the log shows; the last such line.

    What the launcher says of its shims is no sign of a failure.
    """
    told = [line[:MAX_SEARCHED] for line in lines if not line.startswith("Shim ")]
    for known, pattern in _COMPILED:
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


def ended(code: int, lines: Sequence[str], log: str) -> Failure:
    """The failure of a trainer that ended with ``code`` (negative: by that signal).

    Args:
        lines: the end of its log, oldest first.
        log: where the whole log can be read.
    """
    known = recognise(lines)
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
