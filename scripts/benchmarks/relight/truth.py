"""The truth of a scene, rendered once and kept in a folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from diffrec import cameras
from relight.assets import Asset, Looks, look, read_asset, write_asset
from relight.lights import OTHERS, irradiance, panorama
from relight.measures import LUMINANCE, encoded
from relight.scenes import SCENES, build
from relight.tracer import seen_of_light, traced

Floats = NDArray[np.float32]

PATH, SHADOWLESS = "path traced", "shadowless"
KINDS = (PATH, SHADOWLESS)
FOLDERS = {PATH: "path", SHADOWLESS: "shadowless"}
FOV = cameras.ORBIT_FOVY


@dataclass(frozen=True)
class Extent:
    """Edge of a picture, numbers of views (trained, held out, relit), samples of a pixel."""

    size: int
    views: int
    held: int
    relit: int
    samples: int


@dataclass(frozen=True)
class Truth:
    """What is known of a scene.

    poses: of the held-out views, camera_from_world [N, 4, 4]; the first `extent.relit` are relit.
    looks: the true maps at the held-out views; visibility: [N, H, W], share of the training
    light's irradiance that reaches the surface; relit: kind, then light, to pictures [N, H, W, 4].
    """

    name: str
    extent: Extent
    asset: Asset
    light: Floats
    poses: Floats
    looks: Looks
    visibility: Floats
    relit: dict[str, dict[str, Floats]]
    data: dict[str, Path]


def truth_of(name: str, extent: Extent, folder: Path, log: Callable[[str], None]) -> Truth:
    """The truth of a scene of `SCENES`; rendered into `folder` where it is not there yet."""
    scene = SCENES[name]
    numbers = (extent.size, extent.views, extent.held, extent.relit, extent.samples)
    place = folder / "_".join([name, *map(str, numbers), _version()])
    if not place.is_dir():
        log(f"{name}: the truth is rendered into {place}")
        folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{name}_", dir=folder))
        try:
            _render(name, extent, new)
            os.replace(new, place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    kept = dict(np.load(place / "truth.npz"))
    maps = {field: kept[f"looks {field}"] for field in Looks.__dataclass_fields__}
    return Truth(
        name,
        extent,
        read_asset(place / "asset"),
        panorama(scene.light),
        poses(extent.held, held_out=True),
        Looks(**maps),
        kept["visibility"],
        {kind: {light: kept[f"{kind} {light}"] for light in OTHERS} for kind in KINDS},
        {kind: place / FOLDERS[kind] for kind in KINDS},
    )


def poses(count: int, *, held_out: bool = False) -> Floats:
    """camera_from_world [count, 4, 4] from all around, y up; held-out views lie between others."""
    golden = math.pi * (3 - math.sqrt(5))
    found = []
    for number in range(count):
        # Held-out views in an order of which every beginning is spread out as well.
        share = _spread(number + 1) if held_out else (number + 0.5) / count
        tilt = math.asin(1.8 * share - 0.8)
        turn = golden * (number + (0.37 if held_out else 0))
        pose = cameras.translation(0, 0, -cameras.ORBIT_RADIUS)
        found.append(pose @ cameras.rotation_x(tilt) @ cameras.rotation_y(turn))
    return torch.stack(found).numpy()


def _spread(number: int) -> float:
    """Van der Corput's sequence, base 2."""
    share, part = 0.0, 0.5
    while number:
        share += part * (number & 1)
        number, part = number >> 1, part / 2
    return share


def _version() -> str:
    """Of the code that makes a truth: other code, another folder."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("assets", "lights", "scenes", "tracer", "truth"):
        digest.update((here / f"{name}.py").read_bytes())
    return digest.hexdigest()[:8]


def _render(name: str, extent: Extent, folder: Path) -> None:
    scene, size = SCENES[name], extent.size
    write_asset(folder / "asset", build(scene))
    asset, light = read_asset(folder / "asset"), panorama(scene.light)
    held, trained = poses(extent.held, held_out=True), poses(extent.views)
    kept: dict[str, Floats] = {}
    looks = look(asset, light, held, size)
    for field in Looks.__dataclass_fields__:
        kept[f"looks {field}"] = getattr(looks, field)
    for split, cameras_of, seed in (("train", trained, 1), ("test", held, 2)):
        path = traced(asset, light, cameras_of, size, extent.samples, seed=seed)
        write_views(folder / FOLDERS[PATH], split, path, cameras_of)
        own = joined(look(asset, light, cameras_of, size))
        write_views(folder / FOLDERS[SHADOWLESS], split, own, cameras_of)
    first = held[: extent.relit]
    for other in OTHERS:
        there = panorama(other)
        kept[f"{PATH} {other}"] = traced(asset, there, first, size, extent.samples, seed=3)
        kept[f"{SHADOWLESS} {other}"] = joined(look(asset, there, first, size))
    reached = seen_of_light(asset, light, held, size, extent.samples)[..., :3] @ LUMINANCE
    open_ = np.ones_like(reached)
    covered = looks.coverage[..., 0] > 0.999
    normals = looks.smooth[covered]
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    most = irradiance(light, normals) @ LUMINANCE
    open_[covered] = (reached[covered] / np.maximum(most, 1e-6)).clip(0, 1)
    np.savez_compressed(folder / "truth.npz", **kept, visibility=open_)  # type: ignore[arg-type]


def joined(looks: Looks) -> Floats:
    """Colour and coverage as pictures [N, H, W, 4]."""
    return np.concatenate([looks.colour, looks.coverage], axis=-1)


def write_views(folder: Path, split: str, pictures: Floats, poses_of: Floats) -> None:
    """Write pictures [N, H, W, 4], linear over black, as a data set in NeRF's synthetic form."""
    (folder / split).mkdir(parents=True)
    # NeRF's world has z up.
    turn = np.linalg.inv(cameras.rotation_x(-0.5 * math.pi).numpy().astype(np.float64))
    frames = []
    for number, (picture, pose) in enumerate(zip(pictures, poses_of, strict=True)):
        alpha = picture[..., 3:].clip(0, 1)
        colour = encoded(picture[..., :3] / np.maximum(alpha, 1e-4))
        levels = np.rint(255 * np.concatenate([colour[..., ::-1], alpha], axis=-1))
        cv2.imwrite(str(folder / split / f"r_{number:03d}.png"), levels.astype(np.uint8))
        matrix = turn @ np.linalg.inv(pose.astype(np.float64))
        frames.append(
            {"file_path": f"./{split}/r_{number:03d}", "transform_matrix": matrix.tolist()}
        )
    text = json.dumps({"camera_angle_x": FOV, "frames": frames}, indent=1)
    (folder / f"transforms_{split}.json").write_text(text, encoding="utf-8")
