"""Training configurations: every field, once, and reading of nvdiffrec's JSON files unchanged.

A configuration is one JSON object. Its fields carry nvdiffrec's names and defaults; the fields of
the diffrec trainer alone stand in one nested object, ``"diffrec": {...}`` (``Extensions``). As with
nvdiffrec, a field named in the JSON file wins over the command-line flag of that name.

A field is one line of ``Config`` or ``Extensions``. The trainer's flags, the checks of the doctor,
``docs/fields.md`` and the JSON Schema follow from it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from nvdiffrec_contract import checks as check
from nvdiffrec_contract import engines, relativepaths
from nvdiffrec_contract.checks import Check, Refused
from nvdiffrec_contract.errors import ConfigError, FieldError
from nvdiffrec_contract.jsonfiles import JsonError, read_object
from nvdiffrec_contract.wording import nearest, shortened, shown

BACKGROUNDS = ("black", "white", "checker", "reference")
LOSSES = ("logl1", "logl2", "mse", "smape", "relmse")
ISOSURFACES = ("dmtet", "flexicubes")
SHADING_MODELS = ("split_sum",)
ASSET_FORMATS = ("usd", "usdz", "glb", "mtlx", "obj")

SECTION = "diffrec"
"""The object that holds the fields of the diffrec trainer alone."""
NVDIFFREC_OWN = ("multi_gpu", "local_rank")
"""Names that nvdiffrec keeps among its flags and sets itself; a configuration may hold them."""

Rate = Union[float, tuple[float, float]]


@dataclass(frozen=True)
class Row:
    """One field of the table.

    Attributes:
        name: as configurations write it.
        default: its value where nothing is said.
        check: what it may hold.
        help: one line on what it does.
        flags: the trainer's command-line flags for it.
        path: whether it names a file or folder.
    """

    name: str
    default: Any
    check: Check
    help: str
    flags: tuple[str, ...] = ()
    path: bool = False


def _row(default: Any, check: Check, help: str, *flags: str, path: bool = False) -> Any:
    return dataclasses.field(
        default=default, metadata={"check": check, "help": help, "flags": flags, "path": path}
    )


@dataclass(frozen=True)
class Extensions:
    """Fields of the diffrec trainer alone: the JSON object ``"diffrec"``.

    Raises:
        FieldError: a value has the wrong type or lies outside its range.
    """

    seed: int = _row(0, check.integer(0, 2**63 - 1), "start of every random sequence", "--seed")
    device: str = _row(
        "auto", check.DEVICE, "where to compute; auto is CUDA where it is present", "--device"
    )
    light_res: int = _row(
        512,
        check.power_of_two(16, 4096),
        "edge of a face of the environment light's cube map, in texels",
    )
    holdout: int = _row(
        0,
        check.integer(0, 1_000_000),
        "every Nth view in sorted order, from the first, is kept for validation; 0 keeps none",
    )
    photo_res: tuple[int, int] | None = _row(
        None,
        check.optional(check.resolution(16384)),
        "photographs are reduced to this [height, width] with an area filter; null keeps theirs",
    )
    validation_views: int | None = _row(
        None,
        check.optional(check.integer(1, 1_000_000)),
        "at most this many views are validated, evenly picked; null validates all",
    )
    hashgrid_size_log2: int = _row(
        19,
        check.integer(4, 24),
        "entries per level of the material's hash grid, as a power of two",
    )
    start: str = _row(
        "auto",
        check.choice("auto", "random", "hull"),
        "what the first pass begins with: random, as nvdiffrec; hull, the visual hull of the "
        "masks; auto takes the hull for photographs",
    )
    refine_cameras: bool = _row(
        False, check.BOOLEAN, "correct the cameras of training photographs by small motions"
    )
    refine_exposure: bool = _row(
        False, check.BOOLEAN, "correct the exposure and white balance of training photographs"
    )
    final_rate: float = _row(
        0.05,
        check.number(1e-6, 1.0),
        "share to which the second pass's learning rates fall, beside nvdiffrec's own decay; 1 "
        "leaves that alone",
    )
    shading: str = _row(
        "split_sum",
        check.choice(*SHADING_MODELS),
        "how surfaces are shaded under the light: split_sum, as nvdiffrec, without shadows",
    )
    dssim: float = _row(
        0.2,
        check.number(0.0, 1.0),
        "share of (1 - SSIM) / 2 in the image term, tone-mapped; 0 leaves nvdiffrec's loss alone",
    )
    light_step: Literal["logarithmic", "linear"] = _row(
        "logarithmic",
        check.choice("logarithmic", "linear"),
        "how the light learns: logarithmic, by factors, so that a sun can become as bright as it "
        "is; linear, by sums, as nvdiffrec",
    )
    light_rate: float = _row(
        5.0,
        check.number(0.0, 100.0),
        "the light's learning rate, as a multiple of that of the materials; nvdiffrec's is 1",
    )
    normal_rate: float = _row(
        5.0,
        check.number(0.0, 100.0),
        "the normal map's learning rate, as a multiple of that of the other textures; nvdiffrec's "
        "is 1",
    )
    ks_start: tuple[float, float, float] = _row(
        (0.05, 0.5, 0.05),
        check.vector((3,), 0.001, 0.999),
        "occlusion, roughness and metalness that the first pass begins with, as shares of their "
        "ranges; nvdiffrec begins in the middle",
    )
    light_tv: float = _row(
        0.02,
        check.number(0.0, 1e6),
        "weight of the light's total variation, of log(1 + radiance); 0, as nvdiffrec, for none",
    )
    texture_tv: float = _row(
        0.0,
        check.number(0.0, 1e6),
        "weight of the total variation of kd, ks and normal map inside charts, in the second pass",
    )
    coarse_to_fine: float = _row(
        0.0,
        check.number(0.0, 1.0),
        "share of the first pass over which the finer levels of the material's hash grid come in; "
        "0 has all of them from the start",
    )
    remove_unsupported: bool = _row(
        True,
        check.BOOLEAN,
        "after the first pass, remove connected components that no training view sees, or misses "
        "where they are small",
    )
    remesh: bool = _row(
        True,
        check.BOOLEAN,
        "after the first pass, lay even triangles on the surface, about as many of them",
    )
    untangle: bool = _row(
        True,
        check.BOOLEAN,
        "after the second pass, smooth the places where the surface passes through itself",
    )
    uv_method: Literal["projection", "xatlas"] = _row(
        "projection",
        check.choice("projection", "xatlas"),
        "how the mesh is charted: projection, or xatlas by the package of that name",
    )
    uv_timeout: float = _row(
        120.0,
        check.number(0.0, 1e6),
        "seconds that xatlas may take before the projection is used in its place",
    )
    checkpoint_interval: int = _row(
        100,
        check.integer(0, 10_000_000),
        "iterations between checkpoints, from which a run that was ended goes on; 0 makes none",
    )
    checkpoint_seconds: float = _row(
        60.0,
        check.number(0.0, 1e6),
        "at least this many seconds between checkpoints, and more where writing one is slow; 0 "
        "makes one at every checkpoint_interval",
    )
    guard: bool = _row(
        True,
        check.BOOLEAN,
        "go back to the last good state, with half the learning rates, when a pass diverges",
    )
    raster_backend: str = _row(
        "own",
        check.choice("own", "nvdiffrast"),
        "what rasterises, interpolates, antialiases and reads textures: own, or nvdiffrast where "
        "that is installed (CUDA; free for non-commercial use only)",
    )
    field_backend: str = _row(
        "own",
        check.choice("own", "tiny-cuda-nn"),
        "what the material of the first pass is: own, or tiny-cuda-nn where that is installed "
        "(CUDA)",
    )

    asset: tuple[str, ...] = _row(
        ASSET_FORMATS,
        check.choices(*ASSET_FORMATS),
        "formats that the finished mesh is written in beside nvdiffrec's files, with textures of "
        "their own; [] writes no asset",
    )
    asset_name: str | None = _row(
        None,
        check.optional(check.TEXT),
        "name of the asset's files, prims and material; null takes that of the output folder",
    )
    asset_upright: bool = _row(
        True,
        check.BOOLEAN,
        "turn the asset so that +y is up, by the cameras, where the data set does not say what is "
        "up; nvdiffrec's own files stay as they were trained",
    )
    asset_turntable: int = _row(
        12,
        check.integer(0, 1000),
        "pictures of one turn around the asset; 0 for none",
    )

    def __post_init__(self) -> None:
        _normalise(self)
        if self.coarse_to_fine and self.field_backend != "own":
            raise FieldError(
                "coarse_to_fine",
                f'found {shown(self.coarse_to_fine)} with "field_backend" '
                f"{shown(self.field_backend)}, whose levels do not come in one after another",
                '0, or "field_backend" "own"',
            )


@dataclass(frozen=True)
class Config:
    """One training job. Names, defaults and meanings are nvdiffrec's.

    Resolutions are (height, width) in pixels, lengths are world units, colours are linear.
    ``display_res`` left at None becomes ``train_res``. Sequences become tuples.

    Raises:
        FieldError: a value has the wrong type or lies outside its range.
    """

    config: str | None = _row(
        None, check.optional(check.TEXT), "the configuration file, JSON", "--config", path=True
    )
    iter: int = _row(5000, check.integer(1, 10_000_000), "iterations of each pass", "-i", "--iter")
    batch: int = _row(1, check.integer(1, 4096), "views per iteration", "-b", "--batch")
    spp: int = _row(1, check.integer(1, 64), "samples per pixel and axis", "-s", "--spp")
    layers: int = _row(1, check.integer(1, 64), "depth layers", "-l", "--layers")
    train_res: tuple[int, int] = _row(
        (512, 512), check.resolution(16384), "resolution of rendered views", "-r", "--train-res"
    )
    display_res: tuple[int, int] = _row(
        None,  # __post_init__ puts train_res in its place
        check.optional(check.resolution(16384)),
        "resolution of pictures; null is train_res",
        "-dr",
        "--display-res",
    )
    texture_res: tuple[int, int] = _row(
        (1024, 1024), check.resolution(16384), "resolution of the textures", "-tr", "--texture-res"
    )
    display_interval: int = _row(
        0,
        check.integer(0, 10_000_000),
        "nvdiffrec: iterations between updates of its preview window, 0 for none; diffrec opens "
        "none",
        "-di",
        "--display-interval",
    )
    save_interval: int = _row(
        1000,
        check.integer(0, 10_000_000),
        "iterations between progress pictures; 0 makes none",
        "-si",
        "--save-interval",
    )
    learning_rate: Rate | tuple[Rate, ...] = _row(
        0.01,
        check.LEARNING_RATE,
        "learning rate; a list gives one for each pass, a list in it one for positions and one "
        "for materials and light",
        "-lr",
        "--learning-rate",
    )
    min_roughness: float = _row(
        0.08, check.number(0.0, 1.0), "lowest roughness", "-mr", "--min-roughness"
    )
    custom_mip: bool = _row(
        False, check.BOOLEAN, "train every mip level of its own", "-mip", "--custom-mip"
    )
    random_textures: bool = _row(
        False, check.BOOLEAN, "start from random textures", "-rt", "--random-textures"
    )
    background: str = _row(
        "checker", check.choice(*BACKGROUNDS), "background of validation", "-bg", "--background"
    )
    loss: str = _row("logl1", check.choice(*LOSSES), "image loss", "--loss")
    out_dir: str | None = _row(
        None, check.optional(check.OUTPUT_NAME), "results go to out/NAME", "-o", "--out-dir"
    )
    ref_mesh: str | None = _row(
        None,
        check.optional(check.TEXT),
        "what to recover: a reference .obj, or a folder of photographs",
        "-rm",
        "--ref_mesh",
        path=True,
    )
    base_mesh: str | None = _row(
        None,
        check.optional(check.TEXT),
        "start from this mesh; one pass only",
        "-bm",
        "--base-mesh",
        path=True,
    )
    validate: bool = _row(True, check.BOOLEAN, "render and measure the validation views")
    isosurface: str = _row(
        "dmtet", check.choice(*ISOSURFACES), "surface extraction of the first pass", "--isosurface"
    )
    mtl_override: str | None = _row(
        None,
        check.optional(check.TEXT),
        "a material file (.mtl) in place of the reference mesh's own",
        path=True,
    )
    dmtet_grid: int = _row(64, check.integer(4, 512), "edge of the first pass's grid, in cells")
    mesh_scale: float = _row(
        2.1,
        check.number(1e-6, 1e6),
        "side of the cube around the origin in which the first pass looks for the object",
    )
    env_scale: float = _row(1.0, check.number(0.0, 1e6), "factor of the panorama's radiance")
    envmap: str | None = _row(
        None,
        check.optional(check.TEXT),
        "panorama (.hdr) that lights a reference mesh, or that the light starts from",
        path=True,
    )
    display: tuple[dict[str, Any], ...] | None = _row(
        None, check.optional(check.DISPLAY), "further columns of the validation pictures"
    )
    camera_space_light: bool = _row(False, check.BOOLEAN, "the light moves with the camera")
    lock_light: bool = _row(False, check.BOOLEAN, "keep the light as it is in the second pass")
    lock_pos: bool = _row(False, check.BOOLEAN, "keep the vertices as they are in the second pass")
    sdf_regularizer: float = _row(
        0.2, check.number(0.0, 1e9), "weight against surfaces that no view sees, in the first pass"
    )
    laplace: str = _row(
        "relative",
        check.choice("absolute", "relative"),
        "smoothness of the second pass's surface: of the mesh, or of its change",
    )
    laplace_scale: float = _row(10000.0, check.number(0.0, 1e12), "weight of that smoothness")
    pre_load: bool = _row(True, check.BOOLEAN, "read all photographs at the start")
    kd_min: tuple[float, ...] = _row(
        (0.0, 0.0, 0.0, 0.0), check.vector((3, 4), 0.0, 1.0), "lowest albedo, linear"
    )
    kd_max: tuple[float, ...] = _row(
        (1.0, 1.0, 1.0, 1.0), check.vector((3, 4), 0.0, 1.0), "highest albedo, linear"
    )
    ks_min: tuple[float, ...] = _row(
        (0.0, 0.08, 0.0),
        check.vector((3,), 0.0, 1.0),
        "lowest occlusion, roughness and metalness",
    )
    ks_max: tuple[float, ...] = _row(
        (1.0, 1.0, 1.0),
        check.vector((3,), 0.0, 1.0),
        "highest occlusion, roughness and metalness",
    )
    nrm_min: tuple[float, ...] = _row(
        (-1.0, -1.0, 0.0), check.vector((3,), -1.0, 1.0), "lowest components of the normal map"
    )
    nrm_max: tuple[float, ...] = _row(
        (1.0, 1.0, 1.0), check.vector((3,), -1.0, 1.0), "highest components of the normal map"
    )
    cam_near_far: tuple[float, float] = _row(
        (0.1, 1000.0), check.NEAR_FAR, "distances of the near and the far plane"
    )
    learn_light: bool = _row(True, check.BOOLEAN, "recover the light too")
    diffrec: Extensions = dataclasses.field(default_factory=Extensions)

    def __post_init__(self) -> None:
        _normalise(self)
        if isinstance(self.diffrec, Mapping):
            object.__setattr__(self, "diffrec", Extensions(**self.diffrec))
        if self.display_res is None:
            object.__setattr__(self, "display_res", self.train_res)
        for problem in _crossed(vars(self)):
            raise problem

    def learning_rates(self, pass_index: int) -> tuple[float, float]:
        """Initial learning rates (positions, materials and light) of pass 0 or 1.

        One rate alone, bare or as a list of one, serves every pass.
        """
        rates = self.learning_rate
        if isinstance(rates, tuple):
            rate: Any = rates[min(pass_index, len(rates) - 1)]
        else:
            rate = rates
        if isinstance(rate, tuple):
            return float(rate[0]), float(rate[1])
        return float(rate), float(rate)

    @property
    def output_folder(self) -> Path:
        """``out/<out_dir>``, relative to the current directory; never leaves ``out``."""
        name = self.out_dir or (Path(self.config).stem if self.config else "") or "diffrec"
        parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")]
        return Path("out", *(p.replace(":", "_") for p in parts))

    def listing(self) -> str:
        """The ``Config / Flags:`` block, line for line as nvdiffrec prints it."""
        lines = ["Config / Flags:", "---------"]
        for row in FIELDS.values():
            value = getattr(self, row.name)
            if row.name == "out_dir":
                value = self.output_folder.as_posix()
            lines.append(f"{row.name} {_listed(value)}")
        return "\n".join([*lines, "local_rank 0", "multi_gpu False", "---------"])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that ``load_config`` reads back to an equal configuration."""
        values = dataclasses.asdict(self)
        del values["config"]
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


