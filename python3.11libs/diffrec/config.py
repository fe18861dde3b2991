"""Typed training configuration; reads nvdiffrec's JSON files unchanged.

A configuration is one JSON object. Its fields carry nvdiffrec's names and defaults; the fields of
this trainer alone stand in one nested object, ``"diffrec": {...}`` (see :class:`Extensions`).
As with nvdiffrec, a field named in the JSON file wins over the command-line flag of that name;
``--device`` and ``--seed``, which are ours alone, win over the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from diffrec import configchecks as check
from diffrec.configchecks import ConfigError, FieldError
from diffrec.jsonfiles import read_object

__all__ = ["Config", "ConfigError", "Extensions", "load_config"]

BACKGROUNDS = ("black", "white", "checker", "reference")
LOSSES = ("logl1", "logl2", "mse", "smape", "relmse")
ISOSURFACES = ("dmtet", "flexicubes")
LAPLACES = ("absolute", "relative")
DEVICES = ("auto", "cpu", "cuda")

Rate = float | tuple[float, float]


@dataclass(frozen=True)
class Extensions:
    """Fields of this trainer alone: the JSON object ``"diffrec"``.

    Raises:
        ConfigError: a value has the wrong type or lies outside its range.
    """

    seed: int = 0
    """Start of every random sequence."""
    device: str = "auto"
    """``auto`` (CUDA when present), ``cpu``, ``cuda`` or ``cuda:N``."""
    light_res: int = 512
    """Edge of a face of the environment light's cube map, texels; a power of two."""
    holdout: int = 0
    """Every Nth view in sorted order, from the first, is kept for validation; 0 keeps none."""
    photo_res: tuple[int, int] | None = None
    """Photographs are reduced to this (height, width) with an area filter; None keeps theirs."""
    validation_views: int | None = None
    """At most this many views are validated, evenly picked; None validates all."""
    hashgrid_size_log2: int = 19
    """Entries per level of the material's hash grid, as a power of two."""
    start: str = "auto"
    """What the first pass begins with: ``random``, as nvdiffrec; ``hull``, the visual hull of the
    masks; ``auto`` takes the hull for photographs."""
    final_rate: float = 0.05
    """Share to which the second pass's learning rates fall, beside nvdiffrec's own decay (1 leaves
    that alone): textures come to rest between the views instead of following the last few."""
    dssim: float = 0.0
    """Share of (1 - SSIM) / 2 in the image term, tone-mapped; 0 leaves nvdiffrec's loss alone."""
    light_tv: float = 0.0
    """Weight of the light's total variation, of log(1 + radiance); 0 for none."""
    texture_tv: float = 0.0
    """Weight of the total variation of kd, ks and normal map inside charts, in the second pass."""
    coarse_to_fine: float = 0.0
    """Share of the first pass over which the finer levels of the material's hash grid come in, one
    after another; 0 has all of them from the start."""
    uv_method: Literal["projection", "xatlas"] = "projection"
    """How the mesh is charted: ``projection``, or ``xatlas`` by the package of that name."""
    uv_timeout: float = 120.0
    """Seconds that xatlas may take before the projection is used in its place."""
    checkpoint_interval: int = 100
    """Iterations between checkpoints, from which a run that was ended goes on; 0 makes none."""
    checkpoint_seconds: float = 60.0
    """At least this many seconds between checkpoints, and more where writing one is slow; 0 makes
    one at every ``checkpoint_interval``."""
    guard: bool = True
    """Go back to the last good state, with half the learning rates, when a pass diverges."""
    raster_backend: str = "own"
    """What rasterises, interpolates, antialiases and reads textures while training: ``own``, or
    ``nvdiffrast`` where that is installed (CUDA; free for non-commercial use only)."""
    field_backend: str = "own"
    """What the material of the first pass is: ``own``, or ``tiny-cuda-nn`` where that is installed
    (CUDA)."""

    def __post_init__(self) -> None:
        _normalise(self, EXTENSION_CHECKS)
        if self.coarse_to_fine and self.field_backend != "own":
            raise FieldError(
                "coarse_to_fine",
                f'found {check.shown(self.coarse_to_fine)} with "field_backend" '
                f"{check.shown(self.field_backend)}, whose levels do not come in one after another",
                '0, or "field_backend" "own"',
            )


