"""How much of a graphics card's memory a training takes, as far as its configuration tells.

The figures of diffrec were fitted to 26 trainings on one H200 (PyTorch 2.11, Warp 1.19): meshes
and photographs, 256² to 2048² pixels, batches of 1 to 16, grids of 64 to 128, textures of 1024² to
4096², lights of 256² to 2048². What PyTorch reserved at most lies within 10 % of ``likely``;
``scripts/bench memory`` measures it anew. nvdiffrec's are a rule of thumb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.shadows import bytes_of_table, shadows_of

GIB = float(1 << 30)
CLOSE = 0.85
"""Share of what is free; a training that is likely to take more may fail."""

# Bytes, fitted: per texel of the light's cube map; per sample of a batch, with a grid of 64, for
# each further layer, and with a grid twice as fine; per pixel of the batches of a
# reference mesh that are rendered ahead; per cell of a grid; per texel of the textures.
_LIGHT, _SAMPLE, _LAYER, _FINER, _AHEAD = 933.0, 1350.0, 556.0, 440.0, 46.0
_TETRAHEDRON, _CUBE, _TEXEL = 227.0, 803.0, 355.0
# Bytes per entry of the material's hash grid, and to how many full levels its levels add up.
_ENTRY, _LEVELS = 58.0, 12
_AHEAD_BATCHES, _AHEAD_PIXELS = 8, 1 << 23
# Share of a part's likely size that it takes in any case: an object covers little of some pictures.
_LEAST_OF_PIXELS, _LEAST, _LEAST_OF_TABLE = 0.2, 0.6, 0.3

_NVDIFFREC_BASE, _NVDIFFREC_SAMPLE = 2 * GIB, 4096.0


@dataclass(frozen=True)
class Part:
    """Bytes that something takes, at least and as a rule. ``cure``: the fields that it follows,
    with their values."""

    name: str
    least: float
    likely: float
    cure: str


def parts(
    config: Config,
    *,
    processes: int = 1,
    photographs: float = 0.0,
    size: tuple[int, int] | None = None,
) -> list[Part]:
    """What takes memory on each card while diffrec trains, largest first.

    ``processes``: that share each batch; ``photographs``: bytes of stored pictures; ``size``: the
    (height, width) of photographs that are drawn in their own size. CUDA's own context (some 0.5
    GiB) is not counted.
    """
    found = [_light(config), _material(config), _samples(config, processes, size)]
    if config.base_mesh is None:
        found.append(_grid(config))
    if shadows_of(config, bool(photographs) or size is not None) != "off":
        table = float(bytes_of_table(config.texture_res))
        named_ = named(config, "diffrec.shadows", "texture_res")
        found.append(Part("the table of shadows", _LEAST_OF_TABLE * table, table, named_))
    if photographs:
        cure = '"diffrec": {"photo_res": [height, width]}'
        found.append(Part("stored photographs", photographs, photographs, cure))
    return sorted(found, key=lambda part: -part.likely)


def _light(config: Config) -> Part:
    likely = 6 * config.diffrec.light_res**2 * _LIGHT
    name = "the environment light and its filter"
    return Part(name, _LEAST * likely, likely, named(config, "diffrec.light_res"))


def _material(config: Config) -> Part:
    height, width = config.texture_res
    likely, fields = height * width * _TEXEL, ["texture_res"]
    if config.base_mesh is None:
        table = _ENTRY * _LEVELS * 2**config.diffrec.hashgrid_size_log2
        fields.insert(int(table < likely), "diffrec.hashgrid_size_log2")
        likely += table
    return Part("the material", _LEAST * likely, likely, named(config, *fields))


def _samples(config: Config, processes: int, size: tuple[int, int] | None) -> Part:
    views = -(-config.batch // max(processes, 1))
    height, width = size or config.train_res
    samples = views * height * width * config.spp**2
    # A view is validated while little else is kept.
    shown = config.display_res[0] * config.display_res[1] * config.spp**2 // 2
    each = _SAMPLE + _LAYER * (config.layers - 1)
    if config.isosurface == "dmtet":
        each += _FINER * min(max(0, config.dmtet_grid - 64) / 64, 1)
    likely = max(samples, shown) * each
    if config.ref_mesh is not None and config.ref_mesh.lower().endswith(".obj"):
        likely += min(_AHEAD_BATCHES * samples, max(_AHEAD_PIXELS, samples)) * _AHEAD
    fields = ["batch", "train_res" if size is None else "diffrec.photo_res"]
    if shown > samples:
        fields = ["display_res"]
    fields += [name for name in ("spp", "layers") if getattr(config, name) > 1]
    return Part("the pixels of a batch", _LEAST_OF_PIXELS * likely, likely, named(config, *fields))


def _grid(config: Config) -> Part:
    size = config.dmtet_grid
    if config.isosurface == "flexicubes":
        likely = size**3 * _CUBE
    else:
        # Twelve tetrahedra in each of the cubes that the grid is divided into.
        likely = 12 * max(1, round(0.4 * size)) ** 3 * _TETRAHEDRON
    return Part("the grid", _LEAST * likely, likely, named(config, "dmtet_grid"))


def named(config: Config, *names: str) -> str:
    """Fields with their present values, as one names them: batch (8) or train_res (512 x 512)."""

    def value(name: str) -> str:
        owner: object = config.diffrec if name.startswith("diffrec.") else config
        found = getattr(owner, name.rpartition(".")[2])
        if found is None:
            return "as the photographs"
        return " x ".join(map(str, found)) if isinstance(found, tuple) else str(found)

    shown = [f"{name} ({value(name)})" for name in names]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def likely(found: Sequence[Part]) -> float:
    """Bytes that a training of these parts takes as a rule."""
    return sum(part.likely for part in found)


def least(found: Sequence[Part]) -> float:
    """Bytes that a training of these parts takes in any case."""
    return sum(part.least for part in found)


def nvdiffrec(samples: float, layers: float = 1.0) -> float:
    """Bytes that nvdiffrec takes for a batch of so many samples: a rule of thumb, too high rather
    than too low (a base for PyTorch, light, hash grid and textures, and what a sample keeps of each
    layer until the backward pass)."""
    return _NVDIFFREC_BASE + _NVDIFFREC_SAMPLE * samples * layers


def gib(size: float) -> str:
    """A size as messages show it: 3.2 GiB."""
    return f"{size / GIB:.1f} GiB"
