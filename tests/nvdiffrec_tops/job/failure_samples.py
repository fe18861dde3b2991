"""What failed trainings print, in the form that they print it in; for the tests of the tables.

``SAMPLES`` has for each kind the ends of logs that show it, each with words that the explanation
must hold. ``OTHERS`` has for each kind a log that looks like it and is not.
"""

from __future__ import annotations

TRACE = 'Traceback (most recent call last):\n  File "/home/vfx/nvdiffrec/train.py", line 36, in f\n'
WINDOWS = (
    'Traceback (most recent call last):\n  File "D:\\vfx\\nvdiffrec\\train.py", line 9, in f\n'
)
CACHE = "/home/vfx/.cache/torch_extensions/py311_cu130/renderutils_plugin"
DATASET = (
    'Traceback (most recent call last):\n  File "/n/dataset/dataset.py", line 41, in collate\n'
)
NINJA = (
    "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.\n\n"
    "The above exception was the direct cause of the following exception:\n\n"
)
FAILED = "ninja: build stopped: subcommand failed.\n" + TRACE + NINJA + TRACE
BUILD = FAILED + "RuntimeError: Error building extension 'renderutils_plugin'"

Sample = tuple[str, str]

GRAPHICS: dict[str, list[Sample]] = {
    "tinycudann-crash": [
        (
            "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call "
            'first):\n  File "/e/lib/python3.11/site-packages/tinycudann/modules.py", line 133 in '
            'forward\n  File "/n/train.py", line 600 in <module>\n\nExtension modules: numpy (3)',
            "system compiler",
        ),
        (
            "Windows fatal exception: access violation\n\nThread 0x00001c (most recent call first):"
            '\n  File "C:\\e\\lib\\site-packages\\tinycudann\\modules.py", line 133 in forward',
            "x64 Native Tools",
        ),
    ],
    "torch-missing": [
        (TRACE + "ModuleNotFoundError: No module named 'torch'", "/e/bin/python -m pip install"),
        ("ImportError: No module named torch", "pip install torch"),
    ],
    "driver-too-old": [
        (
            TRACE + "RuntimeError: The NVIDIA driver on your system is too old (found version 11040"
            "). Please update your GPU driver by downloading and installing a new version",
            "newer driver",
        ),
        ("RuntimeError: Cuda error: 35[cudaGetDeviceCount(&n);]", "newer driver"),
        (
            "torch.AcceleratorError: CUDA error: the provided PTX was compiled with an unsupported "
            "toolchain.",
            "too old",
        ),
    ],
    "driver-broken": [
        (
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up "
            "environment",
            "restart",
        ),
        ("Failed to initialize NVML: Driver/library version mismatch", "restart"),
    ],
    "gpu-number": [("RuntimeError: CUDA error: invalid device ordinal", "CUDA_VISIBLE_DEVICES")],
    "torch-without-cuda": [
        (
            TRACE + "OSError: Unknown compute capability. Ensure PyTorch with CUDA support is "
            "installed.",
            "CUDA build of PyTorch",
        ),
        (TRACE + "AssertionError: Torch not compiled with CUDA enabled", "build without CUDA"),
    ],
    "no-gpu": [
        (TRACE + "RuntimeError: No CUDA GPUs are available", "nvidia-smi"),
        ("RuntimeError: Cuda error: 100[cudaGetDevice(&d);]", "no NVIDIA GPU"),
        (
            'Traceback (most recent call last):\n  File "/e/torch/utils/cpp_extension.py", line '
            "1980"
            ", in _get_cuda_arch_flags\n    arch_list[-1] += '+PTX'\nIndexError: list index out of "
            "range",
            "TORCH_CUDA_ARCH_LIST",
        ),
    ],
    "gpu-busy": [
        (
            TRACE + "torch.AcceleratorError: CUDA error: all CUDA-capable devices are busy or "
            "unavailable\nCUDA kernel errors might be asynchronously reported at some other API "
            "call.",
            "one training at a time",
        )
    ],
    "gpu-lost": [
        ("Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost.", "restart"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "damaged"),
        ("[ 7124.1] NVRM: Xid (PCI:0000:65:00): 79, pid=90, GPU has fallen off the bus.", "dmesg"),
    ],
    "gpu-architecture": [
        (
            TRACE
            + "OSError: Could not find compatible tinycudann extension for compute capability "
            "89.",
            "TCNN_CUDA_ARCHITECTURES=89",
        ),
        (
            TRACE + "RuntimeError: CUDA error: no kernel image is available for execution on the "
            "device",
            "rebuild",
        ),
        ("RuntimeError: Cuda error: 209[cudaLaunchKernel(f, g, b, args, 0, stream);]", "rebuild"),
        (
            WINDOWS + "OSError: Could not find compatible tinycudann extension for compute "
            "capability 120.",
            "set TCNN_CUDA_ARCHITECTURES=120 &&",
        ),
    ],
    "out-of-gpu-memory": [
        (
            TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 "
            "has a total capacity of 7.79 GiB of which 1.02 GiB is free.",
            "memory of 7.79 GiB is full: 2.00 GiB",
        ),
        (
            "RuntimeError: CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 10.00 GiB "
            "total "
            "capacity; 7.10 GiB already allocated; 0 bytes free)",
            "10.00 GiB",
        ),
        ("RuntimeError: CUDA error: out of memory", "halve_batch"),
        (
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling "
            "`cublasCreate(handle)`",
            "halve_batch",
        ),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "halve_batch"),
        ("RuntimeError: Cuda error: 2[cudaMalloc(&m_ptr, size);]", "halve_batch"),
        ("RuntimeError: Cuda error: 2[cudaMallocAsync(&p, n, s);]", "halve_batch"),
        (
            "RuntimeError: /t/gpu_memory.h:590 cuMemCreate(&h, n, &prop, 0) failed with error "
            "CUDA_ERROR_OUT_OF_MEMORY",
            "halve_batch",
        ),
        (
            "RuntimeError: Could not allocate memory: /t/gpu_memory.h:123 cudaMalloc(&rawptr, n) "
            "failed with error out of memory",
            "halve_batch",
        ),
        ("RuntimeError: cuda runtime error (2) : out of memory at /c/THCStorage.cu:58", "halve"),
        ("Warp CUDA error 2: out of memory (in function wp_alloc_device, cu.cpp:612)", "halve"),
        ('RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "c.cpp":830', "halve_batch"),
    ],
    "gpu-illegal-access": [
        (
            TRACE
            + "RuntimeError: CUDA error: an illegal memory access was encountered\nCUDA kernel"
            " errors might be asynchronously reported at some other API call, so the stacktrace "
            "below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1.",
            "halve_batch",
        ),
        (
            TRACE
            + "RuntimeError: Cuda error: 700[cudaLaunchKernel((void*)fine, grid, block, args, "
            "0, stream);]",
            "halve_batch",
        ),
        (
            "terminate called after throwing an instance of 'c10::Error'\n  what():  CUDA error: "
            "an "
            "illegal memory access was encountered\nException raised from c10_cuda at /p/x.cpp:43\n"
            "frame #0: c10::Error::Error + 0x57 (0x7f in /e/torch/lib/libc10.so)\n\nFatal Python "
            "error: Aborted\n\nCurrent thread 0x00007f (most recent call first):\n  File "
            '"/e/site-packages/tinycudann/modules.py", line 53 in backward',
            "outside its memory",
        ),
        (
            "RuntimeError: /t/common.h:88 cudaStreamSynchronize(s) failed with error an illegal "
            "memory "
            "access was encountered",
            "halve_batch",
        ),
        ("torch.AcceleratorError: CUDA error: misaligned address", "halve_batch"),
    ],
    "gpu-launch": [
        ("RuntimeError: CUDA error: invalid configuration argument", "too large"),
        (
            "RuntimeError: Cuda error: 9[cudaLaunchKernel(func, gridSize, blockSize, args, 0, s);]",
            "halve_batch",
        ),
        ("RuntimeError: CUDA error: too many resources requested for launch", "halve_batch"),
        (
            "RuntimeError: /t/include/tiny-cuda-nn/cutlass_matmul.h:332 status failed with error "
            "Error "
            "Internal",
            "rebuild",
        ),
    ],
    "gpu-timeout": [
        ("RuntimeError: CUDA error: the launch timed out and was terminated", "display"),
        ("RuntimeError: Cuda error: 702[cudaStreamSynchronize(stream);]", "display"),
    ],
    "device-assert": [
        (
            "/p/IndexKernel.cu:92: operator(): block: [0,0,0], thread: [3,0,0] Assertion `index < "
            "sizes[i]` failed.\n"
            + TRACE
            + "RuntimeError: CUDA error: device-side assert triggered",
            "faces",
        )
    ],
    "torch-too-old": [
        (TRACE + "ValueError: Unknown CUDA arch (12.0) or GPU not supported", "capability 12.0")
    ],
    "torch-version": [
        (TRACE + "AttributeError: module 'torch' has no attribute 'compiler'", "no compiler"),
        (
            "ImportError: cannot import name 'container_abcs' from 'torch._six' (/e/torch/_six.py)",
            "container_abcs",
        ),
    ],
}