@dataclass(frozen=True)
class Config:
    """One training job. Attribute names, defaults and meanings are nvdiffrec's.

    Resolutions are (height, width) in pixels, lengths are world units, colours are linear.
    ``display_res`` left at None becomes ``train_res``. Sequences become tuples.

    Raises:
        ConfigError: a value has the wrong type or lies outside its range.
    """

    config: str | None = None
    iter: int = 5000
    batch: int = 1
    spp: int = 1
    layers: int = 1
    train_res: tuple[int, int] = (512, 512)
    display_res: tuple[int, int] = cast("tuple[int, int]", None)  # replaced by train_res below
    texture_res: tuple[int, int] = (1024, 1024)
    display_interval: int = 0
    save_interval: int = 1000
    learning_rate: Rate | tuple[Rate, ...] = 0.01
    min_roughness: float = 0.08
    custom_mip: bool = False
    random_textures: bool = False
    background: str = "checker"
    loss: str = "logl1"
    out_dir: str | None = None
    ref_mesh: str | None = None
    base_mesh: str | None = None
    validate: bool = True
    isosurface: str = "dmtet"
    mtl_override: str | None = None
    dmtet_grid: int = 64
    mesh_scale: float = 2.1
    env_scale: float = 1.0
    envmap: str | None = None
    display: tuple[dict[str, Any], ...] | None = None
    camera_space_light: bool = False
    lock_light: bool = False
    lock_pos: bool = False
    sdf_regularizer: float = 0.2
    laplace: str = "relative"
    laplace_scale: float = 10000.0
    pre_load: bool = True
    kd_min: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    kd_max: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    ks_min: tuple[float, ...] = (0.0, 0.08, 0.0)
    ks_max: tuple[float, ...] = (1.0, 1.0, 1.0)
    nrm_min: tuple[float, ...] = (-1.0, -1.0, 0.0)
    nrm_max: tuple[float, ...] = (1.0, 1.0, 1.0)
    cam_near_far: tuple[float, float] = (0.1, 1000.0)
    learn_light: bool = True
    diffrec: Extensions = field(default_factory=Extensions)

    def __post_init__(self) -> None:
        _normalise(self, CHECKS)
        if isinstance(self.diffrec, Mapping):
            object.__setattr__(self, "diffrec", Extensions(**self.diffrec))
        if self.display_res is None:
            object.__setattr__(self, "display_res", self.train_res)
        for low, high in (("kd_min", "kd_max"), ("ks_min", "ks_max"), ("nrm_min", "nrm_max")):
            pairs = zip(getattr(self, low), getattr(self, high), strict=False)
            if any(a > b for a, b in pairs):
                raise FieldError(
                    low,
                    f"{check.shown(getattr(self, low))} lies above "
                    f'"{high}" {check.shown(getattr(self, high))}',
                    f'every component at or below that of "{high}"',
                )

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
        for item in dataclasses.fields(self):
            if item.name == "diffrec":
                continue
            value = getattr(self, item.name)
            if item.name == "out_dir":
                value = self.output_folder.as_posix()
            lines.append(f"{item.name} {_listed(value)}")
        return "\n".join([*lines, "local_rank 0", "multi_gpu False", "---------"])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that :func:`load_config` reads back to an equal configuration."""
        values = dataclasses.asdict(self)
        del values["config"]
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


def _listed(value: object) -> str:
    if isinstance(value, tuple):
        return str([list(v) if isinstance(v, tuple) else v for v in value])
    return str(value)


def _normalise(instance: Any, checks: Mapping[str, Callable[[Any], Any]]) -> None:
    for name, checker in checks.items():
        try:
            object.__setattr__(instance, name, checker(getattr(instance, name)))
        except check.Refused as refusal:
            raise FieldError(name, refusal.found, refusal.allowed) from None


CHECKS: dict[str, Callable[[Any], Any]] = {
    "config": check.optional(check.text),
    "iter": check.integer(1, 10_000_000),
    "batch": check.integer(1, 4096),
    "spp": check.integer(1, 64),
    "layers": check.integer(1, 64),
    "train_res": check.resolution(16384),
    "display_res": check.optional(check.resolution(16384)),
    "texture_res": check.resolution(16384),
    "display_interval": check.integer(0, 10_000_000),
    "save_interval": check.integer(0, 10_000_000),
    "learning_rate": check.learning_rate,
    "min_roughness": check.number(0.0, 1.0),
    "custom_mip": check.boolean,
    "random_textures": check.boolean,
    "background": check.choice(*BACKGROUNDS),
    "loss": check.choice(*LOSSES),
    "out_dir": check.optional(check.output_name),
    "ref_mesh": check.optional(check.text),
    "base_mesh": check.optional(check.text),
    "validate": check.boolean,
    "isosurface": check.choice(*ISOSURFACES),
    "mtl_override": check.optional(check.text),
    "dmtet_grid": check.integer(4, 512),
    "mesh_scale": check.number(1e-6, 1e6),
    "env_scale": check.number(0.0, 1e6),
    "envmap": check.optional(check.text),
    "display": check.optional(check.display),
    "camera_space_light": check.boolean,
    "lock_light": check.boolean,
    "lock_pos": check.boolean,
    "sdf_regularizer": check.number(0.0, 1e9),
    "laplace": check.choice(*LAPLACES),
    "laplace_scale": check.number(0.0, 1e12),
    "pre_load": check.boolean,
    "kd_min": check.vector((3, 4), 0.0, 1.0),
    "kd_max": check.vector((3, 4), 0.0, 1.0),
    "ks_min": check.vector((3,), 0.0, 1.0),
    "ks_max": check.vector((3,), 0.0, 1.0),
    "nrm_min": check.vector((3,), -1.0, 1.0),
    "nrm_max": check.vector((3,), -1.0, 1.0),
    "cam_near_far": check.near_far,
    "learn_light": check.boolean,
}

EXTENSION_CHECKS: dict[str, Callable[[Any], Any]] = {
    "seed": check.integer(0, 2**63 - 1),
    "device": check.device,
    "light_res": check.power_of_two(16, 4096),
    "holdout": check.integer(0, 1_000_000),
    "photo_res": check.optional(check.resolution(16384)),
    "validation_views": check.optional(check.integer(1, 1_000_000)),
    "hashgrid_size_log2": check.integer(4, 24),
    "start": check.choice("auto", "random", "hull"),
    "final_rate": check.number(1e-6, 1.0),
    "dssim": check.number(0.0, 1.0),
    "light_tv": check.number(0.0, 1e6),
    "texture_tv": check.number(0.0, 1e6),
    "coarse_to_fine": check.number(0.0, 1.0),
    "uv_method": check.choice("projection", "xatlas"),
    "uv_timeout": check.number(0.0, 1e6),
    "checkpoint_interval": check.integer(0, 10_000_000),
    "checkpoint_seconds": check.number(0.0, 1e6),
    "guard": check.boolean,
    "raster_backend": check.choice("own", "nvdiffrast"),
    "field_backend": check.choice("own", "tiny-cuda-nn"),
}


def load_config(path: str | Path | None, flags: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration file over ``flags`` (nvdiffrec field name -> value).

    A field of the file wins over the flag of the same name; ``flags["diffrec"]`` (a mapping) wins
    over the file. With ``path`` None the flags alone make the configuration.

    Raises:
        ConfigError: unreadable file, broken JSON, unknown field, wrong type or value out of range.
    """
    flags = dict(flags or {})
    ours = dict(flags.pop("diffrec", {}))
    if path is None:
        return from_mapping({**flags, "diffrec": ours}, "command line")
    source = str(path)
    values = read_object(Path(path), source)
    _known(values, CHECKS.keys() - {"config"} | {"diffrec"}, source)
    nested = values.pop("diffrec", {})
    if not isinstance(nested, dict):
        raise ConfigError(
            f'{source}: "diffrec": found {check.shown(nested)}; allowed: an object {{…}}'
        )
    return from_mapping(
        {**flags, **values, "config": source, "diffrec": {**nested, **ours}}, source
    )


