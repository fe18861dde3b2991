"""Views of a scene: cameras and, where there are any, pictures.

Every reader of a data set returns :class:`Views`. Matrices follow ``diffrec.cameras``: they act on
column vectors, camera and clip space are OpenGL's, image row 0 is the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from diffrec import cameras
from diffrec.errors import DataError
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.dataset import Camera

# Pictures up to this many bytes live on the training device, more of them in main memory.
DEVICE_STORE_BYTES = 4 << 30


@dataclass(frozen=True)
class ViewBatch:
    """B views, all tensors on the training device.

    clip_from_world, camera_from_world: [B, 4, 4] float32; camera_position: [B, 3] world units.
    image: [B, H, W, 4] premultiplied linear RGBA float32, or None for views without pictures.
    view: [B] int64, which of the set's views they are, or None for views that are drawn anew.
    """

    clip_from_world: Tensor
    camera_from_world: Tensor
    camera_position: Tensor
    image: Tensor | None
    view: Tensor | None = None


class Views(Protocol):
    """A set of views that can be asked for in batches."""

    resolution: tuple[int, int]
    """(height, width) of every picture, pixels."""
    names: list[str]
    """One name per view, for files and tables."""

    def __len__(self) -> int:
        """Number of views."""

    def batch(self, indices: Sequence[int], part: slice | None = None) -> ViewBatch:
        """The views of these indices, in this order; with `part` only that part of them.

        What is drawn at random does not depend on `part`.
        """


@runtime_checkable
class RandomViews(Protocol):
    """Views that are drawn at random: their generator is part of the state of a run."""

    generator: torch.Generator


@dataclass(frozen=True)
class View:
    """One photographed view.

    camera_from_world, clip_from_camera: [4, 4] float32.
    read: makes the picture, [H, W, 4] premultiplied linear RGBA float32 on the CPU.
    photograph: the file that it is read from.
    """

    name: str
    camera_from_world: Tensor
    clip_from_camera: Tensor
    read: Callable[[], Tensor]
    photograph: Path | None = None


class ImageViews:
    """Views with pictures from files, kept in memory (``pre_load``) or read anew for each batch.

    Kept pictures are stored in half precision: finer than the 8 bits they come from, and half the
    memory. ``resolution`` is that of the first picture; all others must agree. ``up`` is which way
    is up in their world, by the cameras; None where that is +y. ``metres`` is how long a unit of it
    is; None where nothing says so.

    Raises:
        DataError: no views, an unreadable picture, or pictures of different sizes.
    """

    def __init__(
        self, views: Sequence[View], device: torch.device | str, *, pre_load: bool
    ) -> None:
        if not views:
            raise DataError("the data set holds no views")
        self.up: tuple[float, float, float] | None = None
        self.metres: float | None = None
        self._views = list(views)
        self._device = torch.device(device)
        self.names = [view.name for view in views]
        first = views[0].read()
        self.resolution = (int(first.shape[0]), int(first.shape[1]))
        self._store: list[Tensor] | None = None
        if pre_load:
            self._store = self._load(first)
        pose = torch.stack([view.camera_from_world for view in views])
        projection = torch.stack([view.clip_from_camera for view in views])
        self._camera_from_world = pose.to(self._device)
        self._clip_from_world = (projection @ pose).to(self._device)
        self._camera_position = cameras.camera_position(pose).to(self._device)

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int], part: slice | None = None) -> ViewBatch:
        """The views of these indices, or of a part of them, in this order.

        Raises:
            DataError: a picture that is read now is broken or of another size.
        """
        indices = list(indices)[part or slice(None)]
        chosen = sent(torch.tensor(indices, dtype=torch.int64), self._device)
        if self._store is not None:
            pictures = [self._store[i] for i in indices]
        else:
            pictures = [self._checked(self._views[i]) for i in indices]
        image = sent(torch.stack(pictures), self._device).float()
        return ViewBatch(
            self._clip_from_world[chosen],
            self._camera_from_world[chosen],
            self._camera_position[chosen],
            image,
            chosen,
        )

    def camera(self, index: int) -> tuple[Tensor, Tensor]:
        """A view's ``camera_from_world`` and its projection to clip space, [4, 4] each."""
        view = self._views[index]
        return view.camera_from_world, view.clip_from_camera

    def positions(self) -> Tensor:
        """Where the cameras are, [N, 3], world units."""
        return self._camera_position

    def pixel_sizes(self) -> Tensor:
        """How large a pixel of each view is at the world's origin: [N], world units."""
        # A projection's first number is twice the focal length over the picture's width.
        lens = torch.stack([view.clip_from_camera[0, 0] for view in self._views]).to(self._device)
        sizes: Tensor = 2 * self._camera_position.norm(dim=1) / (lens * self.resolution[1])
        return sizes

    def photograph(self, index: int) -> Path | None:
        """The file that a view's picture is read from; None where that is not known."""
        return self._views[index].photograph

    def subset(self, indices: Sequence[int]) -> ImageViews:
        """Some of the views; pictures in memory are shared, not copied."""
        chosen = list(indices)
        if not chosen:
            raise DataError("the data set holds no views")
        part = object.__new__(ImageViews)
        part._views = [self._views[i] for i in chosen]
        part.up, part.metres = self.up, self.metres
        part._device = self._device
        part.names = [self.names[i] for i in chosen]
        part.resolution = self.resolution
        part._store = None if self._store is None else [self._store[i] for i in chosen]
        rows = torch.as_tensor(chosen, dtype=torch.int64, device=self._device)
        part._camera_from_world = self._camera_from_world[rows]
        part._clip_from_world = self._clip_from_world[rows]
        part._camera_position = self._camera_position[rows]
        return part

    def _load(self, first: Tensor) -> list[Tensor]:
        height, width = self.resolution
        total = len(self._views) * height * width * 4 * 2
        home = self._device if total <= DEVICE_STORE_BYTES else torch.device("cpu")

        def load(view: View) -> Tensor:
            return self._checked(view).half().to(home)

        # Decoding releases the interpreter lock, so threads pay.
        with ThreadPoolExecutor() as pool:
            rest = list(pool.map(load, self._views[1:]))
        return [first.half().to(home), *rest]

    def _checked(self, view: View) -> Tensor:
        picture = view.read()
        if tuple(picture.shape[:2]) != self.resolution:
            height, width = self.resolution
            raise DataError(
                f"{view.name} is {picture.shape[1]} x {picture.shape[0]} pixels, "
                f"{self.names[0]} is {width} x {height}: all photographs of a data set must have "
                'one size. Export them so, or set "diffrec": {"photo_res": [height, width]}'
            )
        return picture


