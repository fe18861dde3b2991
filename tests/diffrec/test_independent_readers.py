"""What a training leaves, read by programs that are not ours: trimesh and Mitsuba 3."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from diffrec import cameras, imagefiles
from diffrec.colour import linear_to_srgb
from diffrec.config import load_config
from diffrec.export.result import write_result
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.reconstruct import reconstruct
from diffrec.render import render
from diffrec.sample.scene import write_sample
from diffrec.shading.light import EnvironmentLight, latlong_directions

SIZE = 64
VIEWS = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short but real training of the sample."""
    folder = tmp_path_factory.mktemp("trained")
    write_sample(folder)
    config = load_config(folder / "sample.json")
    config = dataclasses.replace(
        config,
        ref_mesh=str(folder / "sample.obj"),
        envmap=str(folder / "sky.hdr"),
        iter=60,
        train_res=(SIZE, SIZE),
        display_res=(SIZE, SIZE),
        texture_res=(256, 256),
        dmtet_grid=24,
        save_interval=0,
        diffrec=dataclasses.replace(config.diffrec, light_res=64, validation_views=VIEWS),
    )
    reconstruct(config, torch.device("cpu"), folder / "out", lambda line: None)
    return folder / "out"


def picture(path: Path) -> Tensor:
    """A PNG as [H, W, 3] in [0, 1]."""
    return imagefiles.read_linear(path)[..., :3]


def psnr(first: Tensor, second: Tensor) -> float:
    return -10 * math.log10(float((first - second).square().mean()))


def over_white(image: np.ndarray) -> Tensor:
    """Premultiplied linear RGBA to sRGB over white."""
    linear = torch.from_numpy(np.ascontiguousarray(image)).float()
    return linear_to_srgb(linear[..., :3] + 1 - linear[..., 3:]).clamp(0, 1)


def test_the_mesh_is_a_closed_surface_with_valid_uvs(trained: Path) -> None:
    raw = trimesh.load(trained / "mesh" / "mesh.obj", process=False)
    uv = raw.visual.uv
    assert uv.shape == (len(raw.vertices), 2)
    assert np.isfinite(uv).all()
    assert uv.min() >= 0
    assert uv.max() <= 1
    corners = uv[raw.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    assert (doubled > 0).mean() > 0.99
    # Triangles do not share texture: their areas fit into the square.
    assert 0.2 < doubled.sum() / 2 < 1.0
    solid = trimesh.Trimesh(raw.vertices, raw.faces, process=False)
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.volume > 0


def test_the_probe_is_a_panorama_of_finite_light(trained: Path) -> None:
    probe = cv2.imread(str(trained / "mesh" / "probe.hdr"), cv2.IMREAD_UNCHANGED)
    assert probe.shape == (512, 1024, 3)
    assert probe.dtype == np.float32
    assert np.isfinite(probe).all()
    assert probe.min() >= 0
    assert probe.max() > 0.5


def test_mitsuba_shows_what_we_show(trained: Path) -> None:
    # Measured: 23.9 and 24.5 dB against our pictures, 21.3 and 22.3 dB against the reference (ours
    # against it, after so short a training: 23.8 and 25.4 dB). What differs is mostly the shadow
    # of the ring on itself, which the split sum leaves out.
    for view in (0, 2):
        pose = cameras.turntable_pose(view, VIEWS).double().numpy()
        image = over_white(rendered_by_mitsuba(trained / "mesh", pose, SIZE))
        name = f"val_{view:06d}"
        assert psnr(image, picture(trained / "validate" / f"{name}_opt.png")) > 23
        assert psnr(image, picture(trained / "validate" / f"{name}_ref.png")) > 20.5


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensor, np.ndarray]:
    """A sphere, which casts no shadow on itself, with maps that no flip leaves alike.

    The exported folder, our own picture of it [H, W, 3] and the camera's pose.
    """
    folder = tmp_path_factory.mktemp("ball")
    rows, columns = 48, 96
    polar = torch.linspace(0, math.pi, rows + 1)
    azimuth = torch.linspace(0, 2 * math.pi, columns + 1)
    theta, phi = torch.meshgrid(polar, azimuth, indexing="ij")
    ring = torch.sin(theta)
    points = torch.stack([ring * torch.sin(phi), torch.cos(theta), ring * torch.cos(phi)], -1)
    uv = torch.stack([phi / (2 * math.pi), theta / math.pi], -1)
    corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
    below = corner + columns + 1
    triangles = torch.cat(
        [
            torch.stack([corner, below, below + 1], 1),
            torch.stack([corner, below + 1, corner + 1], 1),
        ]
    )
    flat = points.reshape(-1, 3)
    mesh = Mesh(
        flat, triangles, uv.reshape(-1, 2), triangles, normals=flat, normal_triangles=triangles
    ).with_tangents()
    v, u = torch.meshgrid(torch.arange(128) / 128, torch.arange(256) / 256, indexing="ij")
    stripes = ((u * 12 + v * 5) % 1 > 0.5).float()
    kd = torch.stack([0.2 + 0.6 * stripes, 0.3 + 0.5 * v, 0.7 - 0.5 * stripes], -1)
    ks = torch.stack([torch.zeros_like(u), 0.35 + 0.4 * v, (torch.sin(u * 25) > 0.7).float()], -1)
    tilt = 0.5 * torch.sin(v * 40)
    normal = torch.nn.functional.normalize(
        torch.stack([0.25 * torch.sin(u * 60), tilt, torch.ones_like(u)], -1), dim=-1
    )
    material = TextureMaterial(kd, ks, normal)
    towards = latlong_directions(128, 256)
    sun = torch.nn.functional.normalize(torch.tensor([0.8, 0.5, 0.6]), dim=0)
    glow = torch.exp(((towards @ sun)[..., None] - 1) * 12) * torch.tensor([6.0, 5.0, 3.5])
    panorama = 0.15 + 0.35 * towards[..., 1:2].clamp_min(0) * torch.tensor([0.5, 0.8, 1.2]) + glow
    light = EnvironmentLight.from_latlong(panorama, 128)
    write_result(folder, mesh, material, light, lambda line: None)
    pose = cameras.look_at(
        torch.tensor([0.6, 0.7, 2.6]), torch.zeros(3), torch.tensor([0.0, 1.0, 0.0])
    )
    clip = cameras.perspective(cameras.ORBIT_FOVY, 1.0, 0.1, 100.0) @ pose
    with torch.no_grad():
        ours = render(
            mesh,
            material,
            light.prefiltered(),
            clip[None],
            pose[None],
            cameras.camera_position(pose)[None],
            (128, 128),
        )
    return folder, over_white(ours.image[0].numpy()), pose.double().numpy()


