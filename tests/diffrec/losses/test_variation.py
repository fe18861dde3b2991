"""Total variation of the light and of the textures, against plain double-precision formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.geometry.mesh import Mesh
from diffrec.losses import variation
from diffrec.losses.variation import Pairs
from diffrec.materials import TextureMaterial
from diffrec.ops import cubemap
from diffrec.ops.backends import use_backend

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
BACKENDS = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]
FOOT, LIGHT_FOOT = 1 / 255, 0.05


def apart(a: float, b: float, foot: float = FOOT) -> float:
    return math.sqrt((a - b) ** 2 + foot**2) - foot


def light(size: int, seed: int = 0) -> Tensor:
    """Dark noise with a few suns."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.rand(6, size, size, 3, dtype=torch.float64, generator=generator)
    return base + 2000 * (base > 0.97)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_light_s_value_is_that_of_a_loop_over_neighbours(size: int) -> None:
    """Neighbours found by their directions: those that are nearest to each other on the cube."""
    base = light(size)
    centre = (torch.arange(size, dtype=torch.float64) * 2 + 1) / size - 1
    t, s = torch.meshgrid(centre, centre, indexing="ij")
    face = torch.arange(6)[:, None, None].expand(6, size, size)
    places = cubemap.face_vectors(face, s.expand_as(face), t.expand_as(face)).reshape(-1, 3)
    flat = torch.log1p(base).reshape(-1, 3).tolist()
    total, pairs = 0.0, 0
    for i in range(len(places)):
        for j in range(i):
            # A texel apart on a face; across an edge both lie half a texel from the edge.
            across = math.dist(places[i].tolist(), places[j].tolist())
            same_face = i // size**2 == j // size**2
            near = 2 / size if same_face else math.sqrt(2) / size
            if across < near * 1.01:
                pairs += 1
                pair = zip(flat[i], flat[j], strict=True)
                total += sum(apart(a, b, LIGHT_FOOT) for a, b in pair)
    assert pairs == 12 * size**2
    assert float(variation.light_variation(base)) == pytest.approx(total / (3 * pairs), rel=1e-9)


def test_the_light_s_gradient_is_right() -> None:
    base = light(3).requires_grad_()
    assert torch.autograd.gradcheck(variation.light_variation, (base,))


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("size", [1, 2, 16, 33])
def test_kernels_of_the_light_agree_with_the_formula(backend: str, device: str, size: int) -> None:
    exact = light(size, 1).requires_grad_()
    expected = variation.light_variation(exact)
    (3 * expected).backward()
    found = exact.detach().float().to(device).requires_grad_()
    value = use_backend(backend)(variation.light_variation)(found)
    (3 * value).backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert exact.grad is not None
    assert found.grad is not None
    largest = float(exact.grad.abs().max())
    assert float((found.grad.double().cpu() - exact.grad).abs().max()) < 1e-5 * largest


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_an_even_light_rests(backend: str, device: str) -> None:
    base = torch.full((6, 8, 8, 3), 0.5, device=device, requires_grad=True)
    value = use_backend(backend)(variation.light_variation)(base)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-9)
    assert base.grad is not None
    assert float(base.grad.abs().max()) == 0


