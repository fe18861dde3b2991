"""The sample scene, and Mitsuba 3 as a reader of result folders."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import diffrec.data.load as load_module
import diffrec.data.rendered as rendered
from diffrec import cameras, imagefiles
from diffrec.data.views import ViewBatch
from diffrec.export.obj import write_obj
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.materials import NeuralMaterial, Surface, TextureMaterial
from diffrec.ops.backends import use_backend
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.scene import Scene
from diffrec.shading.light import EnvironmentLight
from diffrec.textured_mesh import load_reference_mesh
from diffrec.training.passes import Pass, TexturePass, TopologyPass
from nvdiffrec_contract.configuration import Config, Extensions

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def sample_once(
    write_small_sample: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small sample's files; they are copied for whoever may change them."""
    folder = tmp_path_factory.mktemp("sample")
    write_small_sample(folder)
    return folder


@pytest.fixture(scope="module")
def sample(sample_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sample_once, tmp_path_factory.mktemp("sample") / "copy"))


_reference = cache(load_reference_mesh)


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mesh that is photographed does not change, and reading it takes a third of a run."""
    monkeypatch.setattr(rendered, "load_reference_mesh", _reference)


@pytest.fixture
def on_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernels of CUDA, on the CPU, and jitter that does not depend on the number of rows."""

    def moved(self: Surface, *_: object) -> Surface:
        uv = None if self.uv is None else self.uv.detach() + 0.003
        return Surface(self.position.detach() + 0.004, uv, self.lod)

    monkeypatch.setattr(Surface, "jittered", moved)
    with use_backend("warp"):
        yield


@pytest.fixture(scope="module")
def small_config(sample: Path) -> Config:
    return dataclasses.replace(
        Config(),
        ref_mesh=str(sample / "sample.obj"),
        envmap=str(sample / "sky.hdr"),
        train_res=(40, 56),
        batch=2,
        dmtet_grid=16,
        iter=10,
        diffrec=Extensions(light_res=32, asset=()),
    )


def _first_pass(config: Config) -> tuple[Pass, Scene]:
    grid = DMTetGeometry(config.dmtet_grid, config.mesh_scale)
    with torch.no_grad():
        grid.sdf.copy_(grid.grid_vertices.norm(dim=1) - 0.55)
    layout = HashGridLayout.geometric(levels=4, log2_entries=10)
    field = NeuralMaterial(config, grid.box(), layout=layout, seed=1)
    return TopologyPass(config, grid, field), Scene(grid, field, EnvironmentLight(16))


def _second_pass(config: Config) -> tuple[Pass, Scene]:
    mesh = load_reference_mesh(Path(str(config.ref_mesh)), None, CPU).mesh
    free = VertexGeometry(mesh)
    textures = TextureMaterial.random(config, resolution=(64, 64))
    second = TexturePass(dataclasses.replace(config, laplace_scale=1.0), mesh, free, textures)
    return second, Scene(free, textures, EnvironmentLight(16))


@pytest.fixture
def small_passes() -> list[Callable[[Config], tuple[Pass, Scene]]]:
    """Makers of a small first pass, well on its way, and of a second one."""
    return [_first_pass, _second_pass]


@pytest.fixture(scope="module")
def small_batches(small_config: Config) -> list[ViewBatch]:
    views, _ = load_module.load_views(small_config, CPU, lambda _: None)
    return [views.batch(range(small_config.batch)) for _ in range(8)]


@pytest.fixture
def mitsuba_render() -> Callable[..., np.ndarray]:
    """`rendered_by_mitsuba`."""
    return rendered_by_mitsuba


