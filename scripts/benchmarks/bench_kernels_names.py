"""Which operation a kernel belongs to, by the name that the profiler gives it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import bench_kernels_model as model
from bench_kernels_model import Extent, Need

_WARP = re.compile(r"(\w+)_[0-9a-f]{8}_cuda_kernel_(?:forward|backward)")


@dataclass(frozen=True)
class Operation:
    """A row of the table.

    `kernels`: of Warp, as folder.name; `pattern`: searched in PyTorch's names; `need`: what it has
    to do at least, None where no model is made.
    """

    title: str
    direction: str
    kernels: tuple[str, ...] = ()
    pattern: str = ""
    need: Callable[[Extent], Need] | None = None


def _warp(title: str, direction: str, folder: str, names: str, need: object = None) -> Operation:
    kernels = tuple(f"{folder}.{name}" for name in names.split())
    return Operation(title, direction, kernels, need=need)  # type: ignore[arg-type]


OPERATIONS = (
    _warp("marching tetrahedra", "forward", "tetrahedra", "_mark _write", model.tetrahedra),
    _warp("marching tetrahedra", "backward", "tetrahedra", "_write_backward", model.crossings),
    _warp("crossings' entropy", "both", "tetrahedra", "_entropy", model.crossings),
    _warp("vertex normals", "forward", "frames", "_sum_facings _unit_normals", model.vertex_frames),
    _warp("vertex normals", "backward", "frames", "_normals_backward", model.vertex_frames),
    _warp(
        "vertex tangents",
        "forward",
        "frames",
        "_sum_directions _unit_tangents",
        model.vertex_frames,
    ),
    _warp("vertex tangents", "backward", "frames", "_tangents_backward", model.vertex_frames),
    _warp("Laplacian", "both", "laplacian", "_squared _squared_backward", model.laplacian),
    _warp("light's filter", "forward", "cubefilter", "_pool _product _climb", model.light_filter),
    _warp(
        "light's filter",
        "backward",
        "cubefilter",
        "_descend _shared _product_and_own _spread",
        model.light_filter_back,
    ),
    _warp(
        "rasterize", "forward", "rasterize", "_draw_small _draw_queued _resolve", model.rasterize
    ),
    _warp("covered pixels", "forward", "fixedlengths", "_list", model.covered),
    Operation(
        "edge topology",
        "forward",
        ("topology._keys", "topology._pair"),
        r"(?i)radix_?sort",
        model.topology,
    ),
    _warp("interpolate the surface", "forward", "surface", "_surface", model.surface),
    _warp(
        "interpolate the surface", "backward", "surface", "_surface_backward", model.surface_back
    ),
    _warp("interpolate", "forward", "interpolate", "_barycentrics _footprint _interpolate"),
    _warp("interpolate", "backward", "interpolate", "_barycentrics_backward _interpolate_backward"),
    _warp("hash grid", "forward", "hashgrid", "_forward", model.hash_forward),
    _warp(
        "hash grid, dense levels", "backward", "hashgrid", "_backward_runs", model.hash_coarse_back
    ),
    _warp(
        "hash grid, hashed levels", "backward", "hashgrid", "_backward_table", model.hash_fine_back
    ),
    _warp("hash grid, points", "backward", "hashgrid", "_backward_points", model.hash_points_back),
    Operation("matrix products", "both", (), r"(?i)gemm|gemv|cutlass|splitKreduce", model.products),
    Operation(
        "ReLU, sigmoid, clamp", "both", (), r"clamp_scalar|threshold|sigmoid", model.activations
    ),
    _warp("texture levels", "forward", "texture", "_finest _average", model.texture_levels),
    _warp("texture levels", "backward", "texture", "_gather _spread", model.texture_levels_back),
    _warp("texture fetch", "forward", "texture", "_fetch", model.texture_fetch),
    _warp("texture fetch, texels", "backward", "texture", "_scatter", model.texture_scatter),
    _warp("texture fetch, places", "backward", "texture", "_slope", model.texture_slope),
    _warp("textures clamped", "step", "texture", "_clamp", model.texture_clamp),
    _warp("gather", "forward", "gather", "_forward"),
    _warp("gather", "backward", "gather", "_scatter _weights"),
    _warp("shade", "forward", "split_sum", "_shade", model.shade),
    _warp("shade", "backward", "split_sum", "_shade_backward", model.shade_back),
    _warp("compose the picture", "forward", "composite", "_compose", model.compose),
    _warp("compose the picture", "backward", "composite", "_compose_backward", model.compose_back),
    _warp("silhouettes", "forward", "antialias", "_differing _find", model.silhouettes),
    _warp("antialias", "forward", "antialias", "_blend"),
    _warp("antialias", "backward", "antialias", "_blend_backward"),
    _warp("rays of shadows", "both", "rays", "_free _first"),
    _warp("image loss", "both", "losses", "_image_loss", model.image_loss),
    _warp("material's terms", "both", "losses", "_material_terms", model.material_terms),
    _warp("light's white balance", "both", "losses", "_white_balance", model.white_balance),
    _warp(
        "structural similarity",
        "both",
        "ssim",
        "_rows _columns _back_columns _back_rows _tonemapped _through_tonemap",
        model.similarity,
    ),
    _warp("light's variation", "both", "variation", "_light", model.white_balance),
    _warp("textures' variation", "both", "variation", "_texture", model.texture_clamp),
    Operation(
        "optimizer", "step", (), r"FusedOptimizer|FusedAdam|multi_tensor_apply", model.optimizer
    ),
    Operation("random numbers", "forward", (), r"distribution_|(?i:philox)", model.random_numbers),
    Operation("between cards", "both", (), r"(?i)nccl"),
    Operation("lists put together", "both", (), r"CatArray"),
    Operation("sums", "both", (), r"reduce_kernel|DeviceReduce"),
    Operation("running sums", "both", (), r"(?i)DeviceScan|cumsum"),
    Operation("copies", "both", (), r"Memcpy|direct_copy"),
    Operation("clearing", "both", (), r"Memset|FillFunctor"),
)
OTHER_WARP = Operation("other Warp kernels", "both")
OTHER = Operation("other PyTorch kernels", "both")

_BY_KERNEL = {kernel: one for one in OPERATIONS for kernel in one.kernels}
_BY_SHORT: dict[str, list[Operation]] = {}
for _kernel, _one in _BY_KERNEL.items():
    _BY_SHORT.setdefault(_kernel.partition(".")[2], []).append(_one)


def operation(name: str, known: Mapping[str, str] | None = None) -> Operation:
    """Of a kernel. `known`: folder.name of Warp's kernels by the names they are compiled under,
    without which a name that two folders use is nobody's; see `compiled_names`."""
    if found := _WARP.fullmatch(name):
        compiled = name.rpartition("_cuda_kernel_")[0]
        if known and compiled in known:
            return _BY_KERNEL.get(known[compiled], OTHER_WARP)
        named = _BY_SHORT.get(found[1], [])
        return named[0] if len(named) == 1 else OTHER_WARP
    for one in OPERATIONS:
        if one.pattern and re.search(one.pattern, name):
            return one
    return OTHER


def folder_of(module: str) -> str:
    """The folder that holds a module of kernels: the operation, the loss or the shading model."""
    return module.split(".")[-2]


def compiled_names() -> dict[str, str]:
    """folder.name of the Warp kernels that this process has loaded, by their names on a device."""
    result = {}
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith("diffrec."):
            continue
        for value in list(vars(module).values()):
            mangled = getattr(value, "get_mangled_name", None)
            if mangled is None:
                continue
            try:
                result[str(mangled())] = f"{folder_of(value.module.name)}.{value.key}"
            except RuntimeError:  # never launched, so it has no such name
                continue
    return result


def short(name: str) -> str:
    """A kernel's name without what only a compiler wants to know."""
    if found := _WARP.fullmatch(name):
        return found[1]
    name = name.replace("(anonymous namespace)::", "").replace("at::native::", "")
    name = name.removeprefix("void ").partition("(")[0]
    return name if len(name) <= 90 else name[:89] + "…"
