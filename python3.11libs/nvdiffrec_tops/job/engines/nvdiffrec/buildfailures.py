"""What building and loading a CUDA extension is known to fail with."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_tops.job.failures import KnownFailure

# The path of a lock in PyTorch's cache of extensions, between quotation marks where it has spaces.
# It begins where a word does, so that a line of any length is searched in one go.
LOCK_PATH = (
    r"""(?:(?P<quote>["'])|(?<!\S))(?P<lock>(?(quote)[^"']*?|[^\s"']*?)torch_extensions"""
    r"""(?(quote)[^"']*?|[^\s"']*?)[/\\]lock)\b"""
)

LOCKS = (
    KnownFailure(
        "stale-build-lock",
        LOCK_PATH,
        "an earlier run was ended while it built a CUDA extension and left a lock: {lock}",
        "delete that file when no other training is starting, then cook again",
        exit_code=EXIT_ENVIRONMENT,
        lines=1,
    ),
)

_TOOLS = "https://visualstudio.microsoft.com/visual-cpp-build-tools"
_COMPILERS = (
    "install ninja ({python} -m pip install ninja), the CUDA toolkit (nvcc) of PyTorch's CUDA "
    "version and a C++ compiler (Debian: apt-get install g++), and set CUDA_HOME to the toolkit's "
    "folder"
)
_COMPILERS_WINDOWS = (
    "install ninja ({python} -m pip install ninja), the CUDA toolkit of PyTorch's CUDA version and "
    f"the C++ build tools of Visual Studio 2019 or 2022 ({_TOOLS}), and start Houdini or the "
    f"farm's "
    "client from its x64 Native Tools prompt, where cl is on PATH"
)
_OLDER_GCC = (
    "install an older GCC (Debian: apt-get install g++-{newest}) and add the variables "
    "CC=/usr/bin/gcc-{newest} and CXX=/usr/bin/g++-{newest} to the environment node, or install a "
    "newer CUDA toolkit and PyTorch"
)
_OLDER_GCC_UNKNOWN = (
    "install an older GCC, such as 11 (Debian: apt-get install g++-11), and add the variables "
    "CC=/usr/bin/gcc-11 and CXX=/usr/bin/g++-11 to the environment node, or install a newer CUDA "
    "toolkit and PyTorch"
)
_EXTENSION = (
    r"ImportError: (?P<folder>[^\n:]{0,300}:?[^\n:]{0,300}torch_extensions[^\n:]{0,300})[/\\]"
    r"(?P<file>[^/\\:\n]+\.(?:so|pyd)): "
)

BUILD = (
    KnownFailure(
        "compiler-language",
        r"codec can't decode byte",
        "the C++ compiler speaks another language than English, so that PyTorch cannot read what "
        "it says: its own error is hidden",
        "add the variable LC_ALL=C to the environment node, and cook again: the log then names "
        "the compiler's error",
        windows="install the English language pack of Visual Studio (Visual Studio Installer, "
        "Modify, Language packs) and add the variable VSLANG=1033 to the environment node; the "
        "log then names the compiler's error",
        exit_code=EXIT_ENVIRONMENT,
        near=r"cpp_extension\.py",
    ),
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
        "cuda-mismatch",
        r"detected CUDA version \((?P<toolkit>[\d.]+)\) mismatches the version that was used to "
        r"compile\s{1,5}PyTorch \((?P<torch>[\d.]+)\)",
        "the CUDA toolkit is {toolkit} and PyTorch was built with CUDA {torch}",
        "set CUDA_HOME to the folder of a CUDA {torch} toolkit, or install a PyTorch built with "
        "CUDA {toolkit}",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gcc-too-new",
        r"unsupported GNU version! gcc versions? later than (?P<newest>\d+)",
        "this machine's GCC is newer than the CUDA compiler nvcc takes: up to {newest}",
        _OLDER_GCC,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gcc-too-new",
        r"current installed version of (?P<compiler>\S{1,200}) \((?P<found>[\d.]+)\) is greater "
        r"than the maximum required version(?: by CUDA (?P<cuda>[\d.]+))?",
        "the C++ compiler {compiler} is {found}, newer than the CUDA compiler nvcc {cuda} takes",
        _OLDER_GCC_UNKNOWN,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gcc-too-new",
        r"parameter packs not expanded with|unsupported clang version|"
        r"(?:identifier )?\"?(?:_Float(?:32|64|128)x?|__bf16|__is_array|__builtin_\w+)\"? (?:is "
        r"undefined|was not declared)|/c\+\+/(?P<found>1[0-9])/\S{1,80}:? ?\(?\d+\)?[:,)].{0,20}"
        r"error",
        "this machine's C++ compiler {found} is newer than the CUDA compiler nvcc takes",
        _OLDER_GCC_UNKNOWN,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "gcc-too-old",
        r"too old version of GCC[^\n]{0,40}?(?P<needed>\d+)?|C\+\+1[47](?: or later)? compatible "
        r"compiler is required|unrecognized (?:command[- ]line )?option ['\"‘]-std=c\+\+1[47]|"
        r"less than the minimum required version|Value 'c\+\+1[47]' is not defined for option",
        "the C++ compiler or nvcc is older than this PyTorch needs",
        "install a newer GCC (Debian: apt-get install g++-11) and add the variables "
        "CC=/usr/bin/gcc-11 and CXX=/usr/bin/g++-11 to the environment node; CUDA must be 11 or "
        "newer",
        windows=f"install the C++ build tools of Visual Studio 2022 ({_TOOLS}) and CUDA 11 or "
        f"newer",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "msvc-version",
        r"unsupported Microsoft Visual Studio version!(?: Only the versions between (?P<first>\d+) "
        r"and (?P<last>\d+))?|STL1002|expected CUDA \d+\.\d+ or newer|STL1003",
        "this version of Visual Studio is not one that the CUDA compiler nvcc takes ({first} to "
        "{last})",
        f"install the C++ build tools of one that it takes ({_TOOLS}), and start Houdini or the "
        "farm's client from its x64 Native Tools prompt; or install a newer CUDA toolkit and "
        "PyTorch",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "nvcc-too-old",
        r"nvcc fatal\s{0,3}: Unsupported gpu architecture '(?P<arch>\w+)'|"
        r"Value '(?P<other>sm_\w+)' is not defined for option",
        "the CUDA compiler nvcc is too old or too new for the graphics card: it does not know "
        "{arch}{other}",
        "install the CUDA toolkit of PyTorch's CUDA version, set CUDA_HOME to its folder; or set "
        "TORCH_CUDA_ARCH_LIST to the newest architecture that it knows",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "cuda-home",
        r"(?:(?:FileNotFoundError|OSError|PermissionError|NotADirectoryError)[^'\n]{0,80}'(?P<path>"
        r"[^'\n]{0,400}[/\\]nvcc(?:\.exe)?)'|(?:^|[\s'\"])(?P<shell>(?:[A-Za-z]?:)?[^\s'\":]{0,30"
        r"0}[/\\]nvcc"
        r"(?:\.exe)?)['\"]?: (?:command )?(?:not found|No such file)|['\"](?P<cmd>[^'\"\n]{0,300}"
        r"\\nvcc(?:\.exe)?)['\"] is not recognized)",
        "CUDA_HOME names a folder without the CUDA compiler: there is no {path}{shell}{cmd}",
        "set CUDA_HOME in the environment node to the folder of a CUDA toolkit of PyTorch's CUDA "
        "version, one that holds bin/nvcc, such as /usr/local/cuda; or take CUDA_HOME out, and the "
        "nvcc on PATH is used",
        windows="set CUDA_HOME in the environment node to the folder of a CUDA toolkit of "
        "PyTorch's CUDA version, such as C:\\Program Files\\NVIDIA GPU Computing Toolkit\\CUDA\\"
        "v12.6",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "compiler-missing",
        r"Ninja is required to load C\+\+ extensions|ninja: (?:command )?not found|"
        r"No such file or directory: 'ninja'|could not find ninja|"
        r"nvcc: (?:command )?not found|CUDA_HOME environment variable is not set|"
        r"No such file or directory: 'nvcc'|'(?:nvcc|ninja)' is not recognized|"
        r"'where', 'cl'|['\"]?\bcl(?:\.exe)?['\"]? is not recognized|[Cc]annot find compiler 'cl|"
        r"(?:[Cc]ould not|[Uu]nable to) (?:locate|find) (?:a supported )?(?:Microsoft Visual C|"
        r"MSVC|"
        r"vcvars|a host compiler|a C\+\+ compiler)|Microsoft Visual C\+\+ \S+ (?:or greater )?is "
        r"required|\b(?:c\+\+|g\+\+|gcc|cc1plus|x86_64-linux-gnu-g(?:\+\+|cc)): (?:command )?not "
        r"found|"
        r"No such file or directory: '(?:c\+\+|g\+\+|gcc|which|cl)'|cannot execute '?cc1plus|"
        r"Failed to preprocess host compiler|gcc: No such file or directory|"
        r"\[WinError 2\].{0,60}\bcl\b",
        "nvdiffrec builds a CUDA extension at its first start and a build tool is missing",
        _COMPILERS,
        windows=_COMPILERS_WINDOWS,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "compiler-missing",
        r"Error checking compiler version for (?P<tool>[^\s:]{1,200}): (?:\[WinError 2\]|\[Errno "
        r"2\]|"
        r"Command)",
        "nvdiffrec builds a CUDA extension at its first start and the C++ compiler {tool} is not "
        "found",
        _COMPILERS,
        windows=_COMPILERS_WINDOWS,
        exit_code=EXIT_ENVIRONMENT,
        warning=True,
    ),
    KnownFailure(
        "compile-memory",
        r"Killed signal terminated program|died due to signal 9|compiler is out of heap space|"
        r"(?:cc1plus|cicc|ptxas|nvcc)\b.{0,80}(?:out of memory|Killed)",
        "the machine's memory ran full while a CUDA extension was compiled",
        "add the variable MAX_JOBS=1 to the environment node, so that one file is compiled at a "
        "time, and close other programs",
    ),
    KnownFailure(
        "python-headers",
        r"Python\.h: No such file|Cannot open include file: 'Python\.h'|python3\d+\.lib",
        "the environment's Python lacks its headers, which compiling an extension needs",
        "Debian: apt-get install python3-dev; or train with a conda environment's Python, which "
        "has them",
        windows="install Python from python.org or conda, not from the Store, with its headers and "
        "libraries",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "cuda-headers",
        r"fatal error: (?P<name>(?:cu|thrust|nv|cub|curand|cooperative)[\w./]{1,60}): No such file|"
        r"(?:Cannot open include file: |cannot open source file )['\"](?P<other>(?:cu|thrust|nv|"
        r"cub)"
        r"[\w./]{1,60})['\"]",
        "the CUDA toolkit is incomplete: its header {name}{other} is missing",
        "install the whole CUDA toolkit of PyTorch's CUDA version (conda install "
        "conda-forge::cuda-toolkit in the environment) and set CUDA_HOME to its folder",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "header-missing",
        r"fatal error: (?P<name>[\w./+-]{1,100}): No such file|Cannot open include file: "
        r"'(?P<other>[^'\n]{1,100})'",
        "the C++ compiler does not find the header {name}{other}",
        "install the package that has it (Debian: apt-get install build-essential libgl1-mesa-dev "
        "libegl1-mesa-dev)",
        windows=f"install the C++ build tools of Visual Studio 2022 with the Windows SDK "
        f"({_TOOLS})",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "link-library",
        r"cannot find -l(?P<name>[\w.+-]{1,60})|LNK1(?:181|104): cannot open (?:input )?file "
        r"'(?P<other>[^'\n]{1,200})'",
        "the linker does not find the library {name}{other}",
        "cudart, cuda, cublas: install the whole CUDA toolkit and set CUDA_HOME to its folder (its "
        "lib64 must hold them); others belong to PyTorch or to the C++ compiler",
        windows="CUDA's: install the whole CUDA toolkit and set CUDA_HOME; Windows' own: install "
        f"the C++ build tools of Visual Studio with the Windows SDK ({_TOOLS}), and start from its "
        "x64 Native Tools prompt",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "stale-extension",
        _EXTENSION + r"undefined symbol: (?P<symbol>\w+)",
        "the compiled extension {file} was made for another PyTorch ({symbol} is missing)",
        "delete the folder {folder}, so that it is compiled anew",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "stale-extension",
        _EXTENSION + r"cannot open shared object file",
        "the extension {file} was never linked: its compilation, here or by another process, was "
        "not finished",
        "cook again, it is compiled anew then; does it fail again, delete the folder {folder} and "
        "look for the compiler's own error in the log",
        retry=True,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-unfinished",
        r"ImportError: \S*torch_extensions\S*\.(?:so|pyd): |file too short|invalid ELF header",
        "a CUDA extension that another process was compiling was not finished",
        "cook again: it is compiled anew then",
        retry=True,
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "stale-extension",
        r"ImportError: (?P<file>[^\n:]{0,300}(?:nvdiffrast|tinycudann|torch_scatter|pytorch3d|"
        r"xatlas|"
        r"_C\b|_plugin)[^\n:]{0,200}\.so): undefined symbol: (?P<symbol>\w+)",
        "the compiled module {file} was made for another PyTorch ({symbol} is missing)",
        "build the package again for this PyTorch: {python} -m pip install --force-reinstall "
        "--no-deps --no-build-isolation --no-cache-dir PACKAGE",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-files",
        r"ninja: (?:error|fatal): (?P<said>[^\n]{1,200})",
        "ninja cannot build a CUDA extension: {said}",
        "delete the folder named after 'Shim extension-cache' in the log (else the extension's "
        "folder in torch_extensions), then cook again",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "extension-build",
        r"Error (?:building extension '(?P<name>\w+)'|compiling objects for extension)|"
        r"ninja: build stopped|Failed building wheel for (?P<wheel>[\w.-]+)|error: command "
        r"'[^'\n]+' "
        r"failed with exit",
        "the CUDA extension {name}{wheel} could not be compiled",
        "the compiler's message stands in the log above this line; the CUDA toolkit must fit the "
        "CUDA version of PyTorch and the C++ compiler must be one that nvcc supports",
        exit_code=EXIT_ENVIRONMENT,
        general=True,
        detail=r"(?:\S{1,200}[:)] ?)?(?:fatal )?error(?: [A-Z]{1,4}\d+)?\s?: .{3,200}",
    ),
)
"""From the special to the general."""
