"""Step 3: which photographs show the same points.

Every pair is tried of a small set; of a film each picture with those before and after it; of a
large set those that look alike. Points that are paired must obey one epipolar geometry, and are
then sought once more along its lines (guided matching).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.cameras import LEAST
from diffrec.prepare.errors import CamerasError, solver
from diffrec.prepare.features import database_of, file_of
from diffrec.prepare.frames import Frame
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

ALL_PAIRS = 64
"""Photographs up to which every pair is tried."""
ALIKE = 24
"""Photographs that each is compared with in a larger set, the most alike first."""
AFTER = 6
"""Photographs that follow it in name order, or in the film."""
AT_ONCE = 64

WORDS, SAMPLED = 64, 300

Pairs = list[tuple[str, str]]


def match(
    asked: Preparation, frames: Sequence[Frame], film: bool, progress: Progress
) -> list[Path]:
    """Pair the photographs' points; pairs that have been tried are not tried again.

    Raises:
        CamerasError: hardly any two photographs show the same points.
    """
    colmap = solver()
    path = database_of(asked.out)
    pairs = planned(colmap, path, frames, asked.matching, film)
    options = colmap.FeatureMatchingOptions()
    options.use_gpu = False
    options.num_threads = asked.threads
    options.guided_matching = True
    verification = colmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = 0
    listing = asked.out / "work" / "pairs.txt"
    pairing = colmap.ImportedPairingOptions()
    pairing.match_list_path = listing
    for begin in range(0, len(pairs), AT_ONCE):
        part = pairs[begin : begin + AT_ONCE]
        listing.write_text("".join(f"{a} {b}\n" for a, b in part), encoding="utf-8")
        colmap.match_image_pairs(path, options, pairing, verification)
        progress.of(min(begin + AT_ONCE, len(pairs)), len(pairs))
    listing.unlink(missing_ok=True)
    with colmap.Database.open(path) as database:
        # Pairs that share nothing are in the table as well, with no point.
        matched = len(database.read_two_view_geometry_num_inliers()[0])
    progress.line(f"{matched} of {len(pairs)} pairs show the same points")
    if matched < LEAST * len(frames):
        raise CamerasError(
            f"only {matched} of {len(pairs)} pairs of photographs show the same points; no cameras "
            "can be found from that"
        )
    return [path]


def planned(colmap: Any, path: Path, frames: Sequence[Frame], matching: str, film: bool) -> Pairs:
    """The pairs to try, each once, by names in the database."""
    names = [file_of(one) for one in frames]
    count = len(names)
    if matching == "exhaustive" or (matching == "auto" and count <= ALL_PAIRS):
        found = {(i, j) for i in range(count) for j in range(i + 1, count)}
    else:
        found = {
            (i, i + step) for i in range(count) for step in range(1, AFTER + 1) if i + step < count
        }
        seen_before = 2 * AFTER if film or matching == "film" else ALIKE
        with colmap.Database.open(path) as database:
            described = _described(database, names)
        likeness = described @ described.T
        np.fill_diagonal(likeness, -np.inf)
        for i, row in enumerate(likeness):
            for j in np.argsort(-row)[:seen_before]:
                found.add((min(i, int(j)), max(i, int(j))))
    return [(names[i], names[j]) for i, j in sorted(found)]


def _described(database: Any, names: Sequence[str]) -> NDArray[np.float32]:
    """One vector for each photograph, alike where they show alike points.

    Vectors of locally aggregated descriptors (Jegou et al. 2010) over words of the set's own.
    """
    import cv2

    numbers = {one.name: one.image_id for one in database.read_all_images()}
    chance = np.random.default_rng(0)
    points = []
    for name in names:
        found = np.asarray(database.read_descriptors(numbers[name]).data, np.float32)
        points.append(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6))
    sample = np.concatenate(
        [one[chance.permutation(len(one))[:SAMPLED]] for one in points if len(one)]
    )
    words = min(WORDS, len(sample))
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1e-3)
    centres = np.asarray(
        cv2.kmeans(sample, words, None, stop, 1, cv2.KMEANS_PP_CENTERS)[2]  # type: ignore[call-overload,unused-ignore]
    )
    vectors = np.zeros((len(names), words, sample.shape[1]), np.float32)
    for vector, one in zip(vectors, points, strict=True):
        nearest = (one @ centres.T - 0.5 * (centres**2).sum(1)).argmax(1) if len(one) else []
        np.add.at(vector, nearest, one - centres[nearest] if len(one) else 0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6)
    flat = vectors.reshape(len(names), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))