def _listed(value: object) -> str:
    if isinstance(value, tuple):
        return str([list(v) if isinstance(v, tuple) else v for v in value])
    return str(value)


def _rows(table: type) -> Iterator[Row]:
    for item in dataclasses.fields(table):
        if "check" in item.metadata:
            data = item.metadata
            yield Row(
                item.name, item.default, data["check"], data["help"], data["flags"], data["path"]
            )


FIELDS: dict[str, Row] = {row.name: row for row in _rows(Config)}
"""nvdiffrec's fields, which both engines know, by name."""
EXTENSIONS: dict[str, Row] = {row.name: row for row in _rows(Extensions)}
"""The fields of ``"diffrec": {...}``, by name."""
PATHS = tuple(row.name for row in FIELDS.values() if row.path and row.name != "config")
"""The fields that name files or folders."""
NAMES = frozenset(FIELDS) | {SECTION, *NVDIFFREC_OWN}
"""Every name that may stand at the top of a configuration file."""

_RANGES = (("kd_min", "kd_max"), ("ks_min", "ks_max"), ("nrm_min", "nrm_max"))


def _crossed(values: Mapping[str, Any]) -> Iterator[FieldError]:
    """The lower limits that lie above the upper ones."""
    for low, high in _RANGES:
        pairs = zip(values.get(low) or (), values.get(high) or ())
        if any(a > b for a, b in pairs):
            yield FieldError(
                low,
                f'{shown(values[low])} lies above "{high}" {shown(values[high])}',
                f'every component at or below that of "{high}"',
            )


