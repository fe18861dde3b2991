"""Normal maps in world axes, and from there in the tangent frames of a mesh. No gradients."""

from __future__ import annotations

from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.normalmap import reference

_operation = Operation(__name__)


def to_world(
    values: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    tangents: Tensor,
    tangent_triangles: Tensor,
) -> Tensor:
    """Where normals of frames that are made of unit length and perpendicular point: [N, 3].

    Args:
        values: the map [N, 3] in [-1, 1]; texels that are not `at` stay.
        at: texels [P] that are turned, by flat index.
        nearest: which of the places below lies under each, [P].
        faces: triangles of places, [Q].
        bary: where in these, [Q, 3].
        normals: of the mesh, [V, 3].
        normal_triangles: [F, 3], rows of `normals`.
        tangents: those that the map was trained with, [V, 3].
        tangent_triangles: [F, 3], rows of `tangents`.
    """
    found: Tensor = (_operation.kernels(values) or reference).to_world(
        values, at, nearest, faces, bary, normals, normal_triangles, tangents, tangent_triangles
    )
    return found


def to_mikktspace(
    world: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    corners: Tensor,
) -> Tensor:
    """Normals for renderers that interpolate frames and leave them as long and oblique as that
    makes them, as MikkTSpace wants it: [N, 3], unit length.

    Args:
        world: normals in world axes [N, 3], of any length above zero; texels that are not `at` are
            made of unit length.
        at: texels [P] that are turned, by flat index.
        nearest: which of the places below lies under each, [P].
        faces: triangles of places, [Q].
        bary: where in these, [Q, 3].
        normals: of the mesh, [V, 3].
        normal_triangles: [F, 3], rows of `normals`.
        corners: [3 F, 4], the tangent of each corner, and 1 or -1 for the side of the bitangent.
    """
    found: Tensor = (_operation.kernels(world) or reference).to_mikktspace(
        world, at, nearest, faces, bary, normals, normal_triangles, corners
    )
    return found
