"""MTL material libraries: what a reference mesh looks like, and what a finished one is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from diffrec.errors import DiffrecError
from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.files import replace_file

__all__ = ["MaterialFile", "MtlError", "load_mtl", "write_mtl"]

# Options of a map statement and how many values follow each (MTL specification 4.2).
_MAP_OPTIONS = {
    "-blendu": 1,
    "-blendv": 1,
    "-boost": 1,
    "-bm": 1,
    "-cc": 1,
    "-clamp": 1,
    "-imfchan": 1,
    "-mm": 2,
    "-o": 3,
    "-s": 3,
    "-t": 3,
    "-texres": 1,
    "-type": 1,
}


class MtlError(DiffrecError):
    """A material library that cannot be read."""

    id = "reference-mesh"
    cure = "correct the material file as said, then cook again"
    exit_code = EXIT_USAGE


@dataclass(frozen=True)
class MaterialFile:
    """One material of an MTL file: a picture or a constant per channel.

    kd: linear albedo; ks: (occlusion, roughness, metalness), linear, used where the picture is
    missing. map_kd (sRGB), map_ks (linear) and bump (tangent-space normals) are picture files,
    not checked to exist. bsdf: name of the shading model, "pbr" if the file does not say.
    """

    name: str = "defaultMat"
    bsdf: str = "pbr"
    kd: tuple[float, float, float] = (0.5, 0.5, 0.5)
    ks: tuple[float, float, float] = (0.0, 0.5, 0.0)
    map_kd: Path | None = None
    map_ks: Path | None = None
    bump: Path | None = None
    warnings: tuple[str, ...] = field(default=(), compare=False)


def load_mtl(path: Path) -> dict[str, MaterialFile]:
    """The materials of an MTL file by name, in file order.

    Pictures are looked up beside the file. Statements of other renderers are passed over.
    Raises MtlError for a file that cannot be read or a number that is none.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MtlError(f"{path}: cannot read the material library: {error.strerror}") from error
    materials: dict[str, dict[str, object]] = {}
    current: dict[str, object] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        keyword, values = words[0].lower(), words[1:]
        if keyword == "newmtl":
            name = " ".join(values) or "unnamed"
            current = materials.setdefault(name, {"name": name})
        elif current is not None:
            _statement(current, keyword, values, path, number)
    return {name: MaterialFile(**known) for name, known in materials.items()}  # type: ignore[arg-type]


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


def _statement(
    material: dict[str, object], keyword: str, values: list[str], path: Path, number: int
) -> None:
    if keyword in ("kd", "ks"):
        material[keyword] = _colour(values, path, number)
    elif keyword == "bsdf" and values:
        material["bsdf"] = values[0]
    elif keyword in ("map_kd", "map_ks"):
        material[keyword] = _picture(values, path)
    elif keyword in ("bump", "map_bump", "norm"):
        material["bump"] = _picture(values, path)


def _colour(values: list[str], path: Path, number: int) -> tuple[float, float, float]:
    try:
        numbers = [float(value) for value in values[:3]]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(value) for value in numbers):
        raise MtlError(
            f"{path}, line {number}: a colour needs one or three numbers, "
            f"not {' '.join(values)[:60]!r}"
        )
    # One number means a grey, as the specification says.
    red, green, blue = numbers if len(numbers) == 3 else (numbers[0],) * 3
    return (red, green, blue)


def _picture(values: list[str], path: Path) -> Path | None:
    """The file of a map statement without its options; names may hold spaces."""
    rest = list(values)
    while rest and rest[0].lower() in _MAP_OPTIONS:
        rest = rest[1 + _MAP_OPTIONS[rest[0].lower()] :]
    name = " ".join(rest).replace("\\", "/").replace("\0", "")
    return path.parent / name if name else None