BUILDING: dict[str, list[Sample]] = {
    "stale-build-lock": [
        (
            "waiting for lock /home/vfx/.cache/torch_extensions/py311_cu118/p/lock\nKilled",
            "left a lock: /home/vfx/.cache/torch_extensions/py311_cu118/p/lock",
        ),
        ('Waited on "/home/v fx/torch_extensions/py311/x/lock" for 60 s', "/home/v fx/torch_ext"),
    ],
    "path-with-spaces": [
        (
            "/usr/bin/ld: cannot find envs/.venv/lib/python3.11/site-packages/torch/lib: No such "
            "file or directory\n" + BUILD,
            "without spaces",
        )
    ],
    "cuda-mismatch": [
        (
            TRACE + "RuntimeError: \nThe detected CUDA version (11.8) mismatches the version that "
            "was used to compile\nPyTorch (12.4). Please make sure to use the same CUDA "
            "versions.\n",
            "toolkit is 11.8 and PyTorch was built with CUDA 12.4",
        )
    ],
    "gcc-too-new": [
        (
            "/usr/include/crt/host_config.h:132:2: error: #error -- unsupported GNU version! gcc "
            "versions later than 12 are not supported!\n" + BUILD,
            "g++-12",
        ),
        (
            TRACE + "RuntimeError: The current installed version of /usr/bin/g++ (13.2.0) is "
            "greater than the maximum required version by CUDA 11.8. Please make sure",
            "13.2.0",
        ),
        (
            "/usr/include/c++/11/bits/std_function.h:435:145: error: parameter packs not expanded "
            "with '...':\n  435 |         function(_Functor&& __f)\n" + BUILD,
            "g++-11",
        ),
        (
            '/usr/include/c++/13/type_traits(68): error: identifier "__is_foo" is undefined\n'
            + BUILD,
            "newer than",
        ),
    ],
    "gcc-too-old": [
        (
            "/e/c10/util/C++17.h:13:2: error: #error You're trying to build PyTorch with a too old "
            "version of GCC. We need GCC 9 or later.\n" + BUILD,
            "older than",
        ),
        ("g++: error: unrecognized command line option '-std=c++17'\n" + BUILD, "newer GCC"),
    ],
    "msvc-version": [
        (
            "C:\\CUDA\\v11.8\\include\\crt/host_config.h(153): fatal error C1189: #error:  -- "
            "unsupported Microsoft Visual Studio version! Only the versions between 2017 and 2022 "
            "(inclusive) are supported!\n" + BUILD,
            "2017 to 2022",
        ),
        (
            'yvals_core.h(902): error: static assertion failed with "error STL1002: Unexpected '
            'compiler version, expected CUDA 12.4 or newer."\n' + BUILD,
            "Visual Studio",
        ),
    ],
    "nvcc-too-old": [
        ("nvcc fatal   : Unsupported gpu architecture 'compute_89'\n" + BUILD, "compute_89"),
        ("ptxas fatal   : Value 'sm_90' is not defined for option 'gpu-name'\n" + BUILD, "sm_90"),
    ],
    "cuda-home": [
        ("/bin/sh: 1: /e/nv/bin/nvcc: not found\n" + BUILD, "there is no /e/nv/bin/nvcc"),
        (
            TRACE + "FileNotFoundError: [Errno 2] No such file or directory: '/e/nv/bin/nvcc'",
            "there is no /e/nv/bin/nvcc",
        ),
        (
            "[1/4] :/usr/local/cuda/bin/nvcc -c mesh.cu\n/bin/sh: line 1: "
            ":/usr/local/cuda/bin/nvcc:"
            " No such file or directory\n" + BUILD,
            "CUDA_HOME",
        ),
    ],
    "compiler-missing": [
        (TRACE + "RuntimeError: Ninja is required to load C++ extensions", "ninja"),
        (
            TRACE
            + "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA "
            "install root.",
            "CUDA_HOME",
        ),
        (
            WINDOWS + "subprocess.CalledProcessError: Command '['where', 'cl']' returned non-zero "
            "exit status 1.",
            "x64 Native Tools",
        ),
        (
            WINDOWS
            + "RuntimeError: Could not locate a supported Microsoft Visual C++ installation",
            "build tools",
        ),
        (
            "C:\\e\\torch\\utils\\cpp_extension.py:382: UserWarning: Error checking compiler "
            "version"
            " for cl: [WinError 2] The system cannot find the file specified\n  "
            "warnings.warn(f'')\n" + BUILD,
            "compiler cl is not found",
        ),
        ("nvcc fatal   : Cannot find compiler 'cl.exe' in PATH\n" + BUILD, "x64 Native Tools"),
        ("/bin/sh: 1: c++: not found\n" + BUILD, "g++"),
    ],
    "compile-memory": [
        (
            "c++: fatal error: Killed signal terminated program cc1plus\ncompilation terminated.\n"
            + BUILD,
            "MAX_JOBS=1",
        ),
        ("nvcc error   : 'cicc' died due to signal 9 (Kill signal)\n" + BUILD, "MAX_JOBS=1"),
    ],
    "python-headers": [
        (
            "/e/pyconfig.h:12:10: fatal error: Python.h: No such file or directory\n" + BUILD,
            "headers",
        )
    ],
    "cuda-headers": [
        (
            "/e/CUDAContext.h:6:10: fatal error: cusparse.h: No such file or directory\n" + BUILD,
            "cusparse.h",
        ),
        (
            "mesh.cu(3): fatal error C1083: Cannot open include file: 'cuda_runtime.h': No such "
            "file\n" + BUILD,
            "cuda_runtime.h",
        ),
    ],
    "header-missing": [
        ("mesh.cpp:3:10: fatal error: glm/glm.hpp: No such file or directory\n" + BUILD, "glm.hpp"),
        (
            "mesh.cpp(1): fatal error C1083: Cannot open include file: 'crtdefs.h': No such file\n"
            + BUILD,
            "Windows SDK",
        ),
    ],
    "link-library": [
        (
            "/usr/bin/ld: cannot find -lcudart\ncollect2: error: ld returned 1 exit status\n"
            + BUILD,
            "cudart",
        ),
        ("LINK : fatal error LNK1181: cannot open input file 'cudart.lib'\n" + BUILD, "cudart.lib"),
    ],
    "stale-extension": [
        (
            TRACE + f"ImportError: {CACHE}/renderutils_plugin.so: cannot open shared object file: "
            "No such file or directory",
            f"delete the folder {CACHE} ",
        ),
        (
            TRACE + f"ImportError: {CACHE}/renderutils_plugin.so: undefined symbol: _ZN3c104implE",
            "_ZN3c104implE",
        ),
        (
            "ImportError: /e/site-packages/_nvdiffrast_c.cpython-311-x86_64-linux-gnu.so: "
            "undefined "
            "symbol: _ZN2at4_ops5zeros4callE",
            "made for another PyTorch",
        ),
    ],
    "extension-unfinished": [
        (TRACE + f"ImportError: {CACHE}/renderutils_plugin.so: file too short", "cook again")
    ],
    "extension-files": [
        (
            "ninja: error: 'mesh.cu', needed by 'mesh.cuda.o', missing and no known rule to make "
            "it\n" + FAILED + "RuntimeError: Error building extension 'p'",
            "mesh.cu",
        ),
        (
            "ninja: fatal: loading 'build.ninja': The system cannot find the file specified.\n"
            "RuntimeError: Error building extension 'p'",
            "build.ninja",
        ),
    ],
    "extension-build": [
        (BUILD, "renderutils_plugin"),
        (
            "[2/5] c++ -c mesh.cpp\nmesh.cpp:17:3: error: 'foo' was not declared in this scope\n"
            + BUILD,
            "mesh.cpp:17:3: error: 'foo' was not",
        ),
    ],
}