def from_mapping(values: Mapping[str, Any], source: str) -> Config:
    """Check ``values`` and make the configuration; ``source`` names their origin in errors.

    Raises:
        ConfigError: unknown field, wrong type or value out of range.
    """
    _known(values, CHECKS.keys() | {"diffrec"}, source)
    values = dict(values)
    nested = values.pop("diffrec", {})
    _known(nested, EXTENSION_CHECKS.keys(), source, inside="diffrec.")
    try:
        extensions = Extensions(**nested)
    except FieldError as error:
        raise ConfigError(f"{source}: {error.inside('diffrec.')}") from None
    try:
        return Config(**values, diffrec=extensions)
    except FieldError as error:
        raise ConfigError(f"{source}: {error}") from None


def _known(values: Mapping[str, Any], known: Any, source: str, inside: str = "") -> None:
    for name in values:
        if name in known:
            continue
        text = f'{source}: unknown field "{inside}{check.shortened(name)}"'
        near = difflib.get_close_matches(name[:80], sorted(known), n=1)
        if near:
            text += f'; did you mean "{inside}{near[0]}"?'
        elif not inside and name in EXTENSION_CHECKS:
            text += f'; it belongs inside the object "diffrec": {{"{name}": …}}'
        else:
            text += f"; known fields: {', '.join(sorted(known))}"
        raise ConfigError(text)
