"""What other programs show of an asset is what training showed."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor
from torch.nn import functional

from diffrec import cameras, imagefiles
from diffrec.asset.source import Source
from diffrec.asset.write import write_asset
from diffrec.colour import linear_to_srgb
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight, latlong_directions
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh

SIZE = 24
# From (0.6, 0.7, 2.6) towards the origin.
POSE = cameras.translation(0, 0, -2.7586) @ cameras.rotation_x(0.2566) @ cameras.rotation_y(-0.2268)


def psnr(first: Tensor, second: Tensor) -> float:
    return -10 * math.log10(float((first - second).square().mean()))


def over_white(image: Any) -> Tensor:
    """Premultiplied linear RGBA [H, W, 4] to sRGB over white."""
    linear = torch.as_tensor(np.ascontiguousarray(image)).float()
    return linear_to_srgb(linear[..., :3] + 1 - linear[..., 3:]).clamp(0, 1)


@torch.no_grad()
def ours(mesh: Mesh, material: TextureMaterial, light: Tensor) -> Tensor:
    """The trainer's picture, linear RGBA."""
    clip = cameras.perspective(cameras.ORBIT_FOVY, 1.0, 0.1, 100.0) @ POSE
    found = render(
        mesh,
        material,
        Lighting.of(EnvironmentLight.from_latlong(light, 64)),
        clip[None],
        POSE[None],
        cameras.camera_position(POSE)[None],
        (SIZE, SIZE),
        options=RenderOptions(spp=4),
    )
    return found.image[0]


def picture_of(source: Source) -> Tensor:
    material = TextureMaterial.from_images(source.kd, source.ks, source.normal)
    assert source.light is not None
    return ours(source.mesh, material, source.light)


@pytest.fixture
def in_mitsuba(mitsuba_render: Callable[..., Any]) -> Callable[[Path, int], Tensor]:
    """Linear RGBA of a folder of that form, lit without shadows."""

    def show(folder: Path, samples: int) -> Tensor:
        pose = POSE.double().numpy()
        image = mitsuba_render(folder, pose, SIZE, integrator="unshadowed", samples=samples)
        return torch.from_numpy(image)

    return show


def inside(*pictures: Tensor) -> Tensor:
    """The pixels that no silhouette touches: programs differ in how they filter those."""
    edge = torch.stack([one[..., 3] < 0.999 for one in pictures]).any(0)
    return functional.max_pool2d(edge.float()[None, None], 3, 1, 1)[0, 0] == 0


Agreement = Callable[[Source, Path, int], float]


@pytest.fixture
def agreement(
    tmp_path: Path,
    in_mitsuba: Callable[[Path, int], Tensor],
    as_usd_says: Callable[[Path, Path, Path], None],
) -> Agreement:
    """PSNR inside the silhouette of Mitsuba's picture of a read folder with so many samples."""

    def of(source: Source, place: Path, samples: int) -> float:
        if not place.exists():
            asset = tmp_path / f"asset of {place.name}"
            write_asset(source, asset, "ball", ("usd",), print)
            as_usd_says(asset / "ball.usd", asset / "ball_light.usda", place)
        own, other = picture_of(source), in_mitsuba(place, samples)
        mask = inside(own, other)
        assert 0.3 < mask.float().mean() < 0.9
        return psnr(*(linear_to_srgb(one[mask][:, :3]).clamp(0, 1) for one in (own, other)))

    return of


def test_mitsuba_shows_the_usd_as_we_show_the_result(
    new_ball: Source, tmp_path: Path, agreement: Agreement
) -> None:
    # A dielectric, on which the split sum and Disney's principled surface agree best, under a light
    # without a sun, which takes fewer samples.
    towards = latlong_directions(32, 64) @ functional.normalize(
        torch.tensor([0.8, 0.5, 0.6]), dim=0
    )
    soft = 0.25 + 0.125 * (towards[..., None] + 1) ** 2 * torch.tensor([1.2, 1.0, 0.7])
    new_ball.ks[..., 0::2] = 0
    # Measured: 42.0 dB with 512 samples. What is left is noise, and Disney's diffuse term, which is
    # brighter by 0.003.
    assert agreement(replace(new_ball, light=soft), tmp_path / "read", 400) > 40


