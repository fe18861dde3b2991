"""Normal maps between frames: by hand, there and back, and agreement of the backends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from diffrec.ops.backends import use_backend
from diffrec.ops.normalmap import to_mikktspace, to_world

# One triangle that looks along x and whose texture runs along y: what is read there, the middle.
ALONG_X = torch.tensor([[1.0, 0, 0]]).expand(3, 3)
ALONG_Y = torch.tensor([[0, 1.0, 0]]).expand(3, 3)
OWN = torch.arange(3)[None]
PLACES = (torch.tensor([1]), torch.tensor([0]), torch.tensor([0]), torch.full((1, 3), 1 / 3))


def mesh(seed: int, faces: int = 20, texels: int = 300) -> dict[str, Any]:
    """Frames of any directions, and texels of which one in three is not read."""
    random = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    def numbers(most: int, *shape: int) -> Tensor:
        return torch.randint(0, most, shape, generator=random)

    under = texels // 2
    return {
        "values": some(texels, 3).clamp(-1, 1),
        "at": torch.randperm(texels, generator=random)[: texels * 2 // 3],
        "nearest": numbers(under, texels * 2 // 3),
        "faces": numbers(faces, under),
        "bary": functional.normalize(some(under, 3).abs(), p=1, dim=1),
        "normals": some(faces, 3),
        "normal_triangles": numbers(faces, faces, 3).int(),
        "tangents": some(faces, 3),
        "tangent_triangles": numbers(faces, faces, 3).int(),
        "corners": torch.cat(
            [some(3 * faces, 3), some(faces).sign().repeat_interleave(3)[:, None]], 1
        ),
    }


def in_world(given: dict[str, Any], backend: str | None = None) -> Tensor:
    named = {name: value for name, value in given.items() if name != "corners"}
    return use_backend(backend)(to_world)(**named)


def in_mikktspace(given: dict[str, Any], backend: str | None = None) -> Tensor:
    left = ("values", "tangents", "tangent_triangles")
    named = {name: value for name, value in given.items() if name not in left}
    return use_backend(backend)(to_mikktspace)(given["values"], **named)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_a_frame_by_hand(backend: str) -> None:
    values = torch.tensor([[0.0, 0, 3], [0.6, 0, 0.8]])
    frame = (ALONG_X * 2, OWN, ALONG_Y + ALONG_X, OWN)  # neither of unit length nor perpendicular
    world = use_backend(backend)(to_world)(values, *PLACES, *frame)
    # Its u is y, its up is x; the other texel is not read.
    torch.testing.assert_close(world, torch.tensor([[0.0, 0, 3], [0.8, 0.6, 0]]))
    assert torch.equal(values[1], torch.tensor([0.6, 0, 0.8])), "what was given has changed"
    corners = torch.cat([ALONG_Y, torch.ones(3, 1)], 1)
    back = use_backend(backend)(to_mikktspace)(world, *PLACES, ALONG_X, OWN, corners)
    torch.testing.assert_close(back, torch.tensor([[0.0, 0, 1], [0.6, 0, 0.8]]))


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_renderer_that_interpolates_an_oblique_frame_sees_the_normal(
    backend: str, side: float
) -> None:
    normal = torch.tensor([[0.9, 0.3, 0.1], [0.8, 0, 0.2], [1.1, -0.2, 0]])
    tangent = torch.tensor([[0.2, 0.9, 0], [0, 1.0, 0.3], [-0.1, 0.8, 0.1]])
    wanted = functional.normalize(torch.tensor([[0, 0, 1.0], [0.7, 0.4, -0.5]]), dim=1)
    corners = torch.cat([tangent, torch.full((3, 1), side)], 1)
    found = use_backend(backend)(to_mikktspace)(wanted, *PLACES, normal, OWN, corners)[1]
    up, along = normal.mean(0), tangent.mean(0)
    shown = found[0] * along + found[1] * side * torch.linalg.cross(up, along) + found[2] * up
    torch.testing.assert_close(functional.normalize(shown, dim=0), wanted[1])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(6, 200))
def test_the_kernels_agree_with_the_definition(seed: int, faces: int, texels: int) -> None:
    given = mesh(seed, faces, texels)
    for made in (in_world, in_mikktspace):
        definition = made({**given, **doubles(given)}, "reference")
        for backend in ("numba", "reference"):
            found = made(given, backend).double()
            # Some frames are all but flat.
            torch.testing.assert_close(found, definition, rtol=0, atol=2e-3)


def doubles(given: dict[str, Any]) -> dict[str, Tensor]:
    return {name: one.double() for name, one in given.items() if one.dtype == torch.float32}
