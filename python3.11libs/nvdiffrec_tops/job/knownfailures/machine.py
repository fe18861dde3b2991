"""The machine, its Python and its files: what any program can run into."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_OUTPUT
from nvdiffrec_tops.job.knownfailures.entry import KnownFailure

_PERMISSION = (
    "correct its permissions, or choose another output folder; what another user made in a shared "
    "cache is deleted by that user"
)

PYTHON = (
    KnownFailure(
        "numpy-mismatch",
        r"Numpy is not available|compiled using NumPy 1\.x cannot be run in\s{1,5}NumPy 2|"
        r"_ARRAY_API not found|numpy\.core\.multiarray failed to import|"
        r"numpy\.dtype size changed|numpy\.ufunc size changed",
        "PyTorch or another package was built for NumPy 1 and the environment holds NumPy 2",
        '{python} -m pip install "numpy<2", or a PyTorch of version 2.3 or newer',
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "numpy-too-new",
        r"module 'numpy' has no attribute '(?P<name>\w+)'|"
        r"`?np\.(?P<old>\w+)`? was (?:removed|a deprecated alias)|"
        r"No module named 'numpy\.(?P<part>_?core\.[\w.]+|distutils[\w.]*)'",
        "the trainer or a package uses numpy.{name}{old}{part}, which this NumPy no longer has",
        '{python} -m pip install "numpy<1.24"; nvdiffrec started through the toolkit gets the old '
        "names back by itself",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "setuptools-missing",
        r"No module named '(?P<name>pkg_resources|setuptools|distutils)[\w.']*|"
        r"cannot import name '\w+' from '(?P<broken>pkg_resources|setuptools|distutils)",
        "Python's {name}{broken} is missing in the training environment, which building "
        "extensions needs",
        '{python} -m pip install "setuptools<81" wheel',
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "python-too-new",
        r"No module named '(?P<gone>imp|asyncore|asynchat|smtpd|cgi|pipes)'\s*$|"
        r"module '(?P<module_>collections|inspect|pkgutil|fractions|time|gettext|asyncio|ast)' has "
        r"no attribute '(?P<name>\w+)'|cannot import name '(?P<imported>\w+)' from 'collections'",
        "the environment's Python is too new for a package: it no longer has {gone}{module_} "
        "{name}{imported}",
        "create the environment with Python 3.10 or 3.11 (nvdiffrec-tops env create), or upgrade "
        "the package that the traceback names",
        exit_code=EXIT_ENVIRONMENT,
        lines=1,
    ),
    KnownFailure(
        "python-too-new",
        r"(?:Python 3\.\d+ is not supported|requires a different Python: (?P<python_>[\d.]+) not "
        r"in|"
        r"Dynamo is not supported on Python)",
        "a package does not run with this environment's Python {python_}",
        "create the environment with Python 3.10 or 3.11 (nvdiffrec-tops env create)",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "python-too-old",
        r"TypeError: 'type' object is not subscriptable|unsupported operand type\(s\) for \|: "
        r"'(?:type|NoneType|_\w+)' and '(?:type|NoneType)'|"
        r"cannot import name '\w+' from 'typing'",
        "the environment's Python is too old for the trainer or a package",
        "create the environment with Python 3.10 or 3.11 (nvdiffrec-tops env create)",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "module-missing",
        r"No module named '?(?P<module>[A-Za-z_][\w.]*)'?",
        "the Python module {module} is not installed in the training environment",
        "install it there: {python} -m pip install {package} (the package may carry another name)",
        exit_code=EXIT_ENVIRONMENT,
        lines=1,
        alone=True,
    ),
)
"""Python's packages; after what an engine says of its own ones."""