def test_mitsuba_shows_another_thing_where_a_file_is_misread(
    new_ball: Source, tmp_path: Path, agreement: Agreement
) -> None:
    new_ball.ks[..., 0::2] = 0
    place = tmp_path / "read"
    right = agreement(new_ball, place, 48)
    for name, change in {
        "texture_n.png": lambda image: image * [1, -1, 1] + [0, 65535, 0],
        "probe.hdr": lambda image: np.roll(image, image.shape[1] // 2, axis=1),
        "texture_kd.png": lambda image: image[:, ::-1],
    }.items():
        path = place / name
        original = path.read_bytes()
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.ascontiguousarray(change(image)).astype(image.dtype))
        assert agreement(new_ball, place, 48) < right - 2, name
        path.write_bytes(original)


def test_a_glb_comes_back_as_a_reference_mesh(written: Any, tmp_path: Path) -> None:
    path = written.folder / "ball.glb"
    (raw,) = trimesh.load(path, process=False).geometry.values()
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    material = document["materials"][0]

    def image(reference: dict[str, Any]) -> Tensor:
        view = document["bufferViews"][
            document["images"][document["textures"][reference["index"]]["source"]]["bufferView"]
        ]
        begin = 20 + length + 8 + view["byteOffset"]
        file = tmp_path / "image.png"
        file.write_bytes(data[begin : begin + view["byteLength"]])
        return imagefiles.read_linear(file)

    surface = material["pbrMetallicRoughness"]
    packed = image(surface["metallicRoughnessTexture"])
    assert material["occlusionTexture"] == surface["metallicRoughnessTexture"]
    # glTF: red is 1 where it is open; the trainer's means the opposite.
    ks = torch.cat([1 - packed[..., :1], packed[..., 1:]], dim=2)
    imagefiles.write_png(tmp_path / "kd.png", image(surface["baseColorTexture"]))
    imagefiles.write_png(tmp_path / "ks.png", ks)
    imagefiles.write_png(tmp_path / "n.png", image(material["normalTexture"]))
    triangles = torch.from_numpy(np.array(raw.faces)).long()
    uv = document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]
    assert document["accessors"][uv]["count"] == len(raw.vertices)
    flipped = torch.tensor(np.array(raw.visual.uv)).float()  # trimesh turns v upwards
    mesh = Mesh(
        torch.tensor(np.array(raw.vertices)).float(),
        triangles,
        flipped * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0]),
        triangles,
        torch.tensor(np.array(raw.vertex_normals)).float(),
        triangles,
    )
    write_obj(tmp_path / "back.obj", mesh, material="back")
    (tmp_path / "back.mtl").write_text(
        "newmtl back\nbsdf pbr\nmap_Kd kd.png\nmap_Ks ks.png\nbump n.png\n"
    )
    back = load_reference_mesh(tmp_path / "back.obj", None, torch.device("cpu"))
    found = ours(back.mesh, back.material, written.source.light)
    # Of a reference the occlusion is not read.
    open_ks = written.source.ks * torch.tensor([0.0, 1.0, 1.0])
    expected = picture_of(replace(written.source, ks=open_ks))
    assert psnr(over_white(found), over_white(expected)) > 45
    # Not because nothing is seen.
    assert psnr(over_white(found), torch.ones(SIZE, SIZE, 3)) < 20


def test_the_thumbnail_shows_it(written: Any) -> None:
    shown = cv2.imread(str(written.folder / "thumbnail.png"), cv2.IMREAD_UNCHANGED)
    height, width, channels = shown.shape
    assert height == width and channels == 4
    alpha = shown[..., 3] > 128
    # A ball that nearly touches the edges, in the middle.
    assert alpha.mean() == pytest.approx(math.pi / 4 / 1.08**2, abs=0.05)
    assert shown[alpha][:, :3].std(0).min() > 10
    turned = cv2.imread(str(written.folder / "turntable" / "ball.0002.png"), cv2.IMREAD_UNCHANGED)
    assert np.abs(turned.astype(int) - shown)[alpha].mean() > 10
