"""What nvdiffrec and the extensions that it compiles are known to fail with, by their messages."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_USAGE
from nvdiffrec_tops.job.failures import ENVIRONMENT, MACHINE, KnownFailure

# The path of a lock in PyTorch's cache of extensions, between quotation marks where it has spaces.
# It begins where a word does, so that a line of any length is searched in one go.
LOCK_PATH = (
    r"""(?:(?P<quote>["'])|(?<!\S))(?P<lock>(?(quote)[^"']*?|[^\s"']*?)torch_extensions"""
    r"""(?(quote)[^"']*?|[^\s"']*?)[/\\]lock)\b"""
)

_BEFORE = (
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
)

_BETWEEN = (
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
        "git-lfs",
        r"_tets\.npz.*(?:pickle|allow_pickle)|Cannot load file containing pickled data|"
        r"version https://git-lfs",
        "a data file of the nvdiffrec checkout is a Git LFS pointer, not the file itself",
        "in the checkout: git lfs install, then git lfs pull",
        exit_code=EXIT_ENVIRONMENT,
    ),
)

FAILURES = (*_BEFORE, *ENVIRONMENT, *_BETWEEN, *MACHINE)
