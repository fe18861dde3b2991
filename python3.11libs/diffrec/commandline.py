"""The command line of the trainer: nvdiffrec's flags, and --device, --seed and --restart."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, Config, Row, load_config
from nvdiffrec_contract.errors import ConfigError

EPILOG = (
    "A field that the configuration file names wins over the flag of the same name, as with "
    "nvdiffrec; --device and --seed win over the file. Paths are relative to the current "
    "folder, or to the configuration's where nothing is there; results go to out/<out-dir> "
    "below the current one. A run that was ended goes on from its checkpoint there when the "
    "same command is given again, and one that is finished is left as it is."
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
    for row in (*FIELDS.values(), *EXTENSIONS.values()):
        if row.flags:
            result.add_argument(*row.flags, **_options(row))
    # nvdiffrec converts the text with bool(): "false" is true, only "" is false.
    help = "render and measure the validation views (any text is true)"
    result.add_argument("--validate", metavar="TEXT", type=bool, help=help)
    help = "begin anew where a checkpoint would go on, or the results are finished"
    result.add_argument("--restart", action="store_true", help=help)
    return result


def _options(row: Row) -> dict[str, Any]:
    """How argparse reads a field's flag, by what the field may hold."""
    default = row.default
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
    found: dict[str, Any] = {"help": row.help if default is None else f"{row.help} ({shown})"}
    schema = next(iter(row.check.schema.get("anyOf", [row.check.schema])))
    if "enum" in schema:
        found["choices"] = schema["enum"]
    elif schema["type"] == "boolean":
        found["action"] = "store_true"
    elif schema["type"] == "array":
        found |= {"nargs": 2, "type": int, "metavar": ("H", "W")}
    elif schema["type"] != "string":
        found["type"] = int if schema["type"] == "integer" else float
    elif row.path:
        found["metavar"] = "PATH"
    return found


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
