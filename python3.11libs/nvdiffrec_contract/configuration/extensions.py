"""The fields of the diffrec trainer alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nvdiffrec_contract import checks as check
from nvdiffrec_contract.configuration.rows import Row, normalise, row, rows
from nvdiffrec_contract.errors import FieldError
from nvdiffrec_contract.wording import shown

SHADING_MODELS = ("split_sum",)
ASSET_FORMATS = ("usd", "usdz", "glb", "mtlx", "obj")
ASSET_DETAIL = check.detail(8)
ASSET_BITS = check.power_of_two(8, 16)
ASSET_SIZE = check.power_of_two(256, 8192)
ASSET_TEXTURES = ("png", "exr")
ASSET_TILES = 16


@dataclass(frozen=True)
class Extensions:
    """Fields of the diffrec trainer alone: the JSON object ``"diffrec"``.

    Raises:
        FieldError: a value has the wrong type or lies outside its range.
    """

    seed: int = row(0, check.integer(0, 2**63 - 1), "start of every random sequence", "--seed")
    device: str = row(
        "auto", check.DEVICE, "where to compute; auto is CUDA where it is present", "--device"
    )
    light_res: int = row(
        512,
        check.power_of_two(16, 4096),
        "edge of a face of the environment light's cube map, in texels",
    )
    holdout: int = row(
        0,
        check.integer(0, 1_000_000),
        "every Nth view in sorted order, from the first, is kept for validation; 0 keeps none",
    )
    photo_res: tuple[int, int] | None = row(
        None,
        check.optional(check.resolution(16384)),
        "photographs are reduced to this [height, width] with an area filter; null keeps theirs",
    )
    validation_views: int | None = row(
        None,
        check.optional(check.integer(1, 1_000_000)),
        "at most this many views are validated, evenly picked; null validates all",
    )
    hashgrid_size_log2: int = row(
        19,
        check.integer(4, 24),
        "entries per level of the material's hash grid, as a power of two",
    )
    start: str = row(
        "auto",
        check.choice("auto", "random", "hull", "hollows"),
        "what the first pass begins with: random, as nvdiffrec; hull, the visual hull of the "
        "masks; hollows, the hull less what the photographs see into, as in a cup; auto takes "
        "the hollows for photographs",
    )
    refine_cameras: bool = row(
        False, check.BOOLEAN, "correct the cameras of training photographs by small motions"
    )
    refine_exposure: bool = row(
        False, check.BOOLEAN, "correct the exposure and white balance of training photographs"
    )
    final_rate: float = row(
        0.05,
        check.number(1e-6, 1.0),
        "share to which the second pass's learning rates fall, beside nvdiffrec's own decay; 1 "
        "leaves that alone",
    )
    shading: str = row(
        "split_sum",
        check.choice(*SHADING_MODELS),
        "how surfaces are shaded under the light: split_sum, as nvdiffrec, without shadows",
    )
    shadows: Literal["auto", "off", "direct", "bounced"] = row(
        "auto",
        check.choice("auto", "off", "direct", "bounced"),
        "what the second pass knows of the shadows that the object casts on itself: off, as "
        "nvdiffrec, nothing; direct, what is free of the light, by rays; bounced, also the light "
        "that its parts send on to one another; auto takes bounced for photographs",
    )
    dssim: float = row(
        0.2,
        check.number(0.0, 1.0),
        "share of (1 - SSIM) / 2 in the image term, tone-mapped; 0 leaves nvdiffrec's loss alone",
    )
    light_step: Literal["logarithmic", "linear"] = row(
        "logarithmic",
        check.choice("logarithmic", "linear"),
        "how the light learns: logarithmic, by factors, so that a sun can become as bright as it "
        "is; linear, by sums, as nvdiffrec",
    )
    light_rate: float = row(
        5.0,
        check.number(0.0, 100.0),
        "the light's learning rate, as a multiple of that of the materials; nvdiffrec's is 1",
    )
    normal_rate: float = row(
        5.0,
        check.number(0.0, 100.0),
        "the normal map's learning rate, as a multiple of that of the other textures; nvdiffrec's "
        "is 1",
    )
    ks_start: tuple[float, float, float] = row(
        (0.05, 0.5, 0.05),
        check.vector((3,), 0.001, 0.999),
        "occlusion, roughness and metalness that the first pass begins with, as shares of their "
        "ranges; nvdiffrec begins in the middle",
    )
    kd_start: str = row(
        "photographs",
        check.choice("photographs", "middle"),
        "the albedo that the first pass begins with: the mean colour of the photographs, where "
        "there are any; middle, as nvdiffrec, the middle of its range",
    )
    light_tv: float = row(
        0.1,
        check.number(0.0, 1e6),
        "weight of the light's total variation, of log(1 + radiance); 0, as nvdiffrec, for none",
    )
    texture_tv: float = row(
        0.0,
        check.number(0.0, 1e6),
        "weight of the total variation of kd, ks and normal map inside charts, in the second pass",
    )
    material_warm_up: float = row(
        0.4,
        check.number(0.0, 1.0),
        "share of the first pass over which the material's learning rate rises to its own, so that "
        "light and shape explain first what they can; 0, as nvdiffrec, for none",
    )
    normal_flat: float = row(
        0.03,
        check.number(0.0, 1e6),
        "weight of the squared tilt of the normal map, in the second pass; 0, as nvdiffrec, for "
        "none",
    )
    coarse_to_fine: float = row(
        0.0,
        check.number(0.0, 1.0),
        "share of the first pass over which the finer levels of the material's hash grid come in; "
        "0 has all of them from the start",
    )
    sdf_smoothness: float = row(
        0.02,
        check.number(0.0, 1e6),
        "weight of the unevenness of the distance field about its surface, in the first pass of "
        "dmtet; 0, as nvdiffrec, for none",
    )
    remove_unsupported: bool = row(
        True,
        check.BOOLEAN,
        "after the first pass, remove connected components that no training view sees, or misses "
        "where they are small",
    )
    remesh: bool = row(
        True,
        check.BOOLEAN,
        "after the first pass, lay even triangles on the surface, about as many of them",
    )
    untangle: bool = row(
        True,
        check.BOOLEAN,
        "after the second pass, smooth the places where the surface passes through itself",
    )
    uv_method: Literal["projection", "xatlas"] = row(
        "projection",
        check.choice("projection", "xatlas"),
        "how the mesh is charted: projection, or xatlas by the package of that name",
    )
    uv_timeout: float = row(
        120.0,
        check.number(0.0, 1e6),
        "seconds that xatlas may take before the projection is used in its place",
    )
    checkpoint_interval: int = row(
        100,
        check.integer(0, 10_000_000),
        "iterations between checkpoints, from which a run that was ended goes on; 0 makes none",
    )
    checkpoint_seconds: float = row(
        60.0,
        check.number(0.0, 1e6),
        "at least this many seconds between checkpoints, and more where writing one is slow; 0 "
        "makes one at every checkpoint_interval",
    )
    guard: bool = row(
        True,
        check.BOOLEAN,
        "go back to the last good state, with half the learning rates, when a pass diverges",
    )
    raster_backend: str = row(
        "own",
        check.choice("own", "nvdiffrast"),
        "what rasterises, interpolates, antialiases and reads textures: own, or nvdiffrast where "
        "that is installed (CUDA; free for non-commercial use only)",
    )
    field_backend: str = row(
        "own",
        check.choice("own", "tiny-cuda-nn"),
        "what the material of the first pass is: own, or tiny-cuda-nn where that is installed "
        "(CUDA)",
    )

    asset: tuple[str, ...] = row(
        ASSET_FORMATS,
        check.choices(*ASSET_FORMATS),
        "formats that the finished mesh is written in beside nvdiffrec's files, with textures of "
        "their own; [] writes no asset",
    )
    asset_name: str | None = row(
        None,
        check.optional(check.TEXT),
        "name of the asset's files, prims and material; null takes that of the output folder",
    )
    asset_upright: bool = row(
        True,
        check.BOOLEAN,
        "turn the asset so that +y is up, by the cameras, where the data set does not say what is "
        "up; nvdiffrec's own files stay as they were trained",
    )
    asset_cameras: bool = row(
        False,
        check.BOOLEAN,
        "write the cameras of the photographs, those held out too, with the photographs' paths, as "
        "a USD layer of the asset",
    )
    asset_turntable: int = row(
        12,
        check.integer(0, 1000),
        "pictures of one turn around the asset; 0 for none",
    )
    asset_lods: tuple[float, ...] = row(
        (),
        ASSET_DETAIL,
        "levels of detail of the asset beside the whole mesh: each a share of its triangles, as "
        "0.25, or a number of them, as 5000",
    )
    asset_texture_bits: int = row(
        8,
        ASSET_BITS,
        "bits a channel of the asset's textures; normals have 16 always",
    )
    asset_texture_format: str = row(
        "png",
        check.choice(*ASSET_TEXTURES),
        "files of the asset's textures: png, or exr in floating point with the albedo linear, "
        "where the package OpenEXR is installed",
    )
    asset_texture_size: int | None = row(
        None,
        check.optional(ASSET_SIZE),
        "texels along the longer edge of the asset's textures; null for as many as were trained "
        "(texture_res)",
    )
    asset_udim: int = row(
        0,
        check.integer(0, ASSET_TILES),
        "UDIM tiles at most that the asset's charts are distributed over, each a texture of "
        "asset_texture_size; 0 or 1 for one texture without UDIM",
    )

    def __post_init__(self) -> None:
        normalise(self, EXTENSIONS)
        if self.coarse_to_fine and self.field_backend != "own":
            raise FieldError(
                "coarse_to_fine",
                f'found {shown(self.coarse_to_fine)} with "field_backend" '
                f"{shown(self.field_backend)}, whose levels do not come in one after another",
                '0, or "field_backend" "own"',
            )


EXTENSIONS: dict[str, Row] = rows(Extensions)
"""The fields of ``"diffrec": {...}``, by name."""