def images(seed: int, height: int, width: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (height, width, 3)
    return [torch.rand(shape, dtype=torch.float64, generator=generator) for _ in range(3)]


def inside(seed: int, height: int, width: int, share: float = 0.7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(height, width, generator=generator) < share


def by_loop(image: Tensor, covered: Tensor) -> float:
    height, width = covered.shape
    total, pairs = 0.0, 0
    for i in range(height):
        for j in range(width):
            for k, m in ((i, j + 1), (i + 1, j)):
                if k < height and m < width and covered[i, j] and covered[k, m]:
                    pairs += 1
                    a, b = image[i, j].tolist(), image[k, m].tolist()
                    total += sum(apart(x, y) for x, y in zip(a, b, strict=True))
    return total / max(1, 3 * pairs)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_textures_value_is_that_of_a_loop_on_every_backend(
    height: int, width: int, share: float, seed: int
) -> None:
    textures, covered = images(seed, height, width), inside(seed, height, width, share)
    pairs = [Pairs.within(covered)] * 3
    expected = sum(by_loop(image, covered) for image in textures)
    assert float(variation.texture_variation(textures, pairs)) == pytest.approx(expected)
    single = [image.float() for image in textures]
    for backend in ("numba", "warp"):
        value = use_backend(backend)(variation.texture_variation)(single, pairs)
        assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_the_textures_gradient_is_right() -> None:
    covered = inside(2, 5, 6)
    pairs = [Pairs.within(covered)] * 3
    textures = [image.requires_grad_() for image in images(3, 5, 6)]
    assert torch.autograd.gradcheck(
        lambda *three: variation.texture_variation(three, pairs), tuple(textures)
    )


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_kernels_of_the_textures_agree_with_the_formula(backend: str, device: str) -> None:
    sizes = [(37, 45), (37, 45), (20, 3)]
    exact = [images(i, *size)[0].requires_grad_() for i, size in enumerate(sizes)]
    covered = [inside(4, *size) for size in sizes]
    expected = variation.texture_variation(exact, [Pairs.within(one) for one in covered])
    (3 * expected).backward()
    found = [one.detach().float().to(device).requires_grad_() for one in exact]
    value = use_backend(backend)(variation.texture_variation)(
        found, [Pairs.within(one.to(device)) for one in covered]
    )
    (3 * value).backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    for one, other in zip(found, exact, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        largest = float(other.grad.abs().max())
        assert float((one.grad.double().cpu() - other.grad).abs().max()) < 1e-5 * largest


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_texels_outside_the_charts_stay_as_they_are(backend: str, device: str) -> None:
    covered = torch.zeros(12, 12, dtype=torch.bool, device=device)
    covered[2:7, 3:9] = True
    image = images(5, 12, 12)[0].float().to(device).requires_grad_()
    use_backend(backend)(variation.texture_variation)([image], [Pairs.within(covered)]).backward()
    assert image.grad is not None
    moved = image.grad.abs().amax(dim=2) > 0
    assert torch.equal(moved, covered)


def sheet(corner: float) -> Mesh:
    """A square whose chart covers the texture from (0, 0) to (corner, corner)."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    texcoords = torch.tensor([[0, corner], [corner, corner], [corner, 0], [0, 0]])
    return Mesh(positions, triangles, texcoords, triangles)


def test_the_term_of_a_material_looks_at_the_charts_of_its_mesh() -> None:
    textures = [image.float() for image in images(6, 16, 16)]
    material = TextureMaterial(*textures)
    term = variation.TextureVariation(material, sheet(0.5), 2.0)
    covered = torch.zeros(16, 16, dtype=torch.bool)
    covered[:8, :8] = True
    three = (material.kd, material.ks, material.normal)
    expected = 2 * sum(by_loop(one.detach().double(), covered) for one in three)
    value = term()
    value.backward()
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    for one in three:
        assert one.grad is not None
        assert float(one.grad[8:].abs().max()) == 0
        assert float(one.grad[:8, :8].abs().min(dim=2).values.max()) > 0


def test_steps_down_the_gradient_take_noise_out_of_a_texture_and_leave_its_edge() -> None:
    generator = torch.Generator().manual_seed(7)
    clean = torch.zeros(32, 32, 3)
    clean[:, 16:] = 1.0
    image = (clean + 0.03 * torch.randn(32, 32, 3, generator=generator)).requires_grad_()
    pairs = [Pairs.within(torch.ones(32, 32, dtype=torch.bool))]
    before = float((image.detach() - clean).square().mean())
    for _ in range(200):
        image.grad = None
        variation.texture_variation([image], pairs).backward()
        assert image.grad is not None
        with torch.no_grad():
            image -= 2.0 * image.grad
    assert float((image.detach() - clean).square().mean()) < before / 4


def test_a_mesh_without_texture_coordinates_is_refused() -> None:
    mesh = sheet(0.5)
    bare = Mesh(mesh.positions, mesh.triangles)
    with pytest.raises(DiffrecError, match="no texture coordinates"):
        variation.TextureVariation(TextureMaterial(*torch.ones(3, 1, 1, 3)), bare, 1.0)
