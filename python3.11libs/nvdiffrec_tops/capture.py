"""What an *nvdiffrec Capture* node decides: from photographs to the command that prepares them,
and to the attributes with which the data set is trained from.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nvdiffrec_contract import preparation
from nvdiffrec_contract.layout import Output
from nvdiffrec_contract.preparation import CONFIGURATION, MATCHING, Preparation
from nvdiffrec_tops import attributes, training
from nvdiffrec_tops.attributes import AttributesError
from nvdiffrec_tops.command import JOB_SCRIPT, command_line, job_argv
from nvdiffrec_tops.job import engines, flags
from nvdiffrec_tops.job.outputs import prepared

LAYOUTS = attributes.LAYOUTS
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class CaptureSettings:
    """The settings of an *nvdiffrec Capture* node, evaluated.

    Attributes:
        photographs: a folder of photographs, a film, another program's project; or a pattern.
        dataset_dir: where the data set is made.
        output_dir: where the training puts its results; '' for ``result`` in the data set.
        miniconda_env: the environment that prepares.
        layout: a folder per capture below ``dataset_dir`` when there are several (``auto``),
            ``always``, ``never``.
        photographs_dir: the photographs of a project that do not lie beside it; '' for none.
        masks: a folder of masks; '' for none.
        mask_model: an ONNX file; '' for none.
        marker, height: the side of printed markers, the height of the object, metres; 0 for none.
        variables: go into the environment of the process that prepares.
    """

    photographs: str
    dataset_dir: str
    output_dir: str
    miniconda_env: str
    layout: str = "auto"
    photographs_dir: str = ""
    masks: str = ""
    mask_model: str = ""
    most: int = Preparation.most
    longest: int = Preparation.longest
    train_size: int = Preparation.train_size
    matching: str = Preparation.matching
    threads: int = Preparation.threads
    marker: float = 0.0
    height: float = 0.0
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CapturePlan:
    """One capture: its label, its command, its attributes and what it will leave.

    ``current``: whether the data set in place is what the command would make, as far as this
    machine can tell.
    """

    label: str
    command: str
    values: Mapping[str, str]
    dataset: str
    outputs: tuple[Output, ...]
    current: bool | None
    figures: Mapping[str, int]

    def path(self, output: Output) -> str:
        """An expected file's whole path."""
        return f"{self.dataset}/{output.path}"


def plans(settings: CaptureSettings) -> list[CapturePlan]:
    """The captures that the settings describe, in the order of their names.

    Raises:
        AttributesError: a setting is missing or wrong, or nothing matches the pattern.
        CommandError: the toolkit's or the interpreter's path cannot be carried by a command.
        TrainingError: the environment cannot be used.
    """
    _check(settings)
    found = _matching(settings.photographs)
    below = settings.layout == "always" or (settings.layout == "auto" and len(found) > 1)
    names = [_name(one) for one in found]
    for name in names:
        if below and names.count(name) > 1:
            raise AttributesError(
                f"Photographs: several of those that match are called {name}, and would share a "
                "folder; rename one, or prepare them in nodes of their own"
            )
    return [_plan(settings, one, name, below) for one, name in zip(found, names, strict=True)]


def _plan(settings: CaptureSettings, source: str, name: str, below: bool) -> CapturePlan:
    dataset = _plain(settings.dataset_dir) + (f"/{name}" if below else "")
    output = _plain(settings.output_dir) if settings.output_dir.strip() else ""
    output = (output + (f"/{name}" if below else "")) if output else f"{dataset}/result"
    asked = Preparation(
        source=_path(source),
        out=_path(dataset),
        photographs=_named(settings.photographs_dir),
        masks=_named(settings.masks),
        mask_model=_named(settings.mask_model),
        most=settings.most,
        longest=settings.longest,
        train_size=settings.train_size,
        matching=settings.matching,
        threads=settings.threads,
        marker=settings.marker or None,
        height=settings.height or None,
    )
    words = [f"--env={key}={value}" for key, value in settings.variables.items()]
    python = training.interpreter(settings.miniconda_env)
    argv = job_argv(python, [flags.PREPARE, *words, *preparation.words(asked)], str(JOB_SCRIPT))
    folder = f"{str(asked.out).replace(os.sep, '/')}/"
    return CapturePlan(
        label=name,
        command=command_line(argv),
        values={
            attributes.ENGINE: engines.DEFAULT,
            attributes.ENVIRONMENT: settings.miniconda_env,
            attributes.WORKING_DIR: folder,
            attributes.CONFIG: folder + CONFIGURATION,
            attributes.OUTPUT: output,
            attributes.CAPTURE: folder,
        },
        dataset=folder.rstrip("/"),
        outputs=prepared.OUTPUTS,
        current=prepared.is_current(asked),
        figures=prepared.figures_of(prepared.read(asked.out)),
    )


def _check(settings: CaptureSettings) -> None:
    needed = {
        "Photographs": (settings.photographs, "a folder of photographs, or a film"),
        "Data Set Folder": (settings.dataset_dir, "where the data set is made"),
        "Environment": (
            settings.miniconda_env,
            "the folder of a venv or a conda environment with the package extra photographs",
        ),
    }
    for label, (value, wanted) in needed.items():
        if not value.strip():
            raise AttributesError(f"{label} is empty; it must say {wanted}")
        if "\0" in value or "\n" in value:
            raise AttributesError(f"{label} holds a line end; it must say {wanted}")
    if settings.layout not in LAYOUTS:
        raise AttributesError(f"Folders: there is no layout '{settings.layout}'")
    if settings.matching not in MATCHING:
        raise AttributesError(f"Matching: there is no choice '{settings.matching}'")
    for label, name, number in (
        ("Most Photographs", "most", settings.most),
        ("Solve From", "longest", settings.longest),
        ("Train From", "train_size", settings.train_size),
        ("Threads", "threads", settings.threads),
    ):
        low, high = preparation.RANGES[name]
        if not low <= number <= high:
            raise AttributesError(f"{label} is {number}; allowed: {low} to {high}")
    least, most = preparation.METRES
    for label, metres in (("Marker", settings.marker), ("Height", settings.height)):
        if metres != 0 and not least <= metres <= most:
            raise AttributesError(
                f"{label} is {metres:g}; allowed: {least:g} to {most:g} metres, or 0 for none"
            )
    if settings.marker and settings.height:
        raise AttributesError(
            "Marker and Height both say how large the object is; leave one of them at 0"
        )


def _matching(photographs: str) -> list[str]:
    """The captures that a path or pattern means; a plain path is taken as it is, because the
    machine that prepares reads it."""
    given = os.path.expanduser(photographs.strip())
    if not _PATTERN.search(given) or os.path.exists(given):
        return [given]
    found = sorted(one.replace(os.sep, "/") for one in glob.glob(given))
    if not found:
        raise AttributesError(
            f"Photographs: nothing matches '{photographs}'; correct the pattern. One that ends in "
            "/* makes a capture of every folder and film in a folder"
        )
    return found


def _name(source: str) -> str:
    """A folder's name for a capture, in plain letters."""
    base = os.path.basename(source.rstrip("/\\"))
    stem = base if os.path.isdir(source) else os.path.splitext(base)[0] or base
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-") or "capture"


def _plain(folder: str) -> str:
    """A folder without the separator at its end; a backslash is one on Windows alone."""
    return folder.strip().rstrip("/\\" if os.name == "nt" else "/") or folder


def _named(text: str) -> Path | None:
    return _path(text) if text.strip() else None


def _path(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text.strip())))
