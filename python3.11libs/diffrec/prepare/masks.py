"""Step 5: a mask for every photograph with a camera.

By file name where there is a folder of masks, else out of the photographs' alpha, else by a model
of the user's, else made from the photographs and cameras. A mask in ``masks/`` that is not as this
step wrote it was painted by hand, and is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.pictures import headers
from diffrec.prepare import pictures
from diffrec.prepare.errors import MasksError, SourceError
from diffrec.prepare.frames import Frame
from diffrec.prepare.outline import hull, mask_model, silhouettes
from diffrec.prepare.solved import Camera, Solved, nearest_point_to_axes, place_of
from diffrec.prepare.steps import Progress, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.preparation import Preparation

EMPTY, FULL = 0.001, 0.98
"""Parts of a photograph that a mask covers which no object does."""
MOST_OF_ALL = 0.95
"""Part of the space around it that no object fills."""
AGREEMENT = 0.3
"""Overlap with the hull's outline, of its union with it, that a mask of the object has at least."""
HULL_CELLS = 48
KEPT = "by hand"
SHAPE = 0.02
"""By how much the sides of a mask may be in another proportion than its photograph's."""

Mask = NDArray[np.uint8]


def folder_of(asked: Preparation) -> Path | None:
    """The folder that masks are taken from; None where there is none."""
    if asked.masks is not None:
        return asked.masks
    source = asked.source if asked.source.is_dir() else asked.source.parent
    beside = (source / "masks", source.parent / "masks") if source.name == "images" else (
        source / "masks",
    )  # fmt: skip
    return next((one for one in beside if headers.in_folder(one)), None)


def path_of(out: Path, name: str) -> Path:
    """The mask of a photograph."""
    return out / "masks" / f"{name}.png"


def reads(asked: Preparation, frames: Sequence[Frame]) -> dict[str, Any]:
    """What the step's result depends on."""
    folder = folder_of(asked)
    files = headers.in_folder(folder) if folder else []
    files += [Path(one.mask) for one in frames if one.mask]
    return {
        "files": {str(path): stamped(path) for path in files},
        "model": asked.mask_model and stamped(asked.mask_model),
        "alpha": [one.name for one in frames if one.alpha],
    }


def make(
    asked: Preparation, frames: Sequence[Frame], solved: Solved, progress: Progress
) -> list[Path]:
    """Write ``masks/``; the files that were made.

    Raises:
        MasksError: masks do not belong to the photographs, or do not agree with each other.
    """
    used = [one for one in frames if one.name in solved.cameras]
    (asked.out / "masks").mkdir(parents=True, exist_ok=True)
    listing = asked.out / "work" / "masks.json"
    of = json.dumps([stamped(place_of(asked.out)), reads(asked, frames)], default=str)
    origin = _kept(asked.out, listing, used, of)
    open_ = [one for one in used if one.name not in origin]
    found = _from_files(asked, open_) or _from_alpha(asked, open_)
    named = any(one.mask for one in open_)
    how = "files" if folder_of(asked) or named else "alpha"
    if open_ and not found:
        if asked.mask_model is not None:
            how, found = "model", mask_model.masks(asked, open_, progress)
        else:
            how, found = "made", _made(asked, open_, solved, progress)
    # Known before they are there: a mask that nobody knows of was painted.
    for name in found:
        path_of(asked.out, name).unlink(missing_ok=True)
    origin |= dict.fromkeys(found, how)
    before = _written(listing)
    digests = {name: before.get(name, {}).get("digest") for name in origin}
    digests |= {name: _digest(mask) for name, mask in found.items()}
    written = {name: {"how": one, "digest": digests[name]} for name, one in origin.items()}
    jsonfiles.write(listing, {"of": of, "masks": written})
    for name, mask in found.items():
        pictures.write_png(path_of(asked.out, name), mask)
    masks = {one.name: read(asked.out, one) for one in used}
    _check_each(asked.out, masks)
    _check_together(asked.out, solved, masks)
    counts = {how: list(origin.values()).count(how) for how in sorted(set(origin.values()))}
    progress.line(", ".join(f"{count} {how}" for how, count in counts.items()))
    return [listing, *(path_of(asked.out, one.name) for one in used)]


