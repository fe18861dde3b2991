"""Camera matrices and poses.

Frames: the world is right-handed, y up; camera space is OpenGL's (looks down -z, x right, y up);
clip space is OpenGL's (-w <= x, y, z <= w). Matrices act on column vectors: ``p' = M @ p``. Named
``target_from_source``: ``camera_from_world`` takes world points to camera space. Row 0 of an image
is its top: ndc_y = 1 - 2 (row + 0.5) / H, ndc_x = -1 + 2 (col + 0.5) / W.
Angles are radians, lengths world units. All matrices are float32 on the CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ORBIT_RADIUS = 3.0
ORBIT_FOVY = math.radians(45.0)
RANDOM_OFFSET = 0.25
TURNTABLE_VIEWS = 50
TURNTABLE_TILT = 0.4


def perspective(fovy: float, aspect: float, near: float, far: float) -> Tensor:
    """OpenGL perspective projection, camera space to clip space, [4, 4].

    ``fovy`` is the full vertical field of view, ``aspect`` is width / height; depth runs from -1
    at distance ``near`` to +1 at ``far`` after the division.
    """
    y = 1.0 / math.tan(0.5 * fovy)
    matrix = torch.zeros(4, 4)
    matrix[0, 0] = y / aspect
    matrix[1, 1] = y
    matrix[2, 2] = -(far + near) / (far - near)
    matrix[2, 3] = -2.0 * far * near / (far - near)
    matrix[3, 2] = -1.0
    return matrix


def fovy_from_focal(focal: float, height: float) -> float:
    """Vertical field of view of a pinhole camera; focal length and height in the same pixels."""
    return 2.0 * math.atan(0.5 * height / focal)


def translation(x: float, y: float, z: float) -> Tensor:
    """Translation matrix, [4, 4]."""
    matrix = torch.eye(4)
    matrix[:3, 3] = torch.tensor([x, y, z])
    return matrix


def rotation_x(angle: float) -> Tensor:
    """Rotation about x, y towards z, [4, 4]."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = torch.eye(4)
    matrix[1, 1], matrix[1, 2], matrix[2, 1], matrix[2, 2] = c, -s, s, c
    return matrix


def rotation_y(angle: float) -> Tensor:
    """Rotation about y, z towards x, [4, 4]."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = torch.eye(4)
    matrix[0, 0], matrix[0, 2], matrix[2, 0], matrix[2, 2] = c, s, -s, c
    return matrix


def random_rotation(generator: torch.Generator) -> Tensor:
    """Rotation drawn uniformly from all rotations, [4, 4]: a normalised Gaussian quaternion."""
    q = torch.randn(4, generator=generator, dtype=torch.float64)
    w, x, y, z = (q / q.norm().clamp_min(1e-12)).tolist()
    matrix = torch.eye(4)
    matrix[:3, :3] = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return matrix


def turntable_pose(
    index: int,
    count: int = TURNTABLE_VIEWS,
    *,
    radius: float = ORBIT_RADIUS,
    tilt: float = TURNTABLE_TILT,
) -> Tensor:
    """camera_from_world [4, 4] of view ``index`` of one turn around y, seen from above by ``tilt``.

    The camera looks at the origin from distance ``radius``.
    """
    turn = rotation_y(2.0 * math.pi * index / count)
    return translation(0.0, 0.0, -radius) @ rotation_x(tilt) @ turn


def random_pose(
    generator: torch.Generator, *, radius: float = ORBIT_RADIUS, offset: float = RANDOM_OFFSET
) -> Tensor:
    """camera_from_world [4, 4]: uniform rotation at ``radius``, shifted by up to +-``offset``.

    The shift is uniform per axis, in camera space.
    """
    rotation = random_rotation(generator)
    x, y, z = ((torch.rand(3, generator=generator) * 2.0 - 1.0) * offset).tolist()
    return translation(x, y, z - radius) @ rotation


def camera_position(camera_from_world: Tensor) -> Tensor:
    """Camera centres in the world, [..., 3], of rigid ``camera_from_world`` [..., 4, 4]."""
    rotation = camera_from_world[..., :3, :3]
    return -(rotation.transpose(-1, -2) @ camera_from_world[..., :3, 3:])[..., 0]
