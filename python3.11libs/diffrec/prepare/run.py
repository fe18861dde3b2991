"""All steps of a preparation, one after the other."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffrec.prepare import (
    cameras,
    features,
    frames,
    masks,
    matches,
    metres,
    orientation,
    placement,
    report,
    solved,
    undistortion,
)
from diffrec.prepare.frames import Frame, Frames
from diffrec.prepare.readers import entry
from diffrec.prepare.readers.project import Project
from diffrec.prepare.solved import Solved
from diffrec.prepare.steps import Progress, Steps, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.preparation import CONFIGURATION, Preparation


def prepare(asked: Preparation, log: Callable[[str], None]) -> Path:
    """Prepare a data set; the path of its configuration.

    Raises:
        DiffrecError: it cannot be; the message says why and what to do.
    """
    asked = dataclasses.replace(
        asked, threads=asked.threads or os.cpu_count() or 1, out=asked.out.resolve()
    )
    out = asked.out
    out.mkdir(parents=True, exist_ok=True)
    steps = Steps(out / "work" / "steps", log)
    project = entry.read(asked, log)
    if project is not None:
        return _finished(asked, *_read(asked, project, steps), steps)
    steps.take("frames", frames.reads(asked), lambda told: frames.choose(asked, told))
    chosen = frames.chosen(out)
    found = _solved(asked, chosen, steps)
    return _finished(asked, chosen, found, steps)


def _read(asked: Preparation, project: Project, steps: Steps) -> tuple[Frames, Solved]:
    """The cameras that another tool has solved."""
    steps.take(
        "project",
        entry.reads(asked, project),
        lambda told: entry.enter(asked, project, told),
    )
    return frames.chosen(asked.out), solved.load(solved.place_of(asked.out))


def _solved(asked: Preparation, chosen: Frames, steps: Steps) -> Solved:
    """The cameras, from the photographs alone."""
    all_of = chosen.frames
    # Both write into one database, which the mappers change as well.
    steps.take("features", {}, lambda told: features.extract(asked, all_of, told), changing=True)
    steps.take(
        "matches",
        {"matching": asked.matching},
        lambda told: matches.match(asked, all_of, chosen.film, told),
        changing=True,
    )
    try:
        steps.take("cameras", {}, lambda told: cameras.solve(asked, all_of, told))
    except cameras.TooFewError as error:
        report.write(asked.out, chosen, error.partly, None, None)
        raise
    return solved.load(solved.place_of(asked.out))


def _finished(asked: Preparation, chosen: Frames, found: Solved, steps: Steps) -> Path:
    """From cameras to a data set."""
    out = asked.out
    found, turned = orientation.noted(found, chosen.frames)
    used = [one for one in chosen.frames if one.name in found.cameras]

    def told_masks(told: Progress) -> list[Path]:
        try:
            return masks.make(asked, used, found, told)
        finally:
            report.write(out, chosen, found, None, None)

    steps.take("masks", masks.reads(asked, used), told_masks)
    painted = {one.name: stamped(masks.path_of(out, one.name)) for one in used}

    def place(told: Progress) -> list[Path]:
        path = out / "placement.json"
        if turned:
            told.line(turned)
        placed = placement.place(found, placement.coverage_of(out, found))
        placement.save(path, _measured(asked, used, found, placed, told))
        return [path]

    known = {"marker": asked.marker, "height": asked.height, "turned": turned or None}
    given = {name: one for name, one in known.items() if one is not None}
    steps.take("placement", {"masks": painted, **given}, place)
    placed = placement.load(out / "placement.json")
    coverage = placement.coverage_of(out, found)
    window = undistortion.window_of(found, coverage, asked.train_size)
    steps.take(
        "undistortion",
        {"size": asked.train_size},
        lambda told: undistortion.write(asked, used, found, placed, window, told),
    )
    path = out / CONFIGURATION
    _configure(
        path,
        out / "work" / CONFIGURATION,
        undistortion.configuration(asked, window, placement.MESH_SCALE),
    )
    steps.take("report", {}, lambda _told: report.write(out, chosen, found, placed, window))
    return path


def _measured(
    asked: Preparation,
    frames: list[Frame],
    found: Solved,
    placed: placement.Placement,
    told: Progress,
) -> placement.Placement:
    """The placement with its size in metres, where a length is known."""
    if asked.height is not None:
        length, by = asked.height / float(placed.box[2]), "the object's height"
    elif asked.marker is not None:
        by_name = {one.name: one for one in frames}
        in_solver, count = metres.of_markers(
            found, lambda name: masks.photograph(asked.out, by_name[name])[..., :3], asked.marker
        )
        length, by = in_solver / placed.scale, f"{count} markers"
    else:
        return placed
    width, depth, height = length * placed.box
    told.line(f"the object is {width:.3g} x {depth:.3g} x {height:.3g} m (high), by {by}")
    return dataclasses.replace(placed, metres=length)


def _configure(path: Path, before: Path, document: dict[str, Any]) -> None:
    """Write the configuration, unless someone has changed what was written before."""
    if not path.is_file() or (before.is_file() and path.read_bytes() == before.read_bytes()):
        jsonfiles.write(before, document)
        jsonfiles.write(path, document)
