"""Parts that no picture speaks for go; thin parts of the object stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec import cameras
from diffrec.cleaning.support import supported
from diffrec.data.views import ImageViews, View
from diffrec.geometry.mesh import Mesh
from diffrec.ops.rasterize import rasterize

SIZE = 48
COUNT = 16


def box(low: Any, high: Any) -> tuple[Any, Any]:
    """A closed box."""
    corner = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [half for a, b, c, d in sides for half in ((a, b, c), (a, c, d))]
    return np.asarray(low) + corner * (np.asarray(high) - low), np.array(triangles)


def joined(*parts: tuple[Any, Any]) -> Mesh:
    """Several in one mesh."""
    places, triangles, count = [], [], 0
    for positions, faces in parts:
        places.append(positions)
        triangles.append(faces + count)
        count += len(positions)
    positions = torch.from_numpy(np.concatenate(places)).float()
    return Mesh(positions, torch.from_numpy(np.concatenate(triangles))).with_normals()


def photographs(mesh: Mesh, shift: int = 0, soft: bool = False) -> ImageViews:
    """Pictures of a mesh from around; shift: pixels by which the outlines are off."""
    projection = cameras.perspective(0.9, 1.0, 0.1, 10.0)

    def view(index: int) -> View:
        tilt = cameras.rotation_x(0.6 * (index % 3 - 1))
        pose = cameras.translation(0, 0, -3) @ tilt @ cameras.rotation_y(2 * np.pi * index / COUNT)
        clip = torch.nn.functional.pad(mesh.positions, (0, 1), value=1.0) @ (projection @ pose).T
        finer = 4 if soft else 1
        seen = rasterize(clip[None], mesh.triangles, (finer * SIZE, finer * SIZE)).triangle[0] >= 0
        alpha = torch.nn.functional.avg_pool2d(seen[None, None].float(), finer)[0, 0]
        picture = torch.roll(alpha, shift, 1)[..., None].expand(-1, -1, 4)
        return View(f"{index}", pose, projection, lambda: picture)

    return ImageViews([view(i) for i in range(COUNT)], "cpu", pre_load=True)


BODY = box([-0.5, -0.1, -0.5], [0.5, 0.3, 0.5])
SHARDS = {
    "beside": box([0.75, 0.0, 0.0], [0.8, 0.05, 0.05]),
    "inside": box([-0.1, 0.0, -0.1], [0.1, 0.1, 0.1]),
    "close to a side": box([-0.05, 0.0, 0.64], [0.0, 0.05, 0.72]),
}


@pytest.mark.parametrize("name", list(SHARDS))
def test_a_shard_goes(name: str) -> None:
    truth = joined(BODY)
    found = supported(joined(BODY, SHARDS[name]), photographs(truth))
    assert [part.faces for part in found.removed] == [12]
    assert torch.equal(found.mesh.positions, truth.positions)
    assert torch.equal(found.mesh.triangles, truth.triangles)
    assert found.mesh.normals is not None
    lines = list(found.lines())
    assert lines[0].startswith("Removed 1 component (12 faces)")
    assert len(lines) == 2


@settings(max_examples=12)
@given(
    thick=st.floats(0.03, 0.05),
    x=st.floats(-0.45, 0.4),
    z=st.floats(-0.45, 0.4),
    shift=st.sampled_from([0, 1]),
    soft=st.booleans(),
)
def test_a_thin_leg_stays_though_it_ends_in_the_air(
    thick: float, x: float, z: float, shift: int, soft: bool
) -> None:
    # A pixel is 0.06 wide there: the leg is thinner, and may lie beside its place.
    leg = box([x, -0.8, z], [x + thick, -0.16, z + thick])
    whole = joined(BODY, box([x, -0.8, z], [x + thick, 0.0, z + thick]))
    mesh = joined(BODY, leg, SHARDS["beside"])
    found = supported(mesh, photographs(whole, shift, soft))
    kept = {tuple(one) for one in found.mesh.positions.tolist()}
    assert kept >= {tuple(one) for one in joined(leg).positions.tolist()}


def test_what_is_one_piece_or_large_is_not_touched() -> None:
    mesh = joined(BODY)
    assert supported(mesh, photographs(mesh)).mesh is mesh
    # A large part that is always before another hides nothing that the pictures tell.
    pair = joined(BODY, box([-0.5, -0.1, 0.6], [0.5, 0.3, 0.7]))
    for shift in (0, 1):
        found = supported(pair, photographs(pair, shift))
        assert found.mesh is pair
        assert not list(found.lines())


def test_views_that_are_drawn_go_on_as_before() -> None:
    class Drawn:
        resolution = (SIZE, SIZE)
        names = ("0",)

        def __init__(self, photographed: ImageViews) -> None:
            self.generator = torch.Generator().manual_seed(3)
            self.photographed = photographed

        def __len__(self) -> int:
            return 1000

        def batch(self, indices: Any, part: Any = None) -> Any:
            chosen = torch.randint(COUNT, (len(indices),), generator=self.generator)
            return self.photographed.batch(chosen.tolist())

    views: Any = Drawn(photographs(joined(BODY)))
    before = views.generator.get_state()
    assert len(supported(joined(BODY, SHARDS["beside"]), views).removed) == 1
    assert torch.equal(views.generator.get_state(), before)
