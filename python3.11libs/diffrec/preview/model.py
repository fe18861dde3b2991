"""The present mesh with its material and its light as one small .glb file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from diffrec.asset.gltf import Buffer, container
from diffrec.colour import linear_to_srgb
from diffrec.geometry.mesh import Mesh
from diffrec.imagefiles import BRIGHTEST
from diffrec.materials import TextureMaterial
from diffrec.materials.surface import Surface
from diffrec.scene import Scene
from nvdiffrec_contract import VERSION

PROBE_RESOLUTION = (64, 128)
QUALITY = 92  # of JPEG


@dataclass(frozen=True)
class Taken:
    """A moment of a scene, in main memory: the training goes on and changes nothing in it.

    `mesh`: with normals, and tangents where it has texture coordinates. `textures`: albedo in
    sRGB, (1 - occlusion, roughness, metalness), and the normal map in [0, 1], [H, W, 3] each in
    [0, 1]; None where the material is not made of textures. `colours`: the first two of them at
    the vertices, [V, 3] each, the albedo linear. `probe`: panorama [H, W, 3], linear.
    """

    mesh: Mesh
    textures: tuple[Tensor, ...] | None
    colours: tuple[Tensor, Tensor] | None
    probe: Tensor


@torch.no_grad()
def take(scene: Scene, largest: int) -> Taken:
    """The scene as it is now; textures are reduced to an edge of `largest` texels.

    Raises:
        EmptyMeshError: there is no surface.
    """
    mesh = scene.geometry.mesh()
    if mesh.normals is None:
        mesh = mesh.with_normals()
    material = scene.material
    textures = colours = None
    if isinstance(material, TextureMaterial) and mesh.texcoords is not None:
        kd = linear_to_srgb(_reduced(material.kd, largest)).clamp(0, 1)
        normal = functional.normalize(_reduced(material.normal, largest), dim=2)
        packed = _packed(_reduced(material.ks, largest))
        textures = tuple(one.cpu() for one in (kd, packed, normal * 0.5 + 0.5))
    else:
        sample = material.sample(Surface(mesh.positions))
        colours = (sample.kd.clamp(0, 1).cpu(), _packed(sample.ks).cpu())
    probe = scene.light.to_latlong(PROBE_RESOLUTION).clamp(0, BRIGHTEST).cpu()
    # A copy: on a processor the parameters themselves would go on changing.
    still = mesh.detach().to("cpu")
    still = dataclasses.replace(still, positions=still.positions.clone())
    return Taken(still, textures, colours, probe)


def _reduced(texture: Tensor, largest: int) -> Tensor:
    height, width = texture.shape[:2]
    factor = max(height, width) / largest
    planes = texture.detach().float().permute(2, 0, 1)[None]
    if factor > 1:
        size = (max(1, round(height / factor)), max(1, round(width / factor)))
        planes = functional.interpolate(planes, size=size, mode="area")
    return planes[0].permute(1, 2, 0).contiguous()


def _packed(ks: Tensor) -> Tensor:
    """As glTF has it: 1 is open in the first channel."""
    return torch.cat([1 - ks[..., :1], ks[..., 1:3]], dim=-1).clamp(0, 1)


class Corners:
    """The vertices that a mesh has in glTF, kept as long as its triangles are the same."""

    def __init__(self) -> None:
        self._key: tuple[int, ...] = ()
        self._first: NDArray[np.int64] = np.zeros(0, np.int64)
        self._triangles: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def of(self, mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The first corner of each vertex among the 3 F corners, and the triangles, [3 F]."""
        tables = (mesh.triangles, mesh.texcoord_triangles, mesh.tangent_triangles)
        lists = [one.reshape(-1).numpy() for one in tables if one is not None]
        key = tuple(hash(one.tobytes()) for one in lists)
        if key != self._key:
            number = lists[0].astype(np.int64)
            for one in lists[1:]:
                number = np.unique(number * (int(one.max()) + 1) + one, return_inverse=True)[1]
            _, first, vertex = np.unique(number, return_index=True, return_inverse=True)
            self._key, self._first = key, first
            self._triangles = vertex.reshape(-1).astype(np.uint32)
        return self._first, self._triangles


def glb(taken: Taken, corners: Corners) -> bytes:
    """The file. The panorama lies in it as Radiance, named by the scene's extra ``probe``."""
    buffer = Buffer()
    mesh = taken.mesh
    first, triangles = corners.of(mesh)

    def at_vertices(values: Tensor | None, index: Tensor | None) -> NDArray[Any]:
        assert values is not None and index is not None
        rows = index.reshape(-1).numpy()[first]
        return np.asarray(values.detach().float().numpy()[rows], dtype=np.float32)

    attributes = {
        "POSITION": buffer.accessor(at_vertices(mesh.positions, mesh.triangles), bounds=True),
        "NORMAL": buffer.accessor(_unit(at_vertices(mesh.normals, mesh.normal_triangles))),
    }
    material: dict[str, Any] = {"doubleSided": True}
    images: list[dict[str, Any]] = []
    if taken.textures is not None:
        tangents = at_vertices(mesh.tangents, mesh.tangent_triangles)
        signs = np.full((len(tangents), 1), 32767, np.int16)
        attributes["TANGENT"] = buffer.accessor(np.concatenate([_unit(tangents), signs], axis=1))
        attributes["TEXCOORD_0"] = buffer.accessor(
            at_vertices(mesh.texcoords, mesh.texcoord_triangles)
        )
        for picture in taken.textures:
            view = buffer.view(_jpeg(picture))
            images.append({"mimeType": "image/jpeg", "bufferView": view})
        albedo, packed, normal = ({"index": number} for number in range(3))
        material |= {"occlusionTexture": packed, "normalTexture": normal}
        material["pbrMetallicRoughness"] = {
            "baseColorTexture": albedo,
            "metallicRoughnessTexture": packed,
        }
    else:
        assert taken.colours is not None
        for name, values in zip(("COLOR_0", "_PACKED"), taken.colours, strict=True):
            rows = at_vertices(values, mesh.triangles)
            whole = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
            attributes[name] = buffer.accessor(np.rint(whole * 65535).astype(np.uint16))
        material["pbrMetallicRoughness"] = {"metallicFactor": 1.0, "roughnessFactor": 1.0}
    indices = buffer.accessor(triangles, indices=True)
    probe = buffer.view(_radiance(taken.probe))
    document = {
        "asset": {"version": "2.0", "generator": f"TOPs nvdiffrec {VERSION}"},
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scene": 0,
        "scenes": [{"nodes": [0], "extras": {"probe": probe}}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
    }
    if images:
        document["textures"] = [{"source": number} for number in range(len(images))]
        document["images"] = images
    return container(document, buffer)


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Unit vectors in 16 bits."""
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(np.rint(rows / length * 32767), dtype=np.int16)


def _jpeg(picture: Tensor) -> bytes:
    pixels = picture.mul(255).round().to(torch.uint8).numpy()[..., ::-1]
    settings = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels), settings)
    assert done
    return bytes(data.tobytes())


def _radiance(panorama: Tensor) -> bytes:
    pixels = np.ascontiguousarray(panorama.float().numpy()[..., ::-1])
    done, data = cv2.imencode(".hdr", pixels)
    assert done
    return bytes(data.tobytes())
