"""The command line of the trainer: nvdiffrec's flags, and --device, --seed and --restart."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from diffrec.config import BACKGROUNDS, ISOSURFACES, LOSSES, Config, load_config
from diffrec.configchecks import ConfigError

EPILOG = (
    "A field that the configuration file names wins over the flag of the same name, as with "
    "nvdiffrec; --device and --seed win over the file. Paths are relative to the current folder, "
    "results go to out/<out-dir> below it. A run that was ended goes on from its checkpoint there "
    "when the same command is given again."
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"command line: {message}; --help lists the flags")


def parser() -> argparse.ArgumentParser:
    """The argument parser; flags that are not given leave no trace in its result."""
    result = _Parser(
        prog="diffrec",
        description="Recover a triangle mesh, PBR textures and an HDR light probe from images.",
        epilog=EPILOG,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )

    def add(*names: str, **options: Any) -> None:
        result.add_argument(*names, **options)

    pair: dict[str, Any] = {"nargs": 2, "type": int, "metavar": ("H", "W")}
    add("--config", metavar="FILE", help="configuration, JSON")
    add("-i", "--iter", type=int, help="iterations of each pass (5000)")
    add("-b", "--batch", type=int, help="views per iteration (1)")
    add("-s", "--spp", type=int, help="samples per pixel and axis (1)")
    add("-l", "--layers", type=int, help="depth layers (1)")
    add("-r", "--train-res", **pair, help="resolution of rendered views (512 512)")
    add("-dr", "--display-res", **pair, help="resolution of pictures (as --train-res)")
    add("-tr", "--texture-res", **pair, help="resolution of the textures (1024 1024)")
    add("-di", "--display-interval", type=int, help="accepted, without effect (0)")
    add("-si", "--save-interval", type=int, help="iterations between progress pictures (1000)")
    add("-lr", "--learning-rate", type=float, help="learning rate (0.01)")
    add("-mr", "--min-roughness", type=float, help="lowest roughness (0.08)")
    add("-mip", "--custom-mip", action="store_true", help="train every mip level of its own")
    add("-rt", "--random-textures", action="store_true", help="start from random textures")
    add("-bg", "--background", choices=BACKGROUNDS, help="background of validation (checker)")
    add("--loss", choices=LOSSES, help="image loss (logl1)")
    add("-o", "--out-dir", metavar="NAME", help="results go to out/NAME")
    add("-rm", "--ref_mesh", metavar="PATH", help="reference .obj, or folder of photographs")
    add("-bm", "--base-mesh", metavar="FILE", help="start from this mesh; one pass only")
    add("--validate", metavar="TEXT", type=_any_text, help="validate (true; any text is true)")
    add("--isosurface", choices=ISOSURFACES, help="surface extraction of pass 1 (dmtet)")
    add("--device", metavar="auto|cpu|cuda", help="where to compute (auto)")
    add("--restart", action="store_true", help="begin anew where a checkpoint would go on")
    add("--seed", type=int, help="start of the random sequences (0)")
    return result


def _any_text(text: str) -> bool:
    # nvdiffrec converts the text with bool(): "false" is true, only "" is false.
    return bool(text)


@dataclass(frozen=True)
class Command:
    """What a command line asks for. `restart`: without the checkpoint of an earlier run."""

    config: Config
    restart: bool = False


def command(argv: Sequence[str]) -> Command:
    """Read a command line (without the program's name).

    ``--help`` prints and exits the process with 0.

    Raises:
        ConfigError: unknown flag, missing value, or whatever :func:`load_config` refuses.
    """
    values = vars(parser().parse_args(list(argv)))
    path = values.pop("config", None)
    restart = bool(values.pop("restart", False))
    ours = {name: values.pop(name) for name in ("device", "seed") if name in values}
    return Command(load_config(path, {**values, "diffrec": ours}), restart)


def parse(argv: Sequence[str]) -> Config:
    """The configuration of a command line, see :func:`command`."""
    return command(argv).config


def print_flags(config: Config, write: Callable[[str], None] | None = None) -> None:
    """Print the ``Config / Flags:`` block, in nvdiffrec's form, at once."""
    if write is None:
        print(config.listing(), flush=True)
    else:
        write(config.listing())
