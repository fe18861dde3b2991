"""Step 2: points of each photograph that are found again in others (SIFT), in COLMAP's database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffrec.prepare.errors import CamerasError, solver
from diffrec.prepare.frames import Frame
from diffrec.prepare.steps import Progress, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.preparation import Preparation

PEAK = 0.002
"""Contrast that a point needs; with COLMAP's own 0.0067 a sparse capture falls apart."""
MOST = 6000
"""Points of a photograph."""
FEW = 60
"""Points of a photograph that shows next to nothing."""
UPSAMPLED = 1000
"""Photographs up to this many pixels long are searched at twice their size as well."""
GUESS = 1.2
"""Focal length in longest sides where nothing is said of it."""
AT_ONCE = 8


def database_of(out: Path) -> Path:
    """COLMAP's database of a preparation."""
    return out / "work" / "database.db"


def file_of(frame: Frame) -> str:
    """The photograph's name in the database, relative to ``photographs/``."""
    return f"{frame.name}.png"


def extract(asked: Preparation, frames: Sequence[Frame], progress: Progress) -> list[Path]:
    """Find the points of all photographs; those that have been found are not sought again.

    Raises:
        CamerasError: the photographs show nothing that could be found again.
    """
    colmap = solver()
    path = database_of(asked.out)
    _forget_others(asked.out, path, frames)
    options = colmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.num_threads = asked.threads
    options.sift.peak_threshold = PEAK
    options.sift.max_num_features = MOST
    done = 0
    for lens, members in sorted(_by_lens(frames).items()):
        reader = colmap.ImageReaderOptions()
        reader.existing_camera_id = _camera(colmap, path, lens, members)
        options.sift.first_octave = -1 if max(members[0].size) <= UPSAMPLED else 0
        for begin in range(0, len(members), AT_ONCE):
            part = [file_of(one) for one in members[begin : begin + AT_ONCE]]
            colmap.extract_features(
                path, asked.out / "photographs", part, colmap.CameraMode.SINGLE, reader, options
            )
            done += len(part)
            progress.of(done, len(frames))
    counts = _counts(colmap, path)
    empty = [one.name for one in frames if counts.get(file_of(one), 0) < FEW]
    if len(empty) > 0.5 * len(frames):
        raise CamerasError(
            f"{len(empty)} of {len(frames)} photographs show next to nothing that could be found "
            "again in another (a bare wall, a smooth object before a smooth background, or blur)",
            "put the object on something with a pattern, such as a newspaper, and leave the "
            "surroundings in the picture; they show where the camera was",
        )
    middle = sorted(counts.values())[len(counts) // 2] if counts else 0
    progress.line(f"{middle} points in the middle photograph")
    return [path]


def _by_lens(frames: Sequence[Frame]) -> dict[int, list[Frame]]:
    found: dict[int, list[Frame]] = {}
    for one in frames:
        found.setdefault(one.lens, []).append(one)
    return found


def _forget_others(out: Path, path: Path, frames: Sequence[Frame]) -> None:
    """Begin anew where the database holds other photographs, or others of these names; what only
    became more is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listing = path.with_name("database.json")
    photographs = out / "photographs"
    present = {
        file_of(one): [one.lens, list(one.size), stamped(photographs / file_of(one))]
        for one in frames
    }
    try:
        known = jsonfiles.read_object(listing, max_bytes=64 << 20)
    except JsonError:
        known = {"": None}
    if any(present.get(name) != value for name, value in known.items()):
        for name in (path.name, f"{path.name}-shm", f"{path.name}-wal"):
            path.with_name(name).unlink(missing_ok=True)
    jsonfiles.write(listing, present)


def _camera(colmap: Any, path: Path, lens: int, members: Sequence[Frame]) -> int:
    """The number of a lens in the database, written there when it is not.

    What EXIF says is where the solver begins; it is not believed beyond that.
    """
    number = lens + 1
    height, width = members[0].size
    with colmap.Database.open(path) as database:
        if not database.exists_camera(number):
            focal = members[0].focal or GUESS * max(height, width)
            camera = colmap.Camera.create_from_model_name(
                number, "SIMPLE_RADIAL", focal, width, height
            )
            database.write_camera(camera, True)
    return number


def _counts(colmap: Any, path: Path) -> dict[str, int]:
    with colmap.Database.open(path) as database:
        return {
            one.name: int(database.num_keypoints_for_image(one.image_id))
            for one in database.read_all_images()
        }
