"""A place for compiled extensions that belongs to one machine and one PyTorch.

PyTorch keeps them below the home folder, which a farm's machines share: they would wait for each
other's locks and load what was compiled for another card or another PyTorch.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping

from nvdiffrec_tops.job.engines.nvdiffrec.extensionlock import PRIVATE
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "extension-cache"
VARIABLE = "TORCH_EXTENSIONS_DIR"


def folder(
    environ: Mapping[str, str],
    *,
    host: str,
    torch: str,
    python: tuple[int, int] = (sys.version_info[0], sys.version_info[1]),
    windows: bool = os.name == "nt",
) -> str:
    """The cache of ``host`` for one version of PyTorch and of Python. Reads nothing."""
    base = environ.get("LOCALAPPDATA" if windows else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    machine = re.sub(r"[^A-Za-z0-9.-]+", "_", host).strip(".") or "machine"
    version = re.sub(r"[^A-Za-z0-9.+-]+", "_", torch)
    build = f"py{python[0]}{python[1]}_torch{version}"
    return os.path.join(base, PRIVATE, "torch_extensions", machine, build)


def torch_version() -> str | None:
    """PyTorch's version, from its metadata: importing it takes seconds."""
    import importlib.metadata  # slow to import, and the job process imports this module too

    try:
        return importlib.metadata.version("torch")
    except Exception:  # damaged metadata raises whatever its parser does
        return None


def machine() -> str:
    """A name for this machine that no other machine of a farm has."""
    host = platform.node()
    if host.partition(".")[0] not in ("", "localhost"):
        return host
    import uuid

    return f"{host or 'machine'}-{uuid.getnode():012x}"  # the network card's number


def install(start: Start) -> None:
    """Set ``TORCH_EXTENSIONS_DIR`` unless someone has."""
    if start.environ.get(VARIABLE):
        return
    version = torch_version()
    if version is None:
        return  # no PyTorch: the script will say so
    path = folder(start.environ, host=machine(), torch=version)
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        start.say(
            NAME, f"not used: {path} cannot be made ({error.strerror or error}); PyTorch's own is"
        )
        return
    start.environ[VARIABLE] = path
    start.say(NAME, f"compiled extensions of this machine are kept in {path}")


SHIM = Shim(
    NAME,
    f"{VARIABLE} is not set",
    "gives each machine and each version of PyTorch a cache of compiled extensions of its own",
    install,
)