def read(out: Path, frame: Frame) -> Mask:
    """A photograph's mask, [H, W] of the photograph's size.

    Raises:
        MasksError: it cannot be read, or has another size.
    """
    path = path_of(out, frame.name)
    mask = grey(path)
    height, width = frame.size
    if mask.shape == frame.size:
        return mask
    if abs(mask.shape[1] / mask.shape[0] / (width / height) - 1) > SHAPE:
        raise MasksError(
            f"{path} is {mask.shape[1]} x {mask.shape[0]} pixels, its photograph {width} x {height}"
        )
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _kept(out: Path, listing: Path, frames: Sequence[Frame], of: str) -> dict[str, str]:
    """How the masks were made that stay: those painted by hand, which are not as they were
    written here, and those that were made from just what is there now."""
    written, made_of = _written(listing), _document(listing).get("of")
    found = {}
    for one in frames:
        path = path_of(out, one.name)
        if not path.is_file():
            continue
        before = written.get(one.name, {})
        if before.get("how") == KEPT or before.get("digest") != _digest(grey(path)):
            found[one.name] = KEPT
        elif made_of == of:
            found[one.name] = str(before.get("how"))
    return found


def _document(listing: Path) -> dict[str, Any]:
    try:
        return jsonfiles.read_object(listing, max_bytes=64 << 20)
    except JsonError:
        return {}


def _written(listing: Path) -> dict[str, dict[str, Any]]:
    found = _document(listing).get("masks")
    if not isinstance(found, dict):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, dict)}


def _digest(mask: Mask) -> str:
    return hashlib.sha1(np.ascontiguousarray(mask).tobytes(), usedforsecurity=False).hexdigest()


def grey(path: Path) -> Mask:
    """A mask's coverage, by its brightness, or by its alpha where the colour says nothing."""
    try:
        pixels, _exif = pictures.read(path)
    except SourceError as error:
        raise MasksError(error.cause) from None
    if pixels.shape[2] == 4 and int(pixels[..., :3].max()) == int(pixels[..., :3].min()):
        return np.ascontiguousarray(pixels[..., 3])
    return np.asarray(pixels[..., :3].mean(-1) + 0.5, np.uint8)


def _from_files(asked: Preparation, frames: Sequence[Frame]) -> dict[str, Mask]:
    folder = folder_of(asked)
    if folder is None and not any(one.mask for one in frames):
        return {}
    listed = headers.in_folder(folder) if folder else []
    # A name in just these letters goes before one in other letters.
    files = {path.stem.lower(): path for path in listed} | {path.stem: path for path in listed}
    found, missing = {}, []
    taken: dict[Path, str] = {}
    for one in frames:
        source = Path(one.source)
        names = (source.stem, source.name, f"{source.stem}_mask", f"{source.stem}.mask", one.name)
        spelled = [*names, *(name.lower() for name in names)]
        path = next((files[name] for name in spelled if name in files), None)
        if path is None and one.mask:
            path = Path(one.mask)
        if path is None:
            missing.append(source.name)
            continue
        if taken.setdefault(path, source.name) != source.name:
            raise MasksError(
                f"{path} is the mask of both {taken[path]} and {source.name} by its name",
                f"name it as its photograph with the ending, {taken[path]}.png, and give the other "
                f"its own, {source.name}.png",
            )
        mask = grey(path)
        if abs(mask.shape[1] / mask.shape[0] / (one.size[1] / one.size[0]) - 1) > SHAPE:
            raise MasksError(
                f"{path} is {mask.shape[1]} x {mask.shape[0]} pixels and has not the shape of its "
                f"photograph {source.name}, which is {one.size[1]} x {one.size[0]} here"
            )
        size = (one.size[1], one.size[0])
        found[one.name] = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    if missing:
        raise MasksError(
            f"{len(missing)} of {len(frames)} photographs have no mask of their name in "
            f"{folder or asked.source}, first {missing[0]}",
            "name every mask as its photograph (any ending), or take the folder away and they are "
            "made",
        )
    return found


def _from_alpha(asked: Preparation, frames: Sequence[Frame]) -> dict[str, Mask]:
    if not frames or not all(one.alpha for one in frames):
        return {}
    return {one.name: photograph(asked.out, one)[..., 3].copy() for one in frames}


def photograph(out: Path, frame: Frame) -> NDArray[np.uint8]:
    """The upright copy of a photograph, BGR or BGRA."""
    return pictures.read(out / "photographs" / f"{frame.name}.png")[0]


