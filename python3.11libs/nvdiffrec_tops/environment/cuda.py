"""Where a CUDA toolkit lies, and its version: by files alone, no compiler is started."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from nvdiffrec_tops.environment.layout import Layout
from nvdiffrec_tops.environment.reading import is_file, names_in, object_of, text_of

_DEFINITION = re.compile(r"#define\s+(?:CUDA_VERSION|CUDART_VERSION)\s+(\d{4,6})\b")
_NUMBER = re.compile(r"\d{1,3}\.\d{1,3}(?:\.\d{1,5})?", re.ASCII)
_WHEEL = re.compile(r"nvidia_cuda_nvcc(?:_cu\d+)?-(\d[\w.]*)\.dist-info")
_RECORD = re.compile(r"(?:cuda-nvcc|cuda-nvcc-tools|cuda-nvcc-impl|cuda-compiler)-(\d[\d.]*)-.*")


def compiler(root: str, layout: Layout) -> str | None:
    """The path of nvcc in a toolkit's folder; None when there is none."""
    path = os.path.join(root, "bin", "nvcc.exe" if layout.windows else "nvcc")
    return path if is_file(path) else None


def toolkit_of(prefix: str, site_packages: str | None, layout: Layout) -> str | None:
    """The toolkit installed in an environment, by conda or by wheels; None when there is none."""
    # conda's Windows packages put everything under Library.
    roots = [os.path.join(prefix, "Library")] if layout.windows else [prefix]
    if site_packages:
        wheels = os.path.join(site_packages, "nvidia")
        # From CUDA 13 one folder holds all of a toolkit; before, each package had its own.
        together = [name for name in names_in(wheels) if re.fullmatch(r"cu\d+", name)]
        together.sort(key=lambda name: int(name[2:]), reverse=True)
        roots += [os.path.join(wheels, name) for name in [*together, "cuda_nvcc"]]
    return next((root for root in roots if compiler(root, layout)), None)


def system_toolkit(environ: Mapping[str, str], layout: Layout, root: str = "") -> str | None:
    """The machine's toolkit: CUDA_HOME, CUDA_PATH, the usual folders, then nvcc on PATH.

    ``root`` is put before the usual folders (an image of another machine).
    """
    for place in _system_places(environ, layout, root):
        if place and os.path.isabs(place) and compiler(place, layout):
            return os.path.normpath(place)
    return None


def _system_places(environ: Mapping[str, str], layout: Layout, root: str) -> Iterator[str]:
    yield environ.get("CUDA_HOME", "").strip()
    yield environ.get("CUDA_PATH", "").strip()
    if layout.windows:
        files = environ.get("PROGRAMFILES") or r"C:\Program Files"
        parent = os.path.join(root + files, "NVIDIA GPU Computing Toolkit", "CUDA")
        yield from _newest(parent, r"v(\d+)\.(\d+)")
    else:
        local = os.path.join(root + "/usr", "local")
        yield os.path.join(local, "cuda")
        yield from _newest(local, r"cuda-(\d+)(?:\.(\d+))?")
        yield root + "/opt/cuda"
        yield root + "/usr/lib/nvidia-cuda-toolkit"
    name = "nvcc.exe" if layout.windows else "nvcc"
    for folder in environ.get("PATH", "").split(";" if layout.windows else ":"):
        folder = folder.strip('"')
        if os.path.basename(folder).lower() == "bin" and is_file(os.path.join(folder, name)):
            yield os.path.dirname(folder)


def _newest(parent: str, pattern: str) -> list[str]:
    found = []
    for name in names_in(parent):
        match = re.fullmatch(pattern, name, re.ASCII)
        if match:
            found.append(([int(part or 0) for part in match.groups()], name))
    return [os.path.join(parent, name) for _, name in sorted(found, reverse=True)]


def version_of(root: str, prefix: str | None = None) -> str | None:
    """The toolkit's version, such as ``12.8`` or ``12.8.93``; None when no file tells it.

    ``prefix`` is the conda environment whose records may name it.
    """
    document = object_of(os.path.join(root, "version.json"))
    for name in ("cuda", "cuda_nvcc"):
        entry = document.get(name)
        number = _number(entry.get("version")) if isinstance(entry, dict) else None
        if number:
            return number
    number = _number(text_of(os.path.join(root, "version.txt"), 4096))
    if number:
        return number
    if prefix:
        for name in names_in(os.path.join(prefix, "conda-meta")):
            match = _RECORD.fullmatch(name)
            if match and _number(match[1]):
                return _number(match[1])
    parent = os.path.dirname(root)
    for folder in (os.path.dirname(parent), root, os.path.join(root, "dist-info")):
        for name in names_in(folder) if folder != os.path.dirname(folder) else []:
            match = _WHEEL.fullmatch(name)
            if match and _number(match[1]):
                return _number(match[1])
    for name in ("cuda.h", "cuda_runtime_api.h"):
        match = _DEFINITION.search(text_of(os.path.join(root, "include", name)) or "")
        if match:
            return f"{int(match[1]) // 1000}.{int(match[1]) % 1000 // 10}"
    match = re.fullmatch(r"(?:cuda-|v)(\d+\.\d+)", os.path.basename(os.path.realpath(root)))
    return match[1] if match else None


def _number(text: object) -> str | None:
    match = _NUMBER.search(text) if isinstance(text, str) else None
    return match[0] if match else None
