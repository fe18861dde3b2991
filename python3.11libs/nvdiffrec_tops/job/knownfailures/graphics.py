"""PyTorch, CUDA and the graphics card."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_tops.job.knownfailures.entry import KnownFailure

_MEMORY_CURE = (
    "lower batch, train_res or layers in the configuration, or reduce the photographs first "
    "(LLFF photographs are used at their own size); close other programs that use the GPU; or let "
    "the job try again with half the batch (on_out_of_memory: halve_batch)"
)
_CHECK_CARD = "check nvidia-smi and CUDA_VISIBLE_DEVICES on this machine"
_ELSEWHERE = "or train with the diffrec engine, which also runs on a CPU"
_TCNN = (
    "{python} -m pip install --no-build-isolation --no-cache-dir --force-reinstall --no-deps "
    "'git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch'"
)
_TCNN_WINDOWS = _TCNN.replace("'", '"')

SMALLER_BATCH_HELPS = frozenset(
    {"out-of-gpu-memory", "gpu-illegal-access", "gpu-launch", "gpu-timeout"}
)
"""Failures that half the batch may mend: a kernel that is given too much fails in several ways."""

GRAPHICS = (
    KnownFailure(
        "tinycudann-crash",
        # As Python prints the stack of a crash, not that of an exception.
        r"(?:Fatal Python error: (?:Segmentation fault|Bus error|Illegal instruction)|Windows fatal"
        r' exception: [^\n]{1,80})\n(?:[^\n]{0,300}\n){1,12}?[^\n]{0,40}File "[^"\n]*tinycudann'
        r'[^"\n]*", line \d+ in ',
        "tiny-cuda-nn crashed in its first call: it was built with a second C++ runtime, or for "
        "another PyTorch",
        "build it again with the system compiler: CC=/usr/bin/gcc CXX=/usr/bin/g++ " + _TCNN,
        windows="build it again in an x64 Native Tools prompt of Visual Studio: " + _TCNN_WINDOWS,
        lines=16,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "torch-missing",
        r"No module named '?torch'?\s*$",
        "PyTorch is not installed in the training environment",
        "install it there: {python} -m pip install torch (the diffrec engine's other needs: "
        "{python} -m pip install numpy warp-lang numba xatlas opencv-python-headless), or name "
        "another environment",
        exit_code=EXIT_ENVIRONMENT,
        lines=1,
    ),
    KnownFailure(
        "driver-too-old",
        r"NVIDIA driver on your system is too old(?: \(found version (?P<found>\d+)\))?|"
        r"CUDA driver version is insufficient|forward compatibility was attempted|"
        r"PTX was compiled with an unsupported toolchain|CUDA_ERROR_UNSUPPORTED_PTX_VERSION|"
        r"unsupported display driver|cudaErrorInsufficientDriver|[Cc]uda error: (?:35|222|803|804)"
        r"[\[:]",
        "the NVIDIA driver of this machine is too old for the CUDA that PyTorch or an extension "
        "was built with",
        "install a newer driver (nvidia-smi shows the highest CUDA version that it knows), or a "
        "PyTorch built for that version: {python} -m pip install torch --index-url "
        "https://download.pytorch.org/whl/cu126",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "driver-broken",
        r"Driver/library version mismatch|NVIDIA-SMI has failed|couldn't communicate with the "
        r"NVIDIA driver|CUDA unknown error - this may be due|CUDA error: unknown error|"
        r"CUDA error: initialization error|CUDA_ERROR_NOT_INITIALIZED|system not yet initialized|"
        r"CUDA driver initialization failed|CUDA initialization: CUDA unknown error",
        "the NVIDIA driver does not answer: it was updated while it ran, or did not start",
        "restart the machine; if nvidia-smi still fails then, install the driver again",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gpu-number",
        r"CUDA error: invalid device ordinal|CUDA_ERROR_INVALID_DEVICE|[Cc]uda error: 101[\[:]",
        "the job asks for a graphics card of a number that this machine does not have",
        "correct CUDA_VISIBLE_DEVICES: nvidia-smi -L lists the cards, the first is 0",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "torch-without-cuda",
        r"Unknown compute capability|Torch not compiled with CUDA enabled|"
        r"PyTorch (?:was|is) not (?:compiled|linked) with (?:support for )?[Cc][Uu][Dd][Aa]|"
        r"torch\.cuda\.is_available\(\) is False",
        "this PyTorch is a build without CUDA, or no NVIDIA GPU is visible to the job",
        "install a CUDA build of PyTorch: {python} -m pip install --force-reinstall torch "
        "--index-url https://download.pytorch.org/whl/cu126; check nvidia-smi; " + _ELSEWHERE,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "no-gpu",
        r"No CUDA GPUs are available|Found no NVIDIA driver|no CUDA-capable device is detected|"
        r"CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice|[Cc]uda error: 100[\[:]|"
        r"(?:libcuda\.so(?:\.1)?|nvcuda\.dll)\W.{0,40}(?:cannot open|could not|not found)",
        "no NVIDIA GPU is visible to the job",
        _CHECK_CARD + ", or send the job to a machine with a GPU, " + _ELSEWHERE,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "no-gpu",
        r"IndexError: list index out of range",
        "no NVIDIA GPU is visible while a CUDA extension is built, so PyTorch does not know what "
        "card to build for",
        _CHECK_CARD + "; to build without a card set TORCH_CUDA_ARCH_LIST to its compute "
        "capability, for example 8.6",
        near=r"_get_cuda_arch_flags|arch_list\[-1\]",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gpu-busy",
        r"CUDA-capable devices are busy or unavailable|CUDA-capable device\(s\) is/are busy|"
        r"cudaErrorDevicesUnavailable|exclusive-thread device already in use|"
        r"CUDA_ERROR_DEVICE_UNAVAILABLE",
        "another process holds the GPU exclusively",
        "wait for it, or run one training at a time (scheduler: Single)",
        retry=True,
    ),
    KnownFailure(
        "gpu-lost",
        r"GPU is lost|fallen off the bus|NVRM: Xid|\bXid \(PCI|GPU has fallen|"
        r"uncorrectable (?:ECC|NVLink) error|CUDA_ERROR_ECC_UNCORRECTABLE|hardware stack error|"
        r"[Cc]uda error: (?:214|220|714)[\[:]",
        "the graphics card stopped answering, or its memory is damaged",
        "restart the machine and cook again; does it happen again, look for Xid in the system's "
        "log (dmesg) and have the card, its cooling and its power checked",
        windows="restart the machine and cook again; does it happen again, look at the system's "
        "event log (nvlddmkm) and have the card, its cooling and its power checked",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gpu-architecture",
        r"[Cc]ould not find compatible tinycudann extension for compute capability (?P<number>\d+)",
        "tiny-cuda-nn was built for another graphics card: this one has compute capability "
        "{number}",
        "build it for this card: TCNN_CUDA_ARCHITECTURES={number} " + _TCNN,
        windows="build it for this card, in an x64 Native Tools prompt of Visual Studio: set "
        "TCNN_CUDA_ARCHITECTURES={number} && " + _TCNN_WINDOWS,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gpu-architecture",
        r"no kernel image is available|cudaErrorNoKernelImageForDevice|"
        r"CUDA_ERROR_NO_BINARY_FOR_GPU|"
        r"CUDA_ERROR_INVALID_PTX|PTX JIT compilation failed|invalid value for --gpu-architecture|"
        r"CUDA error: invalid device function|device kernel image is invalid|"
        r"cudaErrorInvalidKernelImage|[Cc]uda error: (?:98|200|209)[\[:]",
        "PyTorch or an extension was built for another generation of GPU",
        "install builds for this GPU, or rebuild nvdiffrast and tiny-cuda-nn on this machine "
        "(" + _TCNN + "); if the card was changed, delete the folder named after 'Shim "
        "extension-cache' in the log",
        windows="install builds for this GPU, or rebuild nvdiffrast and tiny-cuda-nn on this "
        "machine (" + _TCNN_WINDOWS + "); if the card was changed, delete the folder named after "
        "'Shim extension-cache' in the log",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "out-of-gpu-memory",
        r"out of memory.{0,80}Tried to allocate (?P<asked>[\d.]+ [KMGT]i?B).{0,60}?"
        r"(?:total capacity of |; )(?P<whole>[\d.]+ [KMGT]i?B)",
        "the GPU's memory of {whole} is full: {asked} more were asked for",
        _MEMORY_CURE,
    ),
    KnownFailure(
        "out-of-gpu-memory",
        r"CUDA out of memory|\bOutOfMemoryError|CUDA (?:driver )?error: out of memory|"
        r"CU(?:BLAS|DNN|SOLVER|SPARSE|RAND|FFT)_(?:STATUS_)?\w{0,60}ALLOC(?:ATION)?_FAILED|"
        r"CU(?:BLAS|DNN)_STATUS_NOT_INITIALIZED|Unable to find a valid cuDNN algorithm|"
        r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|"
        r"[Cc][Uu][Dd][Aa](?: runtime| driver)? error:? ?\(?2\)?(?:[\[:]| )|"
        r"\bcu(?:da)?M(?:em)?[Aa]lloc\w{0,20}\b.{0,200}(?:failed|out of memory)|"
        r"\b(?:cudaMalloc|cuMem(?:Create|AddressReserve|Map))\w{0,20}\b.{0,200}out of memory|"
        r"NVML_SUCCESS == r INTERNAL ASSERT FAILED|"
        r"Failed to allocate \d+ bytes on device 'cuda|"
        r"\b(?:GPU|[Dd]evice|[Vv]ideo|CUDA)\b.{0,40}\b(?:ran )?out of (?:\w+ )?memory",
        "the GPU's memory is full",
        _MEMORY_CURE,
    ),
    KnownFailure(
        "gpu-illegal-access",
        r"an illegal (?:memory access|instruction) was encountered|CU(?:BLAS|DNN)_STATUS_EXECUTION_"
        r"FAILED|CUDA_ERROR_ILLEGAL_ADDRESS|"
        r"cudaErrorIllegalAddress|misaligned address|unspecified launch failure|"
        r"CUDA_ERROR_LAUNCH_FAILED|[Cc][Uu][Dd][Aa](?: runtime| driver)? error:? ?\(?(?:700|716|"
        r"717|"
        r"718|719)\b",
        "a kernel on the graphics card read or wrote outside its memory: nvdiffrec's extensions do "
        "so when batch x train_res x layers is too large for the card, or when its memory ran full",
        "lower batch, train_res or layers, or let the job try again with half the batch "
        "(on_out_of_memory: halve_batch); happens it with batch 1 and small pictures too, update "
        "the driver and rebuild nvdiffrast and tiny-cuda-nn for this PyTorch",
    ),
    KnownFailure(
        "gpu-launch",
        r"CUDA error: invalid configuration argument|CUDA error: invalid argument|"
        r"too many resources requested for launch|cudaErrorInvalidConfiguration|"
        r"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES|[Cc]uda error: (?:1|9|701)\[cuda(?!Graphics)|"
        r"[Cc][Uu][Dd][Aa](?: runtime)? error:? ?\(?(?:9|701)\)?(?:[\[:]| )|"
        r"canUse32BitIndexMath|too (?:large|many elements).{0,40}32-?bit ind|"
        r"cutlass\w*.{0,80}(?:Error Internal|failed with error)|invalid launch",
        "a kernel cannot be started on the graphics card: batch x train_res x layers is too large "
        "for it",
        "lower batch, train_res or layers, or let the job try again with half the batch "
        "(on_out_of_memory: halve_batch); happens it with batch 1 and small pictures too, rebuild "
        "nvdiffrast and tiny-cuda-nn for this card",
    ),
    KnownFailure(
        "gpu-timeout",
        r"the launch timed out and was terminated|CUDA_ERROR_LAUNCH_TIMEOUT|cudaErrorLaunchTimeout|"
        r"[Cc]uda error: (?:6|702)[\[:]",
        "a kernel took longer than the system lets a card that also shows a display work",
        "lower batch or train_res, or train on a card without a display",
        windows="lower batch or train_res, or raise TdrDelay in the registry "
        "(HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\GraphicsDrivers) and restart",
    ),
    KnownFailure(
        "device-assert",
        r"device-side assert triggered|CUDA_ERROR_ASSERT|cudaErrorAssert|[Cc]uda error: 710[\[:]|"
        r"IndexKernel\.cu:\d+.{0,200}Assertion",
        "a kernel on the graphics card met an index outside its data",
        "check the data: the reference mesh's faces must name vertices and texture coordinates "
        "that exist, photographs and masks must have one size; CUDA_LAUNCH_BLOCKING=1 in the "
        "environment node makes the log name the place",
    ),
    KnownFailure(
        "torch-too-old",
        r"Unknown CUDA arch \((?P<arch>[\d.+A-Z]+)\)|Unknown arch '?(?P<name>[\w.]+)'? or GPU not",
        "this PyTorch does not know the graphics card's compute capability {arch}{name}",
        "install a newer PyTorch: {python} -m pip install --upgrade torch, then rebuild nvdiffrast "
        "and tiny-cuda-nn; or set TORCH_CUDA_ARCH_LIST to one that it knows",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "torch-version",
        r"module 'torch(?:\.[\w.]+)?' has no attribute '(?P<name>\w+)'|"
        r"cannot import name '(?P<imported>\w+)' from 'torch(?:\.[\w.]+)?'",
        "this PyTorch has no {name}{imported}, which the trainer or a package uses: it is too old "
        "or too new for it",
        "install the version of PyTorch that the checkout asks for, then rebuild nvdiffrast and "
        "tiny-cuda-nn",
        exit_code=EXIT_ENVIRONMENT,
    ),
)
