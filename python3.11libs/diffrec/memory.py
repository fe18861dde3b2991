"""How much of a GPU's memory a training takes: foreseen, reported, and told where it is too much.

What is kept (trained tensors, Adam's moments, the guard's copies, the light's filter) follows from
the configuration. What an iteration needs depends on how much of the pictures the object covers:
`least` is certain, `likely` assumes a half. Calibrated with two trainings of docs/benchmarks.md,
4 x 512 x 512 pixels, grid 64, textures of 1024² and a light of 512²: a reference mesh, which takes
3.3 GiB, and photographs of which the object covers two thirds, which take 3.5 GiB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from diffrec.config import Config
from diffrec.errors import DiffrecError
from diffrec.ops.hashgrid import HashGridLayout

GIB = float(1 << 30)
_CLOSE = 0.85  # share of what is free: a training that is likely to take more may fail

# Copies of what is trained: itself, its gradient, Adam's two moments; and the guard's two copies
# of it and of the moments.
_TRAINED, _GUARDED = 4, 6
_FLOAT = 4  # bytes
# Bytes per texel of the light's finest level: its blurs with some 23 entries a row and its
# enlargements with 4, both also transposed; and what one pass through them leaves behind.
_FILTER, _FILTERED = 236, 100
# Bytes per pixel of a batch, covered or not: pictures and their gradients; and in each layer, the
# rasterisation. Bytes per covered one: the surface, and the material's network at it and beside it.
_PIXEL, _LAYER, _COVERED = 90, 16, 2600
_COVERAGE, _LEAST_COVERAGE = 1 / 2, 1 / 20
# Of a reference mesh some batches are rendered ahead, see `diffrec.data.reference_mesh`.
_AHEAD, _PIXELS_AHEAD, _PIXEL_AHEAD = 8, 1 << 23, 80
_TETRAHEDRON, _CUBE = 200, 60  # bytes of a cell, and of finding the surface in it
_CUBE_WEIGHTS = 21


class TooLittleMemory(DiffrecError):
    """A training does not fit on the GPU; says what it needs, what is free and what to lower."""


@dataclass(frozen=True)
class Part:
    """Bytes that something takes, at least and as a rule. `cure`: the fields that it follows."""

    name: str
    least: float
    likely: float
    cure: str


def parts(config: Config, *, processes: int = 1, photographs: int = 0) -> list[Part]:
    """What takes memory on each GPU, at the moment when a training needs most.

    `processes`: that share each batch; `photographs`: bytes of stored pictures. CUDA's own context
    and the reference mesh are not counted.
    """
    copies = _TRAINED + (_GUARDED if config.diffrec.guard else 0)
    found = [_light(config, copies), _material(config, copies), _pixels(config, processes)]
    if config.base_mesh is None:
        found.append(_grid(config, copies))
    if photographs:
        cure = '"diffrec": {"photo_res": [height, width]}'
        found.append(Part("stored photographs", photographs, photographs, cure))
    return found


def _light(config: Config, copies: int) -> Part:
    texels = 6 * config.diffrec.light_res**2
    size = texels * (_FILTER + 3 * _FLOAT * (copies if config.learn_light else 1))
    name = "the environment light and its filter"
    return Part(name, size, size + texels * _FILTERED, _named(config, "diffrec.light_res"))


def _material(config: Config, copies: int) -> Part:
    """The larger of the first pass's hash grid and the second one's textures."""
    height, width = config.texture_res
    # Beside them all mip levels in one piece, and its gradient.
    pieces = copies * (4 / 3 if config.custom_mip else 1) + 2 * 4 / 3
    textures = height * width * 9 * _FLOAT * pieces
    found = Part("the textures", textures, textures, _named(config, "texture_res"))
    if config.base_mesh is not None:
        return found
    layout = HashGridLayout.geometric(log2_entries=config.diffrec.hashgrid_size_log2)
    table = float(layout.entries * layout.features * _FLOAT * copies)
    if table <= textures:
        return found
    return Part("the hash grid", table, table, _named(config, "diffrec.hashgrid_size_log2"))


def _pixels(config: Config, processes: int) -> Part:
    views = -(-config.batch // max(processes, 1))
    samples = config.spp**2
    pixels = views * config.train_res[0] * config.train_res[1] * samples
    shown = config.display_res[0] * config.display_res[1] * samples
    plain = _PIXEL + _LAYER * config.layers
    covered = _COVERED * config.layers
    least = max(pixels, shown / 2) * (plain + covered * _LEAST_COVERAGE)
    likely = max(pixels, shown / 2) * (plain + covered * _COVERAGE)
    if config.ref_mesh is not None and config.ref_mesh.lower().endswith(".obj"):
        ahead = min(_AHEAD * pixels, max(_PIXELS_AHEAD, pixels))
        least, likely = least + ahead * 4 * _FLOAT, likely + ahead * _PIXEL_AHEAD
    fields = ["batch", "train_res"]
    fields += [name for name in ("spp", "layers") if getattr(config, name) > 1]
    if shown / 2 > pixels:
        fields = ["display_res", *fields[2:]]
    return Part("the pixels of a batch", least, likely, _named(config, *fields))


def _grid(config: Config, copies: int) -> Part:
    size = config.dmtet_grid
    if config.isosurface == "flexicubes":
        trained, cells, cell = size**3 * _CUBE_WEIGHTS + (size + 1) ** 3 * 4, size**3, _CUBE
    else:
        # As `diffrec.geometry.tetrahedra` divides the cube.
        edge = max(1, round(0.4 * size))
        trained, cells, cell = (edge**3 + (edge + 1) ** 3) * 4, 12 * edge**3, _TETRAHEDRON
    kept = trained * _FLOAT * copies + cells * cell
    return Part("the grid", kept, kept, _named(config, "dmtet_grid"))


def _named(config: Config, *names: str) -> str:
    """Fields with their present values, as one names them: batch (8) or train_res (512 x 512)."""

    def value(name: str) -> str:
        owner: object = config.diffrec if name.startswith("diffrec.") else config
        found = getattr(owner, name.removeprefix("diffrec."))
        return " x ".join(map(str, found)) if isinstance(found, tuple) else str(found)

    shown = [f"{name} ({value(name)})" for name in names]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def verdict(found: Sequence[Part], free: float) -> str:
    """'' where a training of these parts fits into `free` bytes, else what to say.

    Raises TooLittleMemory when it certainly does not.
    """
    least, likely = sum(part.least for part in found), sum(part.likely for part in found)
    largest = max(found, key=lambda part: part.likely)
    most = f"most of it for {largest.name}"
    if least > free:
        # The first words are those that a job knows a full GPU by, and tries again with less.
        raise TooLittleMemory(
            f"CUDA out of memory, as can be foreseen: the training needs some {_gib(likely)} of "
            f"the GPU, {most}, and {_gib(free)} are free. Lower {largest.cure}, or close other "
            "programs that use the GPU."
        )
    if likely > _CLOSE * free:
        return (
            f"Warning: the training may need some {_gib(likely)} of the GPU, {most}, and "
            f"{_gib(free)} are free. Should it fail, lower {largest.cure}."
        )
    return ""


def foresee(
    config: Config,
    device: torch.device,
    log: Callable[[str], None],
    *,
    processes: int = 1,
    photographs: int = 0,
) -> None:
    """Warn where a training may not fit into what is free of a GPU; nothing to do without one.

    Raises TooLittleMemory when it certainly does not.
    """
    if device.type != "cuda":
        return
    free, _total = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    warning = verdict(parts(config, processes=processes, photographs=photographs), float(free))
    if warning:
        log(warning)


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that a GPU's memory is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "CUDA error: out of memory" in text or "CUBLAS_STATUS_ALLOC_FAILED" in text
    )


def exhausted(config: Config, device: torch.device, *, processes: int = 1) -> str:
    """What to say of a training that ended because the GPU's memory was full."""
    found = parts(config, processes=processes)
    largest = max(found, key=lambda part: part.likely)
    text = "CUDA out of memory: the GPU's memory is full."
    if device.type == "cuda":
        try:
            free, total = torch.cuda.mem_get_info(device)
            own = torch.cuda.memory_reserved(device)
            others = max(0, total - free - own)
            text = (
                f"CUDA out of memory: of the GPU's {_gib(total)} the training had {_gib(own)} and "
                f"wanted more; {_gib(others)} were taken by CUDA itself and by other programs."
            )
        except RuntimeError:  # a GPU that no longer answers
            pass
    return f"{text} Most of what it needs is for {largest.name}: lower {largest.cure}."


def used(config: Config, device: torch.device, *, processes: int = 1) -> str:
    """A line for the log: the most that a training has taken so far; '' without a GPU."""
    if device.type != "cuda":
        return ""
    most = torch.cuda.max_memory_reserved(device)
    likely = sum(part.likely for part in parts(config, processes=processes))
    return f"GPU memory: {_gib(most)} at most, {_gib(likely)} were foreseen"


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