def _made(
    asked: Preparation, frames: Sequence[Frame], solved: Solved, progress: Progress
) -> dict[str, Mask]:
    by_name = {one.name: one for one in frames}
    known = {name: one for name, one in solved.cameras.items() if name in by_name}
    of_these = Solved(solved.lenses, known, solved.points, solved.seen)

    def read_one(name: str) -> NDArray[np.uint8]:
        return np.ascontiguousarray(photograph(asked.out, by_name[name])[..., :3])

    coverage, _hull = silhouettes.find(of_these, read_one, asked.threads, progress.of)
    found = {}
    for number, (name, rough) in enumerate(coverage.items()):
        fine = silhouettes.refined(read_one(name), rough)
        found[name] = np.asarray(np.clip(fine * 255 + 0.5, 0, 255), np.uint8)
        progress.of(number + 1, len(coverage))
    return found


def _check_each(out: Path, masks: Mapping[str, Mask]) -> None:
    covered = {name: float((mask > 127).mean()) for name, mask in masks.items()}
    _refuse(out, covered, lambda part: part < EMPTY, "is empty")
    _refuse(out, covered, lambda part: part > FULL, "covers all of its photograph")


def _refuse(
    out: Path, covered: Mapping[str, float], wrong: Callable[[float], bool], what: str
) -> None:
    found = [name for name, part in covered.items() if wrong(part)]
    if found:
        more = f" (and {len(found) - 1} others)" if len(found) > 1 else ""
        raise MasksError(
            f"{path_of(out, found[0])}{more} {what}",
            "paint the object white and the rest black in it, or take its photograph out",
        )


def _check_together(out: Path, solved: Solved, masks: Mapping[str, Mask]) -> None:
    """Masks that are inverted, or of something else in each photograph."""
    corners = {
        name: float(np.mean([mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]])) > 127
        and float(mask[mask.shape[0] // 3 : -mask.shape[0] // 3,
                       mask.shape[1] // 3 : -mask.shape[1] // 3].mean()) < 127
        for name, mask in masks.items()
    }  # fmt: skip
    inverted = [name for name, is_so in corners.items() if is_so]
    if len(inverted) > 0.5 * len(masks):
        raise MasksError(
            f"the masks are inverted, first {path_of(out, inverted[0])}: white at the edge, black "
            "in the middle",
            "the object must be white",
        )
    small = {
        name: cv2.resize(mask, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) / 255.0
        for name, mask in masks.items()
    }
    coverage = {name: np.asarray(mask, np.float32) for name, mask in small.items()}
    carved = hull.carve(solved, coverage, around(solved, coverage))
    if carved.filled > MOST_OF_ALL:
        raise MasksError(
            "the masks cut nothing away of the space that the photographs show: they cover nearly "
            f"everything, see {out / 'masks'}",
            "the object must be white and all else black",
        )
    parts = {
        name: hull.overlap(hull.silhouette(solved, name, carved, mask.shape[:2]), mask > 0.5)
        for name, mask in coverage.items()
    }
    if float(np.median(list(parts.values()))) < AGREEMENT:
        worst = min(parts, key=lambda name: (parts[name], name))
        raise MasksError(
            "the masks do not agree on an object: no part of space is inside most of them, as with "
            f"{path_of(out, worst)}",
            "look at report/masks.png, correct the masks that show something else, then start "
            "again",
        )


def around(solved: Solved, coverage: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Points of a cube around what the masks show, twice as large.

    Its middle is the point nearest to the rays through the masks' middles, its size by the space
    that they cover at that distance.
    """
    rays = {}
    for name, mask in coverage.items():
        rows, columns = np.nonzero(mask > 0.5)
        if len(rows):
            camera = solved.cameras[name]
            lens = solved.lenses[camera.lens].resized((mask.shape[0], mask.shape[1]))
            x, y = lens.rays(np.array([[columns.mean() + 0.5, rows.mean() + 0.5]]))[0]
            way = camera.rotation @ [x, y, 1.0]
            along = np.stack([np.eye(3)[0], np.eye(3)[1], way / np.linalg.norm(way)], axis=1)
            reach = np.sqrt(len(rows) / np.pi) / lens.focal[0]
            rays[name] = (Camera(camera.lens, along, camera.centre), reach)
    centre = nearest_point_to_axes({name: ray for name, (ray, _reach) in rays.items()})
    sizes = [reach * np.linalg.norm(ray.centre - centre) for ray, reach in rays.values()]
    return hull.cube(centre, 2.0 * float(np.median(sizes)), HULL_CELLS)