def projection(camera: Camera, near: float, far: float) -> Tensor:
    """A described camera's OpenGL projection, camera space to clip space, [4, 4]."""
    height, width = camera.size
    (focal_x, focal_y), (x, y) = camera.focal, camera.centre
    fovy = cameras.fovy_from_focal(focal_y, height)
    matrix = cameras.perspective(fovy, width / height, near, far)
    matrix[0, 0] *= focal_x / focal_y
    matrix[0, 2] = 1 - 2 * x / width
    matrix[1, 2] = 2 * y / height - 1
    return matrix


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; the processor does not wait until a GPU is free to receive it."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def split_views(views: ImageViews, config: Config) -> tuple[ImageViews, ImageViews]:
    """Training and validation views by ``diffrec.holdout`` and ``diffrec.validation_views``.

    Every Nth view from the first is held out. With no holdout the training views themselves are
    validated, as nvdiffrec does. ``validation_views`` limits the latter, evenly picked.

    Raises:
        DataError: nothing would be left to train on.
    """
    step = config.diffrec.holdout
    count = len(views)
    held = list(range(0, count, step)) if step else list(range(count))
    trained = sorted(set(range(count)) - set(held)) if step else held
    if not trained:
        raise DataError(
            f'"diffrec.holdout" {step} leaves none of the {count} views to train on; raise it'
        )
    limit = config.diffrec.validation_views
    if limit is not None and limit < len(held):
        held = [held[i * len(held) // limit] for i in range(limit)]
    return views.subset(trained), views.subset(held)


class ShuffledIndices(Iterator[list[int]]):
    """Endless batches of view indices; see :func:`shuffled_indices`.

    ``generator`` draws the order; ``waiting`` are the indices of the present epoch that are still
    to come. The two together are the position in the order.
    """

    def __init__(self, length: int, batch: int, generator: torch.Generator) -> None:
        self.length = length
        self.batch = batch
        self.generator = generator
        self.waiting: list[int] = []

    def __next__(self) -> list[int]:
        while len(self.waiting) < self.batch:
            self.waiting += torch.randperm(self.length, generator=self.generator).tolist()
        indices = self.waiting[: self.batch]
        del self.waiting[: self.batch]
        return indices


def shuffled_indices(length: int, batch: int, generator: torch.Generator) -> ShuffledIndices:
    """Endless batches of view indices: every view once per epoch, each epoch shuffled anew.

    Batches run across the ends of epochs, so all have ``batch`` entries. The order depends on
    ``generator`` alone.
    """
    return ShuffledIndices(length, batch, generator)
