"""Binary glTF 2.0: metallic-roughness, with tangents, everything in one file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional

from diffrec import imagefiles
from diffrec.asset.asset import Asset
from diffrec.asset.gltf import Buffer, container
from diffrec.asset.maps import resized
from diffrec.asset.mikktspace import split
from diffrec.colour import linear_to_srgb
from nvdiffrec_contract import VERSION
from nvdiffrec_contract.files import replace_file

LABEL = "{name}.glb"
PACKAGE = None
BESIDE = True
UDIM = False
LINEAR = False

LARGEST_PICTURE = 2048
"""Pictures are reduced to this edge, for the web."""

# Numbers of glTF 2.0.
_LINEAR, _LINEAR_MIPMAP_LINEAR, _REPEAT = 9729, 9987, 10497


def export(asset: Asset) -> list[str]:
    """NAME.glb, and a file for each level of detail.

    Occlusion is a channel of its own here, so the albedo is the trained one.
    """
    return [_written(one) for one in (asset, *asset.details)]


def _written(asset: Asset) -> str:
    vertices, tangents = split(asset.vertices, asset.tangents)
    buffer = Buffer()
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
    }
    replace_file(asset.folder / f"{asset.name}.glb", container(document, buffer))
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
    shown = {
        "albedo": linear_to_srgb(resized(maps.open_albedo, like)),
        "occlusion_roughness_metalness": packed,
        "normal": normal.mul(0.5).add_(0.5),
    }
    with ThreadPoolExecutor(len(shown)) as pool:
        return dict(zip(shown, pool.map(imagefiles.png, shown.values()), strict=True))