PACKAGES: dict[str, list[Sample]] = {
    "several-processes": [
        (TRACE + "ModuleNotFoundError: No module named 'apex'", "WORLD_SIZE"),
        (
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any "
            "local "
            "network address. port: 23456",
            "23456",
        ),
    ],
    "no-display": [
        (
            TRACE + "glfw.GLFWError: (65550) b'X11: The DISPLAY environment variable is missing'",
            "display_interval",
        ),
        ("RuntimeError: Could not create GLFW window", "display_interval"),
    ],
    "opengl-missing": [
        (TRACE + "RuntimeError: eglInitialize() failed", "by CUDA alone"),
        (
            "[F glutil.cpp:338] eglGetDisplay() failed\nFatal Python error: Aborted\n\nCurrent "
            "thread "
            '0x0 (most recent call first):\n  File "/n/train.py", line 8 in f',
            "by CUDA alone",
        ),
        ("RuntimeError: OpenGL 4.4 or later is required", "OpenGL"),
        (
            "RuntimeError: Cuda error: 304[cudaGraphicsGLRegisterBuffer(&s.posBuffer, s.glPos, "
            "f);]",
            "OpenGL",
        ),
        (
            "RuntimeError: Cuda error: 219[cudaGraphicsMapResources(2, &s.posBuffer, stream);]\n[E "
            "glutil.cpp:248] eglMakeCurrent() failed when setting GL context",
            "OpenGL",
        ),
        (
            "common/glutil.h:36:10: fatal error: EGL/egl.h: No such file or directory\n" + BUILD,
            "OpenGL",
        ),
    ],
    "optix": [("RuntimeError: Optix call (optixInit()) failed with code 7801", "ray tracing")],
    "nvdiffrast-missing": [
        (
            TRACE + "ModuleNotFoundError: No module named 'nvdiffrast'",
            "/e/bin/python -m pip install --no-build-isolation",
        ),
    ],
    "nvdiffrast-broken": [
        (TRACE + "ModuleNotFoundError: No module named 'nvdiffrast_plugin'", "nvdiffrast_plugin"),
        ("ModuleNotFoundError: No module named '_nvdiffrast_c'", "_nvdiffrast_c"),
        (
            "AttributeError: module 'nvdiffrast.torch' has no attribute 'RasterizeCudaContext'",
            "RasterizeCudaContext",
        ),
    ],
    "tinycudann-missing": [
        (TRACE + "ModuleNotFoundError: No module named 'tinycudann'", "tiny-cuda-nn"),
        (WINDOWS + "ModuleNotFoundError: No module named 'tinycudann'", "Native Tools"),
    ],
    "tinycudann-broken": [
        ("AttributeError: module 'tinycudann' has no attribute 'Encoding'", "Encoding")
    ],
    "module-broken": [("AttributeError: module 'xatlas' has no attribute 'parametrize'", "xatlas")],
    "extension-lost": [
        (TRACE + "ModuleNotFoundError: No module named 'renderutils_plugin'", "2.11")
    ],
    "diffrec-missing": [("/envs/nv/bin/python3: No module named diffrec", "pip install -e")],
    "diffrec-incomplete": [
        (TRACE + "ModuleNotFoundError: No module named 'diffrec.ops.texture'", "ops.texture")
    ],
}

