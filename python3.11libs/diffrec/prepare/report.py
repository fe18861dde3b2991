"""Step 8: what was done, to be looked at: masks, cameras, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare import masks, pictures
from diffrec.prepare.frames import Frame, Frames
from diffrec.prepare.placement import Placement
from diffrec.prepare.solved import Solved
from diffrec.prepare.undistortion import Window

CELL, GAP, CAPTION = 220, 6, 20
PAPER, INK = 34, 225
MOST_CELLS = 120
PLAN = 640
CAMERA, BOX, REFUSED, POINT = (235, 190, 90), (90, 170, 255), (80, 80, 240), (120, 120, 120)
"""Colours, BGR."""

Picture = NDArray[np.uint8]


def write(
    out: Path,
    chosen: Frames,
    solved: Solved,
    placement: Placement | None,
    window: Window | None,
) -> list[Path]:
    """Write ``report/``; the files that were made. Without a placement only what there is."""
    folder = out / "report"
    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / "masks.png", folder / "cameras.png", folder / "report.txt"]
    pictures.write_png(made[0], contact_sheet(out, chosen.frames, solved))
    pictures.write_png(made[1], plan(solved, placement))
    made[2].write_text(text(chosen, solved, placement, window), encoding="utf-8")
    return made


def contact_sheet(out: Path, frames: Sequence[Frame], solved: Solved) -> Picture:
    """Every photograph with its mask: what is cut away is dark, the outline is drawn; those
    without a camera have a red frame and no mask."""
    step = -(-len(frames) // MOST_CELLS)
    cells = []
    for frame in frames[::step]:
        colour = masks.photograph(out, frame)[..., :3]
        scale = CELL / max(frame.size)
        size = (max(1, round(frame.size[1] * scale)), max(1, round(frame.size[0] * scale)))
        small = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
        cell = np.full((CELL + CAPTION, CELL, 3), PAPER, np.uint8)
        path = masks.path_of(out, frame.name)
        if frame.name in solved.cameras and path.is_file():
            mask = cv2.resize(masks.grey(path), size, interpolation=cv2.INTER_AREA)
            small = (small * (0.3 + 0.7 * mask[..., None] / 255.0)).astype(np.uint8)
            hard = (mask > 127).astype(np.uint8)
            lines, _ = cv2.findContours(hard, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(small, lines, -1, BOX, 1, cv2.LINE_AA)
        elif frame.name not in solved.cameras:
            cv2.rectangle(small, (0, 0), (size[0] - 1, size[1] - 1), REFUSED, 3)
        top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
        cell[top : top + size[1], left : left + size[0]] = small
        _write(cell, frame.name[-28:], (2, CELL + 14))
        cells.append(cell)
    return _grid(cells)


def _grid(cells: Sequence[Picture]) -> Picture:
    columns = max(1, min(len(cells), round(np.sqrt(len(cells) * 1.8))))
    rows = -(-len(cells) // columns)
    height, width = cells[0].shape[:2] if cells else (CELL, CELL)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), PAPER)
    sheet = sheet.astype(np.uint8)
    for number, cell in enumerate(cells):
        top = GAP + number // columns * (height + GAP)
        left = GAP + number % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = cell
    return sheet


def plan(solved: Solved, placement: Placement | None) -> Picture:
    """The cameras around the object with its box: from above, and from the front."""
    if placement is None:
        points = np.array([one.centre for one in solved.cameras.values()]).reshape(-1, 3)
        placement = Placement(1.0, np.eye(3), points.mean(0) if len(points) else np.zeros(3),
                              np.zeros(3))  # fmt: skip
    names = list(solved.cameras)
    centres = placement.points(np.array([solved.cameras[n].centre for n in names]).reshape(-1, 3))
    forward = np.array([placement.turn @ solved.cameras[n].rotation[:, 2] for n in names])
    cloud = placement.points(solved.points)
    reach = 1.15 * max(float(np.abs(centres).max(initial=0)), float(placement.box.max()), 1e-9)
    views = []
    for across, down, title in ((0, 1, "from above"), (0, 2, "from the front")):
        view = np.full((PLAN, PLAN, 3), PAPER, np.uint8)

        def spot(point: NDArray[np.float64], a: int = across, d: int = down) -> tuple[int, int]:
            x, y = 0.5 + 0.5 * point[a] / reach, 0.5 - 0.5 * point[d] / reach
            return round(float(x) * PLAN), round(float(y) * PLAN)

        for point in cloud[(np.abs(cloud) < reach).all(1)][::3]:
            x, y = spot(point)
            if 0 <= x < PLAN and 0 <= y < PLAN:
                view[y, x] = POINT
        half = 0.5 * placement.box
        cv2.rectangle(view, spot(-half), spot(half), BOX, 2, cv2.LINE_AA)
        for centre, axis in zip(centres, forward, strict=True):
            cv2.circle(view, spot(centre), 4, CAMERA, -1, cv2.LINE_AA)
            cv2.line(view, spot(centre), spot(centre + 0.12 * reach * axis), CAMERA, 1, cv2.LINE_AA)
        _write(view, f"{title}: {len(names)} cameras, the object's box", (10, 22), 0.55)
        views.append(view)
    return np.hstack(views)


def _write(picture: Picture, text_: str, at: tuple[int, int], size: float = 0.38) -> None:
    colour = (INK, INK, INK)
    cv2.putText(picture, text_, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def text(chosen: Frames, solved: Solved, placement: Placement | None, window: Window | None) -> str:
    """What was used, and what was left out and why."""
    lines = [
        f"{len(chosen.frames)} photographs used, {len(chosen.dropped)} left out",
        f"{len(solved.cameras)} cameras believed, {len(solved.refused)} refused",
    ]
    if placement is not None:
        box = " x ".join(f"{one:.2f}" for one in placement.box)
        lines.append(f"the object's box in the data set: {box} (x, y, z; z is up)")
    if window is not None:
        lines.append(
            f"pictures of {window.size[1]} x {window.size[0]}, {np.degrees(window.angle):.1f} "
            "degrees wide"
        )
    lines += [f"note: {note}" for note in solved.notes]
    lines += _listed("left out", dict(chosen.dropped))
    lines += _listed("without a camera", solved.refused)
    return "\n".join(lines) + "\n"


def _listed(title: str, reasons: Mapping[str, str]) -> list[str]:
    return (
        ["", f"{title}:", *(f"  {name}: {why}" for name, why in reasons.items())]
        if (reasons)
        else []
    )
