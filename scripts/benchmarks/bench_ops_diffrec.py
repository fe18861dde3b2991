"""The operations that `bench_ops.py` measures, by diffrec."""

from __future__ import annotations

import math

import torch
from bench_ops_operations import Work, leaf, shaded
from bench_ops_scene import Scene
from torch import Tensor

from diffrec.ops.antialias import antialias
from diffrec.ops.backends import use_backend
from diffrec.ops.composite import composite
from diffrec.ops.interpolate import barycentrics, interpolate, pixel_footprint
from diffrec.ops.raster import Attributes, Raster
from diffrec.ops.rasterize import covered_pixels, rasterize, triangle_of_pixel
from diffrec.ops.surface import attributes_at_pixels
from diffrec.ops.texture import Pyramid, build_mips, texture2d
from diffrec.ops.topology import edge_topology


class Diffrec:
    """This project's operations; `backend` None is what a training uses on the scene's device."""

    def __init__(self, scene: Scene, backend: str | None = None) -> None:
        self.scene, self.backend = scene, backend
        self.clip = leaf(scene.clip)
        values = (scene.positions, scene.normals, scene.tangents, scene.texcoords)
        self.positions, self.normals, self.tangents, self.texcoords = map(leaf, values)
        self.textures = [leaf(texture) for texture in scene.textures]
        with use_backend(backend), torch.no_grad():
            self.topology = edge_topology(scene.triangles)
            self.raster = self._raster()
            self.pixels = covered_pixels(self.raster)
            self.faces = triangle_of_pixel(self.raster, self.pixels)
            self.image = torch.cat([scene.background, scene.background[..., :1]], dim=-1)
            _, _, uv, level = self._surface(self.raster, self.pixels)
        self.uv, self.level = leaf(uv), level

    def _raster(self) -> Raster:
        s = self.scene
        return rasterize(self.clip.detach(), s.triangles, s.resolution)

    def _surface(self, raster: Raster, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        s = self.scene
        attributes = Attributes(
            self.positions,
            s.triangles,
            self.normals,
            s.triangles,
            self.texcoords,
            s.texcoord_triangles,
            self.tangents,
            s.triangles,
        )
        found = attributes_at_pixels(attributes, self.clip, raster, pixels)
        assert found.uv is not None and found.lod is not None and found.tangent is not None
        return found.position, found.normal + found.tangent, found.uv, found.lod

    def _fetched(self, textures: list[Tensor], uv: Tensor, level: Tensor) -> list[Tensor]:
        level = level + math.log2(textures[0].shape[0])
        if self.backend == "reference":
            return [texture2d(build_mips(one), uv, level) for one in textures]
        return list(Pyramid(textures).fetch(uv, level))

    def _barycentrics(self, raster: Raster, pixels: Tensor) -> Tensor:
        return barycentrics(self.clip, self.scene.triangles, raster, pixels)

    def _picture(self) -> Tensor:
        raster = self._raster()
        pixels = covered_pixels(raster)
        position, normal, uv, level = self._surface(raster, pixels)
        values = shaded(self._fetched(self.textures, uv, level), normal) + 0.01 * position
        return composite(
            values, pixels, self.scene.background, raster, self.clip, self.scene.triangles,
            topology=self.topology,
        )  # fmt: skip

    def triangles(self) -> Tensor:
        return self.raster.triangle

    def picture(self) -> Tensor:
        with use_backend(self.backend), torch.no_grad():
            return self._picture()

    def work(self, operation: str) -> Work:
        s = self.scene
        if operation == "rasterize":
            return Work(lambda: [self._raster().depth])
        if operation == "barycentrics":

            def from_vertices() -> list[Tensor]:
                raster = self._raster()
                return [self._barycentrics(raster, covered_pixels(raster))]

            return Work(from_vertices, [self.clip])
        if operation in ("interpolate", "texcoords"):
            bary = leaf(self._barycentrics(self.raster, self.pixels))
            if operation == "interpolate":
                return Work(
                    lambda: [interpolate(self.normals, s.triangles, self.faces, bary)],
                    [self.normals, bary],
                )

            def texcoords() -> list[Tensor]:
                pixel_footprint(
                    self.clip, s.triangles, self.raster, self.pixels, self.texcoords,
                    s.texcoord_triangles,
                )  # fmt: skip
                return [interpolate(self.texcoords, s.texcoord_triangles, self.faces, bary)]

            return Work(texcoords, [self.texcoords, bary])
        attributes = [self.clip, self.positions, self.normals, self.tangents, self.texcoords]
        if operation == "surface":

            def surface() -> list[Tensor]:
                raster = self._raster()
                return list(self._surface(raster, covered_pixels(raster))[:3])

            return Work(surface, attributes)
        if operation in ("texture", "textures"):
            used = self.textures[: 1 if operation == "texture" else 3]
            return Work(lambda: self._fetched(used, self.uv, self.level), [*used, self.uv])
        if operation == "antialias":
            image = leaf(self.image)
            return Work(lambda: [self._antialiased(image)], [image, self.clip])
        if operation == "antialias_anew":
            return Work(lambda: [self._antialiased(self.image, known=False)])
        return Work(lambda: [self._picture()], [*attributes, *self.textures])

    def _antialiased(self, image: Tensor, *, known: bool = True) -> Tensor:
        s = self.scene
        topology = self.topology if known else edge_topology(s.triangles)
        return antialias(image, self.raster, self.clip, s.triangles, topology=topology)