DATA: dict[str, list[Sample]] = {
    "empty-mesh": [
        (
            '  File "/n/geometry/dmtet.py", line 9, in getAABB\n    v_pos = '
            "mesh.v_pos\nIndexError: "
            "index 0 is out of bounds for dimension 0 with size 0",
            "masks first",
        ),
        (
            TRACE
            + "AssertionError: Got empty training triangle mesh (unrecoverable discontinuity)",
            "masks first",
        ),
        ("RuntimeError: tri must have shape [>0, 3]", "masks first"),
    ],
    "diverged": [
        ("RuntimeError: Function 'PowBackward0' returned nan values in its 0th output.", "finite"),
        ("AssertionError: loss is nan", "learning_rate"),
    ],
    "texture-size": [
        (
            TRACE + "RuntimeError: Function texture2d_mipBackward returned an invalid gradient at "
            "index 0 - got [1, 7, 7, 3] but expected shape compatible with [1, 15, 15, 3]",
            "powers of two",
        ),
        (
            "RuntimeError: mip-map size error - cannot downsample an odd extent greater than 1.",
            "texture_res",
        ),
    ],
    "render-size": [("RuntimeError: width and height must be divisible by 8", "multiples of 8")],
    "mixed-alpha": [
        (
            DATASET
            + "RuntimeError: The size of tensor a (4) must match the size of tensor b (3) at "
            "non-singleton dimension 3",
            "some have 4 channels and others 3",
        ),
        (
            DATASET
            + "RuntimeError: Sizes of tensors must match except in dimension 0. Expected size 5"
            " but got size 4 for tensor number 2 in the list.",
            "some have 5 channels and others 4",
        ),
        (
            DATASET
            + "RuntimeError: Sizes of tensors must match except in dimension 0. Got 4 and 5 in "
            "dimension 3 (The offending index is 1)",
            "alpha",
        ),
        (
            "RuntimeError: stack expects each tensor to be equal size, but got [64, 64, 4] at "
            "entry 0 "
            "and [64, 64, 3] at entry 1",
            "alpha",
        ),
    ],
    "picture-sizes": [
        (
            DATASET
            + "RuntimeError: Sizes of tensors must match except in dimension 2. Expected size "
            "512 but got size 640 for tensor number 1 in the list.",
            "512 and 640",
        ),
        (
            "RuntimeError: stack expects each tensor to be equal size, but got [64, 64, 4] at "
            "entry 0 "
            "and [32, 64, 4] at entry 1",
            "32, 64, 4",
        ),
    ],
    "photographs-without-alpha": [
        (
            "DatasetNERF: 9 images with shape [64, 64]\n"
            + TRACE
            + "RuntimeError: The size of tensor a"
            " (3) must match the size of tensor b (0) at non-singleton dimension 3",
            "RGBA",
        ),
        (
            '  File "/n/dataset/dataset_nerf.py", line 60, in f\n    mask = img[..., '
            "3]\nIndexError: "
            "index 3 is out of bounds for axis 2 with size 3",
            "alpha",
        ),
    ],
    "nerf-name-ending": [
        (
            TRACE
            + "AssertionError: Tried to find image file for: data/mine/train/r_0.png, but found 0"
            " files",
            "data/mine/train/r_0.png",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/mine/train/r_0.png.png'",
            "r_0.png.png",
        ),
        (
            "ValueError: Could not find a backend to open `data/mine/train/r_0` with iomode `ri`.",
            "no ending: data/mine/train/r_0",
        ),
    ],
    "nerf-picture-missing": [
        (
            "AssertionError: Tried to find image file for: data/mine/train/r_0, but found 0 files",
            "data/mine/train/r_0",
        )
    ],
    "nerf-picture-twice": [
        (
            "AssertionError: Tried to find image file for: data/mine/train/r_0, but found 2 files",
            "2 pictures",
        )
    ],
    "nerf-field-missing": [(TRACE + "KeyError: 'camera_angle_x'", "camera_angle_x")],
    "pictures-and-cameras": [
        (
            '  File "/n/dataset/dataset_llff.py", line 30, in __init__\n    assert len(imgs) == '
            "len("
            "masks)\nAssertionError",
            "masks",
        )
    ],
    "hdr-reader": [
        (
            TRACE
            + "imageio.core.fetching.NeedDownloadError: Need ths file for the freeimage plugin",
            "FreeImage",
        ),
        (
            "ValueError: Could not find a backend to open `data/light.hdr`` with iomode `ri`.",
            "launcher",
        ),
        (
            "ValueError: Could not find a format to read the specified file in single-image mode",
            "launcher",
        ),
    ],
    "grid-missing": [
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data/tets/96_tets.npz'", "96")
    ],
    "git-lfs": [
        (
            TRACE + "ValueError: Cannot load file containing pickled data when allow_pickle=False",
            "git lfs pull",
        ),
        ("_pickle.UnpicklingError: invalid load key, 'v'.", "git lfs pull"),
    ],
    "field-missing": [("AttributeError: 'Namespace' object has no attribute 'use_bb'", "use_bb")],
    "arguments": [("train.py: error: unrecognized arguments: --config x.json", "--config x.json")],
}

