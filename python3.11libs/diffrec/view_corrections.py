"""What is corrected of each photograph: its camera, and its exposure and white balance.

Solved cameras are right to a pixel or so, and automatic exposure changes from photograph to
photograph. Left alone, the first blurs textures and the second is painted into material and light.
Both are small, and are learned with the rest.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from diffrec.data.views import ImageViews, ViewBatch, Views
from nvdiffrec_contract.configuration import Config

CAMERAS_BEGIN = 0.5  # share of the first pass: before, there is no shape to put a camera right by
CAMERA_RATE = 2e-4  # radians, and shares of the scene's size, that a step changes at most
EXPOSURE_RATE = 2e-3  # of the logarithm
LARGEST_TURN = 0.05  # radians
LARGEST_SHIFT = 0.05  # shares of the scene's size
LARGEST_GAIN = 0.7  # of the logarithm: one stop up or down
HOLD = 0.01  # weight of the mean square of all corrections, in shares of the largest


class ViewCorrections(nn.Module):
    """Small motions of the object in front of each camera, and factors of each picture's channels.

    Attributes:
        motion: [N, 6], rotation vector in radians about the world's origin, then translation as a
            share of `size`; both of the object as the view sees it, in world axes.
        gain: [N, 3], logarithms of the factors of linear R, G, B.

    All are zero at the start. The views could move together while the object follows them, all go
    back while it grows, or become brighter together while the light becomes darker: their own
    pictures show none of these, those that are held out show all. So the means over the views stay
    zero, and no part of the translations leads away from the middle of all cameras.
    """

    outward: Tensor

    def __init__(self, places: Tensor, size: float, *, cameras: bool, exposure: bool) -> None:
        """`places`: where the cameras are, [N, 3]; `size`: edge of the box of the object; both in
        world units."""
        super().__init__()
        self.size = size
        views = len(places)
        away = (places - places.mean(dim=0)).detach().float()
        self.register_buffer("outward", away / away.norm().clamp_min(1e-9), persistent=False)
        self.motion = nn.Parameter(torch.zeros(views, 6), requires_grad=cameras)
        self.gain = nn.Parameter(torch.zeros(views, 3), requires_grad=exposure)

    @staticmethod
    def wanted(config: Config, views: Views) -> ViewCorrections | None:
        """What the configuration asks for of these training views; None for nothing.

        Views that are rendered are exact, and have no corrections.
        """
        cameras, exposure = config.diffrec.refine_cameras, config.diffrec.refine_exposure
        if not isinstance(views, ImageViews) or not (cameras or exposure):
            return None
        return ViewCorrections(
            views.positions(), config.mesh_scale, cameras=cameras, exposure=exposure
        )

    def applied(self, batch: ViewBatch) -> ViewBatch:
        """The batch with its cameras corrected.

        Gradients flow to `clip_from_world`: where things are seen. How little highlights move with
        the camera is left out of them, and kernels of shading have no gradient to the cameras.

        Raises:
            ValueError: the batch does not say which views it holds.
        """
        if not self.motion.requires_grad:
            return batch
        motion = rigid_motions(self.motion.index_select(0, _views(batch)), self.size)
        rotation, translation = motion[:, :3, :3], motion[:, :3, 3]
        position = (batch.camera_position - translation)[:, None] @ rotation
        return dataclasses.replace(
            batch,
            clip_from_world=batch.clip_from_world @ motion,
            camera_from_world=(batch.camera_from_world @ motion).detach(),
            camera_position=position[:, 0].detach(),
        )

    def gains(self, batch: ViewBatch) -> Tensor | None:
        """Factors [B, 3] of the linear colours of the views; None where exposure is left alone."""
        return self.gain.index_select(0, _views(batch)).exp() if self.gain.requires_grad else None

    def term(self) -> Tensor:
        """What holds the corrections small, a scalar."""
        turn, shift = self.motion[:, :3] / LARGEST_TURN, self.motion[:, 3:] / LARGEST_SHIFT
        parts = [part.square().mean() for part in (turn, shift, self.gain / LARGEST_GAIN)]
        return torch.stack(parts).sum() * HOLD

    @torch.no_grad()
    def clamp_(self) -> None:
        """What all views have in common to zero, then every correction to its largest."""
        for values in (self.motion, self.gain):
            values.sub_(values.mean(dim=0))
        shift = self.motion[:, 3:]
        shift.sub_((shift * self.outward).sum() * self.outward)
        self.limit_()

    @torch.no_grad()
    def limit_(self) -> None:
        """Every correction to its largest."""
        self.motion[:, :3].clamp_(-LARGEST_TURN, LARGEST_TURN)
        self.motion[:, 3:].clamp_(-LARGEST_SHIFT, LARGEST_SHIFT)
        self.gain.clamp_(-LARGEST_GAIN, LARGEST_GAIN)


def rigid_motions(motion: Tensor, size: float) -> Tensor:
    """Matrices [B, 4, 4] of rotation vectors and translations [B, 6], the latter times `size`.

    Rodrigues' formula, with the series of its two factors where the angle is small.
    """
    x, y, z = motion[:, 0], motion[:, 1], motion[:, 2]
    square = x * x + y * y + z * z
    angle = square.clamp_min(1e-8).sqrt()
    small = square < 1e-6
    first = torch.where(small, 1 - square / 6, torch.sin(angle) / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / (angle * angle))
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    eye = torch.eye(3, dtype=motion.dtype, device=motion.device)
    rotation = eye + first[:, None, None] * cross + second[:, None, None] * (cross @ cross)
    upper = torch.cat([rotation, motion[:, 3:, None] * size], dim=2)
    last = torch.zeros_like(upper[:, :1])
    last = torch.cat([last[..., :3], torch.ones_like(last[..., 3:])], dim=2)
    return torch.cat([upper, last], dim=1)


def _views(batch: ViewBatch) -> Tensor:
    if batch.view is None:
        raise ValueError("corrections need the indices of the views")
    return batch.view
