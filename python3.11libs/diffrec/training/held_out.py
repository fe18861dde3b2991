"""The second figure of a training that refined cameras: held-out views with theirs refined too.

The first figure judges held-out views with their cameras as given. Where those are a pixel off it
says as much of them as of the mesh. Here each held-out camera is moved to where its photograph fits
the finished mesh best, which nothing else learns from. It has seen what it is judged by, so the
figure is told apart and is not to be compared with the first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from diffrec import losses
from diffrec.data.views import ImageViews
from diffrec.losses.ssim import with_dissimilarity
from diffrec.measure import metrics
from diffrec.measure.validation import Pictures, background_of
from diffrec.ops.topology import edge_topology
from diffrec.render import render
from diffrec.scene import Scene, render_options
from diffrec.training.adam import Adam
from diffrec.view_corrections import ViewCorrections
from nvdiffrec_contract.configuration import Config

STEPS = 30
FIRST = 0.3
"""Pixels of the first step; the last ones are nothing."""


def with_cameras_refined(
    config: Config, scene: Scene, views: ImageViews, log: Callable[[str], None]
) -> float:
    """PSNR of views with their cameras refined to fit a finished scene, in dB; told in the log.

    Args:
        config: the training's.
        scene: stays as it is.
        views: that were held out.
        log: takes what is told.
    """
    device = scene.light.base.device
    size = config.mesh_scale
    corrections = ViewCorrections(views.positions(), size, cameras=True, exposure=False).to(device)
    learning = [one for one in scene.parameters() if one.requires_grad]
    try:
        for one in learning:
            one.requires_grad_(False)
        _fit(config, scene, views, corrections)
    finally:
        for one in learning:
            one.requires_grad_(True)
    pictures = Pictures(config, scene)
    errors = []
    for index in range(len(views)):
        view = pictures.view(corrections.applied(views.batch([index])))
        assert view.reference is not None
        errors.append(float(metrics.mse(view.result, view.reference)))
    psnr = sum(map(metrics.psnr_of_mse, errors)) / len(errors)
    log(
        f"With the held-out cameras refined too: PSNR {psnr:.3f} dB; they have seen what they are "
        "judged by, so compare it with others of its kind alone"
    )
    return psnr


def _fit(config: Config, scene: Scene, views: ImageViews, corrections: ViewCorrections) -> None:
    loss = with_dissimilarity(losses.photograph_loss(config.loss), config.diffrec.dssim)
    with torch.no_grad():
        mesh = scene.geometry.mesh().detach()
        if mesh.normals is None:
            mesh = mesh.with_normals()
        light = scene.lighting()
        edges = edge_topology(mesh.triangles)
    adam = Adam(
        [corrections.motion],
        FIRST * float(views.pixel_sizes().mean()) / config.mesh_scale,
        lambda step: 1 - step / STEPS,
    )
    parts = [
        range(first, min(first + config.batch, len(views)))
        for first in range(0, len(views), config.batch)
    ]
    for step in range(STEPS):
        adam.zero_grad()
        for part in parts:
            batch = corrections.applied(views.batch(part))
            assert batch.image is not None
            height, width = views.resolution
            kind = config.background
            backdrop = background_of(kind, (height, width), batch.image, batch.image.device)
            backdrop = backdrop.expand(len(part), -1, -1, -1).contiguous()
            shown = render(
                mesh,
                scene.material,
                light,
                batch.clip_from_world,
                batch.camera_from_world,
                batch.camera_position,
                (height, width),
                background=backdrop,
                options=render_options(config),
                topology=edges,
            ).image
            torch.autograd.backward(loss(shown, batch.image, backdrop) * len(part))
        adam.begin(step)
        adam.step()
        corrections.limit_()