def _normalise(instance: Any) -> None:
    for name, row in (FIELDS if isinstance(instance, Config) else EXTENSIONS).items():
        try:
            object.__setattr__(instance, name, row.check(getattr(instance, name)))
        except Refused as refusal:
            raise FieldError(name, refusal.found, refusal.allowed) from None


def faults(values: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with the values of a configuration that may hold unknown fields."""
    found: list[FieldError] = []
    nested = values.get(SECTION)
    inside = nested if isinstance(nested, Mapping) else {}
    for table, given, prefix in ((FIELDS, values, ""), (EXTENSIONS, inside, f"{SECTION}.")):
        for name, value in given.items():
            try:
                if name in table:
                    table[name].check(value)
            except Refused as refusal:
                found.append(FieldError(prefix + name, refusal.found, refusal.allowed))
    return found or list(_crossed({name: values.get(name) for pair in _RANGES for name in pair}))


def unknown(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of a configuration that no trainer knows, each with a hint at what was meant
    ('' for none)."""
    found = [(name, hint(name)) for name in values if name not in NAMES]
    nested = values.get(SECTION)
    if isinstance(nested, Mapping):
        found += [
            (f"{SECTION}.{name}", hint(name, EXTENSIONS))
            for name in nested
            if name not in EXTENSIONS
        ]
    return found


def hint(name: str, known: Collection[str] = NAMES) -> str:
    """What an unknown field was most likely meant to be, to end a sentence; '' for nothing."""
    if known is NAMES and name in EXTENSIONS:
        return f'it belongs inside the object "{SECTION}": {{"{name}": …}}'
    if known is NAMES and (other := engines.of_nvdiffrecmc(name)):
        return other
    near = nearest(name, known)
    inside = f"{SECTION}." if known is EXTENSIONS else ""
    return f'did you mean "{inside}{near}"?' if near else ""


def load_config(path: str | Path | None, flags: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration file over ``flags`` (nvdiffrec field name -> value).

    Its relative paths start in the current folder, and where nothing is there, beside the file.

    A field of the file wins over the flag of the same name; ``flags["diffrec"]`` (a mapping) wins
    over the file. With ``path`` None the flags alone make the configuration.

    Raises:
        ConfigError: unreadable file, broken JSON, unknown field, wrong type or value out of range.
    """
    flags = dict(flags or {})
    ours = dict(flags.pop(SECTION, {}))
    if path is None:
        return from_mapping({**flags, SECTION: ours}, "command line")
    source = str(path)
    try:
        values = read_object(path, source)
    except JsonError as error:
        raise ConfigError(str(error)) from None
    _known(values, (frozenset(FIELDS) - {"config"}) | {SECTION}, source)
    values = relativepaths.beside_configuration(values, source, PATHS)
    nested = _nested(values, source)
    return from_mapping({**flags, **values, "config": source, SECTION: {**nested, **ours}}, source)


def from_mapping(values: Mapping[str, Any], source: str) -> Config:
    """Check ``values`` and make the configuration; ``source`` names their origin in errors.

    Raises:
        ConfigError: unknown field, wrong type or value out of range.
    """
    _known(values, frozenset(FIELDS) | {SECTION}, source)
    values = dict(values)
    nested = _nested(values, source)
    _known(nested, EXTENSIONS, source, inside=f"{SECTION}.")
    try:
        extensions = Extensions(**nested)
    except FieldError as error:
        raise ConfigError(f"{source}: {error.inside(f'{SECTION}.')}") from None
    try:
        return Config(**values, diffrec=extensions)
    except FieldError as error:
        raise ConfigError(f"{source}: {error}") from None


def _nested(values: dict[str, Any], source: str) -> Mapping[str, Any]:
    """The object of our own fields, taken out of ``values``."""
    nested = values.pop(SECTION, {})
    if not isinstance(nested, Mapping):
        raise ConfigError(f'{source}: "{SECTION}": found {shown(nested)}; allowed: an object {{…}}')
    return nested


def _known(
    values: Mapping[str, Any], known: Collection[str], source: str, inside: str = ""
) -> None:
    for name in values:
        if name in known:
            continue
        meant = hint(name, EXTENSIONS if inside else NAMES)
        meant = meant or f"known fields: {', '.join(sorted(known))}"
        raise ConfigError(f'{source}: unknown field "{inside}{shortened(name)}"; {meant}')
