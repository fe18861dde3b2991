"""Tangents as MikkTSpace defines them (Mikkelsen 2008), which most renderers and bakers use.

Triangles around a vertex share a tangent where they are joined by edges and their texture has the
same handedness there; each adds its direction of u in the plane of the vertex's normal, weighted
by the angle of its corner. The shading frame of a point is (tangent, w normal x tangent, normal),
interpolated and not made of unit length in between.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.asset.labels import joined
from diffrec.asset.vertices import Ints, Vertices

Doubles = NDArray[np.float64]


def corner_tangents(vertices: Vertices) -> Doubles:
    """[F, 3, 4]: unit tangent along increasing u, and w = 1 or -1, of each triangle's corners.

    w is glTF's: the bitangent w (normal x tangent) points up the picture, against v. A triangle
    without an area in the texture takes any direction.
    """
    triangles = vertices.triangles
    position = vertices.position.astype(np.float64)[triangles]
    normal = vertices.normal.astype(np.float64)[triangles]
    uv = vertices.uv.astype(np.float64)[triangles]
    side = position[:, 1:] - position[:, :1]
    step = uv[:, 1:] - uv[:, :1]
    area = step[:, 0, 0] * step[:, 1, 1] - step[:, 1, 0] * step[:, 0, 1]
    along = step[:, 1, 1, None] * side[:, 0] - step[:, 0, 1, None] * side[:, 1]
    along = _unit(along * np.sign(area)[:, None])
    # v runs down here, so a picture that is not mirrored has a negative area.
    sign = np.where(area < 0, 1.0, -1.0)

    fan = _fans(triangles, np.where(area == 0, 0, sign).astype(np.int64))
    flat = along[:, None] - normal * (normal * along[:, None]).sum(-1, keepdims=True)
    share = _unit(flat) * _corner_angles(position, normal)[..., None]
    total = np.zeros((fan.max() + 1, 3))
    for axis in range(3):
        total[:, axis] = np.bincount(fan.reshape(-1), share[..., axis].reshape(-1), len(total))
    tangent = _unit(total)[fan]
    lost = (tangent == 0).all(-1)
    tangent[lost] = _across(normal[lost])
    return np.concatenate([tangent, np.broadcast_to(sign[:, None, None], (*fan.shape, 1))], -1)


def split(vertices: Vertices, tangents: Doubles) -> tuple[Vertices, NDArray[np.float32]]:
    """The vertices once more, parted where tangents [F, 3, 4] differ; tangents [V, 4]."""
    corners = tangents.reshape(-1, 4).astype(np.float32)
    vertex = vertices.triangles.reshape(-1)
    words = (corners + np.float32(0)).view(np.uint32)
    order = np.lexsort((*words.T, vertex))
    changed = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    changed |= vertex[order[1:]] != vertex[order[:-1]]
    number = np.empty(len(vertex), np.int64)
    number[order] = np.concatenate([[0], np.cumsum(changed)])
    first = order[np.concatenate([[True], changed])]
    parted = Vertices(
        vertices.position[vertex[first]],
        vertices.normal[vertex[first]],
        vertices.uv[vertex[first]],
        number.reshape(-1, 3),
    )
    return parted, corners[first]


def _fans(triangles: Ints, side: Ints) -> Ints:
    """[F, 3]: for each corner the number of those that it shares its tangent with.

    Corners of one vertex belong together when their triangles have an edge at it in common and lie
    on one side, -1 or 1.
    """
    count = len(triangles)
    begin = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1).reshape(-1, 2)
    low, high = begin.min(1), begin.max(1)
    order = np.lexsort((np.arange(3 * count), high, low))
    same = (low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
    one, other = order[:-1][same], order[1:][same]
    alike = side[one // 3] == side[other // 3]
    one, other = one[alike], other[alike]
    # An edge k runs from corner k to corner k + 1 of its triangle; pair the corners by vertex.
    ends = []
    for first in (0, 1):
        corner = one // 3 * 3 + (one % 3 + first) % 3
        vertex = triangles.reshape(-1)[corner]
        for second in (0, 1):
            opposite = other // 3 * 3 + (other % 3 + second) % 3
            met = triangles.reshape(-1)[opposite] == vertex
            ends.append(np.stack([corner[met], opposite[met]]))
    pairs = np.concatenate(ends, axis=1)
    return np.unique(joined(3 * count, pairs), return_inverse=True)[1].reshape(-1, 3)


def _corner_angles(position: Doubles, normal: Doubles) -> Doubles:
    """[F, 3]: the angle of each corner, seen along its normal."""
    to_next = np.roll(position, -1, axis=1) - position
    to_last = np.roll(position, 1, axis=1) - position
    flat = [
        _unit(edge - normal * (normal * edge).sum(-1, keepdims=True)) for edge in (to_next, to_last)
    ]
    angle: Doubles = np.arccos((flat[0] * flat[1]).sum(-1).clip(-1, 1))
    return angle


def _unit(vectors: NDArray[Any]) -> Doubles:
    """Rows at unit length; those without length stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Doubles = vectors / np.where(length > 1e-30, length, 1.0)
    return unit


def _across(normal: Doubles) -> Doubles:
    """Some unit vector perpendicular to each row."""
    axis = np.eye(3)[np.abs(normal).argmin(-1)]
    return _unit(np.cross(normal, axis))
