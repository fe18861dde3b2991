"""Masks out of photographs and their cameras alone.

All photographs look at the object: it is near the point at which their axes meet. What lies in a
ball around that point and what does not gives colours of object and surroundings, for all
photographs together: what is surroundings in one is so where it shows through the object's openings
in another. What the object stands on is known by more than its colour (see ``support``). By these
each pixel belongs to the object more or less; the photographs vote on a hull in space, pixels that
may be either hardly counting, and from its outline the colours are learned again. In the end each
outline is cut out of its own photograph, along its edges (Boykov and Jolly 2001; at full size
GrabCut, Rother et al. 2004), and again where an object with a pattern is known by its points (see
``landmarks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.errors import MasksError
from diffrec.prepare.outline import hull, support
from diffrec.prepare.outline.hull import Hull
from diffrec.prepare.outline.landmarks import Landmarks
from diffrec.prepare.solved import Array, Solved, nearest_point_to_axes, up_of

WORKING = 320
"""Longest side of the pictures in which the object is found."""
CELLS = (48, 64, 80)
"""Cells along a side of the hull's cube, in each round."""
BINS = (10, 28, 28, 5)
"""Steps of lightness, of both colour axes (CIE Lab), and of how rough the surface looks."""
ROUGHNESS = 0.01
"""Half the side of the square that shows how rough a surface looks, in longest sides."""
INSIDE, OUTSIDE = 0.8, 1.3
"""Of the ball's radius: what is taken for object, and for surroundings, at first."""
SURE, EVEN = 0.6, 0.5
"""What is learned as the object's colour; and how likely a pixel inside the outline is to be of the
object before its colour is known: the outline came from colours, and must not prove them right."""
VOTES = 0.8
"""Part of the votes that the hull needs."""
DOUBT = 0.1
"""Least weight of a vote: a pixel that may be either leaves it to other photographs."""
FILLED = 0.85
"""How likely a pixel inside the last outline is to be of the object before its colour is known: by
then many photographs have spoken, and where a colour is that of both they decide."""
SHARED = 0.85
"""How much less a colour says where it is known what the table looks like there: that it is one of
the surroundings' is known already."""
WEIGHT = 5.0
"""How much the odds of pixels count against the edges between them, in OpenCV's graph cut."""
NEAR = 0.02
"""How far from the hull's outline the object can reach, in longest sides of the picture."""

Coverage = NDArray[np.float32]
Picture = NDArray[np.uint8]


def ball(solved: Solved) -> tuple[Array, float]:
    """(centre, radius) of a ball at which all cameras look, and which most of them show whole.

    Raises:
        MasksError: they look at nothing in common.
    """
    centre = nearest_point_to_axes(solved.cameras)
    radii = []
    for camera in solved.cameras.values():
        lens = solved.lenses[camera.lens]
        x, y, z = camera.into(centre[None])[0]
        if z <= 0:
            continue
        right, up = lens.size[1] / 2 / lens.focal[0], lens.size[0] / 2 / lens.focal[1]
        # From the centre to the nearest side of the picture.
        side = min(right * z - abs(x), up * z - abs(y)) / np.hypot(1, min(right, up))
        radii.append(max(side, 0.0))
    radius = float(np.percentile(radii, 35)) if radii else 0.0
    if radius <= 0:
        raise MasksError(
            "the photographs do not look at one object: the cameras' axes meet nowhere in their "
            "middle",
            "photograph so that the object is in the middle of each picture, or paint masks",
        )
    return centre, radius


@dataclass(frozen=True)
class _Palette:
    """How likely each colour is to be of the object, [bins], where it is as likely as not before
    the colour is known."""

    likely: NDArray[np.float32]

    @classmethod
    def learned(
        cls, colours: Mapping[str, NDArray[np.int32]], inside: Mapping[str, Coverage],
        outside: Mapping[str, Coverage],
    ) -> _Palette:  # fmt: skip
        count = int(np.prod(BINS))
        tables = []
        for weights in (inside, outside):
            table = np.zeros(count)
            for name, numbers in colours.items():
                table += np.bincount(numbers.ravel(), weights[name].ravel(), minlength=count)
            table = _smoothed(table.reshape(BINS)).ravel()
            tables.append(table / max(table.sum(), 1e-9))
        ours, others = tables
        rare = 2e-6  # a colour that hardly occurs says little
        return cls(((ours + rare) / (ours + others + 2 * rare)).astype(np.float32))

    def of(self, numbers: NDArray[np.int32]) -> Coverage:
        return np.asarray(self.likely[numbers])