LIBRARIES = (
    KnownFailure(
        "library-conflict",
        r"version `(?P<symbol>(?:GLIBCXX|CXXABI|GLIBC|GCC|LIB\w+)_[\d.]+)' not found",
        "a library of another program is loaded in place of the environment's own, or an extension "
        "was built on a newer system ({symbol} is missing)",
        "take that program's folders out of LD_LIBRARY_PATH, or conda install "
        "conda-forge::libstdcxx-ng in the environment, or rebuild the extension on this machine",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "library-conflict",
        r"(?P<file>lib(?:torch|c10|nv|cu|mkl|nccl)\w*[\w.-]*\.so[\w.]*): undefined symbol: "
        r"(?P<symbol>\w+)",
        "PyTorch's own libraries do not fit together: {file} misses {symbol}, so a library of "
        "another installation is loaded",
        "take CUDA's and other programs' folders out of LD_LIBRARY_PATH; else install PyTorch "
        "again: {python} -m pip install --force-reinstall torch",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "openmp-twice",
        r"OMP: Error #15|Initializing (?:lib\w+), but found .{1,80} already initialized",
        "two packages of the environment each brought an OpenMP library of their own",
        "add the variable KMP_DUPLICATE_LIB_OK=TRUE to the environment node, or install NumPy and "
        "PyTorch from one source",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "host-memory",
        r"paging file is too small|\[WinError 1455\]|\bWinError 8\b",
        "the machine's memory is full: Windows' paging file is too small",
        "close other programs, or enlarge the paging file (System, Advanced, Performance, Virtual "
        "memory) on the disk with most room, then restart",
    ),
    KnownFailure(
        "dll-load",
        r"DLL load failed while importing (?P<module_>\w+)|DLL load failed: |"
        r"\[WinError (?:126|127|182|193|1114)\](?:.{0,120}?Error loading \"(?P<file>[^\"\n]+)\")?|"
        r"Could not find module '(?P<library>[^'\n]+)' \(or one of its dependencies\)",
        "Windows cannot load the compiled module {module_}{file}{library}: a DLL beside it is "
        "missing, or it was built for another CUDA, PyTorch or Python",
        "install the CUDA toolkit of the CUDA version that PyTorch was built with ({python} -c "
        '"import torch; print(torch.version.cuda)") and the Visual C++ runtime '
        "(https://aka.ms/vs/17/release/vc_redist.x64.exe); delete the compiled extension (the "
        "folder named after 'Shim extension-cache' in the log, else "
        "%LOCALAPPDATA%\\torch_extensions); "
        "is the DLL PyTorch's own: {python} -m pip install --force-reinstall torch",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "library-missing",
        r"(?P<library>lib[\w+.-]+\.so[\w.]*): cannot open shared object file",
        "the shared library {library} is missing on this machine, or is not where it is looked for",
        "libcudart, libcublas and the like: a package was built for another CUDA than PyTorch's: "
        "rebuild it; libGL: install it (Debian: apt-get install libgl1 libegl1), or {python} -m "
        "pip install opencv-python-headless in place of opencv-python",
        exit_code=EXIT_ENVIRONMENT,
        alone=True,
    ),
    KnownFailure(
        "library-missing",
        r"FATAL ERROR: Cannot load (?P<library>[\w+.-]+\.(?:dll|so[\w.]*|dylib))",
        "the shared library {library} is missing on this machine, or is not where it is looked for",
        "activate the environment as a whole (name it on the environment node, not its Python "
        "alone); else install NumPy and MKL again: {python} -m pip install --force-reinstall numpy",
        exit_code=EXIT_ENVIRONMENT,
    ),
)
"""Shared libraries."""

