"""What speaks for a camera, and what against it: the photographs' own points.

A mapper's poses are a claim. Two photographs that show the same points judge it: with right poses
each pair of points lies on its epipolar lines, and before both cameras. A camera is believed when
several neighbours, themselves believed, say so, and outweigh by far what contradicts it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.solved import Array, Camera, Lens

NEAR = 0.006
"""Distance from its epipolar line at which a point counts, in longest sides of the picture."""
CLOSE = NEAR / 3
"""Distance at which points of right poses lie for the most part; those of a pose that is off by
about as much as counts lie anywhere up to there."""
AS_CLOSE = 0.75
"""A camera's part of such points, in that of the middle camera: a measure that photographs which
are blurred or small, and a lens that is not yet right, do not change."""
AGREE = 0.35
"""Part of the points that two photographs share which must count: of wrong poses hardly any does,
of right ones all but the wrong matches."""
CLEAR = 12
"""Points that must count, times that part: fewer where nearly all do."""
ENOUGH = 15
"""Points that two photographs must share to judge each other."""
NEIGHBOURS = 2
"""Believed neighbours that hold a camera: one alone says little of how far away it was."""
AGAINST, MANY = 0.3, 30
"""A pair of photographs contradicts their cameras where it shares so many points, and so small a
part of them agrees."""
OUTWEIGHS = 4
"""Points that must hold cameras in their place for each that contradicts it: of right poses a
sixth of that contradicts, matched by chance; of poses that are off by a few degrees or parts in a
hundred of the depth, about as many as hold."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Shared:
    """The same points in two photographs: pixels [N, 2] in each."""

    first: Array
    second: Array


@dataclass(frozen=True)
class Verdict:
    """What a pair says of the two cameras: how many points they share, and how many of them agree
    with the poses; ``close``, how many of these do so closely."""

    count: int
    agreeing: int
    close: int

    @property
    def good(self) -> bool:
        """Whether the pair speaks for both poses."""
        return self.agreeing**2 >= CLEAR * self.count and self.agreeing >= AGREE * self.count

    @property
    def contradicts(self) -> bool:
        """Whether the pair says that one of the poses is wrong."""
        return self.count >= MANY and self.agreeing < AGAINST * self.count


def shared_points(colmap: Any, database: Path) -> dict[Pair, Shared]:
    """What every verified pair of photographs shares, by their names without ending."""
    with colmap.Database.open(database) as opened:
        images = {one.image_id: one.name for one in opened.read_all_images()}
        points = {
            number: np.asarray(opened.read_keypoints(number), np.float64)[:, :2]
            for number in images
        }
        numbers, geometries = opened.read_two_view_geometries()
    found = {}
    for number, geometry in zip(numbers, geometries, strict=True):
        matches = np.asarray(geometry.inlier_matches)
        if len(matches) < ENOUGH:
            continue
        a, b = colmap.pair_id_to_image_pair(number)
        pair = (Path(images[a]).stem, Path(images[b]).stem)
        found[pair] = Shared(points[a][matches[:, 0]], points[b][matches[:, 1]])
    return found


def judge(
    cameras: Mapping[str, Camera], lenses: Mapping[int, Lens], shared: Mapping[Pair, Shared]
) -> dict[Pair, Verdict]:
    """What each pair of which both cameras are known says of them."""
    found = {}
    for pair, points in shared.items():
        a, b = pair
        if a in cameras and b in cameras:
            off = distances(cameras[a], cameras[b], lenses, points)
            found[pair] = Verdict(len(off), int((off < NEAR).sum()), int((off < CLOSE).sum()))
    return found


def agreeing(a: Camera, b: Camera, lenses: Mapping[int, Lens], points: Shared) -> NDArray[np.bool_]:
    """Which of the points two cameras see as one point before them."""
    return distances(a, b, lenses, points) < NEAR


def distances(a: Camera, b: Camera, lenses: Mapping[int, Lens], points: Shared) -> Array:
    """The points' distances from their epipolar lines, in longest sides of the picture: in that of
    the two pictures where it is farther. Infinite where a point is not before both cameras."""
    lens_a, lens_b = lenses[a.lens], lenses[b.lens]
    ray_a, ray_b = (
        lens.directions(pixels)
        for lens, pixels in ((lens_a, points.first), (lens_b, points.second))
    )
    turn = b.rotation.T @ a.rotation
    move = b.rotation.T @ (a.centre - b.centre)
    length = float(np.linalg.norm(move))
    if length < 1e-9:
        return np.full(len(ray_a), np.inf)
    x, y, z = move / length
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ turn
    line_b, line_a = ray_a @ essential.T, ray_b @ essential
    off = np.abs((ray_b * line_b).sum(1))
    away_a = off / np.maximum(np.linalg.norm(line_a[:, :2], axis=1), 1e-12) * lens_a.focal[0]
    away_b = off / np.maximum(np.linalg.norm(line_b[:, :2], axis=1), 1e-12) * lens_b.focal[0]
    away = np.maximum(away_a / max(lens_a.size), away_b / max(lens_b.size))
    # Where the rays come nearest: depth_b * ray_b = depth_a * turned + move.
    turned = ray_a @ turn.T
    aa, bb, ab = (turned**2).sum(1), (ray_b**2).sum(1), (turned * ray_b).sum(1)
    am, bm = turned @ move, ray_b @ move
    below = aa * bb - ab**2
    depth_a, depth_b = ab * bm - bb * am, aa * bm - ab * am
    # Rays that are parallel by measurement have no depth to speak of.
    parallel = below < 1e-6 * aa * bb
    return np.where(parallel | ((depth_a > 0) & (depth_b > 0)), away, np.inf)


