"""Whether anything good can be trained from a data set: the doctor asks, the job and the trainer.

Each function looks at a description and what it tells of some pictures, and returns what is wrong;
nothing is read from the disk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

from nvdiffrec_contract.dataset import Camera, Description, Look, MeshExtent, Problem, Size

FEW_CAMERAS = 8
ASPECT = 0.02
"""How far proportions may differ from the camera's, as the trainers allow."""
LITTLE = 0.005
"""Part of a picture below which a mask shows too little."""
INVERTED = 0.95
"""Part of a picture's edge that a mask covers which ought to be its inverse."""
SMALL, TINY = 0.25, 0.04
"""Parts of the grid's side below which an object comes out coarse, and below which it vanishes."""
CUT = 1.5
"""How much larger than the grid an object may seem, outlines seen from the side included."""
SEEN = 3 * math.sin(math.radians(22.5))
"""What cameras of synthetic views see around the origin: radius 3, vertical field of view 45."""
MASKS_ANEW = "make the masks anew: white is the object, black is everything else"

Point = tuple[float, float, float]
Box = tuple[float, float, float, float]


def examined(found: Description, mesh_scale: float | None, engine: str) -> list[Problem]:
    """Everything that is wrong with a data set for an engine, beside what its description tells.

    ``mesh_scale``: side of the grid; None where there is none.
    """
    told = [*sizes(found), *masks(found), *cameras(found)]
    if mesh_scale is not None and mesh_scale > 0:
        told += grid(found, mesh_scale)
    return [one for one in told if engine in one.engines]


def outlines(found: Description) -> dict[str, Look]:
    """What was seen of the pictures that hold the masks, by path."""
    files = found.masks or found.pictures
    return {one: found.looks[one] for one in files if one in found.looks} if found.coverage else {}


def sizes(found: Description) -> list[Problem]:
    """Masks of another size than their photographs, and photographs of other proportions than
    their cameras were solved for."""
    known = {path: look.size for path, look in found.looks.items() if look.size}
    pictures = {path: known[path] for path in found.pictures if path in known}
    told = []
    for photo, mask in zip(found.pictures, found.masks):
        if photo in pictures and known.get(mask, pictures[photo]) != pictures[photo]:
            told.append(
                Problem(
                    "pictures",
                    f"{mask} is {_shown(known[mask])}, its photograph {_shown(pictures[photo])}",
                    "export the masks in the size of the photographs",
                    file=mask,
                )
            )
            break
    for path, camera in zip(found.pictures, found.cameras):
        if path not in pictures or camera.fault or max(camera.size) <= 1:
            continue  # a size of 1 x 1 stands for one that is not known
        height, width = pictures[path]
        if abs(width / height / camera.aspect - 1) > ASPECT:
            told.append(
                Problem(
                    "pictures",
                    f"{os.path.basename(path)} is {_shown(pictures[path])}, but its camera was "
                    f"solved for pictures {camera.aspect:.3f} times as wide as high",
                    "use the pictures that the cameras were solved from, reduced but neither "
                    "cropped nor turned",
                    file=path,
                )
            )
            break
    return told


def _shown(size: Size) -> str:
    return f"{size[1]} x {size[0]}"


def masks(found: Description) -> list[Problem]:
    """Masks that are empty, full, inverted, or cannot be decoded."""
    looks = outlines(found)
    covered = {one: look.covered for one, look in looks.items() if look.covered is not None}
    if not covered:
        return []
    told = [
        Problem("masks", f"{path} cannot be decoded: {look.unread}", "export it again as PNG",
                file=path)
        for path, look in looks.items() if look.unread
    ][:3]  # fmt: skip
    empty = [path for path, part in covered.items() if part == 0]
    full = [path for path, part in covered.items() if part == 1]
    inverted = [
        one for one in covered
        if (looks[one].edge or 0.0) > INVERTED and 0 < covered[one] < 1
    ]  # fmt: skip
    if empty:
        # One that is empty is an object out of sight; a training goes on without it.
        told.append(_about_masks("show nothing", empty, covered, len(empty) == len(covered)))
    if full and len(full) == len(covered):
        told.append(
            Problem("masks", "every mask covers its whole picture: nothing is cut out",
                    f"{MASKS_ANEW}; nvdiffrec-tops prepare does it", file=full[0])
        )  # fmt: skip
    elif full:
        told.append(_about_masks("cover the whole picture", full, covered, False, "warning"))
    if 2 * len(inverted) > len(covered):
        told.append(
            Problem(
                "masks",
                _some("are white at the edge of their pictures and black inside", inverted, covered)
                + ": they are inverted",
                MASKS_ANEW,
                file=inverted[0],
            )
        )
    small = [path for path, part in covered.items() if 0 < part < LITTLE]
    if small:
        told.append(
            Problem(
                "masks",
                _some(f"show less than {LITTLE:.1%} of the picture", small, covered),
                "use photographs in which the object is larger, or crop them before solving",
                "warning",
                file=small[0],
            )
        )
    return told


