"""Step 7: pictures of one lens without distortion, and the files of their cameras.

Every photograph is drawn anew as one pinhole camera would have seen it, with its axis in the middle
of the picture; so lenses, sizes and principal points of any kind become what NeRF's synthetic sets
have, and nvdiffrec reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare import masks, pictures
from diffrec.prepare.frames import Frame
from diffrec.prepare.placement import Placement
from diffrec.prepare.solved import Lens, Solved
from diffrec.prepare.steps import Progress
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.preparation import Preparation

MARGIN = 1.08
"""Room around the object in the pictures."""
MULTIPLE = 8
HELD_OUT = 8
"""Every so many photographs one is kept for validation, in sets of three times as many."""
TRAINING, TEST = "transforms_train.json", "transforms_test.json"


@dataclass(frozen=True)
class Window:
    """What the pictures show around their axis.

    Attributes:
        reach: half their (width, height) at distance 1.
        size: (height, width) in pixels.
    """

    reach: tuple[float, float]
    size: tuple[int, int]

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return 0.5 * self.size[1] / self.reach[0]

    @property
    def angle(self) -> float:
        """``camera_angle_x``, radians."""
        return 2 * math.atan(self.reach[0])


def window_of(solved: Solved, coverage: Mapping[str, NDArray[np.float32]], longest: int) -> Window:
    """The window that shows the object whole in every photograph, as far as they do.

    What lies outside of a photograph is no surrounding, so where an object is cut by its edge the
    window ends there for all.
    """
    wanted, allowed, focal = np.zeros(2), np.full(2, np.inf), 0.0
    for name, mask in coverage.items():
        lens = solved.lenses[solved.cameras[name].lens]
        rows, columns = np.nonzero(mask > 0.5)
        frame = _frame(lens)
        focal = max(focal, *lens.focal)
        if not len(rows):
            continue
        scale = np.array([lens.size[1] / mask.shape[1], lens.size[0] / mask.shape[0]])
        low = np.array([columns.min(), rows.min()])
        high = np.array([columns.max(), rows.max()]) + 1
        corners = np.array([low, high, [low[0], high[1]], [high[0], low[1]]])
        reach = np.abs(lens.rays(corners * scale)).max(0) * MARGIN
        wanted = np.maximum(wanted, reach)
        cut = (
            columns.min() <= 1 or columns.max() >= mask.shape[1] - 2,
            rows.min() <= 1 or rows.max() >= mask.shape[0] - 2,
        )
        for axis in range(2):
            if cut[axis]:
                allowed[axis] = min(allowed[axis], frame[axis])
    widest = np.array([_frame(lens) for lens in solved.lenses.values()]).max(0)
    reach = np.minimum(np.minimum(wanted, allowed), widest)
    # As fine as the photographs, but not larger than asked for.
    pixels = 2 * reach * min(focal, longest / (2 * reach.max()))
    width, height = (max(MULTIPLE, round(one / MULTIPLE) * MULTIPLE) for one in pixels)
    return Window((float(reach[0]), float(reach[0]) * height / width), (height, width))


def _frame(lens: Lens) -> NDArray[np.float64]:
    """Half of what a lens shows on both sides of its axis, at distance 1: (x, y)."""
    height, width = lens.size
    (cx, cy) = lens.centre
    sides = np.array([[0.0, cy], [width, cy], [cx, 0.0], [cx, height]])
    rays = np.abs(lens.rays(sides))
    return np.array([min(rays[0, 0], rays[1, 0]), min(rays[2, 1], rays[3, 1])])


def write(
    asked: Preparation,
    frames: Sequence[Frame],
    solved: Solved,
    placement: Placement,
    window: Window,
    progress: Progress,
) -> list[Path]:
    """Write ``images/`` and both files of cameras; the files that were made."""
    folder = asked.out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    used = [one for one in frames if one.name in solved.cameras]
    made = []
    for number, frame in enumerate(used):
        lens = solved.lenses[solved.cameras[frame.name].lens]
        colour = masks.photograph(asked.out, frame)[..., :3]
        cut = drawn(lens, colour, masks.read(asked.out, frame), window)
        path = folder / f"{frame.name}.png"
        pictures.write_png(path, cut)
        made.append(path)
        progress.of(number + 1, len(used))
    wanted = {path.name for path in made}
    for path in folder.glob("*.png"):
        if path.name not in wanted:
            path.unlink()
    names = [one.name for one in used]
    held = names[::HELD_OUT] if len(names) >= 3 * HELD_OUT else []
    trained = [name for name in names if name not in set(held)]
    for file, listed in ((TRAINING, trained), (TEST, held or trained)):
        path = asked.out / file
        jsonfiles.write(path, document(solved, placement, window, listed))
        made.append(path)
    progress.line(
        f"{len(names)} pictures of {window.size[1]} x {window.size[0]}, {len(held)} held out"
    )
    return made


def drawn(
    lens: Lens, colour: NDArray[np.uint8], mask: NDArray[np.uint8], window: Window
) -> NDArray[np.uint8]:
    """A photograph [H, W, 3] with its mask [H, W] as the window's pinhole sees it, BGRA."""
    height, width = window.size
    scale = min(1.0, window.focal / min(lens.focal))
    if scale < 0.75:  # more than a pixel for each: reduced first, so that none is passed over
        size = (max(1, round(lens.size[1] * scale)), max(1, round(lens.size[0] * scale)))
        colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    lens = lens.resized((colour.shape[0], colour.shape[1]))
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([columns - 0.5 * width, rows - 0.5 * height], axis=-1) / window.focal
    pixels = (lens.pixels(rays.reshape(-1, 2)) - 0.5).reshape(height, width, 2)
    across, down = pixels[..., 0].astype(np.float32), pixels[..., 1].astype(np.float32)
    drawn_colour = cv2.remap(colour, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(
        mask, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(np.dstack([drawn_colour, alpha]), np.uint8)


def document(
    solved: Solved, placement: Placement, window: Window, names: Sequence[str]
) -> dict[str, Any]:
    """A NeRF synthetic set's file of cameras."""
    frames = []
    for name in names:
        camera = solved.cameras[name]
        pose = np.eye(4)
        # Right, down, forward become OpenGL's right, up, back.
        pose[:3, :3] = placement.turn @ camera.rotation * [1, -1, -1]
        pose[:3, 3] = placement.points(camera.centre[None])[0]
        frames.append({"file_path": f"images/{name}", "transform_matrix": pose.tolist()})
    return {"camera_angle_x": window.angle, "frames": frames}


def configuration(asked: Preparation, window: Window, mesh_scale: float) -> dict[str, Any]:
    """A training configuration for the data set, for diffrec and nvdiffrec alike."""
    return {
        "ref_mesh": str(asked.out),
        "random_textures": True,
        "iter": 2000,
        "save_interval": 200,
        "texture_res": [2048, 2048],
        "train_res": list(window.size),
        "batch": 4,
        "learning_rate": [0.03, 0.01],
        "dmtet_grid": 128,
        "mesh_scale": mesh_scale,
        "laplace_scale": 3000,
        "kd_min": [0.03, 0.03, 0.03],
        "kd_max": [0.8, 0.8, 0.8],
        "ks_min": [0, 0.08, 0],
        "ks_max": [0, 1.0, 1.0],
        "background": "white",
        "display": [{"bsdf": "kd"}, {"bsdf": "ks"}, {"bsdf": "normal"}],
        "validate": True,
        "out_dir": asked.out.name,
    }
