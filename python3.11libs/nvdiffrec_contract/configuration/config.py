"""nvdiffrec's fields, which both engines know."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from nvdiffrec_contract import checks as check
from nvdiffrec_contract.configuration.extensions import Extensions
from nvdiffrec_contract.configuration.rows import Row, normalise, row, rows
from nvdiffrec_contract.errors import FieldError
from nvdiffrec_contract.wording import shown

BACKGROUNDS = ("black", "white", "checker", "reference")
LOSSES = ("logl1", "logl2", "mse", "smape", "relmse")
ISOSURFACES = ("dmtet", "flexicubes")
SECTION = "diffrec"
"""The object that holds the fields of the diffrec trainer alone."""
NVDIFFREC_OWN = ("multi_gpu", "local_rank")
"""Names that nvdiffrec keeps among its flags and sets itself; a configuration may hold them."""

Rate = Union[float, tuple[float, float]]


@dataclass(frozen=True)
class Config:
    """One training job. Names, defaults and meanings are nvdiffrec's.

    Resolutions are (height, width) in pixels, lengths are world units, colours are linear.
    ``display_res`` left at None becomes ``train_res``. Sequences become tuples.

    Raises:
        FieldError: a value has the wrong type or lies outside its range.
    """

    config: str | None = row(
        None, check.optional(check.TEXT), "the configuration file, JSON", "--config", path=True
    )
    iter: int = row(5000, check.integer(1, 10_000_000), "iterations of each pass", "-i", "--iter")
    batch: int = row(1, check.integer(1, 4096), "views per iteration", "-b", "--batch")
    spp: int = row(1, check.integer(1, 64), "samples per pixel and axis", "-s", "--spp")
    layers: int = row(1, check.integer(1, 64), "depth layers", "-l", "--layers")
    train_res: tuple[int, int] = row(
        (512, 512), check.resolution(16384), "resolution of rendered views", "-r", "--train-res"
    )
    display_res: tuple[int, int] = row(
        None,  # __post_init__ puts train_res in its place
        check.optional(check.resolution(16384)),
        "resolution of pictures; null is train_res",
        "-dr",
        "--display-res",
    )
    texture_res: tuple[int, int] = row(
        (1024, 1024), check.resolution(16384), "resolution of the textures", "-tr", "--texture-res"
    )
    display_interval: int = row(
        0,
        check.integer(0, 10_000_000),
        "nvdiffrec: iterations between updates of its preview window, 0 for none; diffrec opens "
        "none",
        "-di",
        "--display-interval",
    )
    save_interval: int = row(
        1000,
        check.integer(0, 10_000_000),
        "iterations between progress pictures; 0 makes none",
        "-si",
        "--save-interval",
    )
    learning_rate: Rate | tuple[Rate, ...] = row(
        0.01,
        check.LEARNING_RATE,
        "learning rate; a list gives one for each pass, a list in it one for positions and one "
        "for materials and light",
        "-lr",
        "--learning-rate",
    )
    min_roughness: float = row(
        0.08, check.number(0.0, 1.0), "lowest roughness", "-mr", "--min-roughness"
    )
    custom_mip: bool = row(
        False, check.BOOLEAN, "train every mip level of its own", "-mip", "--custom-mip"
    )
    random_textures: bool = row(
        False, check.BOOLEAN, "start from random textures", "-rt", "--random-textures"
    )
    background: str = row(
        "checker", check.choice(*BACKGROUNDS), "background of validation", "-bg", "--background"
    )
    loss: str = row("logl1", check.choice(*LOSSES), "image loss", "--loss")
    out_dir: str | None = row(
        None, check.optional(check.OUTPUT_NAME), "results go to out/NAME", "-o", "--out-dir"
    )
    ref_mesh: str | None = row(
        None,
        check.optional(check.TEXT),
        "what to recover: a reference .obj, or a folder of photographs",
        "-rm",
        "--ref_mesh",
        path=True,
    )
    base_mesh: str | None = row(
        None,
        check.optional(check.TEXT),
        "start from this mesh; one pass only",
        "-bm",
        "--base-mesh",
        path=True,
    )
    validate: bool = row(True, check.BOOLEAN, "render and measure the validation views")
    isosurface: str = row(
        "dmtet", check.choice(*ISOSURFACES), "surface extraction of the first pass", "--isosurface"
    )
    mtl_override: str | None = row(
        None,
        check.optional(check.TEXT),
        "a material file (.mtl) in place of the reference mesh's own",
        path=True,
    )
    dmtet_grid: int = row(64, check.integer(4, 512), "edge of the first pass's grid, in cells")
    mesh_scale: float = row(
        2.1,
        check.number(1e-6, 1e6),
        "side of the cube around the origin in which the first pass looks for the object",
    )
    env_scale: float = row(1.0, check.number(0.0, 1e6), "factor of the panorama's radiance")
    envmap: str | None = row(
        None,
        check.optional(check.TEXT),
        "panorama (.hdr) that lights a reference mesh, or that the light starts from",
        path=True,
    )
    display: tuple[dict[str, Any], ...] | None = row(
        None, check.optional(check.DISPLAY), "further columns of the validation pictures"
    )
    camera_space_light: bool = row(False, check.BOOLEAN, "the light moves with the camera")
    lock_light: bool = row(False, check.BOOLEAN, "keep the light as it is in the second pass")
    lock_pos: bool = row(False, check.BOOLEAN, "keep the vertices as they are in the second pass")
    sdf_regularizer: float = row(
        0.2, check.number(0.0, 1e9), "weight against surfaces that no view sees, in the first pass"
    )
    laplace: str = row(
        "relative",
        check.choice("absolute", "relative"),
        "smoothness of the second pass's surface: of the mesh, or of its change",
    )
    laplace_scale: float = row(10000.0, check.number(0.0, 1e12), "weight of that smoothness")
    pre_load: bool = row(True, check.BOOLEAN, "read all photographs at the start")
    kd_min: tuple[float, ...] = row(
        (0.0, 0.0, 0.0, 0.0), check.vector((3, 4), 0.0, 1.0), "lowest albedo, linear"
    )
    kd_max: tuple[float, ...] = row(
        (1.0, 1.0, 1.0, 1.0), check.vector((3, 4), 0.0, 1.0), "highest albedo, linear"
    )
    ks_min: tuple[float, ...] = row(
        (0.0, 0.08, 0.0),
        check.vector((3,), 0.0, 1.0),
        "lowest occlusion, roughness and metalness",
    )
    ks_max: tuple[float, ...] = row(
        (1.0, 1.0, 1.0),
        check.vector((3,), 0.0, 1.0),
        "highest occlusion, roughness and metalness",
    )
    nrm_min: tuple[float, ...] = row(
        (-1.0, -1.0, 0.0), check.vector((3,), -1.0, 1.0), "lowest components of the normal map"
    )
    nrm_max: tuple[float, ...] = row(
        (1.0, 1.0, 1.0), check.vector((3,), -1.0, 1.0), "highest components of the normal map"
    )
    cam_near_far: tuple[float, float] = row(
        (0.1, 1000.0), check.NEAR_FAR, "distances of the near and the far plane"
    )
    learn_light: bool = row(True, check.BOOLEAN, "recover the light too")
    diffrec: Extensions = dataclasses.field(default_factory=Extensions)

    def __post_init__(self) -> None:
        normalise(self, FIELDS)
        if isinstance(self.diffrec, Mapping):
            object.__setattr__(self, "diffrec", Extensions(**self.diffrec))
        if self.display_res is None:
            object.__setattr__(self, "display_res", self.train_res)
        for problem in crossed(vars(self)):
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
        for one in FIELDS.values():
            value = getattr(self, one.name)
            if one.name == "out_dir":
                value = self.output_folder.as_posix()
            lines.append(f"{one.name} {_listed(value)}")
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


FIELDS: dict[str, Row] = rows(Config)
"""nvdiffrec's fields, which both engines know, by name."""
PATHS = tuple(one.name for one in FIELDS.values() if one.path and one.name != "config")
"""The fields that name files or folders."""
NAMES = frozenset(FIELDS) | {SECTION, *NVDIFFREC_OWN}
"""Every name that may stand at the top of a configuration file."""

RANGES = (("kd_min", "kd_max"), ("ks_min", "ks_max"), ("nrm_min", "nrm_max"))


def crossed(values: Mapping[str, Any]) -> Iterator[FieldError]:
    """What is right alone and does not fit together: lower limits above the upper ones, and shadows
    under a light that turns."""
    for low, high in RANGES:
        pairs = zip(values.get(low) or (), values.get(high) or ())
        if any(a > b for a, b in pairs):
            yield FieldError(
                low,
                f'{shown(values[low])} lies above "{high}" {shown(values[high])}',
                f'every component at or below that of "{high}"',
            )
    own = values.get("diffrec")
    shadows = own.get("shadows") if isinstance(own, Mapping) else getattr(own, "shadows", None)
    if values.get("camera_space_light") and shadows not in (None, "auto", "off"):
        yield FieldError(
            "camera_space_light",
            f'a light that turns with the camera has no "shadows" {shown(shadows)}',
            'false, or "diffrec": {"shadows": "off"}',
        )