def rendered_by_mitsuba(
    folder: Path,
    camera_from_world: np.ndarray,
    size: int,
    *,
    integrator: str = "direct",
    samples: int = 64,
) -> np.ndarray:
    """The result under its own probe: linear RGB over black and coverage, [size, size, 4].

    `folder` holds mesh.obj, texture_kd/ks/n.png and probe.hdr; `camera_from_world` [4, 4] is
    OpenGL's. `integrator`: direct and path cast shadows, unshadowed does not.
    """
    mi = mitsuba()
    # Mitsuba's cameras look down +z with x to the left; ours look down -z.
    world_from_camera = np.linalg.inv(camera_from_world) @ np.diag([-1.0, 1.0, -1.0, 1.0])
    ks = cv2.imread(str(folder / "texture_ks.png"), cv2.IMREAD_COLOR)

    def bitmap(name: str, *, raw: bool) -> dict[str, object]:
        return {"type": "bitmap", "filename": str(folder / name), "raw": raw}

    def channel(index: int) -> dict[str, object]:
        values = np.ascontiguousarray(ks[..., index : index + 1])
        return {"type": "bitmap", "bitmap": mi.Bitmap(values), "raw": True}

    surface = {
        "type": "normalmap",
        "normalmap": bitmap("texture_n.png", raw=True),
        "bsdf": {
            "type": "principled",
            "base_color": bitmap("texture_kd.png", raw=False),
            "roughness": channel(1),
            "metallic": channel(0),
            "specular": 0.5,
        },
    }
    black = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.0}}
    scene = {
        "type": "scene",
        "integrator": {"type": integrator, "hide_emitters": True},
        "sensor": {
            "type": "perspective",
            "fov": math.degrees(cameras.ORBIT_FOVY),
            "fov_axis": "y",
            "to_world": mi.ScalarTransform4f(world_from_camera),
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "pixel_format": "rgba",
                "rfilter": {"type": "box"},
            },
            "sampler": {"type": "independent", "sample_count": samples},
        },
        # Mitsuba's panorama has -z at its edge, ours in its middle.
        "light": {
            "type": "envmap",
            "filename": str(folder / "probe.hdr"),
            "to_world": mi.ScalarTransform4f().rotate([0, 1, 0], 180),
        },
        "mesh": {
            "type": "obj",
            "filename": str(folder / "mesh.obj"),
            "bsdf": {
                "type": "twosided",
                # Occlusion dims what the surface sends, whatever it is made of.
                "material": {
                    "type": "blendbsdf",
                    "weight": channel(2),
                    "open": surface,
                    "shut": black,
                },
            },
        },
    }
    return np.array(mi.render(mi.load_dict(scene)))


@cache
def mitsuba():  # type: ignore[no-untyped-def] # the module has no type before its variant is set
    """Mitsuba on a CPU without LLVM, with an integrator that casts no shadows."""
    import mitsuba as mi

    mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)

    class Unshadowed(mi.SamplingIntegrator):
        """The first hit under the whole sky, by multiple importance sampling."""

        def sample(self, scene, sampler, ray, medium=None, active=True):  # type: ignore
            hit = scene.ray_intersect(ray)
            if not hit.is_valid():
                return mi.Color3f(0.0), False, []
            context, bsdf, sky = mi.BSDFContext(), hit.bsdf(), scene.environment()
            light, weight = sky.sample_direction(hit, sampler.next_2d())
            value, pdf = bsdf.eval_pdf(context, hit, hit.to_local(light.d))
            radiance = value * weight * (light.pdf / (light.pdf + pdf))
            chosen, weight = bsdf.sample(context, hit, sampler.next_1d(), sampler.next_2d())
            if chosen.pdf > 0:
                beyond, direction = mi.SurfaceInteraction3f(), mi.DirectionSample3f()
                direction.d = hit.to_world(chosen.wo)
                beyond.wi = -direction.d
                pdf = sky.pdf_direction(hit, direction)
                radiance += weight * sky.eval(beyond) * (chosen.pdf / (chosen.pdf + pdf))
            return radiance, True, []

    mi.register_integrator("unshadowed", lambda properties: Unshadowed(properties))
    return mi


