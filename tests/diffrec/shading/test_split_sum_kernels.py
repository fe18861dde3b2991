"""Shading by kernels against the plain formulas: values and all gradients."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from diffrec.materials import MaterialSample
from diffrec.ops import cubemap
from diffrec.ops.backends import use_backend
from diffrec.shading.points import VisiblePoints
from diffrec.shading.split_sum import (
    constants,
    shade,
    warp_normal,
)
from diffrec.shading.split_sum import warp as warp_shade
from diffrec.shading.split_sum.prefiltered import PrefilteredLight

ON = [("numba", "cpu"), ("warp", "cpu")]
if torch.cuda.is_available():
    ON.append(("warp", "cuda"))
VIEWS, PER_VIEW = 3, 900


@dataclass(frozen=True)
class Leaves:
    """Everything that has a gradient."""

    position: Tensor
    normal: Tensor
    tangent: Tensor
    tangent_normal: Tensor
    kd: Tensor
    ks: Tensor
    fine: Tensor
    middle: Tensor
    coarse: Tensor
    irradiance: Tensor

    def moved(self, device: str, dtype: torch.dtype) -> Leaves:
        """New leaves."""
        moved = {
            f.name: getattr(self, f.name).detach().to(device, dtype, copy=True).requires_grad_()
            for f in fields(self)
        }
        return Leaves(**moved)


def random_leaves(seed: int, count: int = 600) -> Leaves:
    """Random points; normals and cameras on all sides, so that half of the normals face away."""
    generator = torch.Generator().manual_seed(seed)

    def cube(size: int) -> Tensor:
        return torch.rand(6, size, size, 3, generator=generator) ** 2 * 3

    position, normal, tangent, tangent_normal = torch.randn(4, count, 3, generator=generator)
    kd, ks = torch.rand(2, count, 3, generator=generator)
    textures = (cube(16), cube(8), cube(4), cube(4))
    return Leaves(position, normal, tangent, tangent_normal, kd, ks, *textures)


def cameras(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Positions [3, 3], camera-to-world [3, 4, 4] and the pixels of 600 points."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.randn(VIEWS, 3, generator=generator) * 3
    matrix = torch.eye(4).repeat(VIEWS, 1, 1)
    matrix[:, :3, :3] = torch.linalg.qr(torch.randn(VIEWS, 3, 3, generator=generator))[0]
    matrix[:, :3, 3] = torch.randn(VIEWS, 3, generator=generator)
    pixels = torch.randperm(VIEWS * PER_VIEW, generator=generator)[:600]
    return position, matrix, pixels


def shaded(
    leaves: Leaves,
    backend: str,
    *,
    mapped: bool = True,
    turning: bool = False,
    levels: int = 3,
    wants_normal: bool = True,
    least_roughness: float = 0.08,
) -> tuple[Tensor, Tensor | None]:
    camera, matrix, pixels = cameras()
    like = leaves.position
    pixels = pixels.to(like.device)[: len(like)]
    specular = [leaves.fine, leaves.middle, leaves.coarse][3 - levels :]
    return use_backend(backend)(shade)(
        VisiblePoints(like, leaves.normal, leaves.tangent if mapped else None, pixels, PER_VIEW),
        MaterialSample(leaves.kd, leaves.ks, leaves.tangent_normal),
        PrefilteredLight(specular, leaves.irradiance, least_roughness),
        camera.to(like),
        matrix.to(like) if turning else None,
        wants_normal=wants_normal,
    )


def weighed(values: tuple[Tensor | None, ...]) -> Tensor:
    """A scalar in which every number has its own weight."""
    generator = torch.Generator().manual_seed(8)
    present = [value for value in values if value is not None]
    terms = [(v * torch.randn(v.shape, generator=generator).to(v)).sum() for v in present]
    return torch.stack(terms).sum()


def agree(
    found: Tensor | None,
    expected: Tensor | None,
    name: str,
    kinks: int = 0,
    delicate: Tensor | None = None,
) -> None:
    """Rows to 1e-4 of their size and 1e-5 of the usual one.

    `kinks`: so many rows may differ, where float32 comes out on the other side of a texel's edge.
    `delicate`: rows that magnify rounding and are left out, of five in a thousand at most.
    """
    if expected is None or not expected.any():
        assert found is None or not found.any(), name
        return
    assert found is not None, name
    error = misses(found, expected)
    if delicate is not None:
        assert int(delicate.sum()) <= 0.005 * len(delicate) + 8 * kinks, name
        error = error[~delicate]
    assert int((error > 1).sum()) <= kinks, f"{name}: {error.topk(min(5, len(error)))}"


def misses(found: Tensor, expected: Tensor) -> Tensor:
    """How far every row is off, [P], against what is allowed."""
    found, expected = (v.detach().cpu().double().reshape(-1, 3) for v in (found, expected))
    assert found.isfinite().all()
    size = expected.norm(dim=1)
    return (found - expected).norm(dim=1) / (1e-4 * size + 1e-5 * size[size > 0].mean())


def shake(leaves: Leaves, seed: int) -> Leaves:
    """Every number a little larger or smaller: by two units of its last place in float32."""
    generator = torch.Generator().manual_seed(seed)

    def shaken(value: Tensor) -> Tensor:
        sign = torch.randint(0, 2, value.shape, generator=generator) * 2 - 1
        return value.double() * (1 + 2.0**-22 * sign)

    return replace(leaves, **{f.name: shaken(getattr(leaves, f.name)) for f in fields(leaves)})


def compare(leaves: Leaves, fast: str, device: str = "cpu", kinks: int = 0, **how: object) -> None:
    def done(leaves: Leaves, backend: str) -> dict[str, Tensor | None]:
        values = shaded(leaves, backend, **how)  # type: ignore[arg-type]
        weighed(values).backward()  # type: ignore[no-untyped-call]
        gradients = {f.name: getattr(leaves, f.name).grad for f in fields(leaves)}
        return {"colour": values[0], "shading normal": values[1], **gradients}

    expected = done(leaves.moved("cpu", torch.float64), "reference")
    # A point is delicate where the last bits of its numbers decide, or those of the formulas.
    others = [done(shake(leaves, seed).moved("cpu", torch.float64), "reference") for seed in (0, 1)]
    rounded = done(leaves.moved("cpu", torch.float32), "reference")
    found = done(leaves.moved(device, torch.float32), fast)
    for name, value in expected.items():
        texels = name in {f.name for f in fields(leaves)} and getattr(leaves, name).ndim == 4
        delicate = None
        if value is not None and value.any() and (near := rounded[name]) is not None:
            delicate = misses(near, value) > 0.5
            for other in others:
                if (shaken := other[name]) is not None:
                    delicate |= misses(shaken, value) > 1
        # A point on the other side of an edge changes up to eight texels.
        agree(found[name], value, name, kinks * 8 if texels else kinks, delicate)


@pytest.fixture(params=["numba", "warp"])
def fast(request: pytest.FixtureRequest) -> str:
    """A backend with kernels."""
    return str(request.param)


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("turning", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_values_and_gradients_agree(mapped: bool, turning: bool, backend: str, device: str) -> None:
    compare(random_leaves(1), backend, device, mapped=mapped, turning=turning)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_lights_of_few_levels(levels: int, fast: str) -> None:
    compare(random_leaves(2), fast, levels=levels)


def test_a_sharper_least_roughness_bounds_the_level(fast: str) -> None:
    leaves = random_leaves(3)
    leaves.ks[:, 1] *= 0.5
    compare(leaves, fast, least_roughness=0.3)
    compare(leaves, fast, least_roughness=0.01)


def test_roughness_at_and_beyond_the_clamps(fast: str) -> None:
    leaves = random_leaves(17)
    some = torch.tensor([0.08, 0.0, 1.0, -0.3, 1.7, 0.05, 0.9999, 0.4999, 0.5001, 0.0805])
    ks = leaves.ks.clone()
    ks[:, 1] = some.repeat(60)
    compare_in_float32(replace(leaves, ks=ks), fast)


def compare_in_float32(leaves: Leaves, fast: str, **how: object) -> None:
    """Against the formulas in the same precision, so that both meet the clamps exactly, and in
    float64: no farther from them than is allowed, or than they are from each other."""
    results = []
    for backend, dtype in (
        (fast, torch.float32),
        ("reference", torch.float32),
        ("reference", torch.float64),
    ):
        own = leaves.moved("cpu", dtype)
        values = shaded(own, backend, **how)  # type: ignore[arg-type]
        weighed(values).backward()  # type: ignore[no-untyped-call]
        results.append([*values, *(getattr(own, f.name).grad for f in fields(own))])
    for found, single, double in zip(*results, strict=True):
        off = torch.minimum(misses(found, single), misses(found, double))
        assert bool((off <= misses(single, double).clamp_min(1)).all())


def test_reflections_and_normals_at_edges_and_corners_of_the_cube(fast: str) -> None:
    """The centres of a face's outermost texels, seen and reflected head-on, slightly moved."""
    directions = cubemap.texel_directions(100)
    rim = torch.cat([directions[:, :1].reshape(-1, 3), directions[:, -1:].reshape(-1, 3)])
    generator = torch.Generator().manual_seed(5)
    rim = rim[torch.randperm(len(rim), generator=generator)[:560]]
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3).repeat(5, 1)
    rim = torch.cat([rim, corners + 1e-3 * torch.randn(40, 3, generator=generator)])
    leaves = random_leaves(6)
    camera, _, pixels = cameras()
    # The camera stands almost where the normal points, so that the reflection goes back there.
    aside = 1e-2 * torch.randn(600, 3, generator=generator)
    position = camera[pixels // PER_VIEW] - 5 * (rim + aside)
    compare(replace(leaves, normal=rim, position=position), fast, mapped=False, kinks=1)


def test_exactly_at_the_corners_nothing_breaks(fast: str) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
    corners = corners[corners.any(1)]
    leaves = random_leaves(7, len(corners))
    camera, _, pixels = cameras()
    position = camera[pixels[: len(corners)] // PER_VIEW] - corners
    leaves = replace(leaves, normal=corners.clone(), position=position).moved("cpu", torch.float32)
    expected = shaded(leaves, "reference", mapped=False)
    found = shaded(leaves, fast, mapped=False)
    agree(found[0], expected[0], "colour")
    agree(found[1], expected[1], "shading normal")
    weighed(found).backward()  # type: ignore[no-untyped-call]
    for field in fields(leaves):
        gradient = getattr(leaves, field.name).grad
        assert gradient is None or gradient.isfinite().all(), field.name


def test_normals_along_the_horizon_and_behind_it(fast: str) -> None:
    leaves = random_leaves(9)
    camera, _, pixels = cameras()
    view = functional.normalize(camera[pixels // PER_VIEW] - leaves.position, dim=1)
    across = functional.normalize(torch.linalg.cross(view, leaves.normal), dim=1)
    lean = torch.linspace(-0.02, 0.02, 600)[:, None]
    leaves = replace(leaves, normal=across + lean * view)
    compare(leaves, fast, mapped=False)
    # Not turned around the view: those that are become short vectors, which magnify rounding.
    leaves.tangent_normal[:, 2] = 1 + leaves.tangent_normal[:, 2].abs()
    compare(leaves, fast, mapped=True)


def test_nothing_has_no_direction(fast: str) -> None:
    """Zero vectors, which have no direction, keep the formulas' values."""
    leaves = random_leaves(10)
    leaves.normal[:50] = 0
    leaves.tangent[40:100] = 0
    leaves.tangent_normal[90:130] = 0
    own = leaves.moved("cpu", torch.float32)
    found, expected = shaded(own, fast), shaded(own, "reference")
    agree(found[0], expected[0], "colour")
    agree(found[1], expected[1], "shading normal")


@pytest.mark.parametrize("broken", ["position", "normal", "tangent_normal", "kd", "ks"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_what_is_no_number_stays_with_its_point(broken: str, number: float, fast: str) -> None:
    leaves = random_leaves(18)
    expected, _ = shaded(leaves, fast)
    getattr(leaves, broken)[5] = number
    own = leaves.moved("cpu", torch.float32)
    color, normal = shaded(own, fast)
    weighed((color, normal)).backward()  # type: ignore[no-untyped-call]
    others = torch.arange(600) != 5
    assert torch.equal(color[others], expected[others])
    for name in ("position", "normal", "tangent", "kd", "ks"):
        assert getattr(own, name).grad[others].isfinite().all()


@pytest.mark.parametrize("wanted", [f.name for f in fields(Leaves)])
def test_only_wanted_gradients_are_made(wanted: str, fast: str) -> None:
    """They are those that a point gets when everything is wanted, bit by bit."""
    together = random_leaves(11).moved("cpu", torch.float32)
    weighed(shaded(together, fast, wants_normal=False)).backward()  # type: ignore[no-untyped-call]
    leaves = random_leaves(11)
    leaf = getattr(leaves, wanted).requires_grad_()
    found = shaded(leaves, fast, wants_normal=False)
    assert found[1] is None
    (alone,) = torch.autograd.grad(weighed(found), leaf)
    assert alone.any()
    assert torch.equal(alone, getattr(together, wanted).grad)


def test_only_the_shading_normal_is_used(fast: str) -> None:
    leaves = random_leaves(12)
    gradients = []
    for backend in ("reference", fast):
        own = leaves.moved("cpu", torch.float32)
        _, normal = shaded(own, backend)
        weighed((normal,)).backward()  # type: ignore[no-untyped-call]
        gradients.append([own.normal.grad, own.tangent.grad, own.position.grad])
        assert own.kd.grad is None or not own.kd.grad.any()
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        agree(found, expected, "gradient")


@pytest.mark.parametrize("sliced", [False, True])
def test_columns_and_slices_are_read_where_they_lie(sliced: bool, fast: str) -> None:
    """A field gives its channels as columns; their gradients come back in the same layout."""
    leaves = random_leaves(13)
    plain = torch.stack([leaves.kd, leaves.ks, leaves.tangent_normal])
    gradients = []
    for laid_out in (False, True):
        leaf = (plain.transpose(1, 2) if laid_out else plain).contiguous()
        if laid_out and sliced:
            leaf = torch.cat([leaf.reshape(9, -1), torch.zeros(9, 5)], dim=1)
        leaf.requires_grad_()
        channels = leaf[:, :600].reshape(3, 3, 600) if laid_out and sliced else leaf
        kd, ks, tangent_normal = (c.t() if laid_out else c for c in channels.unbind(0))
        mine = replace(leaves, kd=kd, ks=ks, tangent_normal=tangent_normal)
        (gradient,) = torch.autograd.grad(weighed(shaded(mine, fast)), leaf)
        if laid_out:
            gradient = gradient[:, :600].reshape(3, 3, 600).transpose(1, 2)
        gradients.append(gradient)
    assert torch.equal(gradients[0], gradients[1])


def test_no_points(fast: str) -> None:
    leaves = random_leaves(14)
    none = {name: getattr(leaves, name)[:0] for name in ("position", "normal", "tangent")}
    none |= {name: getattr(leaves, name)[:0] for name in ("tangent_normal", "kd", "ks")}
    own = replace(leaves, **none).moved("cpu", torch.float32)
    color, normal = shaded(own, fast)
    assert normal is not None and color.shape == normal.shape == (0, 3)
    weighed((color, normal)).backward()  # type: ignore[no-untyped-call]
    assert own.fine.grad is not None and not own.fine.grad.any()


def test_a_light_that_is_already_packed_is_taken_as_it_is() -> None:
    leaves = random_leaves(15)
    camera, _, pixels = cameras()

    def shaded_by(light: PrefilteredLight) -> Tensor:
        return use_backend("warp")(shade)(
            VisiblePoints(leaves.position, leaves.normal, None, pixels, PER_VIEW),
            MaterialSample(leaves.kd, leaves.ks, leaves.tangent_normal),
            light,
            camera,
        )[0]

    levels = [leaves.fine, leaves.middle, leaves.coarse]
    packed = torch.cat([level.reshape(-1, 3) for level in levels]).requires_grad_()
    color = shaded_by(PrefilteredLight(levels, leaves.irradiance, packed=packed))
    assert torch.equal(color, shaded_by(PrefilteredLight(levels, leaves.irradiance)))
    color.sum().backward()  # type: ignore[no-untyped-call]
    assert packed.grad is not None and packed.grad.any()


def test_cameras_that_move_take_the_formulas() -> None:
    leaves = random_leaves(16)
    _, matrix, pixels = cameras()
    camera = torch.randn(VIEWS, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    color, _ = use_backend("warp")(shade)(
        VisiblePoints(leaves.position, leaves.normal, None, pixels, PER_VIEW),
        MaterialSample(leaves.kd, leaves.ks, leaves.tangent_normal),
        PrefilteredLight([leaves.coarse], leaves.irradiance),
        camera,
        matrix,
    )
    color.sum().backward()  # type: ignore[no-untyped-call]
    assert camera.grad is not None and camera.grad.any()


def test_the_kernels_constants_are_those_of_the_formulas() -> None:
    assert float(warp_normal.LEAST_COSINE) == constants.LEAST_COSINE
    assert float(warp_shade.DIELECTRIC) == constants.DIELECTRIC
    assert int(warp_shade.TABLE_SIZE) == constants.TABLE_SIZE
