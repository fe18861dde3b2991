"""Step 1 where another tool has solved the cameras: they are read, and their photographs copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import frames, orientation, pictures, readers, solved
from diffrec.prepare.errors import SourceError
from diffrec.prepare.frames import Frame, Frames
from diffrec.prepare.pictures import Pixels
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project, ProjectError, Shot
from diffrec.prepare.sifting import leftout
from diffrec.prepare.solved import Array, Camera, Lens, Solved, up_of
from diffrec.prepare.steps import Progress, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.preparation import Preparation

FEWEST = 3
"""Photographs with cameras below which there is no shape."""
PROPORTIONS = 0.02
"""By how much a photograph's sides may be in another proportion than its camera's."""
_TURNED = {1: 0, 3: 2, 6: 1, 8: 3}
"""Quarter turns clockwise that make a stored picture upright, by EXIF's orientation."""


def read(asked: Preparation, told: Callable[[str], None] = lambda _line: None) -> Project | None:
    """The project that was named; None where it is photographs or a film.

    Raises:
        ProjectError: it cannot be read.
    """
    reader = readers.recognised(asked.source)
    if reader is None:
        if asked.photographs is not None:
            raise ProjectError(
                f"{asked.source} is no project with cameras, so --photographs has no use",
                "name the project: "
                + "; ".join(f"{one.LABEL}: {one.WANTED}" for one in readers.readers().values()),
            )
        return None
    base = asked.source if asked.source.is_dir() else asked.source.parent
    beside = [base / "images", base, base.parent / "images", base.parent.parent / "images"]
    folders = beside if asked.photographs is None else [asked.photographs]
    return reader.read(asked.source, Photographs(folders, asked.out, told))


def reads(asked: Preparation, project: Project) -> dict[str, Any]:
    """What the step's result depends on."""
    within = project.file.iterdir() if project.file.is_dir() else [project.file]
    files = {*(one for one in within if one.is_file()), *(one.path for one in project.shots)}
    return {
        "project": project.label,
        "files": {str(path): stamped(path) for path in sorted(files)},
        "most": asked.most,
        "longest": asked.longest,
    }


def enter(asked: Preparation, project: Project, progress: Progress) -> list[Path]:
    """Write ``photographs/``, ``work/frames.json`` and ``work/cameras.json``; the files that were
    made.

    Raises:
        ProjectError: photographs and cameras do not belong together, or are too few.
    """
    folder = asked.out / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    shots, dropped = _chosen(asked, project)
    names = frames.names_of([one.path for one in shots])
    lenses: dict[Lens, int] = {}
    cameras: dict[str, Camera] = {}
    turned: dict[str, Camera] = {}
    sideways: list[bool] = []
    found: list[Frame] = []
    for number, shot in enumerate(shots):
        progress.of(number, len(shots))
        name = names[shot.path]
        try:
            pixels, turns = _photograph(shot)
        except SourceError as error:
            dropped.append((shot.path.name, error.cause))
            continue
        pixels = pictures.reduced(pixels, asked.longest)
        size = (int(pixels.shape[0]), int(pixels.shape[1]))
        alpha = pixels.shape[2] == 4 and int(pixels[..., 3].min()) < 255
        kept = pixels if alpha else np.ascontiguousarray(pixels[..., :3])
        pictures.write_png(folder / f"{name}.png", kept)
        lens = lenses.setdefault(shot.lens.resized(size), len(lenses))
        cameras[name] = Camera(lens, shot.rotation, shot.centre)
        sideways.append(turns > 0)
        turned[name] = Camera(lens, shot.rotation @ _about_axis(turns), shot.centre)
        mask = None if shot.mask is None else str(shot.mask)
        sharp = pictures.sharpness(kept)
        found.append(Frame(name, str(shot.path), size, lens, None, alpha, sharp, mask))
    if len(found) < FEWEST:
        raise ProjectError(
            f"{project.file}: {len(found)} photographs with cameras can be used; {FEWEST} is the "
            "least, 40 to 100 are good"
        )
    index = {i: names[one.path] for i, one in enumerate(project.shots) if one.path in names}
    seen = tuple(tuple(index[i] for i in row if i in index) for row in project.seen)
    up = project.up
    notes = project.notes
    if up is None and any(sideways):
        x, y, z = up_of(turned).tolist()
        up = (x, y, z)
        if against := orientation.turned_against(turned, np.array(up)):
            notes = (*notes, f"{orientation.about(against, len(turned))}: {', '.join(against)}")
            progress.line(notes[-1])
    result = Solved(
        {number: lens for lens, number in lenses.items()},
        cameras,
        project.points,
        seen or ((),) * len(project.points),
        dict(project.refused) | dict.fromkeys(project.missing, "its photograph is not there"),
        (f"the cameras are those of {project.file} ({project.label})", *notes),
        up,
    )
    wanted = {f"{one.name}.png" for one in found}
    for path in folder.glob("*.png"):
        if path.name not in wanted:
            path.unlink()
    listing, place = frames.listing_of(asked.out), solved.place_of(asked.out)
    listing.parent.mkdir(parents=True, exist_ok=True)
    jsonfiles.write(listing, asdict(Frames(tuple(found), tuple(dropped))))
    result.save(place)
    left = len(project.missing) + len(dropped)
    progress.line(
        f"{len(found)} photographs with cameras of {project.label}, {len(lenses)} lenses"
        + (
            f"; {left} left out, first {[*project.missing, *(n for n, _ in dropped)][0]}"
            if left
            else ""
        )
    )
    return [listing, place, *(folder / name for name in sorted(wanted))]


def _chosen(asked: Preparation, project: Project) -> tuple[list[Shot], list[tuple[str, str]]]:
    """An even choice of the photographs, and the others; none twice."""
    shots = list({one.path: one for one in project.shots}.values())
    if len(shots) <= asked.most:
        return shots, []
    kept = {i * len(shots) // asked.most for i in range(asked.most)}
    reason = leftout.above(asked.most)
    return (
        [one for i, one in enumerate(shots) if i in kept],
        [(one.path.name, reason) for i, one in enumerate(shots) if i not in kept],
    )


def _photograph(shot: Shot) -> tuple[Pixels, int]:
    """The photograph as the tool saw it, and how many quarter turns would make it upright.

    Most tools take photographs as they are stored, some as they were held: the camera's size says.
    """
    pixels, said = pictures.read(shot.path, turn=False)
    if _belongs(pixels, shot.lens):
        return pixels, _TURNED.get(said.orientation, 0)
    upright = pictures.upright(pixels, said.orientation)
    if _belongs(upright, shot.lens):
        return upright, 0
    height, width = shot.lens.size
    raise ProjectError(
        f"{shot.path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, but its camera was solved "
        f"for {width} x {height}",
        "use the photographs that the cameras were solved from, reduced but not cropped or turned",
    )


def _belongs(pixels: Pixels, lens: Lens) -> bool:
    proportions = pixels.shape[1] / pixels.shape[0] * lens.size[0] / lens.size[1]
    return bool(abs(proportions - 1) < PROPORTIONS)


def _about_axis(turns: int) -> Array:
    """The axes of a camera whose picture was turned clockwise by quarters, in those of the one
    whose picture was not."""
    found = np.eye(3)
    for _ in range(turns):
        # Turned so, what was up points right, and what was right points down.
        found = found @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    return found
