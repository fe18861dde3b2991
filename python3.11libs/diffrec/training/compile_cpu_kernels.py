"""Compiles a CPU's kernels of shading, materials and similarity into Numba's cache.

`python -m diffrec.training.compile_cpu_kernels` is a process that a first run on a CPU starts
beside itself: it compiles the last kernels that an iteration needs while the run compiles the first
ones. Arguments choose what: `shading`, `field`, `textures`, `similarity`; without
any, all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import torch

from diffrec.losses import ssim
from diffrec.materials import Material, MaterialSample, NeuralMaterial, TextureMaterial
from diffrec.materials.surface import Surface
from diffrec.ops.cubefilter import SMALLEST
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.runtime.compiled_parts import compile_parts
from diffrec.runtime.processor_cores import step_back
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.shading.points import VisiblePoints

_POINTS = 4


def shading() -> None:
    """From a point's attributes to its colour."""
    inputs = [torch.rand(_POINTS, 3, requires_grad=True) for _ in range(5)]
    position, normal, tangent, kd, ks = inputs
    color, _ = Lighting.of(EnvironmentLight(SMALLEST)).shade(
        VisiblePoints(position, normal, tangent, torch.arange(_POINTS), _POINTS),
        MaterialSample(kd, ks, normal),
        torch.full((1, 3), 2.0),
    )
    torch.autograd.backward(color.sum())


def field() -> None:
    """The first pass's material: the hash grid and its gradients."""
    layout = HashGridLayout.geometric(levels=2, finest=32, log2_entries=10)
    _learn(NeuralMaterial(None, (-torch.ones(3), torch.ones(3)), layout=layout, seed=0))


def textures() -> None:
    """The second pass's: mip levels, their fetches and gradients."""
    _learn(TextureMaterial.random(resolution=(8, 8)))


def _learn(material: Material) -> None:
    """What an iteration does with a material."""
    place = torch.zeros((_POINTS, 3), requires_grad=True)
    uv = torch.full((_POINTS, 2), 0.5, requires_grad=True)
    surface = Surface(place * 1, uv * 1, torch.ones(_POINTS, requires_grad=True) * 1)
    sample, beside = material.sample_and_albedo(surface, surface)
    total = sample.kd.sum() + sample.ks.sum() + sample.normal.sum() + beside.sum()
    torch.autograd.backward(total)
    material.clamp_()


def similarity() -> None:
    """The structural part of the image term."""
    image = torch.rand(1, ssim.WINDOW, ssim.WINDOW, 4, requires_grad=True)
    photograph = torch.rand(1, ssim.WINDOW, ssim.WINDOW, 4)
    value = ssim.photograph_similarity(image * 1, photograph, photograph[..., :3])
    torch.autograd.backward(value)


WORK: dict[str, Callable[[], None]] = {
    "shading": shading,
    "field": field,
    "textures": textures,
    "similarity": similarity,
}


def main(names: Sequence[str]) -> None:
    """Compile what the names say; each is printed when it is ready."""
    compile_parts(WORK, names)


if __name__ == "__main__":
    step_back()
    main(sys.argv[1:])
