"""Fewer triangles with the same texture coordinates: edges are collapsed onto one of their ends.

Which edges, the quadrics of Garland and Heckbert (1997) say: the squared distance from the planes
of the triangles that a vertex stood for. A vertex that stays keeps its place, its normal and its
texture coordinate, so that all levels of detail read the same textures. Seams of the texture and
borders of the surface are collapsed along themselves alone. Many edges that do not touch each
other are collapsed at once.

(No simplifier that is published for Python on every platform knows seams of texture coordinates.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.asset.labels import joined
from diffrec.asset.vertices import Ints, Vertices

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

BORDER_WEIGHT, SEAM_WEIGHT = 10.0, 1.0
"""How much a plane that stands on a border's or a seam's edge counts against a triangle's."""
MOST_TURN = 0.3
"""Cosine of the angle by which a triangle may turn in one collapse."""
THINNEST, THINNEST_UV = 0.05, 0.01
"""Twice the area over the longest edge's square, of triangles that a collapse may make: in space
and in the texture. Thinner ones may stay as thin as they are."""
FARTHEST = 0.25
"""How far a surface may move away, as a share of the edges that a level's triangles would have if
all were alike."""
EAGERNESS = 0.3
"""The share of all vertices, cheapest first, that one pass may collapse."""
LEAST_DONE = 5e-4
"""Collapses of a pass as a share of the triangles, below which little more can be done."""
SMOOTH, SEAM, BORDER, LOCKED = range(4)


def simplified(vertices: Vertices, targets: Sequence[int], texels: float) -> list[Ints]:
    """Triangles [F, 3] into `vertices` for each target, the largest first.

    A surface that is closed stays closed, a manifold one manifold; no triangle turns over, in
    space or in its texture, or loses its area. Where that allows no more, a level has more
    triangles than were asked for. Triangles without an area in the source are left out.

    Args:
        vertices: the surface.
        targets: counts of triangles, each below the one before.
        texels: along the texture's longer side. The outline of a chart may move by a texel,
            and by as much more as the level's triangles are longer: one that is seen in
            smaller pictures.
    """
    state = _Surface(vertices)
    whole = len(state.triangles)
    levels = []
    for target in targets:
        limits = _Limits(
            slip=(whole / target) ** 0.5 / max(texels, 1.0),
            error=FARTHEST**2 * state.area / target * 4 / 3**0.5,
        )
        while state.collapse(target, limits):
            pass
        levels.append(state.triangles.copy())
    return levels


@dataclass(frozen=True)
class _Limits:
    """How far the outline of a chart may move in the texture, and the surface in space, squared."""

    slip: float
    error: float


@dataclass(frozen=True)
class _Edges:
    """E edges of the surface, without direction, and the places [N] that they join.

    `low`, `high`: [E], the two places; `key`: [E], sorted; `first`, `second`: [E], the corners at
    which the edge's half-edges begin, the second one -1 where there is one alone; `kind`: [E];
    `around`: [2 E], places beside each place, from `start` [N + 1] on; `through`: [2 E], the edge.
    """

    low: Ints
    high: Ints
    key: Ints
    count: Ints
    first: Ints
    second: Ints
    kind: Ints
    around: Ints
    through: Ints
    start: Ints


