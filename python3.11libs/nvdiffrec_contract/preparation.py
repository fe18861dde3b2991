"""What may be said of a preparation: photographs or a film in, a data set out.

From this table come the command line of ``diffrec.prepare`` and that of the toolkit.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

MATCHING = ("auto", "exhaustive", "film", "retrieval")
"""How pairs of photographs are chosen: by default every pair of a small set."""
RANGES = {"most": (8, 5000), "longest": (256, 8192), "train_size": (64, 4096), "threads": (0, 1024)}
"""What the numbers of a preparation may be."""
METRES = (0.0001, 10000.0)
"""What a known length may be."""
CONFIGURATION = "train.json"
"""The training configuration in a data set that was prepared."""
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
HEIF = (".heic", ".heif", ".avif")
RAW = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".rw2", ".orf", ".pef", ".srw")
PHOTOGRAPHS = (*PICTURES, *HEIF, *RAW)
"""Endings of the photographs that are read."""
FILMS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts")
"""Endings of the films that are read."""


@dataclass(frozen=True)
class Preparation:
    """One preparation; paths are absolute.

    Attributes:
        source: a folder of photographs, a film, or another tool's project with solved cameras.
        out: the folder that the data set is made in.
        masks: a folder of masks by name; None looks beside the photographs.
        mask_model: an ONNX file that finds the object in a picture.
        most: photographs that are used at most.
        longest: longest side of the photographs that cameras are solved from, pixels.
        train_size: longest side of the pictures that are trained from, pixels.
        matching: one of ``MATCHING``.
        threads: processor threads; 0 for as many as there are.
        photographs: the folder of a project's photographs; None looks beside the project.
        marker: side of the printed markers that the photographs show, metres; None for none.
        height: of the object as it stands, metres; None where it is not known.
    """

    source: Path
    out: Path
    masks: Optional[Path] = None  # noqa: UP045 - Python 3.9
    mask_model: Optional[Path] = None  # noqa: UP045
    most: int = 300
    longest: int = 1600
    train_size: int = 800
    matching: str = "auto"
    threads: int = 0
    photographs: Optional[Path] = None  # noqa: UP045
    marker: Optional[float] = None  # noqa: UP045
    height: Optional[float] = None  # noqa: UP045

    def inputs(self) -> list[Optional[Path]]:  # noqa: UP045
        """What is read: a file or folder for each of ``INPUTS``, None where none was named."""
        return [getattr(self, name) for name in INPUTS]


def _between(low: int, high: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value}; allowed: {low} to {high}")
        return value

    number.__name__ = "whole number"
    return number


def _metres(text: str) -> float:
    value = float(text)
    if not METRES[0] <= value <= METRES[1]:
        raise argparse.ArgumentTypeError(f"{text}; allowed: {METRES[0]} to {METRES[1]} metres")
    return value


_metres.__name__ = "number of metres"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a preparation."""
    parser.add_argument(
        "source",
        metavar="INPUT",
        help="a folder of photographs, a film, or a project with cameras: COLMAP, transforms.json, "
        "Metashape, RealityScan, AliceVision, Bundler, LLFF",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="made if missing")
    parser.add_argument(
        "--photographs",
        metavar="FOLDER",
        help="the photographs of a project that do not lie beside it",
    )
    parser.add_argument(
        "--masks", metavar="FOLDER", help="masks by file name (INPUT/masks, else they are made)"
    )
    parser.add_argument(
        "--mask-model", metavar="FILE.onnx", help="a model of your own that makes the masks"
    )
    parser.add_argument(
        "--most",
        type=_between(*RANGES["most"]),
        default=Preparation.most,
        metavar="N",
        help="photographs that are used at most (%(default)s)",
    )
    parser.add_argument(
        "--longest",
        type=_between(*RANGES["longest"]),
        default=Preparation.longest,
        metavar="PIXELS",
        help="longest side of the photographs that cameras are solved from (%(default)s)",
    )
    parser.add_argument(
        "--train-size",
        type=_between(*RANGES["train_size"]),
        default=Preparation.train_size,
        metavar="PIXELS",
        help="longest side of the pictures that are trained from (%(default)s)",
    )
    parser.add_argument(
        "--matching",
        choices=MATCHING,
        default=Preparation.matching,
        help="which pairs of photographs are compared (%(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=_between(*RANGES["threads"]),
        default=Preparation.threads,
        metavar="N",
        help="processor threads (0: as many as there are)",
    )

    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--marker",
        type=_metres,
        metavar="METRES",
        help="side of the ArUco or AprilTag markers (those of a ChArUco board too) beside the "
        "object: the mesh's size becomes known",
    )
    size.add_argument(
        "--height",
        type=_metres,
        metavar="METRES",
        help="how high the object is as it stands: the mesh's size becomes known",
    )


INPUTS = ("source", "photographs", "masks", "mask_model")
"""The fields of a preparation that name what it reads."""
PATHS = (*INPUTS, "out")
"""The fields of a preparation that are paths."""
_NAMES = tuple(field.name for field in dataclasses.fields(Preparation))


def given(arguments: argparse.Namespace) -> Preparation:
    """The preparation that arguments ask for, as seen from the current folder."""
    values = {name: getattr(arguments, name) for name in _NAMES}
    for name in PATHS:
        if values[name] is not None:
            values[name] = Path(os.path.abspath(os.path.expanduser(values[name])))
    return Preparation(**values)


def words(asked: Preparation) -> list[str]:
    """A preparation as arguments: the inverse of :func:`given`."""
    options = [(name, getattr(asked, name)) for name in _NAMES if name != "source"]
    found = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in options
        if value is not None and value != getattr(Preparation, name, None)
    ]
    return [*found, "--", str(asked.source)]