def test_every_map_has_its_documented_meaning(ball: tuple[Path, Tensor, np.ndarray]) -> None:
    folder, ours, pose = ball
    agreement = psnr(over_white(rendered_by_mitsuba(folder, pose, 128)), ours)
    # Measured: 29.8 dB, and 13 to 18 dB for each misreading.
    assert agreement > 29

    def changed(name: str, change: object) -> float:
        """Agreement after one file is misread in a way that its meaning forbids."""
        original = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
        try:
            cv2.imwrite(str(folder / name), change(original))  # type: ignore[operator]
            return psnr(over_white(rendered_by_mitsuba(folder, pose, 128)), ours)
        finally:
            cv2.imwrite(str(folder / name), original)

    def flipped_green(image: np.ndarray) -> np.ndarray:
        image[..., 1] = 255 - image[..., 1]
        return image

    misread = {
        "kd upside down": changed("texture_kd.png", lambda i: i[::-1].copy()),
        "kd mirrored": changed("texture_kd.png", lambda i: i[:, ::-1].copy()),
        "roughness and metalness swapped": changed(
            "texture_ks.png", lambda i: i[..., [1, 0, 2]].copy()
        ),
        "normals +Y down": changed("texture_n.png", flipped_green),
        "probe mirrored": changed("probe.hdr", lambda i: i[:, ::-1].copy()),
        "probe turned": changed("probe.hdr", lambda i: np.roll(i, i.shape[1] // 2, axis=1)),
    }
    assert all(value < agreement - 8 for value in misread.values()), (agreement, misread)


def rendered_by_mitsuba(
    folder: Path, camera_from_world: np.ndarray, size: int, samples: int = 64
) -> np.ndarray:
    """The result under its own probe: linear RGB over black and coverage, [size, size, 4].

    `folder` holds mesh.obj, texture_kd/ks/n.png and probe.hdr; `camera_from_world` [4, 4] is
    OpenGL's. Direct light, no shadows from beyond the first hit.
    """
    import mitsuba as mi

    mi.set_variant("scalar_rgb")
    ks = cv2.imread(str(folder / "texture_ks.png"), cv2.IMREAD_COLOR)
    cv2.imwrite(str(folder / "roughness.png"), ks[..., 1])
    cv2.imwrite(str(folder / "metalness.png"), ks[..., 0])
    # Mitsuba's cameras look down +z with x to the left; ours look down -z.
    world_from_camera = np.linalg.inv(camera_from_world) @ np.diag([-1.0, 1.0, -1.0, 1.0])

    def bitmap(name: str, *, raw: bool) -> dict[str, object]:
        return {"type": "bitmap", "filename": str(folder / name), "raw": raw}

    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {
                "type": "direct",
                "bsdf_samples": 1,
                "emitter_samples": 1,
                "hide_emitters": True,
            },
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
                    "material": {
                        "type": "normalmap",
                        "normalmap": bitmap("texture_n.png", raw=True),
                        "bsdf": {
                            "type": "principled",
                            "base_color": bitmap("texture_kd.png", raw=False),
                            "roughness": bitmap("roughness.png", raw=True),
                            "metallic": bitmap("metalness.png", raw=True),
                            "specular": 0.5,
                        },
                    },
                },
            },
        }
    )
    return np.array(mi.render(scene))