def _smoothed(table: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in range(table.ndim):
        before = np.roll(table, 1, axis)
        after = np.roll(table, -1, axis)
        edge = [slice(None)] * table.ndim
        for end, moved in ((0, before), (-1, after)):
            edge[axis] = slice(end, None) if end else slice(0, 1)
            moved[tuple(edge)] = 0
        table = 0.5 * table + 0.25 * (before + after)
    return table


def find(
    solved: Solved,
    read: Callable[[str], Picture],
    threads: int,
    told: Callable[[int, int], None],
) -> tuple[dict[str, Coverage], Hull]:
    """Coverage of the object in small copies of all photographs, and the hull they agree on.

    ``read`` gives a photograph as BGR; ``told`` hears how many pictures of how many are done.
    """
    centre, radius = ball(solved)
    pictures = {name: _small(read(name)) for name in solved.cameras}
    colours = {name: _numbers(one) for name, one in pictures.items()}
    away = {name: _away(solved, name, one, centre, radius) for name, one in pictures.items()}
    inside = {name: (one < INSIDE).astype(np.float32) for name, one in away.items()}
    outside = {name: (one > OUTSIDE).astype(np.float32) for name, one in away.items()}
    before = {name: np.clip(1.6 - one, 0.05, 0.9).astype(np.float32) for name, one in away.items()}
    table = _table(solved, pictures, centre, radius)
    for name, (odds, _known) in table.items():
        inside[name][odds < -1] = 0
        outside[name][odds < -1] = 1
    half = 1.5 * radius
    carved: Hull | None = None

    def believed(name: str) -> Coverage:
        odds = _odds(palette.of(colours[name]))
        if name in table:
            told, known = table[name]
            odds = (1 - SHARED * known) * odds + told
        return _smooth(pictures[name], _likely(odds + _odds(before[name])))

    for count in CELLS:
        palette = _Palette.learned(colours, inside, outside)
        belief = {name: believed(name) for name in pictures}
        carved = hull.carve(solved, belief, hull.cube(centre, half, count), VOTES, DOUBT)
        low, high = carved.box()
        outlines = {
            name: hull.silhouette(solved, name, carved, one.shape[:2])
            for name, one in pictures.items()
        }
        for name, outline in outlines.items():
            near, far = _grown(outline, -0.012), _grown(outline, 0.03)
            sure = belief[name] > SURE
            inside[name] = (near & sure).astype(np.float32)
            outside[name] = 1 - far.astype(np.float32)
            outside[name][near & (belief[name] < 0.15)] = 1
            before[name] = _softened(outline, EVEN if count != CELLS[-1] else FILLED)
        centre, half = 0.5 * (low + high), 0.56 * float((high - low).max())
    palette = _Palette.learned(colours, inside, outside)

    def cut(name: str) -> Coverage:
        return _largest(_cut_by_odds(pictures[name], certain[name], _grown(outlines[name], NEAR)))

    def cut_all(done: int) -> dict[str, Coverage]:
        masks = {}
        for name, found in zip(pictures, pool.map(cut, pictures), strict=True):
            masks[name] = found
            told(done + len(masks), 2 * len(pictures))
        return masks

    with ThreadPoolExecutor(max(1, threads)) as pool:
        beliefs = pool.map(believed, pictures)
        certain = {name: _odds(one) for name, one in zip(pictures, beliefs, strict=True)}
        masks = cut_all(0)
        marked = Landmarks(solved).odds(masks)
        if marked:
            certain = {name: one + marked[name] for name, one in certain.items()}
            masks = cut_all(len(masks))
    assert carved is not None
    return masks, carved


def _small(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = min(1.0, WORKING / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _numbers(picture: Picture) -> NDArray[np.int32]:
    """The number of each pixel's colour and roughness in a palette."""
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
    light, a, b, rough = BINS
    first = lab[..., 0].astype(np.int32) * light // 256
    # Most colours lie near grey: finer there.
    second, third = (
        np.clip((lab[..., i].astype(np.int32) - 128) * count // 128 + count // 2, 0, count - 1)
        for i, count in ((1, a), (2, b))
    )
    whole = lab[..., 0].astype(np.float32)
    size = (2 * max(1, round(ROUGHNESS * max(whole.shape))) + 1,) * 2
    variance = cv2.blur(whole * whole, size) - cv2.blur(whole, size) ** 2
    # Deviations of 2, 4, 8 and 16 levels part the steps.
    steps = 0.5 * np.log2(np.maximum(variance, 1))
    fourth = np.clip(steps, 0, rough - 1).astype(np.int32)
    return np.asarray(((first * a + second) * b + third) * rough + fourth, np.int32)


def _away(
    solved: Solved, name: str, picture: Picture, centre: Array, radius: float
) -> NDArray[np.float32]:
    """Distance of each pixel from the ball's middle in the picture, in its radii there."""
    height, width = picture.shape[:2]
    camera = solved.cameras[name]
    lens = solved.lenses[camera.lens].resized((height, width))
    depth = float(camera.into(centre[None])[0, 2])
    if depth <= 0:
        return np.full((height, width), 9.0, np.float32)
    x, y = lens.pixels(camera.into(centre[None])[:, :2] / depth)[0]
    reach = max(lens.focal[0] * radius / depth, 1e-6)
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) / reach, np.float32)


def _odds(likely: Coverage) -> Coverage:
    """The logarithm of the odds of what is likely."""
    kept = np.clip(likely, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def _likely(odds: Coverage) -> Coverage:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _table(
    solved: Solved, pictures: Mapping[str, Picture], centre: Array, radius: float
) -> dict[str, tuple[Coverage, Coverage]]:
    """For each photograph what is not the table, and how well that is known; nothing where the
    object stands on none."""
    plane = support.plane_of(solved, centre, radius, up_of(solved.cameras))
    if plane is None:
        return {}
    found = support.Support(solved, pictures, plane, centre, radius)
    return {name: found.odds(name, one) for name, one in pictures.items()}


def _smooth(picture: Picture, values: Coverage) -> Coverage:
    """Values smoothed where the picture is smooth (guided filter, He et al. 2010)."""
    guide = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    size = (2 * max(2, round(0.012 * max(guide.shape))) + 1,) * 2

    def mean(of: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(of, -1, size))

    middle, level = mean(guide), mean(values)
    slope = (mean(guide * values) - middle * level) / (mean(guide * guide) - middle**2 + 4e-3)
    found = mean(slope) * guide + mean(level - slope * middle)
    return np.asarray(np.clip(found, 0, 1), np.float32)


def _grown(outline: NDArray[np.bool_], part: float) -> NDArray[np.bool_]:
    """An outline grown by a part of the picture's longest side, or shrunk by a negative one."""
    reach = max(1, round(abs(part) * max(outline.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    work = cv2.dilate if part > 0 else cv2.erode
    return np.asarray(work(outline.astype(np.uint8), kernel, borderValue=int(part < 0)) > 0)


def _largest(mask: Coverage) -> Coverage:
    """Without specks: what is much smaller than the largest piece."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= 0.05 * areas.max())
    return np.isin(pieces, kept).astype(np.float32)


def _cut_by_odds(picture: Picture, odds: Coverage, near: NDArray[np.bool_]) -> Coverage:
    """The outline that follows the odds of the pixels and the edges of the picture best, within
    what is near.

    OpenCV's graph cut learns colours, and would take what has the surroundings' colour away again.
    It is given the odds in place of a colour, and as what it has learned two normal distributions
    that have these odds.
    """
    label = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    label[~near] = cv2.GC_BGD
    if _one_sided(label):
        return _object_of(label)
    seen = np.full((*label.shape, 3), 128, np.uint8)
    seen[..., 0] = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    seen[..., 1] = np.clip(128 + 4 * odds, 64, 192)
    models = []
    for side in (-1, 1):
        model = np.zeros((1, 65))  # weights of five distributions, their middles, their covariances
        model[0, 0] = 1
        model[0, 5:8] = 128, 128 + 10 * side, 128
        model[0, 20:29] = np.diag([1e6, 80 / WEIGHT, 1e6]).ravel()
        models.append(model)
    cv2.grabCut(seen, label, None, models[0], models[1], 1, cv2.GC_EVAL_FREEZE_MODEL)
    return _object_of(label)


def _softened(outline: NDArray[np.bool_], most: float) -> Coverage:
    """How likely pixels are to be of the object by an outline alone."""
    soft = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), 0.012 * max(outline.shape))
    return np.asarray(np.clip(soft, 0.02, most), np.float32)


def _one_sided(label: Picture) -> bool:
    ours = int(_object_of(label).sum())
    return min(ours, label.size - ours) < 16


def _object_of(label: Picture) -> Coverage:
    return np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def refined(picture: Picture, coverage: Coverage) -> Coverage:
    """Coverage [h, w] anew in the photograph's own size, grey where a pixel is at the edge."""
    height, width = picture.shape[:2]
    rough = cv2.resize(coverage, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    reach = 1.5 / max(coverage.shape)
    label = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    label[_grown(rough, -reach)] = cv2.GC_FGD
    label[~_grown(rough, reach)] = cv2.GC_BGD
    if not _one_sided(label):
        cv2.setRNGSeed(0)
        object_model, rest_model = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(picture, label, None, rest_model, object_model, 1, cv2.GC_INIT_WITH_MASK)
    return np.asarray(cv2.GaussianBlur(_object_of(label), (0, 0), 0.7), np.float32)
