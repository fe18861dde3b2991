"""The operations that `bench_ops.py` measures, by nvdiffrast.

nvdiffrast is only measured here; nothing of the toolkit needs it. It is called as its published
documentation says.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

import torch
from bench_ops_operations import Work, leaf, shaded
from bench_ops_scene import Scene
from torch import Tensor

from diffrec.ops.nvdiffrast import PACKAGE


class Nvdiffrast:
    """nvdiffrast's operations on whole frames; its row 0 is the bottom one."""

    backend = None

    def __init__(self, scene: Scene, module: Any, context: Any) -> None:
        self.scene, self.dr, self.context = scene, module, context
        self.faces = scene.triangles.int().contiguous()
        self.uv_faces = scene.texcoord_triangles.int().contiguous()
        self.clip = leaf(scene.clip)
        values = (scene.positions, scene.normals, scene.tangents, scene.texcoords)
        self.positions, self.normals, self.tangents, self.texcoords = (
            leaf(value[None]) for value in values
        )
        self.textures = [leaf(texture[None]) for texture in scene.textures]
        self.background = scene.background.flip(1).contiguous()
        self.topology = module.antialias_construct_topology_hash(self.faces)
        with torch.no_grad():
            self.rast, self.rast_db = self._raster()
            uv, self.uv_da = self._texcoords(self.rast, self.rast_db)
            self.image = torch.cat([self.background, self.background[..., :1]], dim=-1)
        self.uv = leaf(uv)

    def _raster(self, **options: Any) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.dr.rasterize(
            self.context, self.clip, self.faces, resolution=list(self.scene.resolution), **options
        )
        return found

    def _attribute(self, values: Tensor, rast: Tensor) -> Tensor:
        found: Tensor = self.dr.interpolate(values, rast, self.faces)[0]
        return found

    def _texcoords(self, rast: Tensor, rast_db: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.dr.interpolate(
            self.texcoords, rast, self.uv_faces, rast_db=rast_db, diff_attrs="all"
        )
        return found

    def _surface(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        rast, rast_db = self._raster()
        uv, uv_da = self._texcoords(rast, rast_db)
        values = (self.positions, self.normals, self.tangents)
        position, normal, tangent = (self._attribute(value, rast) for value in values)
        return position, normal + tangent, uv, uv_da, rast

    def _fetched(self, textures: list[Tensor], uv: Tensor, uv_da: Tensor) -> list[Tensor]:
        return [
            self.dr.texture(texture, uv, uv_da, filter_mode="linear-mipmap-linear")
            for texture in textures
        ]

    def _picture(self) -> Tensor:
        position, normal, uv, uv_da, rast = self._surface()
        values = shaded(self._fetched(self.textures, uv, uv_da), normal) + 0.01 * position
        seen = (rast[..., 3:] > 0).to(values)
        image = torch.cat([torch.lerp(self.background, values, seen), seen], dim=-1)
        picture: Tensor = self.dr.antialias(
            image, rast, self.clip, self.faces, topology_hash=self.topology
        )
        return picture

    def triangles(self) -> Tensor:
        return self.rast[..., 3].flip(1).int() - 1

    def picture(self) -> Tensor:
        with torch.no_grad():
            return self._picture().flip(1)

    def work(self, operation: str) -> Work:
        if operation == "rasterize":
            return Work(lambda: [self._raster(grad_db=False)[0].detach()])
        if operation == "barycentrics":
            return Work(lambda: [self._raster()[0]], [self.clip])
        if operation in ("interpolate", "texcoords"):
            rast = leaf(self.rast)
            if operation == "interpolate":
                return Work(
                    lambda: [self._attribute(self.normals, rast)],
                    [self.normals, rast],
                )
            return Work(
                lambda: [self._texcoords(rast, self.rast_db)[0]],
                [self.texcoords, rast],
            )
        attributes = [self.clip, self.positions, self.normals, self.tangents, self.texcoords]
        if operation == "surface":
            return Work(lambda: self._surface()[:3], attributes)
        if operation in ("texture", "textures"):
            used = self.textures[: 1 if operation == "texture" else 3]
            return Work(lambda: self._fetched(used, self.uv, self.uv_da), [*used, self.uv])
        if operation == "antialias":
            image = leaf(self.image)
            return Work(lambda: [self._antialiased(image, self.topology)], [image, self.clip])
        if operation == "antialias_anew":
            return Work(lambda: [self._antialiased(self.image, None)])
        return Work(lambda: [self._picture()], [*attributes, *self.textures])

    def _antialiased(self, image: Tensor, topology: Any) -> Tensor:
        found: Tensor = self.dr.antialias(
            image, self.rast, self.clip, self.faces, topology_hash=topology
        )
        return found


def load_nvdiffrast(device: torch.device) -> tuple[Any, str, Any] | str:
    """The module, its version and a context, for which it compiles itself; or why there is none."""
    if importlib.util.find_spec("nvdiffrast") is None:
        return "nvdiffrast is not installed in this environment"
    try:
        module = PACKAGE.load()
        context = module.RasterizeCudaContext(device=device)
    except Exception as error:
        return f"nvdiffrast is installed and cannot be used: {error}"
    names = importlib.metadata.packages_distributions().get("nvdiffrast", [])
    version = importlib.metadata.version(names[0]) if names else "of unknown version"
    return module, version, context
