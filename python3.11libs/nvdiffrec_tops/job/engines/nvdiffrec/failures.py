"""What nvdiffrec and the extensions that it compiles are known to fail with, by their messages."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_USAGE
from nvdiffrec_tops.job.engines.nvdiffrec.buildfailures import BUILD, LOCKS
from nvdiffrec_tops.job.engines.nvdiffrec.datafailures import DATA, READERS
from nvdiffrec_tops.job.failures import ENVIRONMENT, MACHINE, KnownFailure

NVDIFFRAST = (
    "{python} -m pip install --no-build-isolation --force-reinstall --no-deps "
    "git+https://github.com/NVlabs/nvdiffrast/"
)
TINYCUDANN = (
    "{python} -m pip install --no-build-isolation "
    "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'"
)
TINYCUDANN_WINDOWS = "in an x64 Native Tools prompt of Visual Studio: " + TINYCUDANN.replace(
    "'", '"'
)

_PACKAGES = (
    KnownFailure(
        "several-processes",
        r"No module named 'apex(?:\.[\w.]+)?'|DistNetworkError|DistStoreError|"
        r"Address already in use|EADDRINUSE|clients joined|\bNCCL error|nccl(?:Unhandled|System|"
        r"Internal|Invalid)\w{0,20}|init_process_group",
        "nvdiffrec was switched to several graphics cards (WORLD_SIZE above 1), which needs apex, "
        "one process per card, and port 23456 free",
        "take WORLD_SIZE, RANK and LOCAL_RANK out of the environment to train on one card, or use "
        "one work item per card",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "no-display",
        r"this machine has no display|GLFWError|Failed to open display|"
        r"cannot connect to X server|DISPLAY environment variable is missing|"
        r"[Cc]ould not (?:create|open) (?:a )?(?:GLFW )?window|Failed to create (?:GLFW )?window|"
        r"could not (?:initialize|init) (?:GLFW|glfw)|no display name",
        "nvdiffrec was asked for a preview window (display_interval), and no window can be opened "
        "on this machine",
        "set display_interval to 0; the pictures of save_interval show the same",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "opengl-missing",
        r"\begl\w+\(?\)? failed|Failed to initialize EGL|GLEW initialization failed|"
        r"OpenGL (?P<version>\d\.\d) or later is required|cudaGraphics(?!\w*D3D)\w+|"
        r"(?:EGL/egl|GL/gl|GL/glew|GL/glx)\w*\.h|lib(?:EGL|GLX|OpenGL|GLdispatch)\.so\S{0,20} ?: "
        r"cannot open|\bwgl\w+\(?\)? failed|SetPixelFormat\(?\)? failed|"
        r"(?:[Cc]ould not|[Ff]ailed to|[Cc]annot) (?:create|initialize|make)[^\n]{0,30}\b(?:OpenGL|"
        r"GL|EGL|GLX|WGL)\b|\bglXCreate\w+|no EGL (?:display|device)|glutil\.cpp:\d+\]",
        "this nvdiffrast draws by OpenGL, which is not usable on this machine",
        "install nvdiffrast 0.4 or newer, which draws by CUDA alone: " + NVDIFFRAST,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "optix",
        r"OPTIX_ERROR_\w+|\boptixInit\b|Optix call[^\n]{0,60}failed|optix(?:_\w+)?\.h\b|"
        r"nvoptix\.(?:dll|bin)|libnvoptix",
        "this is nvdiffrecmc, which traces rays with OptiX, and OptiX does not start here",
        "install a newer NVIDIA driver (it brings OptiX; the card must support ray tracing), or "
        "train with nvdiffrec or the diffrec engine, which need none",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "nvdiffrast-missing",
        r"No module named 'nvdiffrast(?:\.(?!torch\.)[\w.]+)?'|PackageNotFoundError[^\n]{0,80}"
        r"nvdiffrast",
        "nvdiffrast is not installed in the training environment",
        "install PyTorch first, then: " + NVDIFFRAST,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "nvdiffrast-broken",
        r"No module named '?(?P<part>_?nvdiffrast_(?:c|plugin\w*))|"
        r"cannot import name '(?P<name>\w+)' from (?:partially initialized module )?'nvdiffrast|"
        r"module 'nvdiffrast(?:\.torch)?' has no attribute '(?P<other>\w+)'|"
        r"No such file or directory[^\n]{0,40}['\"](?P<source>[^'\"\n]*nvdiffrast[^'\"\n]*\.(?:cp"
        r"p|cu|"
        r"h|inl))|nvdiffrast\S*[/\\](?P<lost>[\w.]+\.(?:cpp|cu|h|inl)):? (?:No such file|missing)",
        "nvdiffrast is installed in part only: {part}{name}{other}{source}{lost} is missing",
        "install it again, whole, with PyTorch already there: " + NVDIFFRAST,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "tinycudann-missing",
        r"No module named 'tinycudann(?:_bindings)?(?:\.[\w.]+)?'",
        "tiny-cuda-nn is not installed in the training environment",
        "conda install conda-forge::tiny-cuda-nn, or build it with the system compiler: "
        + TINYCUDANN,
        windows="build it, " + TINYCUDANN_WINDOWS,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "tinycudann-broken",
        r"module 'tinycudann(?:_bindings)?[\w.]*' has no attribute '(?P<name>\w+)'|"
        r"cannot import name '(?P<other>\w+)' from (?:partially initialized module )?'tinycudann",
        "tiny-cuda-nn is installed in part only: {name}{other} is missing",
        "build it again with the system compiler: " + TINYCUDANN,
        windows="build it again, " + TINYCUDANN_WINDOWS,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "module-broken",
        r"module '(?P<package_>xatlas|imageio)' has no attribute '(?P<name>\w+)'",
        "the package {package_} is not the one that nvdiffrec uses: {name} is missing",
        "{python} -m pip install --force-reinstall {package_}",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-lost",
        r"No module named '?(?P<name>renderutils_plugin|optixutils_plugin)'?",
        "nvdiffrec's CUDA extension {name} was built, but this PyTorch (2.11 or newer) does not "
        "make a just-built extension importable by its name",
        "start it through the toolkit, whose launcher enters the extension under its name; does it "
        "still fail, delete the folder named after 'Shim extension-cache' in the log, or train "
        "with the diffrec engine",
        exit_code=EXIT_ENVIRONMENT,
        alone=True,
    ),
)

FAILURES = (*LOCKS, *_PACKAGES, *BUILD, *DATA, *ENVIRONMENT, *MACHINE, *READERS)