def _about_masks(
    what: str,
    paths: Sequence[str],
    covered: Mapping[str, object],
    refused: bool,
    severity: str = "error",
) -> Problem:
    cause = _some(what, paths, covered)
    return Problem("masks", cause, MASKS_ANEW, severity, refused=refused, file=paths[0])


def _some(what: str, paths: Sequence[str], covered: Mapping[str, object]) -> str:
    return f"{len(paths)} of {len(covered)} masks {what}, first {paths[0]}"


def cameras(found: Description) -> list[Problem]:
    """Cameras that are all in one place, or few."""
    count = len(found.cameras)
    if not count or any(one.fault for one in found.cameras):
        return []
    centres = {tuple(round(one, 9) for one in camera.position) for camera in found.cameras}
    if count > 1 and len(centres) == 1:
        return [
            Problem(
                "cameras",
                "all cameras stand in one place: nothing tells how far away anything is",
                "walk around the object while photographing it; a panorama is no such series",
                file=found.path,
            )
        ]
    if count < FEW_CAMERAS:
        cure = "photograph it from 30 sides or more"
        return [Problem("cameras", f"only {count} cameras", cure, "warning", file=found.path)]
    return []


def grid(found: Description, side: float) -> list[Problem]:
    """Whether the object fits the grid: a cube of this side at the origin."""
    if found.mesh is not None and found.mesh.vertices:
        return _mesh_in_grid(found.mesh, side, found.path)
    if not found.cameras or any(camera.fault for camera in found.cameras):
        return []
    seen = whereabouts(found)
    told = _seen_in_grid(found, side) if seen is None else _object_in_grid(found, side, *seen)
    if any(one.severity == "error" for one in told):
        return told
    return _cameras_in_grid(found, side) or told


def _mesh_in_grid(mesh: MeshExtent, side: float, path: str) -> list[Problem]:
    reach = max(map(abs, (*mesh.low, *mesh.high)))
    extent = max(high - low for low, high in zip(mesh.low, mesh.high))
    told = []
    if reach > 0.5 * side:
        wanted = math.ceil(21 * reach) / 10
        told.append(
            _warning(
                f"the mesh reaches {reach:.3g} from the origin, the grid of mesh_scale {side:g} "
                f"only {0.5 * side:.3g}: what is outside is lost",
                f'move it to the origin, or "mesh_scale": {wanted:g}'
                if extent < side
                else f'scale it to fit, or "mesh_scale": {wanted:g}',
                path,
            )
        )
    elif extent < SMALL * side:
        told.append(
            _warning(
                f"the mesh is {extent:.3g} large and fills {extent / side:.0%} of the grid of "
                f"mesh_scale {side:g}: it will be coarse, or vanish",
                f'"mesh_scale": {max(math.ceil(21 * reach) / 10, 0.1):g}, and a larger mesh: the '
                "cameras stand 3 units away",
                path,
            )
        )
    if mesh.radius > SEEN:
        told.append(
            _warning(
                f"the mesh reaches {mesh.radius:.3g} from the origin; the cameras, 3 units away, "
                f"see {SEEN:.3g} of it",
                f"scale the mesh by {0.95 * SEEN / mesh.radius:.2g}",
                path,
            )
        )
    return told


def _warning(cause: str, cure: str, path: str) -> Problem:
    return Problem("grid", cause, cure, "warning", file=path)


def _cameras_in_grid(found: Description, side: float) -> list[Problem]:
    cameras, middle = found.cameras, found.origin
    inside = sum(
        all(abs(camera.position[i] - middle[i]) < 0.5 * side for i in range(3))
        for camera in cameras
    )
    nearest = min(math.dist(camera.position, middle) for camera in cameras)
    return [
        _warning(
            f"{inside} of {len(cameras)} cameras stand inside the grid of mesh_scale {side:g}",
            f'a smaller "mesh_scale"; the nearest camera is {nearest:.3g} away from the middle',
            found.path,
        )
    ][: min(inside, 1)]


