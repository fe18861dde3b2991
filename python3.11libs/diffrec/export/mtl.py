"""The MTL material library of a finished mesh; those of others are read by `diffrec.reference`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diffrec.reference.errors import MtlError
from nvdiffrec_contract.files import replace_file

__all__ = ["MtlError", "write_mtl"]


def write_mtl(path: Path, *, log: Callable[[str], None] | None = None) -> None:
    """The material of a finished mesh: three textures beside it, physically based.

    Raises MtlError if the file cannot be written.
    """
    if log is not None:
        log(f"Writing material:  {path}")
    text = (
        "newmtl defaultMat\n"
        "bsdf pbr\n"
        "map_Kd texture_kd.png\n"
        "map_Ks texture_ks.png\n"
        "bump texture_n.png\n"
    )
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise MtlError(f"{path}: cannot write the material library: {error.strerror}") from error