MACHINE: dict[str, list[Sample]] = {
    "numpy-mismatch": [
        (TRACE + "RuntimeError: Numpy is not available", '/e/bin/python -m pip install "numpy<2"'),
        (
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected "
            "96 "
            "from C header, got 88 from PyObject",
            "numpy<2",
        ),
    ],
    "numpy-too-new": [
        (
            "AttributeError: module 'numpy' has no attribute 'float'.\n`np.float` was a deprecated "
            "alias for the builtin `float`.",
            "numpy.float",
        ),
        (
            "AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64`",
            "numpy.float_",
        ),
    ],
    "setuptools-missing": [("ModuleNotFoundError: No module named 'pkg_resources'", "setuptools")],
    "python-too-new": [
        ("ModuleNotFoundError: No module named 'imp'", "Python 3.10 or 3.11"),
        ("AttributeError: module 'collections' has no attribute 'Mapping'", "collections Mapping"),
        ("ERROR: Package 'x' requires a different Python: 3.14.0 not in '<3.13,>=3.8'", "3.14.0"),
    ],
    "python-too-old": [("TypeError: 'type' object is not subscriptable", "too old")],
    "module-missing": [
        (
            TRACE + "ModuleNotFoundError: No module named 'xatlas'",
            "/e/bin/python -m pip install xatlas",
        ),
        ("ModuleNotFoundError: No module named 'cv2'", "install opencv-python-headless"),
    ],
    "library-conflict": [
        (
            TRACE + "ImportError: /opt/hfs20.5/dsolib/libstdc++.so.6: version `GLIBCXX_3.4.30' not "
            "found (required by /envs/nv/lib/libtorch.so)",
            "GLIBCXX_3.4.30",
        ),
        (
            "ImportError: /e/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommRegister",
            "ncclCommRegister",
        ),
    ],
    "openmp-twice": [
        (
            "OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already "
            "initialized"
            ".",
            "KMP_DUPLICATE_LIB_OK",
        )
    ],
    "dll-load": [
        (
            WINDOWS
            + "ImportError: DLL load failed while importing nvdiffrast_plugin: The specified "
            "module could not be found.",
            "nvdiffrast_plugin",
        ),
        (
            WINDOWS
            + "OSError: [WinError 126] The specified module could not be found. Error loading "
            '"C:\\e\\torch\\lib\\fbgemm.dll" or one of its dependencies.',
            "fbgemm.dll",
        ),
        (
            "ImportError: DLL load failed while importing _C: %1 is not a valid Win32 application.",
            "torch_extensions",
        ),
    ],
    "library-missing": [
        (
            "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or "
            "directory",
            "libcudart.so.11.0",
        ),
        (
            "Intel MKL FATAL ERROR: Cannot load mkl_intel_thread.dll.",
            "mkl_intel_thread.dll",
        ),
    ],
    "disk-full": [
        (TRACE + "OSError: [Errno 28] No space left on device: 'out/bob/mesh/mesh.obj'", "room"),
        ("OSError: [WinError 112] There is not enough space on the disk", "room"),
    ],
    "network-disk": [
        (TRACE + "OSError: [Errno 116] Stale file handle: 'data/bob/bob_tri.obj'", "mounted"),
        ("OSError: [WinError 64] The specified network name is no longer available", "mounted"),
    ],
    "file-in-use": [
        (
            "PermissionError: [WinError 32] The process cannot access the file because it is being "
            "used by another process: 'D:\\out\\mesh.obj'",
            "D:\\out\\mesh.obj",
        )
    ],
    "permission": [
        ("PermissionError: [Errno 13] Permission denied: '/farm/cache/x.so'", ": /farm/cache/x.so"),
        ("/bin/sh: 1: cannot create build.ninja: Permission denied\n" + BUILD, "permissions"),
    ],
    "too-many-files": [("OSError: [Errno 24] Too many open files: 'a.png'", "ulimit")],
    "path-too-long": [
        ("FileNotFoundError: [WinError 206] The filename or extension is too long: 'x'", "nearer")
    ],
    "network": [
        (
            "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name "
            "resolution>",
            "internet",
        ),
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max "
            "retries "
            "exceeded with url: /w.pth",
            "HTTPS_PROXY",
        ),
    ],
    "compiler-language": [
        (
            'Traceback (most recent call last):\n  File "C:\\torch\\utils\\cpp_extension.py", '
            "line 340, in check_compiler_abi_compatibility\n"
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xd3 in position 0: invalid "
            "continuation byte",
            "VSLANG=1033",
        )
    ],
    "reader-failed": [
        (
            'Traceback (most recent call last):\n  File "/n/dataset/dataset_llff.py", line 70, in '
            "__init__\nnumpy.linalg.LinAlgError: Singular matrix",
            "dataset_llff.py",
        ),
        (
            'Traceback (most recent call last):\n  File "/n/render/obj.py", line 90, in load_obj\n'
            "ValueError: invalid literal for int() with base 10: ''",
            "obj.py",
        ),
    ],
    "text-encoding": [
        (
            "UnicodeDecodeError: 'gbk' codec can't decode byte 0xaf in position 12: illegal "
            "multibyte",
            "PYTHONUTF8=1",
        )
    ],
    "json-damaged": [
        (
            "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 7 column 3 (char 99)",
            "line 7 column 3",
        )
    ],
    "picture-unreadable": [
        (
            "PIL.UnidentifiedImageError: cannot identify image file 'data/images/0007.png'",
            "0007.png",
        ),
        (
            "ValueError: Could not find a backend to open `data/images/0007.jpg` with iomode `ri`.",
            "0007.jpg",
        ),
    ],
    "file-missing": [
        (
            TRACE
            + "FileNotFoundError: [Errno 2] No such file or directory: 'data/irrmaps/none.hdr'",
            "none.hdr",
        )
    ],
    "host-memory": [
        (
            TRACE
            + "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't "
            "allocate memory: you tried to allocate 8589934592 bytes.",
            "more memory",
        ),
        (
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 9.3 GiB for an array "
            "with "
            "shape (1,)",
            "more memory",
        ),
        (
            "OSError: [WinError 1455] The paging file is too small for this operation to complete. "
            'Error loading "C:\\e\\cufft64.dll" or one of its dependencies.',
            "paging file",
        ),
    ],
    "shared-memory": [
        (
            "ERROR: Unexpected bus error encountered in worker. This might be caused by "
            "insufficient "
            "shared memory (shm).",
            "--shm-size",
        )
    ],
    "killed": [
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=3.0.", "memory"),
        ("iter=   10, img_loss=0.1\nKilled", "killed the trainer"),
    ],
}