FILES = (
    KnownFailure(
        "disk-full",
        r"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]|\[WinError 112\]|"
        r"not enough space on the disk|PytorchStreamWriter failed writing",
        "the disk is full",
        "make room on the disk of the output folder (or raise the quota), then cook again; "
        "compiling also needs some in the home and the temporary folder",
        exit_code=EXIT_OUTPUT,
    ),
    KnownFailure(
        "network-disk",
        r"Stale (?:NFS )?file handle|\[Errno 116\]|Input/output error|\[Errno 5\]|"
        r"\[WinError (?:53|59|64|67|1231)\]|network (?:name|path) (?:is no longer|was not|cannot)",
        "a file on a network disk could not be read or written",
        "check that the share is mounted and reachable from this machine",
        retry=True,
    ),
    KnownFailure(
        "file-in-use",
        r"\[WinError (?:32|33)\](?:[^'\n]{0,120}'(?P<path>[^'\n]+)')?|"
        r"being used by another process(?:: '(?P<other>[^'\n]+)')?|Text file busy",
        "another program holds a file open: {path}{other}",
        "close what shows or scans it (a viewer, a virus scanner), then cook again",
        retry=True,
    ),
    KnownFailure(
        "permission",
        r"(?:PermissionError|OSError): \[(?:Errno (?:1|13|30)|WinError 5)\][^'\n]{0,120}"
        r"'(?P<path>[^'\n]+)'",
        "a file or folder may not be read or written: {path}",
        _PERMISSION,
        exit_code=EXIT_OUTPUT,
    ),
    KnownFailure(
        "permission",
        r"PermissionError|Permission denied|\[Errno (?:1|13|30)\]|Read-only file system|"
        r"\[WinError 5\]|Access is denied",
        "a file or folder may not be read or written",
        _PERMISSION,
        exit_code=EXIT_OUTPUT,
    ),
    KnownFailure(
        "too-many-files",
        r"Too many open files|\[Errno 24\]",
        "the system lets a process open fewer files than the training needs",
        "raise the limit (ulimit -n 4096) for the user that runs the jobs, or train fewer at a "
        "time",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "path-too-long",
        r"File name too long|filename or extension is too long|\[WinError 206\]|\[Errno 36\]",
        "a path is longer than the system takes",
        "use shorter names, or an output folder nearer to the root",
        windows="use an output folder nearer to the root, or allow long paths (LongPathsEnabled)",
        exit_code=EXIT_OUTPUT,
    ),
    KnownFailure(
        "network",
        r"urlopen error|getaddrinfo failed|Temporary failure in name resolution|"
        r"Name or service not known|Max retries exceeded|NewConnectionError|ConnectTimeout|"
        r"CERTIFICATE_VERIFY_FAILED|HTTP Error \d{3}|Network is unreachable|"
        r"\[WinError 100(?:51|60|61)\]|\[Errno (?:101|110|111|113)\]|"
        r"[Uu]nable to download|We couldn't connect to",
        "the trainer or a package wanted something from the internet at its first use, and did not "
        "get it",
        "start it once on a machine with access, or copy what it downloads (the traceback names "
        "it) to this one; behind a proxy set HTTPS_PROXY in the environment node",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "text-encoding",
        r"'(?P<codec>[\w-]+)' codec can't (?:de|en)code (?:byte|character)",
        "a file or a path has letters that this system's encoding ({codec}) does not know",
        "add the variable PYTHONUTF8=1 to the environment node, or use plain letters in paths and "
        "the configuration",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "json-damaged",
        r"JSONDecodeError: (?P<said>[^\n]{1,200})",
        "a JSON file that the trainer reads is damaged: {said}",
        "check the data's transforms_*.json and the configuration: {python} -m json.tool FILE "
        "names the place",
    ),
    KnownFailure(
        "picture-unreadable",
        r"cannot identify image file '?(?P<path>[^'\n]*)|image file is truncated|"
        r"Truncated File Read|broken data stream when reading image|not a (?:PNG|JPEG) file|"
        r"SyntaxError: (?:broken PNG|not a PNG)|"
        r"Could not find a (?:format|backend) to (?:read|open)[^'`\n]{0,40}['`](?P<other>"
        r"[^'`\n]+\.(?:png|jpe?g|bmp|tiff?|webp|exr))\b",
        "a picture is damaged or of a kind that cannot be read: {path}{other}",
        "open it in another program and save it again as PNG, or take it out of the data",
    ),
    KnownFailure(
        "file-missing",
        r"FileNotFoundError: (?P<what>[^\n]*(?:No such file or directory|\[WinError [23]\])[^\n]*)|"
        r"(?:NotADirectoryError|IsADirectoryError): (?P<other>[^\n]+)",
        "the trainer did not find a file: {what}{other}",
        "check the paths in the configuration; relative ones are read from the working directory",
        alone=True,
    ),
    KnownFailure(
        "host-memory",
        r"\bMemoryError\b|DefaultCPUAllocator: (?:can't|not enough)|std::bad_alloc|"
        r"Cannot allocate memory|\[Errno 12\]|Unable to allocate [\d.]+ [KMGT]iB|"
        r"virtual memory exhausted",
        "the machine's memory is full",
        "lower batch, train_res or texture_res, or give the job a machine with more memory",
    ),
    KnownFailure(
        "shared-memory",
        r"insufficient shared memory|unable to (?:open|write to|mmap) (?:\w+ )?.{0,60}shm|"
        r"unable to open shared memory|killed by signal: Bus error",
        "the shared memory of this machine or container (/dev/shm) is too small",
        "start the container with more (docker run --shm-size=8g, or --ipc=host)",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "killed",
        r"^\s*Killed\s*$|[Oo]ut of memory: Kill(?:ed)? process|oom[-_]kill|"
        r"killed by signal: Killed|signal SIGKILL|exitcode\s*: -9\b|exceeded (?:job )?memory limit",
        "the system killed the trainer, most likely because the machine's memory was full",
        "lower batch, train_res or texture_res, run fewer jobs at a time, or give the job more "
        "memory",
        general=True,
        lines=1,
    ),
)
"""Files, disks, the network and the main memory."""

MACHINE = (*LIBRARIES, *FILES, *PYTHON)
