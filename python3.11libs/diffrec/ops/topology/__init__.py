"""Which triangles of a mesh share an edge."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.topology import reference

_operation = Operation(__name__)


@dataclass(frozen=True)
class EdgeTopology:
    """Which triangles share an edge; depends on the triangle list alone, not on positions.

    `neighbor`: [F, 3] int32. For edge i of a triangle, the one opposite its corner i: 3 * triangle
    + edge of the one other triangle that shares it, or -1 if there is none or more than one.
    """

    neighbor: Tensor


def edge_topology(triangles: Tensor) -> EdgeTopology:
    """Find the neighbours of all triangles [F, 3]. Build it once per mesh and pass it on."""
    kernels = _operation.kernels(triangles) or reference
    return EdgeTopology(kernels.neighbors(triangles))
