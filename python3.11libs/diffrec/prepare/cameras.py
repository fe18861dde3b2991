"""Step 4: where each photograph was taken, and whether that can be believed.

Both of COLMAP's mappers make claims. The largest part of a claim that its photographs' own points
hold together is believed first; then photographs join it one after the other by the points they
share with it, and parts of other claims join it as a whole where they have cameras in common. All
is refined together and judged anew each time. What nothing speaks for in the end is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.prepare import evidence, mapping
from diffrec.prepare.errors import ANOTHER_CAPTURE, CamerasError, solver
from diffrec.prepare.evidence import Pair, Shared
from diffrec.prepare.features import database_of
from diffrec.prepare.frames import FEWEST, Frame
from diffrec.prepare.sifting import stillness
from diffrec.prepare.solved import Array, Camera, Lens, Solved, place_of
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation
from nvdiffrec_contract.wording import counted

ROUNDS = 3
LEAST = 0.4
"""Part of the photographs whose cameras must be believed."""
IN_COMMON = 3
"""Believed cameras by which a part of another claim is put in its place."""
CLOSE, PARALLEL = 0.05, 3.0
"""How far cameras in common may lie apart, in distances to the middle, and turn, in degrees."""
UNMOVED, NEARLY_ALL = 0.003, 0.9
"""The camera did not move where in so many of the pairs the same points are closer together than
that, in the diagonal."""
STILL = 0.02
"""Cameras nearer together than this, in distances to what they see, did not move."""

Claim = dict[str, Camera]


class TooFewError(CamerasError):
    """Too few cameras can be believed; ``partly`` are those that can."""

    def __init__(self, cause: str, cure: str, partly: Solved) -> None:
        super().__init__(cause, cure)
        self.partly = partly


def solve(asked: Preparation, frames: Sequence[Frame], progress: Progress) -> list[Path]:
    """Find the cameras; the files that were made.

    Raises:
        CamerasError: too few of them can be believed.
    """
    colmap = solver()
    database = database_of(asked.out)
    shared = evidence.shared_points(colmap, database)
    _refuse_what_never_moved(shared, frames)
    mappers = mapping.Mapping(
        colmap,
        database,
        asked.out / "photographs",
        asked.out / "work" / "scratch",
        asked.threads,
    )
    model = believed_model(mappers, shared, progress)
    names = [one.name for one in frames]
    if model is None:
        raise CamerasError(
            f"none of the {len(names)} photographs has a camera that can be believed: they share "
            "too few points",
            ANOTHER_CAPTURE,
        )
    solved = solved_of(model, names, shared, frames)
    if len(solved.cameras) < max(FEWEST, LEAST * len(names)):
        raise TooFewError(
            f"only {len(solved.cameras)} of {len(names)} photographs have cameras that can be "
            "believed; the others share too few points with them, or contradict them. "
            f"{asked.out / 'report' / 'masks.png'} shows which",
            ANOTHER_CAPTURE,
            solved,
        )
    _refuse_what_stood_still(solved)
    folder = asked.out / "work" / "sparse" / "0"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.write(folder)
    solved.save(place_of(asked.out))
    shutil.rmtree(asked.out / "work" / "scratch", ignore_errors=True)
    progress.line(f"{len(solved.cameras)} of {len(names)} believed")
    if solved.refused:
        progress.line(about_refused(solved.refused, shared))
    return [place_of(asked.out)]


def believed_model(
    mappers: mapping.Mapping, shared: Mapping[Pair, Shared], progress: Progress
) -> Any:
    """The model of all cameras that can be believed; None where there is none."""
    models = mappers.place_all()
    progress.line(f"global mapper: {_counted(models)} placed")
    sure = mappers.place_sure()
    progress.line(f"incremental mapper: {_counted(sure)} placed")
    models += sure
    claims = [part for one in models for part in _parts(one, shared)]
    if not models or not claims:
        return None
    best = max(models, key=lambda one: len(_believed(one, shared)))
    kept = _believed(best, shared)
    mapping.without(best, set(mapping.cameras_of(best)) - kept)
    model = best
    for _ in range(ROUNDS):
        before = len(kept)
        model = _first_or(mappers.place_sure(mappers.triangulate(model)), model)
        model = _joined(mappers, model, claims)
        model = _first_or(mappers.place_sure(mappers.triangulate(model)), model)
        mappers.refine(model)
        kept = _believed(model, shared)
        mapping.without(model, set(mapping.cameras_of(model)) - kept)
        progress.line(f"{len(kept)} cameras believed")
        if len(kept) <= before:
            break
    return model


def _counted(models: Sequence[Any]) -> str:
    return " + ".join(str(one.num_reg_images()) for one in models) or "none"


def _first_or(models: Sequence[Any], other: Any) -> Any:
    return models[0] if models else other


def _believed(model: Any, shared: Mapping[Pair, Shared]) -> set[str]:
    cameras, lenses = mapping.cameras_of(model), mapping.lenses_of(model)
    return evidence.believed(evidence.judge(cameras, lenses, shared), cameras)


def _parts(model: Any, shared: Mapping[Pair, Shared]) -> list[Claim]:
    """The parts of a claim that hold together, each without its outsiders."""
    cameras, lenses = mapping.cameras_of(model), mapping.lenses_of(model)
    verdicts = evidence.judge(cameras, lenses, shared)
    found: list[Claim] = []
    left = set(cameras)
    while len(left) > IN_COMMON:
        part = evidence.believed(verdicts, left)
        if len(part) <= IN_COMMON:
            break
        found.append({name: cameras[name] for name in part})
        left -= part
    return found


def _joined(mappers: mapping.Mapping, model: Any, claims: Sequence[Claim]) -> Any:
    """The model with those cameras of the claims that it lacks, where they fit."""
    known = mapping.cameras_of(model)
    more: Claim = {}
    for claim in sorted(claims, key=len, reverse=True):
        lacking = set(claim) - known.keys() - more.keys()
        common = sorted(set(claim) & known.keys())
        if not lacking or len(common) < IN_COMMON:
            continue
        fit = fitted({name: claim[name] for name in common}, known)
        if fit is not None:
            scale, turn, move = fit
            for name in lacking:
                one = claim[name]
                more[name] = Camera(one.lens, turn @ one.rotation, scale * turn @ one.centre + move)
    return mappers.added(model, more) if more else model


def fitted(
    these: Mapping[str, Camera], those: Mapping[str, Camera]
) -> tuple[float, Array, Array] | None:
    """(scale, turn, move) that takes cameras onto others of the same names; None where most of
    them do not fit."""
    names = sorted(these)
    a = np.array([these[name].centre for name in names])
    b = np.array([those[name].centre for name in names])
    turns = np.array([those[name].rotation @ these[name].rotation.T for name in names])
    apart_a, apart_b = (np.linalg.norm(one[:, None] - one, axis=2) for one in (a, b))
    if not (apart_a > 1e-9).any():
        return None
    scale = float(np.median((apart_b / np.maximum(apart_a, 1e-12))[apart_a > 1e-9]))
    reach = np.linalg.norm(b - np.median(b, axis=0), axis=1).max() + 1e-12

    def agreeing(scale: float, turn: Array, move: Array) -> NDArray[np.bool_]:
        away = np.linalg.norm(scale * a @ turn.T + move - b, axis=1) / reach
        cosine = (np.einsum("nij,ij->n", turns, turn) - 1) / 2
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        return np.asarray((away < CLOSE) & (angle < PARALLEL))

    # What each camera alone would have; the most agree with a good one.
    kept = max(
        (agreeing(scale, turns[i], b[i] - scale * turns[i] @ a[i]) for i in range(len(names))),
        key=lambda good: int(good.sum()),
    )
    for _ in range(3):
        if kept.sum() < max(IN_COMMON, 0.5 * len(names)):
            return None
        u, _s, v = np.linalg.svd(turns[kept].sum(0))
        turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
        turned = a[kept] @ turn.T
        from_middle, to_middle = turned.mean(0), b[kept].mean(0)
        spread = float(((turned - from_middle) ** 2).sum())
        if spread < 1e-18:
            return None
        scale = float(((turned - from_middle) * (b[kept] - to_middle)).sum() / spread)
        move = to_middle - scale * from_middle
        kept = agreeing(scale, turn, move)
    return (scale, turn, move) if scale > 0 else None


def solved_of(
    model: Any, names: Sequence[str], shared: Mapping[Pair, Shared], frames: Sequence[Frame]
) -> Solved:
    """The result, with a reason for every photograph that has no camera in it."""
    cameras, lenses = mapping.cameras_of(model), mapping.lenses_of(model)
    points, seen = mapping.points_of(model)
    refused = {}
    for name in names:
        if name not in cameras:
            partners = {
                a if b == name else b: len(one.first)
                for (a, b), one in shared.items()
                if name in (a, b)
            }
            known = [count for other, count in partners.items() if other in cameras]
            refused[name] = (
                "shares no points with the others"
                if not partners
                else f"shares points with {counted(len(partners), 'photograph')} without a camera, "
                "and none with those that have one"
                if not known
                else f"shares {sum(known)} points with {len(known)} of the believed cameras, which "
                "do not settle where it was"
            )
    return Solved(lenses, cameras, points, seen, refused, tuple(_about_lenses(lenses, frames)))


def about_refused(refused: Collection[str], shared: Mapping[Pair, Shared]) -> str:
    """A sentence on the photographs without a camera: what to do about them.

    Of two objects, or of two walks around one that nothing joins, the larger part alone is placed:
    then the rest hold together by themselves.
    """
    joined: dict[str, set[str]] = {name: set() for name in refused}
    with_used = set[str]()
    for a, b in shared:
        if a in joined and b in joined:
            joined[a].add(b)
            joined[b].add(a)
        else:
            with_used |= {a, b}
    apart = evidence.largest(joined) - with_used
    told = f"{counted(len(refused), 'photograph')} without a camera, not used, first {min(refused)}"
    if len(apart) >= max(IN_COMMON, 0.5 * len(refused)):
        return (
            f"{told}; {len(apart)} of them share points with each other and none with those "
            "that are used: if they show another object give them a folder of their own, else add "
            "photographs that join the two"
        )
    return f"{told}; report/report.txt says why for each"


def _about_lenses(lenses: Mapping[int, Lens], frames: Sequence[Frame]) -> list[str]:
    """Where EXIF says another lens than the photographs do."""
    notes = []
    for number, lens in lenses.items():
        said = next((one.focal for one in frames if one.lens + 1 == number and one.focal), None)
        if said is not None and not 0.8 < said / lens.focal[0] < 1.25:
            notes.append(
                f"EXIF gives a focal length of {said:.0f} pixels, the photographs one of "
                f"{lens.focal[0]:.0f}; the photographs are believed"
            )
    return notes


def _refuse_what_never_moved(shared: Mapping[Pair, Shared], frames: Sequence[Frame]) -> None:
    """Photographs in which nearly everything stays where it was: no mapper ends with them soon."""
    diagonals = {one.name: float(np.hypot(*one.size)) for one in frames}
    moved = [
        float(np.median(np.linalg.norm(one.first - one.second, axis=1))) / diagonals[names[0]]
        for names, one in shared.items()
        if len(one.first) and names[0] in diagonals
    ]
    if moved and float(np.quantile(moved, NEARLY_ALL)) < UNMOVED:
        raise CamerasError(stillness.NEVER_MOVED, stillness.WALK_AROUND)


def _refuse_what_stood_still(solved: Solved) -> None:
    """Photographs of one place show nothing of an object's shape."""
    centres = np.array([one.centre for one in solved.cameras.values()])
    if not len(solved.points):
        return
    middle = np.median(solved.points, axis=0)
    far = float(np.median(np.linalg.norm(centres - middle, axis=1)))
    if float(np.linalg.norm(centres - centres.mean(0), axis=1).max()) < STILL * far:
        raise CamerasError("all photographs were taken from one place; walk around the object")