class _Surface:
    """A surface that loses triangles."""

    def __init__(self, vertices: Vertices) -> None:
        points, place = np.unique(vertices.position, axis=0, return_inverse=True)
        self.place: Ints = place.reshape(-1).astype(np.int64)
        extent = max(float(np.ptp(points, axis=0).max()), 1e-30) if len(points) else 1.0
        self.position: Doubles = (points - points[:1]).astype(np.float64) / extent
        self.normal: Doubles = vertices.normal.astype(np.float64)
        self.uv: Doubles = vertices.uv.astype(np.float64)
        corners = self.place[vertices.triangles]
        apart = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
        area = np.linalg.norm(_normals(self.position[corners]), axis=1)
        self.area = float(area.sum()) / 2
        self.triangles: Ints = vertices.triangles[apart & (area > 0)].astype(np.int64)
        self.count = len(points)
        self.slip: Doubles = np.zeros(self.count)
        self.quadric: Doubles = np.zeros((self.count, 11))
        self.tangled = self._tangled()
        self._add_quadrics()
        self.refused: Ints = np.zeros(0, np.int64)
        self._rested = False

    def collapse(self, target: int, limits: _Limits) -> bool:
        """One pass towards `target` triangles; whether another one may do something."""
        if len(self.triangles) <= target:
            return False
        edges = self._edges()
        chosen = self._collapses(edges, limits, target)
        if chosen < LEAST_DONE * len(self.triangles) and len(self.triangles) > target:
            # What was refused before may do now that its surroundings have changed.
            self.refused = self.refused[:0]
            again, self._rested = not self._rested, True
            return again
        self._rested = False
        return True

    # -- topology ------------------------------------------------------------------------------
    def _edges(self) -> _Edges:
        begin = self.place[self.triangles]
        end = np.roll(begin, -1, axis=1)
        low, high = np.minimum(begin, end).reshape(-1), np.maximum(begin, end).reshape(-1)
        keys = low * self.count + high
        order = np.argsort(keys, kind="stable")
        key, at, count = np.unique(keys[order], return_index=True, return_counts=True)
        first = order[at]
        second = np.where(count > 1, order[np.minimum(at + 1, len(order) - 1)], -1)
        flat = self.triangles.reshape(-1)
        opposite = begin.reshape(-1)[first] != begin.reshape(-1)[second]
        same = (flat[first] == flat[_next(second)]) & (flat[_next(first)] == flat[second])
        kind = np.where(same, SMOOTH, SEAM)
        kind[count == 1] = BORDER
        kind[(count > 2) | ((count == 2) & ~opposite)] = LOCKED
        low, high = low[first], high[first]
        beside = np.concatenate([low, high])
        sorting = np.argsort(beside, kind="stable")
        around = np.concatenate([high, low])[sorting]
        through = np.tile(np.arange(len(low)), 2)[sorting]
        start = np.searchsorted(beside[sorting], np.arange(self.count + 1))
        return _Edges(low, high, key, count, first, second, kind, around, through, start)

    def _tangled(self) -> Flags:
        """[N]: places at which the surface is not one fan of triangles."""
        edges = self._edges()
        corner = np.arange(3 * len(self.triangles))
        paired = (edges.count == 2) & (edges.kind != LOCKED)
        one, other = edges.first[paired], edges.second[paired]
        pairs = np.concatenate(
            [np.stack([one, _next(other)]), np.stack([_next(one), other])], axis=1
        )
        label = joined(len(corner), pairs)
        places = self.place[self.triangles.reshape(-1)]
        fans = np.bincount(places[label == corner], minlength=self.count)
        found: Flags = fans > 1
        locked = edges.kind == LOCKED
        found[edges.low[locked]] = found[edges.high[locked]] = True
        return found

    def _kinds(self, edges: _Edges) -> Ints:
        """[N]: what a place may be collapsed along."""
        ends = np.concatenate([edges.low, edges.high])
        kinds = np.tile(edges.kind, 2)
        seams, borders, others = (
            np.bincount(ends[kinds == kind], minlength=self.count)
            for kind in (SEAM, BORDER, LOCKED)
        )
        used = np.unique(self.triangles)
        wedges = np.bincount(self.place[used], minlength=self.count)
        found = np.full(self.count, LOCKED)
        plain = (others == 0) & ~self.tangled
        found[plain & (seams == 0) & (borders == 0) & (wedges == 1)] = SMOOTH
        found[plain & (seams == 2) & (borders == 0) & (wedges == 2)] = SEAM
        found[plain & (seams == 0) & (borders == 2) & (wedges == 1)] = BORDER
        return found

    # -- what it costs ---------------------------------------------------------------------------
    def _add_quadrics(self) -> None:
        corners = self.place[self.triangles]
        normal = _normals(self.position[corners])
        length = np.linalg.norm(normal, axis=1)
        unit = normal / length[:, None]
        self._add_planes(corners, unit, self.position[corners[:, 0]], length / 2)
        edges = self._edges()
        for kind, weight in ((BORDER, BORDER_WEIGHT), (SEAM, SEAM_WEIGHT)):
            for corner in (edges.first, edges.second):
                corner = corner[(edges.kind == kind) & (corner >= 0)]
                ends = np.stack([corners.reshape(-1)[one] for one in (corner, _next(corner))], 1)
                along = self.position[ends[:, 1]] - self.position[ends[:, 0]]
                upright = np.cross(along, unit[corner // 3])
                size = np.linalg.norm(upright, axis=1)
                upright /= np.maximum(size, 1e-30)[:, None]
                self._add_planes(ends, upright, self.position[ends[:, 0]], weight * size**2)

    def _add_planes(self, places: Ints, normal: Doubles, point: Doubles, weight: Doubles) -> None:
        plane = np.concatenate([normal, -(normal * point).sum(1, keepdims=True)], axis=1)
        rows, columns = np.triu_indices(4)
        terms = plane[:, rows] * plane[:, columns] * weight[:, None]
        terms = np.concatenate([terms, weight[:, None]], axis=1)
        for column in range(places.shape[1]):
            for term in range(terms.shape[1]):
                self.quadric[:, term] += np.bincount(
                    places[:, column], terms[:, term], minlength=self.count
                )

    def _costs(self, gone: Ints, kept: Ints) -> tuple[Doubles, Doubles]:
        """The error of collapses, with a little of their length where there is none, and the mean
        square of how far the surface goes away there."""
        point = np.concatenate([self.position[kept], np.ones((len(kept), 1))], axis=1)
        rows, columns = np.triu_indices(4)
        doubled = np.where(rows == columns, 1.0, 2.0)
        terms = point[:, rows] * point[:, columns] * doubled
        quadric = self.quadric[gone] + self.quadric[kept]
        error: Doubles = np.maximum((quadric[:, :10] * terms).sum(1), 0)
        length = ((self.position[gone] - self.position[kept]) ** 2).sum(1)
        return error + 1e-7 * length**2, error / np.maximum(quadric[:, 10], 1e-300)

    # -- collapsing ------------------------------------------------------------------------------
    def _collapses(self, edges: _Edges, limits: _Limits, target: int) -> int:
        """Collapse the cheapest edges that are not beside each other; how many there were."""
        kind = self._kinds(edges)
        edge = np.tile(np.arange(len(edges.low)), 2)
        gone = np.concatenate([edges.low, edges.high])
        kept = np.concatenate([edges.high, edges.low])
        may = (kind[gone] == edges.kind[edge]) & (kind[gone] != LOCKED)
        may &= ~np.isin(gone * self.count + kept, self.refused, assume_unique=True)
        edge, gone, kept = edge[may], gone[may], kept[may]
        if not len(gone):
            return 0
        cost, away = self._costs(gone, kept)
        near_by = away <= limits.error
        edge, gone, kept, cost = edge[near_by], gone[near_by], kept[near_by], cost[near_by]
        if not len(gone):
            return 0
        order = np.lexsort((cost, gone))
        best = order[np.concatenate([[True], np.diff(gone[order]) != 0])]
        best = best[np.argsort(cost[best], kind="stable")]
        wanted = max(1, (len(self.triangles) - target + 1) // 2)
        best = best[: max(16, round(EAGERNESS * len(best)))]
        edge, gone, kept = edge[best], gone[best], kept[best]

        around = _Around(self, edges)
        rank = np.full(self.count, len(best))
        rank[gone] = np.arange(len(best))
        made: list[Ints] = []
        refused = []
        done = 0
        while done < wanted:
            nearest = np.minimum(rank, _least_beside(edges, rank, len(best)))
            alone = np.minimum(nearest, _least_beside(edges, nearest, len(best)))
            picked = np.flatnonzero((alone[gone] == rank[gone]) & (rank[gone] < len(best)))
            if not len(picked):
                break
            good = around.allowed(edge[picked], gone[picked], kept[picked], kind, limits.slip)
            bad, picked = picked[~good], picked[good][: wanted - done]
            refused.append(gone[bad] * self.count + kept[bad])
            rank[gone[bad]] = len(best)
            made.append(picked)
            done += len(picked)
            near = np.zeros(self.count, bool)
            near[gone[picked]] = True
            for _ in range(2):
                low, high = near[edges.low], near[edges.high]
                near[edges.low[high]] = near[edges.high[low]] = True
            rank[near] = len(best)
        self.refused = np.unique(np.concatenate([self.refused, *refused]))
        if not done:
            return 0
        taken = np.concatenate(made)
        around.apply(edge[taken], gone[taken], kept[taken], kind)
        return done


def _least_beside(edges: _Edges, values: Ints, most: int) -> Ints:
    """[N]: the least of `values` [N] among the places beside each; `most` where there are none."""
    padded = np.append(values[edges.around], most)
    least: Ints = np.minimum.reduceat(padded, np.minimum(edges.start[:-1], len(padded) - 1))
    return np.where(edges.start[1:] > edges.start[:-1], least, most)


class _Around:
    """What lies around the places of a surface before a pass changes it."""

    def __init__(self, surface: _Surface, edges: _Edges) -> None:
        self.surface, self.edges = surface, edges
        self.flat: Ints = surface.triangles.reshape(-1)
        self.places: Ints = surface.place[self.flat]
        self.corner = np.argsort(self.places, kind="stable")
        self.start = np.searchsorted(self.places[self.corner], np.arange(surface.count + 1))
        self.valence = np.diff(edges.start)
        self.outer = np.zeros(surface.count, bool)
        border = edges.kind == BORDER
        self.outer[edges.low[border]] = self.outer[edges.high[border]] = True

    def allowed(self, edge: Ints, gone: Ints, kept: Ints, kind: Ints, slip: float) -> Flags:
        """Which collapses leave a surface as good as it is."""
        good = self._linked(edge, gone, kept)
        good &= self._within(edge, gone, kept, kind, slip)[0]
        good &= self._faces_stay(edge, gone, kept)
        return good

    def _linked(self, edge: Ints, gone: Ints, kept: Ints) -> Flags:
        """Whether the two ends have no neighbour in common but the tips of their triangles, and
        these are left with enough triangles around them."""
        edges, count = self.edges, self.surface.count
        one, beside = _ranges(edges.start, gone)
        place = edges.around[beside]
        other = kept[one]
        key = np.minimum(place, other) * count + np.maximum(place, other)
        known = edges.key[np.minimum(np.searchsorted(edges.key, key), len(edges.key) - 1)] == key
        shared = np.bincount(one[known], minlength=len(gone))
        good: Flags = shared == edges.count[edge]
        for corner in (edges.first[edge], edges.second[edge]):
            tip = self.places[_next(_next(corner))]
            least = np.where(self.outer[tip], 3, 4)
            good &= (corner < 0) | (self.valence[tip] >= least)
        return good

    def _sides(self, edge: Ints, gone: Ints) -> tuple[Ints, Ints]:
        """[S, 2] each: the wedges of `gone` on either side of an edge, and those of its other end.

        An edge with one side has it twice.
        """
        edges, flat = self.edges, self.flat
        from_, to = [], []
        for corner in (edges.first[edge], edges.second[edge]):
            corner = np.where(corner < 0, edges.first[edge], corner)
            turned = self.places[corner] != gone
            from_.append(flat[np.where(turned, _next(corner), corner)])
            to.append(flat[np.where(turned, corner, _next(corner))])
        return np.stack(from_, 1), np.stack(to, 1)

    def _within(
        self, edge: Ints, gone: Ints, kept: Ints, kind: Ints, most: float
    ) -> tuple[Flags, Doubles, Ints]:
        """Whether outlines of charts stay where they are, how far they have moved, and the other
        place [S] along the outline."""
        surface, edges = self.surface, self.edges
        moved = np.zeros(len(gone))
        last = kept.copy()
        on = np.flatnonzero(kind[gone] != SMOOTH)
        if len(on):
            one, beside = _ranges(edges.start, gone[on])
            through = edges.through[beside]
            # There are two edges of the outline at each place: the collapsing one and another.
            rest = (edges.kind[through] != SMOOTH) & (through != edge[on][one])
            other = np.empty(len(on), np.int64)
            other[one[rest]] = through[rest]
            last[on] = edges.low[other] + edges.high[other] - gone[on]
            here, there = self._sides(edge[on], gone[on])
            back, before = self._sides(other, gone[on])
            swapped = back[:, 0] != here[:, 0]
            before[swapped] = before[swapped][:, ::-1]
            away = [
                _distance(*(surface.uv[one[:, side]] for one in (here, there, before)))
                for side in (0, 1)
            ]
            moved[on] = np.maximum(*away) + surface.slip[gone[on]]
        return moved <= most, moved, last

    def _faces_stay(self, edge: Ints, gone: Ints, kept: Ints) -> Flags:
        """Whether no triangle around `gone` turns over, in space or texture, or becomes thin."""
        surface = self.surface
        one, corner, new = self._moved(edge, gone, kept)
        old = surface.triangles[corner // 3]
        good = np.ones(len(one), bool)
        before, after = (_normals(surface.position[surface.place[wedges]]) for wedges in (old, new))
        long_before, long_after = (np.linalg.norm(rows, axis=1) for rows in (before, after))
        good &= (before * after).sum(1) > MOST_TURN * long_before * long_after
        shades = [surface.normal[wedges].sum(1) for wedges in (old, new)]
        agreed = (before * shades[0]).sum(1) > 0
        good &= ~agreed | ((after * shades[1]).sum(1) > 0)
        thin = [
            _thinness(rows, surface.position[surface.place[wedges]])
            for rows, wedges in ((long_before, old), (long_after, new))
        ]
        good &= thin[1] >= np.minimum(thin[0], THINNEST)
        areas = [_areas(surface.uv[wedges]) for wedges in (old, new)]
        flat = [
            _thinness(np.abs(area), surface.uv[wedges])
            for area, wedges in zip(areas, (old, new), strict=True)
        ]
        kept_sides = (areas[0] * areas[1] > 0) & (flat[1] >= np.minimum(flat[0], THINNEST_UV))
        good &= kept_sides | (areas[0] == 0)
        kept_all: Flags = np.bincount(one[~good], minlength=len(gone)) == 0
        return kept_all

    def _moved(self, edge: Ints, gone: Ints, kept: Ints) -> tuple[Ints, Ints, Ints]:
        """The triangles that collapses leave and change: which collapse, the corner that moves,
        and all three wedges [P, 3] then."""
        surface = self.surface
        one, at = _ranges(self.start, gone)
        corner = self.corner[at]
        staying = ~(self.places.reshape(-1, 3)[corner // 3] == kept[one][:, None]).any(1)
        one, corner = one[staying], corner[staying]
        here, there = self._sides(edge, gone)
        second = self.flat[corner] != here[one, 0]
        new = surface.triangles[corner // 3].copy()
        new[np.arange(len(corner)), corner % 3] = there[one, second.astype(np.int64)]
        return one, corner, new

    def apply(self, edge: Ints, gone: Ints, kept: Ints, kind: Ints) -> None:
        """Collapse; no two of the places `gone` are beside each other or have a neighbour."""
        surface = self.surface
        _, moved, last = self._within(edge, gone, kept, kind, np.inf)
        for place in (kept, last):
            np.maximum.at(surface.slip, place, moved)
        _one, corner, new = self._moved(edge, gone, kept)
        triangles = surface.triangles
        triangles[corner // 3] = new
        away = np.zeros(surface.count, bool)
        away[gone] = True
        surface.triangles = triangles[~away[surface.place[triangles]].any(1)]
        for term in range(surface.quadric.shape[1]):
            np.add.at(surface.quadric[:, term], kept, surface.quadric[gone, term])


def _next(corner: Ints) -> Ints:
    """The corner behind each one in its triangle."""
    return corner // 3 * 3 + (corner % 3 + 1) % 3


def _ranges(start: Ints, which: Ints) -> tuple[Ints, Ints]:
    """Places in a list of lists: for every entry of the lists `which` its number in `which`, and
    where it stands."""
    length = start[which + 1] - start[which]
    one = np.repeat(np.arange(len(which)), length)
    within = np.arange(len(one)) - np.repeat(np.cumsum(length) - length, length)
    return one, start[which][one] + within


def _normals(corner: Doubles) -> Doubles:
    """[F, 3]: across triangles [F, 3, 3], as long as twice their area."""
    found: Doubles = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return found


def _areas(corner: Doubles) -> Doubles:
    """[F]: twice the signed area of flat triangles [F, 3, 2]."""
    side = corner[:, 1:] - corner[:, :1]
    found: Doubles = side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0]
    return found


def _thinness(doubled: Doubles, corner: Doubles) -> Doubles:
    """[F]: twice the area of triangles over the square of their longest edge."""
    longest = ((corner - np.roll(corner, 1, axis=1)) ** 2).sum(-1).max(1)
    found: Doubles = doubled / np.maximum(longest, 1e-300)
    return found


def _distance(point: Doubles, one: Doubles, other: Doubles) -> Doubles:
    """[S]: how far points lie from the lines between two others."""
    along: NDArray[Any] = other - one
    share = ((point - one) * along).sum(1) / np.maximum((along**2).sum(1), 1e-300)
    nearest = one + share.clip(0, 1)[:, None] * along
    found: Doubles = np.linalg.norm(point - nearest, axis=1)
    return found