@pytest.fixture
def torus() -> Callable[[Tensor], Tensor]:
    return lambda p: torch.hypot(torch.hypot(p[:, 0], p[:, 1]) - 0.6, p[:, 2]) - 0.25


@pytest.fixture
def as_usd_says() -> Callable[[Path, Path, Path], None]:
    """`read_as_usd_says`."""
    return read_as_usd_says


def read_as_usd_says(file: Path, light: Path, folder: Path) -> None:
    """Write what a USD file and its light mean in the form that the Mitsuba fixture reads.

    Of textures over UDIM tiles, which no OBJ knows, the tiles are put beside each other.
    """
    from pxr import Usd, UsdGeom, UsdLux, UsdShade

    stage = Usd.Stage.Open(str(file))
    shape = UsdGeom.Mesh(next(p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)))
    triangles = torch.tensor(np.array(shape.GetFaceVertexIndicesAttr().Get())).reshape(-1, 3).long()
    corners = torch.arange(triangles.numel()).reshape(-1, 3)
    uv = torch.tensor(np.array(UsdGeom.PrimvarsAPI(shape).GetPrimvar("st").ComputeFlattened()))
    tiles = int(uv[:, 0].max()) + 1
    assert uv.min() >= 0 and uv[:, 1].max() <= 1

    folder.mkdir()

    def whole(path: str) -> Path:
        if "<UDIM>" not in path:
            assert tiles == 1
            return Path(path)
        assert (uv[:, 0] % 1 > 0).all()
        rows = [cv2.imread(path.replace("<UDIM>", str(1001 + n)), -1) for n in range(tiles)]
        joined = folder / "joined.png"
        cv2.imwrite(str(joined), np.hstack(rows))
        return joined

    assert shape.GetNormalsInterpolation() == "vertex"
    mesh = Mesh(
        torch.tensor(np.array(shape.GetPointsAttr().Get())),
        triangles,
        uv / torch.tensor([tiles, -1.0]) + torch.tensor([0.0, 1.0]),
        corners,
        torch.tensor(np.array(shape.GetNormalsAttr().Get())),
        triangles,
    )
    write_obj(folder / "mesh.obj", mesh)
    material, _ = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()
    surface, _name, _kind = material.ComputeSurfaceSource()

    def texture(name: str) -> tuple[Path, str]:
        (source,), _ = surface.GetInput(name).GetConnectedSources()
        reader = UsdShade.Shader(source.source.GetPrim())
        named = reader.GetInput("file").Get()
        layer = reader.GetInput("file").GetAttr().GetPropertyStack(Usd.TimeCode.Default())[0].layer
        path = named.resolvedPath or UsdShade.UdimUtils.ResolveUdimPath(named.path, layer)
        return whole(path), reader.GetInput("sourceColorSpace").Get()

    albedo, space = texture("diffuseColor")
    assert space == "sRGB"
    (folder / "texture_kd.png").write_bytes(albedo.read_bytes())
    normal, space = texture("normal")
    assert space == "raw"
    (folder / "texture_n.png").write_bytes(normal.read_bytes())
    channels = [
        imagefiles.read_linear(texture(name)[0])[..., :1] for name in ("roughness", "metallic")
    ]
    imagefiles.write_png(
        folder / "texture_ks.png", torch.cat([torch.zeros_like(channels[0]), *channels], dim=2)
    )
    lit = Usd.Stage.Open(str(light))
    dome = UsdLux.DomeLight(lit.GetDefaultPrim())
    (turn,) = UsdGeom.Xformable(dome).GetOrderedXformOps()
    panorama = cv2.imread(dome.GetTextureFileAttr().Get().resolvedPath, cv2.IMREAD_UNCHANGED)
    # In USD the middle of a picture looks along +z; the fixture's files have -z there.
    columns = round((180 - turn.Get()) / 360 * panorama.shape[1])
    cv2.imwrite(str(folder / "probe.hdr"), np.roll(panorama, columns, axis=1))
