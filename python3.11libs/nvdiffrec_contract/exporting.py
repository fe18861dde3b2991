"""The command that writes an asset of a result: what the toolkit takes and hands to the trainer."""

from __future__ import annotations

import argparse
from pathlib import Path

from nvdiffrec_contract import layout
from nvdiffrec_contract.checks import Refused
from nvdiffrec_contract.configuration import (
    ASSET_BITS,
    ASSET_DETAIL,
    ASSET_FORMATS,
    ASSET_SIZE,
    ASSET_TEXTURES,
    ASSET_TILES,
)

MODULE = "diffrec.asset"
"""The module that is run, in the trainer's environment."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "result",
        metavar="RESULT",
        type=Path,
        help=f"the output folder of a training that is done, with {layout.FINAL}/ in it",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help=f"where to write (RESULT/{layout.ASSET})"
    )
    parser.add_argument("--name", help="of the asset (the result's folder)")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=ASSET_FORMATS,
        default=list(ASSET_FORMATS),
        help="what to write beside the textures (all)",
    )
    parser.add_argument(
        "--turntable",
        metavar="N",
        type=int,
        default=0,
        help="write N pictures of one turn as well (0)",
    )
    parser.add_argument(
        "--lods",
        nargs="+",
        type=_detail,
        metavar="N",
        default=[],
        help="levels of detail beside the whole mesh: each a share of its triangles, as 0.25, or a "
        "number of them, as 5000 (none)",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=ASSET_BITS.schema["enum"],
        default=8,
        help="bits a channel of the textures; normals have 16 always (8)",
    )
    parser.add_argument(
        "--textures",
        choices=ASSET_TEXTURES,
        default=ASSET_TEXTURES[0],
        help="the textures' files: png, or exr in floating point, the albedo linear (png)",
    )
    parser.add_argument(
        "--size",
        type=int,
        choices=ASSET_SIZE.schema["enum"],
        help="texels along the textures' longer edge (as many as were trained)",
    )
    parser.add_argument(
        "--udim",
        metavar="N",
        type=int,
        choices=range(ASSET_TILES + 1),
        default=0,
        help=f"distribute the charts over N UDIM tiles, at most {ASSET_TILES}, each a texture of "
        "--size (0: one texture)",
    )
    parser.add_argument(
        "--cameras",
        action="store_true",
        help="write the cameras of the photographs as a USD layer; the photographs must still be "
        "where the training found them. Without it an older layer is removed",
    )


def _detail(text: str) -> float:
    """One level of detail. Raises: argparse.ArgumentTypeError."""
    try:
        number = float(text)
        (level,) = ASSET_DETAIL([int(number) if number >= 1 else number])
    except (ValueError, OverflowError, Refused):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a share of the triangles between 0 and 1 nor a number of them "
            "from 4"
        ) from None
    return float(level)


def arguments(given: argparse.Namespace) -> list[str]:
    """The same as an argument list, with absolute paths."""
    found = ["--formats", *given.formats, "--turntable", str(given.turntable)]
    found += [f"--bits={given.bits}", f"--textures={given.textures}"]
    if given.size is not None:
        found.append(f"--size={given.size}")
    if given.udim:
        found.append(f"--udim={given.udim}")
    if given.cameras:
        found.append("--cameras")
    if given.lods:
        found += ["--lods", *map(repr, given.lods)]
    if given.out is not None:
        found.append(f"--out={given.out.absolute()}")
    if given.name is not None:
        found.append(f"--name={given.name}")
    return [*found, "--", str(given.result.absolute())]
