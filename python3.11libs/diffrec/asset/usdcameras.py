"""The cameras of a training as a USD layer beside the component.

NAME_cameras.usda    /NAME_cameras, a camera for each view, those that were held out under names
                     that begin with held_out_. `userProperties:photograph` names its picture, and
                     `houdini:backgroundimage`, which Solaris shows behind the scene, names it too:
                     relative where that lies in the asset's folder, else absolute
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pxr import Gf, Sdf, Usd, UsdGeom

from diffrec.asset.names import asset_name
from diffrec.asset.upright import Standing
from diffrec.asset.usdcomponent import METERS_PER_UNIT
from diffrec.data.views import ImageViews
from nvdiffrec_contract import layout
from nvdiffrec_contract.files import replace_file

APERTURE = 36.0
"""Width of the film: only its ratio to the focal length is known of a camera."""
PHOTOGRAPH = "userProperties:photograph"
PLATE = "houdini:backgroundimage"
"""The attribute of Houdini's own schema for cameras, CameraPlateAPI."""
HELD_OUT = "held_out_"


def write(
    views: ImageViews,
    folder: Path,
    name: str,
    standing: Standing,
    held_out: ImageViews | None = None,
) -> Path:
    """Write the layer into `folder`; its path.

    Args:
        views: their cameras, in the training's world.
        folder: the asset's.
        name: the asset's.
        standing: how the asset is placed.
        held_out: views that were not trained on; one that was is written once.

    Raises:
        OSError: the folder cannot be written.
    """
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, METERS_PER_UNIT)
    root = UsdGeom.Xform.Define(stage, f"/{name}_cameras")
    stage.SetDefaultPrim(root.GetPrim())
    placed = standing.matrix()
    unit = 1.0 if standing.metres is None else standing.metres
    to_unit = torch.diag(torch.tensor([1 / unit] * 3 + [1.0], dtype=torch.float64))
    taken: set[str] = set()
    known = set(_photographs(views))
    left_out = [] if held_out is None else _photographs(held_out)
    chosen = [(views, number, "") for number in range(len(views))]
    chosen += [
        (held_out, number, HELD_OUT)
        for number, photograph in enumerate(left_out)
        if held_out is not None and photograph not in known
    ]
    for place, (seen, number, prefix) in enumerate(chosen):
        called = prefix + asset_name(Path(seen.names[number]).stem)
        if called in taken:
            called = f"{called}_view{place}"
        taken.add(called)
        camera = UsdGeom.Camera.Define(stage, root.GetPath().AppendChild(called))
        pose, projection = seen.camera(number)
        # The camera's own axes keep their length.
        world_from_camera = placed @ torch.linalg.inv(pose.double().cpu()) @ to_unit
        # USD's matrices act on rows.
        camera.AddTransformOp().Set(Gf.Matrix4d(world_from_camera.T.tolist()))
        _lens(camera, projection.double().cpu().numpy(), unit)
        photograph = seen.photograph(number)
        path = None if photograph is None else _named(photograph, folder)
        if path is not None:
            for attribute in (PHOTOGRAPH, PLATE):
                made = camera.GetPrim().CreateAttribute(attribute, Sdf.ValueTypeNames.Asset)
                made.Set(Sdf.AssetPath(path))
    target = folder / f"{name}{layout.ASSET_CAMERAS}"
    replace_file(target, stage.GetRootLayer().ExportToString().encode("utf-8"))
    return target


def _photographs(views: ImageViews) -> list[object]:
    """What tells each view from others: its photograph, or its name where none is known."""
    return [views.photograph(number) or views.names[number] for number in range(len(views))]


def _lens(camera: UsdGeom.Camera, projection: np.ndarray, unit: float) -> None:
    """What an OpenGL projection [4, 4] says, off-centre principal points too; of its distances a
    unit is written as `unit`."""
    focal = 0.5 * APERTURE * projection[0, 0]
    near = projection[2, 3] / (projection[2, 2] - 1)
    far = projection[2, 3] / (projection[2, 2] + 1)
    camera.CreateFocalLengthAttr(float(focal))
    camera.CreateHorizontalApertureAttr(APERTURE)
    camera.CreateVerticalApertureAttr(float(2 * focal / projection[1, 1]))
    camera.CreateHorizontalApertureOffsetAttr(float(focal * projection[0, 2] / projection[0, 0]))
    camera.CreateVerticalApertureOffsetAttr(float(focal * projection[1, 2] / projection[1, 1]))
    camera.CreateClippingRangeAttr(Gf.Vec2f(float(near * unit), float(far * unit)))


def _named(photograph: Path, folder: Path) -> str | None:
    """How the layer names a picture; None for a name that USD cannot hold."""
    path, inside = photograph.absolute(), folder.absolute()
    relative = path.is_relative_to(inside)
    text = f"./{path.relative_to(inside).as_posix()}" if relative else path.as_posix()
    return text if text.isprintable() else None
