"""All figures of one result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffrec.imagefiles import read_hdr
from diffrec.measure.mesh_faults import measure_mesh
from relight import measures
from relight.assets import Asset, look, read_asset
from relight.lights import OTHERS, panorama
from relight.tracer import traced
from relight.truth import PATH, Truth, joined

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measure:
    """A figure's title, its number format, and whether more is better; None: nearest to `goal`."""

    title: str
    form: str
    more: bool | None
    goal: float = 0.0

    def worst(self, values: list[float]) -> float:
        """The worst of a figure's values over seeds."""
        if self.more is None:
            return max(values, key=lambda one: abs(one - self.goal))
        return min(values) if self.more else max(values)


MEASURES = {
    "novel": Measure("novel views, PSNR", ".2f", True),
    "relit": Measure("relighting, interior, PSNR", ".2f", True),
    "frame": Measure("relighting, whole frame, PSNR", ".2f", True),
    "own": Measure("relighting by diffrec's own shading, interior, PSNR", ".2f", True),
    "albedo": Measure("albedo, scaled, PSNR", ".2f", True),
    "roughness": Measure("roughness, MSE", ".4f", False),
    "metalness": Measure("metalness, MSE", ".4f", False),
    "occlusion": Measure("occlusion, mean (truth 0)", ".3f", False),
    "slope": Measure("bake slope, albedo and occlusion", ".2f", None),
    "slope albedo": Measure("bake slope, albedo alone", ".2f", None),
    "correlation": Measure("light, log correlation", ".2f", True),
    "peak": Measure("light, peak over the true one", ".3f", None, 1.0),
    "off": Measure("light, its peak off by, degrees", ".0f", False),
    "normal": Measure("normals, degrees", ".2f", False),
    "smooth": Measure("normals without map, degrees", ".2f", False),
    "chamfer": Measure("Chamfer distance, thousandths", ".2f", False),
    "components": Measure("components beside the true ones", ".0f", None),
    "intersecting": Measure("self-intersecting faces, %", ".2f", False),
    "slivers": Measure("slivers, %", ".1f", False),
}


def judge(truth: Truth, kind: str, folder: Path, novel: float) -> dict[str, float]:
    """The figures of the mesh, maps and probe in `folder`. novel: PSNR of the held-out views.

    Relighting is by what rendered the truth: path traced pictures are compared with the asset's
    own path traced ones, which have no use for occlusion.
    """
    probe = read_hdr(folder / "probe.hdr").numpy()
    return judge_asset(truth, kind, read_asset(folder), probe, novel)


def judge_asset(
    truth: Truth, kind: str, asset: Asset, probe: Floats, novel: float
) -> dict[str, float]:
    """The same for what was read. probe: panorama, linear."""
    extent = truth.extent
    found = look(asset, truth.light, truth.poses, extent.size)
    inside = measures.interior(found.coverage, truth.looks.coverage)
    scale = measures.albedo_scale(found.kd, truth.looks.kd, inside)
    scaled = (found.kd * scale).clip(0, 1)
    error = (found.ks - truth.looks.ks)[inside] ** 2
    rescaled = np.asarray(probe / np.maximum(scale, 1e-6), np.float32)
    light = measures.light_figures(rescaled, truth.light)
    dimmed = found.kd * (1 - found.ks[..., :1])

    def slope(albedo: Floats) -> float:
        return measures.bake_slope(albedo, truth.looks.kd, truth.visibility, inside)

    positions, triangles = (one.numpy() for one in (asset.mesh.positions, asset.mesh.triangles))
    true = (truth.asset.mesh.positions.numpy(), truth.asset.mesh.triangles.numpy())
    faults = measure_mesh(positions.astype(np.float64), triangles)
    share = 100 / max(1, faults.faces)
    return {
        "novel": novel,
        **_relighting(truth, kind, asset, scale),
        "albedo": measures.psnr(scaled, truth.looks.kd, inside),
        "roughness": float(error[:, 1].mean()),
        "metalness": float(error[:, 2].mean()),
        "occlusion": float(found.ks[..., 0][inside].mean()),
        "slope": slope(dimmed),
        "slope albedo": slope(found.kd),
        "correlation": light.correlation,
        "peak": light.peak,
        "off": light.off,
        "normal": measures.normal_error(found.normal, truth.looks.normal, inside),
        "smooth": measures.normal_error(found.smooth, truth.looks.normal, inside),
        "chamfer": 1000 * measures.chamfer((positions, triangles), true),
        "components": float(faults.components - measure_mesh(*true).components),
        "intersecting": faults.intersecting * share,
        "slivers": faults.slivers * share,
    }


def _relighting(truth: Truth, kind: str, asset: Asset, scale: Floats) -> dict[str, float]:
    """Means over the four lights."""
    extent, poses = truth.extent, truth.poses[: truth.extent.relit]
    figures: dict[str, list[float]] = {"relit": [], "frame": [], "own": []}
    for name in OTHERS:
        light, right = panorama(name), truth.relit[kind][name]
        own = joined(look(asset, light, poses, extent.size, scale))
        made = own
        if kind == PATH:
            made = traced(asset, light, poses, extent.size, extent.samples, scale=scale, seed=4)
        inside = measures.interior(made[..., 3:], right[..., 3:])
        whole = [measures.over_white(one[..., :3], one[..., 3:]) for one in (made, right)]
        figures["relit"].append(measures.psnr(made[..., :3], right[..., :3], inside))
        figures["own"].append(measures.psnr(own[..., :3], right[..., :3], inside))
        figures["frame"].append(measures.psnr(whole[0], whole[1]))
    return {name: float(np.mean(values)) for name, values in figures.items()}