SAMPLES = {**GRAPHICS, **BUILDING, **PACKAGES, **DATA, **MACHINE}

OTHERS: dict[str, str] = {
    "tinycudann-crash": "Fatal Python error: Segmentation fault\n\nCurrent thread 0x0 (most recent "
    'call first):\n  File "/n/render/obj.py", line 7 in load_obj',
    "torch-missing": "ModuleNotFoundError: No module named 'torchvision'",
    "driver-too-old": "UserWarning: CUDA initialization: The NVIDIA driver on your system is too "
    "old (found version 11040).\nRuntimeError: something else",
    "driver-broken": "[W] CUDA warning: initialization error\nValueError: other",
    "gpu-number": "ValueError: invalid device ordinal of a keyboard",
    "torch-without-cuda": "print: Torch compiled with CUDA enabled",
    "no-gp"
    "u": '  File "/n/train.py", line 3, in f\n    a = b[7]\nIndexError: list index out of range',
    "gpu-busy": "RuntimeError: the farm's machines are busy",
    "gpu-lost": "ValueError: the object is lost",
    "gpu-architecture": "/e/tinycudann/modules.py:52: UserWarning: tinycudann was built for lower "
    "compute capability (70) than the system's (80).\n  warnings.warn(f'')\nRuntimeError: other",
    "out-of-gpu-memory": "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: "
    "not enough memory: you tried to allocate 9 bytes.",
    "gpu-illegal-access": "RuntimeError: CUDA error: out of memory",
    "gpu-launch": "RuntimeError: Cuda error: 1[cudaGraphicsGLRegisterImage(&s.b, s.g, T, f);]",
    "gpu-timeout": "TimeoutError: the server timed out",
    "device-assert": "AssertionError: device",
    "torch-too-old": "UserWarning: Unknown CUDA arch (12.0)\nValueError: no",
    "torch-version": "AttributeError: module 'torchlight' has no attribute 'x'",
    "stale-build-lock": "OSError: cannot lock /home/vfx/project/lock",
    "path-with-spaces": "/usr/bin/ld: cannot find -lcudart\n" + BUILD,
    "cuda-mismatch": "UserWarning: The detected CUDA version (11.8) has a minor version mismatch "
    "with the version that was used to compile PyTorch (11.7).\n" + BUILD,
    "gcc-too-new": "In file included from /usr/include/c++/11/string:40,\nmesh.cpp:9:1: error: 'x' "
    "was not declared in this scope\n" + BUILD,
    "gcc-too-old": "mesh.cpp:9:1: warning: this needs GCC 9 or later\n" + BUILD,
    "msvc-version": "cl : Command line warning D9002 : ignoring unknown option\n" + BUILD,
    "nvcc-too-old": "nvcc warning : The 'compute_35' architectures are deprecated\n" + BUILD,
    "cuda-home": "FileNotFoundError: [Errno 2] No such file or directory: '/data/nvcc.json'",
    "compiler-missing": "C:\\e\\cpp_extension.py:346: UserWarning: Error checking compiler version "
    "for cl: 'utf-8' codec can't decode byte 0xd3 in position 0\n  warnings.warn(f'')\n" + BUILD,
    "compile-memory": "RuntimeError: CUDA out of memory.",
    "python-headers": "mesh.cpp:3: note: see Python.h\n" + BUILD,
    "cuda-headers": "m.cpp:3:10: fatal error: glm/glm.hpp: No such file or directory\n" + BUILD,
    "header-missing": "m.cpp:3:10: error: expected ';'\n" + BUILD,
    "link-library": "/usr/bin/ld: mesh.o: in function `f': undefined reference to `g'\n" + BUILD,
    "stale-extension": "ImportError: /e/torch/lib/libtorch_cuda.so: undefined symbol: ncclX",
    "extension-unfinished": f"ImportError: {CACHE}/p.so: undefined symbol: _ZN3c10E",
    "extension-files": BUILD,
    "extension-build": "Building extension module renderutils_plugin...\nValueError: other",
    "several-processes": "RuntimeError: apex predator",
    "no-display": "Shim display-window: GLFWError\nRuntimeError: other",
    "opengl-missing": "RuntimeError: Cuda error: 700[cudaLaunchKernel(f, g, b, a, 0, s);]",
    "optix": "UserWarning: optix.h was not looked for\nValueError: other",
    "nvdiffrast-missing": "ModuleNotFoundError: No module named 'nvdiffrast_plugin'",
    "nvdiffrast-broken": "ModuleNotFoundError: No module named 'nvdiffrast'",
    "tinycudann-missing": "AttributeError: module 'tinycudann' has no attribute 'Encoding'",
    "tinycudann-broken": "ModuleNotFoundError: No module named 'tinycudann'",
    "module-broken": "ModuleNotFoundError: No module named 'xatlas'",
    "extension-lost": TRACE + "ModuleNotFoundError: No module named 'renderutils_plugin'\n\nDuring "
    "handling of the above exception, another exception occurred:\n\n" + BUILD,
    "diffrec-missing": "ModuleNotFoundError: No module named 'diffrecon'",
    "diffrec-incomplete": "ModuleNotFoundError: No module named 'diffrec'",
    "empty-mesh": "ValueError: the triangle mesh has no name",
    "diverge"
    "d": "iter=   10, img_loss=0.1, reg_loss=nan, lr=0.02, time=1.0 ms, rem=1.0 s\nValueError:"
    " other",
    "texture-size": "---> WARNING: Picked a texture resolution lower than the reference mesh\n"
    "RuntimeError: other",
    "render-size": "RuntimeError: batch must be divisible by the number of cards",
    "mixed-alpha": TRACE
    + "RuntimeError: Sizes of tensors must match except in dimension 1. Expected"
    " size 4 but got size 5 for tensor number 1 in the list.",
    "picture-sizes": TRACE + "RuntimeError: Sizes of tensors must match except in dimension 1. "
    "Expected size 64 but got size 32 for tensor number 1 in the list.",
    "photographs-without-alpha": TRACE + "RuntimeError: The size of tensor a (512) must match the "
    "size of tensor b (256) at non-singleton dimension 2",
    "nerf-name-ending": "AssertionError: Tried to find image file for: d/r_0, but found 0 files",
    "nerf-picture-missin"
    "g": "AssertionError: Tried to find image file for: d/r_0, but found 3 files",
    "nerf-picture-twice": "AssertionError: Tried to find image file for: d/r_0, but found 0 files",
    "nerf-field-missing": "KeyError: 'kd'",
    "pictures-and-camera"
    "s": '  File "/n/render/mesh.py", line 3, in f\n    assert v\nAssertionError',
    "hdr-reader": "ValueError: Could not find a backend to open `d/0.jpg` with iomode `ri`.",
    "grid-missing": "FileNotFoundError: [Errno 2] No such file or directory: 'data/tets/readme'",
    "git-lfs": "ValueError: cannot load a pickle jar",
    "field-missing": "AttributeError: 'Mesh' object has no attribute 'use_bb'",
    "arguments": "ValueError: the argument is wrong",
    "numpy-mismatc"
    "h": "UserWarning: Failed to initialize NumPy: _ARRAY_API not found\nValueError: x",
    "numpy-too-new": "DeprecationWarning: `np.float` is a deprecated alias\nValueError: x",
    "setuptools-missing": "UserWarning: pkg_resources is deprecated as an API\nValueError: x",
    "python-too-new": "ModuleNotFoundError: No module named 'imageio'",
    "python-too-old": "TypeError: 'int' object is not subscriptable",
    "module-missing": "ValueError: the module has no name",
    "library-conflict": "ValueError: version 3 not found",
    "openmp-twice": "OMP: Info #276: omp_set_nested routine deprecated\nValueError: x",
    "dll-load": "OSError: [WinError 112] There is not enough space on the disk",
    "library-missing": f"ImportError: {CACHE}/p.so: cannot open shared object file",
    "disk-full": "UserWarning: the disk is nearly full\nValueError: x",
    "network-disk": "ValueError: input and output differ",
    "file-in-use": "PermissionError: [Errno 13] Permission denied: 'a'",
    "permission": "OSError: [Errno 28] No space left on device",
    "too-many-files": "ValueError: too many values to unpack",
    "path-too-long": "ValueError: the name is odd",
    "network": "[WARNING] urlopen error, using the cache\nValueError: x",
    "compiler-language": "UnicodeDecodeError: 'gbk' codec can't decode byte 0xaf in position 12",
    "reader-failed": "IndexError: list index out of range",
    "text-encoding": "UserWarning: 'utf-8' codec can't decode byte 0xd3\nValueError: x",
    "json-damaged": "ValueError: json",
    "picture-unreadable": "FileNotFoundError: [Errno 2] No such file or directory: 'a.png'",
    "file-missing": "ValueError: No such mesh",
    "host-memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "shared-memory": "ValueError: shm is no layer",
    "killed": "RuntimeError: Killed by a rule\nValueError: x",
}
