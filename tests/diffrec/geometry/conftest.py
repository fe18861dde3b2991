"""Shapes and measures shared by the surface extraction tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from diffrec.geometry.mesh import Mesh


class Measures:
    """Topology and size of closed meshes."""

    @staticmethod
    def assert_closed_manifold(mesh: Mesh) -> None:
        """Each edge has two faces that run along it in opposite directions."""
        t = mesh.triangles
        directed = torch.cat([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
        assert (directed[:, 0] != directed[:, 1]).all()
        count = len(mesh.positions)
        forward = directed[:, 0] * count + directed[:, 1]
        backward = directed[:, 1] * count + directed[:, 0]
        assert len(torch.unique(forward)) == len(forward), "an edge is used twice one way"
        assert torch.equal(forward.sort().values, backward.sort().values), "an edge is open"

    @staticmethod
    def assert_vertices_manifold(mesh: Mesh) -> None:
        """The triangles around a vertex form one fan (the mesh must be closed)."""
        trimesh = pytest.importorskip("trimesh")
        # Around a vertex the opposite sides of its triangles must chain to one cycle: name their
        # ends by (vertex, end) and count components.
        t, total = mesh.triangles, len(mesh.positions)
        keys = torch.cat([t[:, k] * total + t[:, (k + 1) % 3] for k in range(3)])
        ends = torch.cat([t[:, k] * total + t[:, (k + 2) % 3] for k in range(3)])
        names, inverse = torch.unique(torch.cat([keys, ends]), return_inverse=True)
        first, second = inverse[: len(keys)], inverse[len(keys) :]
        components = trimesh.graph.connected_component_labels(
            torch.stack([first, second], 1).numpy(), node_count=len(names)
        )
        assert components.max() + 1 == len(torch.unique(mesh.triangles))

    @staticmethod
    def euler(mesh: Mesh) -> int:
        """Euler characteristic of a closed mesh."""
        return len(torch.unique(mesh.triangles)) - len(mesh.triangles) // 2

    @staticmethod
    def volume(mesh: Mesh) -> float:
        """Enclosed volume, positive when the triangles face outward."""
        a, b, c = (mesh.positions.detach().double()[mesh.triangles[:, k]] for k in range(3))
        return float((a * torch.linalg.cross(b, c)).sum() / 6)


@pytest.fixture
def measures() -> type[Measures]:
    return Measures


@pytest.fixture
def sphere() -> Callable[[Tensor], Tensor]:
    return lambda p: p.norm(dim=1) - 0.8
