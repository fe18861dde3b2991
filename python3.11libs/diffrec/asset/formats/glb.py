"""Binary glTF 2.0: metallic-roughness, with tangents, everything in one file."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from diffrec import imagefiles
from diffrec.asset.asset import Asset
from diffrec.asset.maps import resized
from diffrec.asset.mikktspace import split
from diffrec.colour import linear_to_srgb
from nvdiffrec_contract import VERSION
from nvdiffrec_contract.files import replace_file

LABEL = "{name}.glb"
PACKAGE = None

LARGEST_PICTURE = 2048
"""Pictures are reduced to this edge, for the web."""

# Numbers of glTF 2.0.
_FLOAT, _UNSIGNED_INT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _REPEAT = 9729, 9987, 10497
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class _Buffer:
    """The one buffer of the file, with its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += bytes(-len(self.data) % 4)
        found = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append(found if target is None else {**found, "target": target})
        self.data += data
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], *, indices: bool = False, bounds: bool = False) -> int:
        kind, target = (
            (_UNSIGNED_INT, _ELEMENT_ARRAY_BUFFER) if indices else (_FLOAT, _ARRAY_BUFFER)
        )
        found = {
            "bufferView": self.view(np.ascontiguousarray(values).tobytes(), target),
            "componentType": kind,
            "count": len(values),
            "type": _TYPES[1 if values.ndim == 1 else values.shape[1]],
        }
        if bounds:
            found |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(found)
        return len(self.accessors) - 1


def export(asset: Asset) -> list[str]:
    """NAME.glb, and a file for each level of detail.

    Occlusion is a channel of its own here, so the albedo is the trained one.
    """
    return [_written(one) for one in (asset, *asset.details)]


def _written(asset: Asset) -> str:
    vertices, tangents = split(asset.vertices, asset.tangents)
    buffer = _Buffer()
    attributes = {
        "POSITION": buffer.accessor(vertices.position, bounds=True),
        "NORMAL": buffer.accessor(vertices.normal),
        "TANGENT": buffer.accessor(tangents),
        "TEXCOORD_0": buffer.accessor(vertices.uv),
    }
    triangles = vertices.triangles.astype(np.uint32).reshape(-1)
    indices = buffer.accessor(triangles, indices=True)
    pictures = _pictures(asset)
    images = [
        {"name": f"{asset.name}_{kind}", "mimeType": "image/png", "bufferView": buffer.view(data)}
        for kind, data in pictures.items()
    ]
    albedo, packed, normal = ({"index": number} for number in range(3))
    document = {
        "asset": {"version": "2.0", "generator": f"TOPs nvdiffrec {VERSION}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": asset.name, "mesh": 0}],
        "meshes": [
            {
                "name": asset.name,
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0}],
            }
        ],
        "materials": [
            {
                "name": asset.name,
                "pbrMetallicRoughness": {
                    "baseColorTexture": albedo,
                    "metallicRoughnessTexture": packed,
                },
                "occlusionTexture": packed,
                "normalTexture": normal,
                "doubleSided": True,
            }
        ],
        "samplers": [
            {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _REPEAT,
                "wrapT": _REPEAT,
            }
        ],
        "textures": [{"sampler": 0, "source": number} for number in range(len(images))],
        "images": images,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    replace_file(asset.folder / f"{asset.name}.glb", _container(document, bytes(buffer.data)))
    return f"{asset.name}.glb"


def _pictures(asset: Asset) -> dict[str, bytes]:
    maps = asset.maps
    height, width = (
        max(one.shape[side] for one in (maps.open_albedo, maps.roughness, maps.normal))
        for side in (0, 1)
    )
    shrink = max(1.0, max(height, width) / LARGEST_PICTURE)
    like = torch.empty(max(1, round(height / shrink)), max(1, round(width / shrink)), 0)
    packed = torch.cat(
        [resized(one, like) for one in (maps.occlusion, maps.roughness, maps.metalness)], dim=2
    )
    normal = functional.normalize(resized(maps.normal, like), dim=2)
    return {
        "albedo": imagefiles.png(linear_to_srgb(resized(maps.open_albedo, like))),
        "occlusion_roughness_metalness": imagefiles.png(packed),
        "normal": imagefiles.png(normal * 0.5 + 0.5),
    }


def _container(document: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += bytes(-len(data) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    return (
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(data), b"BIN\0")
        + data
    )
