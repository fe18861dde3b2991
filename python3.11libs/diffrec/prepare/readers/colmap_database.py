"""A COLMAP database without a model: points and matches, from which the cameras are solved.

What writes it: COLMAP's feature extractor and matchers, its graphical interface, hloc, pycolmap. It
holds lenses, the photographs' names, their points, and which of them match; it holds no poses.
Where a model lies beside it, that is read. Else COLMAP's mappers work on a copy of it: nothing is
looked for in the photographs again, and their cameras are believed as those of photographs are (see
``cameras``). Matches that nobody has verified yet, as hloc and other tools write them, are verified
first. Documented in COLMAP's *Database Format*.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import cameras, evidence, mapping
from diffrec.prepare.errors import solver
from diffrec.prepare.readers import colmap
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project, ProjectError, refuse_most_missing
from diffrec.prepare.steps import Progress, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError

RANK = 35
LABEL = "COLMAP database"
WANTED = "database.db beside images/, with matched photographs"

PLACES = ("database.db", "colmap/database.db", "distorted/database.db")
"""Where a database may lie in the folder that is named."""
TABLES = {"cameras", "images", "keypoints", "two_view_geometries"}
PAIRED = {"two_view_geometries", "matches"}
"""Tables of what two photographs have in common: verified, and as a matcher found it."""
PAIRS = 2147483647
"""A pair's number is that of its first photograph times this, and that of its second."""
FEWEST = 3


