"""COLMAP's two mappers, and what else of it works on a model of cameras and points.

The global mapper (GLOMAP) places every photograph, right or wrong; the incremental one places those
that it is sure of, and of a sparse capture too few. Neither is believed by itself: see
``evidence``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from collections.abc import Mapping as Mapping_
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import lenses
from diffrec.prepare.errors import CamerasError
from diffrec.prepare.solved import Array, Camera, Lens

SEED = 1
LONGEST = 3600
"""Seconds that the incremental mapper may take."""
ITERATIONS = 50
FEWEST_TO_REGISTER = 15
"""Points by which a photograph is placed among believed ones."""


class Mapping:
    """The mappers over one database.

    Args:
        colmap: pycolmap.
        database: COLMAP's database with verified pairs.
        pictures: the folder of the photographs.
        scratch: a folder for intermediate models; emptied.
    """

    def __init__(
        self, colmap: Any, database: Path, pictures: Path, scratch: Path, threads: int
    ) -> None:
        self._colmap = colmap
        self._database = database
        self._pictures = pictures
        self._scratch = scratch
        self._threads = threads
        self._count = 0
        shutil.rmtree(scratch, ignore_errors=True)

    def place_all(self, seed: int = SEED) -> list[Any]:
        """Models of the global mapper, the largest first."""
        options = self._colmap.GlobalPipelineOptions()
        options.num_threads = options.mapper.num_threads = self._threads
        options.random_seed = options.mapper.random_seed = seed
        return self._tried(self._colmap.global_mapping, options)

    def place_sure(self, start: Any = None) -> list[Any]:
        """Models of the incremental mapper, the largest first; ``start``: a model to go on from."""
        options = self._incremental()
        given: dict[str, Any] = {}
        if start is not None:
            folder = self._new()
            start.write(folder)
            given["input_path"] = folder
            options.multiple_models = False
            options.mapper.abs_pose_min_num_inliers = FEWEST_TO_REGISTER
            options.mapper.abs_pose_min_inlier_ratio = 0.1
            options.mapper.max_reg_trials = 5
        return self._tried(self._colmap.incremental_mapping, options, **given)

    def _tried(self, mapper: Callable[..., Any], options: Any, **given: Any) -> list[Any]:
        """What a mapper finds, the largest model first; nothing where it gives up."""
        try:
            found = mapper(self._database, self._pictures, self._new(), options, **given)
        except (RuntimeError, ValueError, IndexError):  # it says so in whatever way
            return []
        return sorted(found.values(), key=lambda one: -int(one.num_reg_images()))

    def triangulate(self, model: Any) -> Any:
        """The model's points anew, from its own poses."""
        return self._colmap.triangulate_points(
            model, self._database, self._pictures, self._new(), True, self._incremental(), False
        )

    def refine(self, model: Any) -> None:
        """Cameras, lenses and points together, so that wrong matches hardly pull at them."""
        colmap = self._colmap
        options = colmap.BundleAdjustmentOptions()
        options.print_summary = False
        options.ceres.loss_function_type = colmap.LossFunctionType.CAUCHY
        options.ceres.solver_options.num_threads = self._threads
        options.ceres.solver_options.max_num_iterations = ITERATIONS
        if model.num_reg_images() > 2 and model.num_points3D() > 0:
            colmap.bundle_adjustment(model, options)

    def added(self, model: Any, cameras: Mapping_[str, Camera]) -> Any:
        """A model without points that has these cameras as well."""
        colmap = self._colmap
        poses = {**cameras_of(model), **cameras}
        with colmap.Database.open(self._database) as database:
            cache = colmap.DatabaseCache.create(database, colmap.DatabaseCacheOptions())
        found = colmap.Reconstruction()
        found.load(cache)
        for number, camera in model.cameras.items():
            found.cameras[number].params = camera.params
        for image in list(found.images.values()):
            pose = poses.get(Path(image.name).stem)
            if pose is None:
                continue
            turn = pose.rotation.T
            rigid = colmap.Rigid3d(colmap.Rotation3d(turn), -turn @ pose.centre)
            frame = found.frame(image.frame_id)
            frame.set_cam_from_world(image.camera_id, rigid)
            found.register_frame(image.frame_id)
        return found

    def _incremental(self) -> Any:
        options = self._colmap.IncrementalPipelineOptions()
        options.num_threads = options.mapper.num_threads = self._threads
        options.random_seed = options.mapper.random_seed = SEED
        options.extract_colors = False
        options.min_model_size = 3
        options.max_num_models = 5
        options.max_runtime_seconds = LONGEST
        return options

    def _new(self) -> Path:
        self._count += 1
        folder = self._scratch / str(self._count)
        folder.mkdir(parents=True)
        return folder


def cameras_of(model: Any) -> dict[str, Camera]:
    """A model's cameras by the names of their photographs."""
    return dict(_cameras(model))


def _cameras(model: Any) -> Iterator[tuple[str, Camera]]:
    for number in sorted(model.reg_image_ids()):
        image = model.image(number)
        pose = image.cam_from_world()
        rotation = np.asarray(pose.rotation.matrix(), np.float64).T
        centre = np.asarray(image.projection_center(), np.float64)
        yield Path(image.name).stem, Camera(int(image.camera_id), rotation, centre)


def lenses_of(model: Any) -> dict[int, Lens]:
    """A model's lenses by COLMAP's numbers."""
    return {int(number): lens_of(camera) for number, camera in model.cameras.items()}


def lens_of(camera: Any) -> Lens:
    """The lens of one of COLMAP's cameras.

    Raises:
        CamerasError: it is no lens but a panorama.
    """
    name = str(camera.model_name)
    rest = tuple(float(one) for one in camera.params[len(camera.focal_length_idxs()) + 2 :])
    if name in lenses.OF_OPENCV:
        name, rest = lenses.OPENCV, (*rest, *[0.0] * (4 - len(rest)))
    elif name not in lenses.COEFFICIENTS:
        raise CamerasError(
            f"a camera of COLMAP's model {name} sees all around, which no lens does",
            "cut the panoramas into pinhole pictures, and solve these",
        )
    return Lens(
        (int(camera.height), int(camera.width)),
        (float(camera.focal_length_x), float(camera.focal_length_y)),
        (float(camera.principal_point_x), float(camera.principal_point_y)),
        rest,
        name,
    )


def without(model: Any, names: Collection[str]) -> None:
    """Take photographs out of a model."""
    for number in list(model.reg_image_ids()):
        image = model.image(number)
        if Path(image.name).stem in names:
            model.deregister_frame(image.frame_id)


def points_of(model: Any) -> tuple[Array, tuple[tuple[str, ...], ...]]:
    """A model's points [N, 3] and the names of the photographs that see each."""
    names = {int(number): Path(image.name).stem for number, image in model.images.items()}
    places, seen = [], []
    for point in model.points3D.values():
        places.append(np.asarray(point.xyz, np.float64))
        seen.append(tuple(sorted({names[int(one.image_id)] for one in point.track.elements})))
    return np.array(places, np.float64).reshape(-1, 3), tuple(seen)