def believed(verdicts: Mapping[Pair, Verdict], names: Collection[str]) -> set[str]:
    """The largest set of cameras that speak for each other, and that nothing of weight tears apart.

    Where photographs contradict each other, one of the chains that join them may be broken. Between
    the two it would be where the fewest points hold it together: there all the points that hold are
    weighed against all that contradict (``OUTWEIGHS``). So are those of each camera by itself. What
    weighs too little is cut, and the larger part is believed.

    One contradiction alone proves nothing. Of two photographs that see no common side, thousands of
    points always yield some dozens that obey an epipolar geometry by chance, the more the larger
    the pictures are, and right poses contradict it. Such pairs are many, but each is small beside
    what two neighbours share. A wrong pose on the other hand contradicts the neighbours themselves.
    """
    members = set(names)
    while True:
        joined: dict[str, dict[str, int]] = {name: {} for name in members}
        against: dict[Pair, Verdict] = {}
        for (a, b), verdict in verdicts.items():
            if a in members and b in members:
                if verdict.good:
                    joined[a][b] = joined[b][a] = verdict.agreeing
                elif verdict.contradicts:
                    against[a, b] = verdict
        members = largest(joined)
        joined = {name: joined[name] for name in members}
        against = {pair: one for pair, one in against.items() if members.issuperset(pair)}
        torn = _torn(joined, against)
        if torn:
            members -= torn
            continue
        astray = _astray(joined, verdicts)
        if astray:
            members.remove(astray)
            continue
        weak = [name for name in members if len(members & joined[name].keys()) < NEIGHBOURS]
        if not weak:
            return members
        members -= set(weak)


def _torn(joined: Mapping[str, Mapping[str, int]], against: Mapping[Pair, Verdict]) -> set[str]:
    """The smaller side of a cut that holds too little; nothing where all hold."""
    weighed: list[set[str]] = []
    for a, b in sorted(against, key=lambda pair: (against[pair].count, pair), reverse=True):
        if not any((a in side) != (b in side) for side in weighed):
            side = _smaller_side(joined, a, b)
            if _ratio(side, joined, against) > 1:
                return side
            weighed.append(side)
    alone = [{name} for pair in against for name in pair]
    worst = max(alone, key=lambda one: (_ratio(one, joined, against), min(one)), default=set[str]())
    return worst if worst and _ratio(worst, joined, against) > 1 else set()


def _astray(joined: Mapping[str, Mapping[str, int]], verdicts: Mapping[Pair, Verdict]) -> str:
    """The camera whose points lie farthest from their lines, where that is far beside the others;
    else nothing."""
    close = dict.fromkeys(joined, 0)
    for (a, b), verdict in verdicts.items():
        if b in joined.get(a, ()):
            close[a] += verdict.close
            close[b] += verdict.close
    part = {name: close[name] / max(sum(joined[name].values()), 1) for name in joined}
    worst = min(part, key=lambda name: (part[name], name), default="")
    middle = float(np.median(list(part.values()))) if part else 0.0
    return worst if worst and part[worst] < AS_CLOSE * middle else ""


def _ratio(
    side: Collection[str],
    joined: Mapping[str, Mapping[str, int]],
    against: Mapping[Pair, Verdict],
) -> float:
    """What speaks against a side of a cut being where it is, in what its bonds can outweigh."""
    bonds = sum(
        points for name in side for other, points in joined[name].items() if other not in side
    )
    contradicting = sum(
        one.count - one.agreeing for (a, b), one in against.items() if (a in side) != (b in side)
    )
    return OUTWEIGHS * contradicting / max(bonds, 1)


def largest(neighbours: Mapping[str, Collection[str]]) -> set[str]:
    """The largest part whose members are joined."""
    left, best = set(neighbours), set[str]()
    while left:
        part = _reached(neighbours, min(left))
        left -= part
        if len(part) > len(best):
            best = part
    return best


def _reached(neighbours: Mapping[str, Collection[str]], begin: str) -> set[str]:
    """The part that one member is joined to, itself among them."""
    found, waiting = set[str](), [begin]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in neighbours[name] if one not in found]
    return found


def _smaller_side(joined: Mapping[str, Mapping[str, int]], a: str, b: str) -> set[str]:
    """Of the two parts that the weakest cut between ``a`` and ``b`` leaves, the smaller.

    The largest flow from one to the other (Edmonds and Karp 1972) finds the cut.
    """
    room = {name: dict(others) for name, others in joined.items()}
    while True:
        before: dict[str, str] = {a: a}
        waiting = [a]
        for name in waiting:
            for other, left in room[name].items():
                if left > 0 and other not in before:
                    before[other] = name
                    waiting.append(other)
        if b not in before:
            break
        path = [b]
        while path[-1] != a:
            path.append(before[path[-1]])
        steps = list(zip(path[1:], path, strict=False))
        flow = min(room[one][other] for one, other in steps)
        for one, other in steps:
            room[one][other] -= flow
            room[other][one] += flow
    near = set(before)
    rest = set(joined) - near
    return min(near, rest, key=lambda part: (len(part), min(part)))
