"""What a training left in its output folder, read from ``result.json`` into typed objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from nvdiffrec_contract import failurefile, layout
from nvdiffrec_contract.failure import Failure

from .job.outputs import result as resultfile


class ResultProblem(ValueError):
    """A folder has no result that can be read; the message says why and what to do."""


@dataclass(frozen=True)
class OutputFile:
    """One file of a result.

    Attributes:
        path: where the file is.
        tag: its PDG tag, such as ``file/geo/obj``.
        size: its size in bytes when it was made.
        sha256: the digest of its content, hexadecimal; empty where none was recorded.
    """

    path: Path
    tag: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class TrainingResult:
    """What a job made, or why it made nothing.

    Attributes:
        folder: the output folder.
        status: ``done`` or ``failed``.
        engine: the trainer, ``diffrec`` or ``nvdiffrec``.
        seconds: how long the training took, the time before a checkpoint included.
        metrics: figures by name: ``psnr`` and ``psnr_pass1`` (dB), ``mse``, ``faces``,
            ``vertices``, ``image_loss``, ``iterations``; only those that are known.
        outputs: every file that the job made.
        notes: what the job had to say beside its results.
        versions: the versions of the packages that trained, by name.
        failure: what went wrong; None for a training that is done.
        previous: after a failure, the earlier result whose files are still in the folder.
        document: the whole of ``result.json``, as plain data.
    """

    folder: Path
    status: str
    engine: str
    seconds: float | None
    metrics: Mapping[str, float]
    outputs: tuple[OutputFile, ...]
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    previous: TrainingResult | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def done(self) -> bool:
        """Whether the training ended well."""
        return self.status == "done"

    @property
    def psnr(self) -> float | None:
        """Mean PSNR of the held-out views after the last pass, in dB; None if not measured."""
        return self.metrics.get("psnr")

    @property
    def faces(self) -> int | None:
        """Number of triangles of the final mesh; None if it is not known."""
        count = self.metrics.get("faces")
        return None if count is None else int(count)

    @property
    def mesh(self) -> Path | None:
        """The final mesh, an OBJ file; None after a failure."""
        return self.output(f"{layout.FINAL}/mesh.obj")

    @property
    def contact_sheet(self) -> Path | None:
        """Reference beside result in one picture; None where none was made."""
        return self.output(layout.CONTACT_SHEET)

    def output(self, name: str) -> Path | None:
        """The output of that name.

        Args:
            name: its path below the output folder, with ``/``, such as ``mesh/probe.hdr``.
        """
        path = self.folder.joinpath(*name.split("/"))
        return next((path for one in self.outputs if one.path == path), None)


def read_result(folder: str | os.PathLike[str]) -> TrainingResult:
    """Read what a job left in an output folder.

    The files themselves are not looked at, so one that was deleted since is still listed.

    Args:
        folder: the output folder, which holds ``result.json``.

    Raises:
        ResultProblem: there is no result, or not one that this version can read.
    """
    place = Path(os.path.abspath(folder))
    document = resultfile.read(str(place))
    if document is not None:
        return _result(place, document)
    file = place / layout.RESULT
    if file.is_file():
        raise ResultProblem(
            f"{file} is damaged, or was written by another version of this toolkit; "
            "cook the scene again"
        )
    if place.is_dir():
        raise ResultProblem(
            f"{place} has no {layout.RESULT}: no job has ended there yet. "
            "Name the folder that holds mesh/"
        )
    raise ResultProblem(f"the output folder {place} does not exist; has the scene been cooked?")


def _result(folder: Path, document: Mapping[str, Any]) -> TrainingResult:
    failure, previous = document.get("failure"), document.get("previous")
    seconds = document.get("seconds")
    done = document.get("status") == "done"
    return TrainingResult(
        folder=folder,
        status="done" if done else "failed",
        engine=str(document.get("engine", "")),
        seconds=float(seconds) if _is_number(seconds) else None,
        metrics={name: value for name, value in _pairs(document, "metrics") if _is_number(value)},
        outputs=tuple(_outputs(folder, document)) if done else (),
        notes=tuple(str(note) for note in _list(document.get("notes"))),
        versions={name: str(value) for name, value in _pairs(document, "versions")},
        failure=failurefile.of(failure) if isinstance(failure, dict) else None,
        previous=_result(folder, previous) if isinstance(previous, dict) else None,
        document=document,
    )


def _outputs(folder: Path, document: Mapping[str, Any]) -> list[OutputFile]:
    found = []
    for entry in resultfile.entries(document):
        size, tag = entry.get("size"), entry.get("tag")
        found.append(
            OutputFile(
                folder.joinpath(*entry["path"].split("/")),
                tag if isinstance(tag, str) else layout.tag(entry["path"]),
                size if isinstance(size, int) else 0,
                entry["sha256"],
            )
        )
    return found


def _pairs(document: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = document.get(name)
    return list(value.items()) if isinstance(value, dict) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: Any) -> TypeGuard[float]:
    """A figure that is finite; a file may hold anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