def _seen_in_grid(found: Description, side: float) -> list[Problem]:
    """By the cameras alone: how large the grid is in their pictures."""
    parts = []
    for camera in found.cameras:
        distance = math.dist(camera.position, found.origin)
        if distance > 0:
            parts.append(side * camera.focal[1] / (distance * camera.size[0]))
    part = _median(parts) if parts else 1.0
    if 0.2 < part < 6:
        return []
    word = "only" if part < 1 else "more than"
    return [
        _warning(
            f"seen from the cameras the grid of mesh_scale {side:g} is {word} {part:.2g} "
            "pictures high: the object is cut off, or vanishes in it",
            f'"mesh_scale": {side / part:.2g} makes the grid one picture high',
            found.path,
        )
    ]


def _object_in_grid(found: Description, side: float, middle: Point, size: float) -> list[Problem]:
    away = max(abs(one) for one in middle)
    wanted = _rounded(2 * away + 1.1 * size)
    here = f"the object is about {size:.3g} large"
    if away > 0.25 * size:
        here += f", and its middle {away:.3g} from the middle of the grid"
    cure = f'"mesh_scale": {wanted:g} holds it; or let nvdiffrec-tops prepare place it'
    if size > CUT * side or away - 0.5 * size > 0.5 * side:
        cause = f"{here}, but the grid of mesh_scale {side:g} reaches {0.5 * side:g} from there"
        return [
            Problem("grid", f"{cause}: hardly any of it would be trained", cure, file=found.path)
        ]
    if size < TINY * side:
        cause = f"{here}, {size / side:.1%} of the grid of mesh_scale {side:g}: it would vanish"
        return [Problem("grid", cause, cure, file=found.path)]
    if size < SMALL * side:
        cause = f"{here}, {size / side:.0%} of the grid of mesh_scale {side:g}: it will be coarse"
        return [_warning(cause, cure, found.path)]
    return []


def _rounded(number: float) -> float:
    """Upwards to two digits."""
    step = 10.0 ** (math.floor(math.log10(number)) - 1) if number > 0 else 1.0
    return math.ceil(number / step) * step


def whereabouts(found: Description) -> tuple[Point, float] | None:
    """The middle of the object, as seen from the grid's, and its size, by the outlines that were
    looked at; None where fewer than three tell."""
    looks = outlines(found)
    names = found.masks or found.pictures
    seen = [
        (camera, look.box)
        for name, camera in zip(names, found.cameras)
        if name in looks and (look := looks[name]).box is not None
        and (look.edge or 0.0) < INVERTED and not camera.fault
    ]  # fmt: skip
    if len(seen) < 3:
        return None
    centres = [tuple(a - b for a, b in zip(camera.position, found.origin)) for camera, _box in seen]
    ways = [_way(camera, box) for camera, box in seen]
    middle = _nearest_point(centres, ways)
    if middle is None:
        return None
    sizes = []
    for (camera, box), centre in zip(seen, centres):
        forward = [-row[2] for row in camera.camera_to_world]
        depth = sum((middle[i] - centre[i]) * forward[i] for i in range(3))
        across = (box[2] - box[0]) * camera.size[1] / camera.focal[0]
        down = (box[3] - box[1]) * camera.size[0] / camera.focal[1]
        sizes.append(max(across, down) * depth)
    size = _median(sizes)
    return (middle, size) if size > 0 else None


def _way(camera: Camera, box: Box) -> list[float]:
    """The direction in the world, of length 1, in which a camera sees a box's middle."""
    height, width = camera.size
    x = (0.5 * (box[0] + box[2]) * width - camera.centre[0]) / camera.focal[0]
    y = (0.5 * (box[1] + box[3]) * height - camera.centre[1]) / camera.focal[1]
    way = [row[0] * x - row[1] * y - row[2] for row in camera.camera_to_world]
    length = math.sqrt(sum(one * one for one in way))
    return [one / length for one in way]


def _nearest_point(
    centres: Sequence[Sequence[float]], ways: Sequence[Sequence[float]]
) -> Point | None:
    """The point with the least sum of squared distances to lines; None where they are parallel."""
    matrix = [[0.0] * 3 for _ in range(3)]
    right = [0.0] * 3
    for centre, way in zip(centres, ways):
        for i in range(3):
            for j in range(3):
                across = (1.0 if i == j else 0.0) - way[i] * way[j]
                matrix[i][j] += across
                right[i] += across * centre[j]
    whole = _determinant(matrix)
    if abs(whole) < 1e-6 * len(ways) ** 3:
        return None
    found = []
    for column in range(3):
        changed = [[right[i] if j == column else matrix[i][j] for j in range(3)] for i in range(3)]
        found.append(_determinant(changed) / whole)
    return found[0], found[1], found[2]


def _determinant(m: Sequence[Sequence[float]]) -> float:
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def _median(numbers: Sequence[float]) -> float:
    import statistics  # takes a while, and a mesh needs none

    return statistics.median(numbers)