def recognise(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".db" and _is_database(path)
    return _within(path) is not None


def read(path: Path, photographs: Photographs) -> Project:
    """The model beside it, else the one that is solved from its matches."""
    file = path if path.is_file() else _within(path)
    if file is None:
        raise ProjectError(f"{path} holds no COLMAP database")
    if colmap.recognise(file.parent):
        return colmap.read(file.parent, photographs)
    found = colmap.read(_solved(file, photographs), photographs)
    notes = ("the cameras were solved from the matches of the database", *found.notes)
    return dataclasses.replace(found, label=LABEL, file=file, notes=notes)


def _within(folder: Path) -> Path | None:
    found = (folder / place for place in PLACES)
    return next((one for one in found if one.is_file() and _pairs(one)), None)


def _is_database(path: Path) -> bool:
    return _pairs(path) is not None


def _pairs(path: Path) -> int | None:
    """How many pairs of photographs match, verified or not; None where it is no such database."""
    try:
        with _opened(path) as database:
            names = {name for (name,) in database.execute("select name from sqlite_master")}
            if not names >= TABLES:
                return None
            return max(_counted(database, table) for table in PAIRED & names)
    except (sqlite3.Error, OSError, TypeError, ValueError):
        return None


def _counted(database: sqlite3.Connection, table: str) -> int:
    """Pairs of photographs with enough matches in a table of them."""
    (count,) = database.execute(
        f"select count(*) from {table} where rows >= ?",
        (evidence.ENOUGH,),
    ).fetchone()
    return int(count)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that is not written to."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        yield database


def _solved(file: Path, photographs: Photographs) -> Path:
    """The folder of the model that COLMAP's mappers find; it is kept for as long as the database is
    the same."""
    place = photographs.made / "work" / "from_database"
    listing, model = place / "of.json", place / "model"
    of = [str(file), stamped(file)]
    try:
        if jsonfiles.read_object(listing).get("of") == of and colmap.recognise(model):
            return model
    except JsonError:
        pass
    shutil.rmtree(place, ignore_errors=True)
    model.mkdir(parents=True)
    copy = place / "database.db"
    names = _copied(file, copy)
    count = len(names)
    missing = [one for one in names if photographs.named(one, f"{file}: image {one}") is None]
    refuse_most_missing(file, missing, count)
    solving = solver()
    _verified(solving, file, copy, photographs.told)
    photographs.told(f"{file}: {count} photographs and their matches; solving the cameras")
    # No mapper looks at the photographs: any folder that is there will do.
    mappers = mapping.Mapping(solving, copy, place, place / "scratch", os.cpu_count() or 1)
    found = cameras.believed_model(
        mappers, evidence.shared_points(solving, copy), Progress("cameras", photographs.told)
    )
    placed = 0 if found is None else int(found.num_reg_images())
    if placed < max(FEWEST, cameras.LEAST * count):
        raise ProjectError(
            f"{file}: only {placed} of its {count} photographs have cameras that its matches speak "
            "for",
            "match more pairs in COLMAP (its exhaustive matcher), or name the folder of the "
            "photographs itself: then they are solved from the beginning",
        )
    found.write(model)
    shutil.rmtree(place / "scratch", ignore_errors=True)
    copy.unlink()
    jsonfiles.write(listing, {"of": of})
    return model


def _verified(solving: Any, file: Path, copy: Path, told: Callable[[str], None]) -> None:
    """Verify the matches of a copy, where the database holds none that are.

    Raises:
        ProjectError: it holds no matches at all.
    """
    with _opened(copy) as database:
        if _counted(database, "two_view_geometries"):
            return
        tables = {name for (name,) in database.execute("select name from sqlite_master")}
        raw = _counted(database, "matches") if "matches" in tables else 0
    if not raw:
        raise ProjectError(
            f"{file} holds points of photographs, but no matches between them",
            "run one of COLMAP's matchers (exhaustive, sequential or vocabulary tree), or name the "
            "folder of the photographs itself: then they are solved from the beginning",
        )
    told(f"{file}: {raw} pairs of photographs match; verifying them")
    options = solving.TwoViewGeometryOptions()
    options.ransac.random_seed = 0
    solving.geometric_verification(copy, two_view_geometry_options=options)


def _copied(file: Path, copy: Path) -> list[str]:
    """Copy a database that holds together; the names of its photographs.

    COLMAP's own reader believes what a database says of itself.
    """
    try:
        with _opened(file) as database, closing(sqlite3.connect(copy)) as other:
            images = dict(database.execute("select image_id, name from images"))
            wrong = _wrong(database, images)
            if wrong is None:
                database.backup(other)
    except (sqlite3.Error, OSError, TypeError, ValueError, OverflowError) as error:
        raise ProjectError(f"{file} is no COLMAP database that can be read: {error}") from None
    if wrong is not None:
        raise ProjectError(f"{file} {wrong}")
    names = Counter(Path(str(name)).stem for name in images.values())
    twice = sorted(name for name, times in names.items() if times > 1)
    if twice:
        raise ProjectError(
            f"{file} has several photographs named {twice[0]}",
            "name the folder of the photographs itself: then they are solved from the beginning",
        )
    return [str(name) for name in images.values()]


def _wrong(database: sqlite3.Connection, images: dict[int, str]) -> str | None:
    points = {}
    for number, rows, columns, size in database.execute(
        "select image_id, rows, cols, length(data) from keypoints"
    ):
        if rows and (columns not in (2, 4, 6) or size != rows * columns * 4):
            return f"is damaged: the points of photograph {number} are cut"
        points[number] = rows
    tables = {name for (name,) in database.execute("select name from sqlite_master")}
    for pair, rows, data in chain.from_iterable(
        database.execute(f"select pair_id, rows, data from {table} where rows > 0")
        for table in sorted(PAIRED & tables)
    ):
        second = pair % PAIRS
        first = (pair - second) // PAIRS
        if first not in images or second not in images:
            return (
                f"is damaged: it has matches of photographs {first} and {second}, not both of them"
            )
        matches = np.frombuffer(data or b"", np.uint32)
        if len(matches) != 2 * rows:
            return f"is damaged: the matches of photographs {first} and {second} are cut"
        most = matches.reshape(-1, 2).max(0)
        if most[0] >= points.get(first, 0) or most[1] >= points.get(second, 0):
            return f"is damaged: photographs {first} and {second} match points that are not there"
    if not any(count for count in points.values()):
        return "holds no points of photographs; run COLMAP's feature extractor and a matcher first"
    return None
