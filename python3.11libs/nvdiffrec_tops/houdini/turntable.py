"""A turntable of a finished training, rendered by Karma through Houdini's ``husk``.

The stage is written with USD alone: the component and its light are referenced, and a camera goes
around them once. The options of ``husk`` are those that its documentation names. None of it has
been tried in a Houdini.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nvdiffrec_contract.terminal import plain
from nvdiffrec_tops.houdini import result_files
from nvdiffrec_tops.houdini.messages import ToolError

STAGE = "turntable.usda"
CAMERA = "/cameras/turntable"
FIELD_OF_VIEW = 30.0
"""Of the camera, across the square picture, in degrees."""
TILT = -17.0
"""Degrees by which the camera looks down."""
MARGIN = 1.08
FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Render as the command line says; the exit code of ``husk``, or 1 where it was not started."""
    parser = argparse.ArgumentParser(
        prog="render_turntable.py", description="Render a turn around a result with Karma."
    )
    parser.add_argument("result", metavar="RESULT", type=Path, help="output folder of a training")
    parser.add_argument("--out", type=Path, help="folder of the pictures (RESULT/karma)")
    parser.add_argument("--frames", type=int, default=36, help="pictures of one turn (36)")
    parser.add_argument("--size", type=int, default=512, help="edge of a picture in pixels (512)")
    parser.add_argument("--samples", type=int, default=64, help="samples per pixel (64)")
    parser.add_argument("--stage-only", action="store_true", help="write the stage, render nothing")
    asked = parser.parse_args(argv)
    if min(asked.frames, asked.size, asked.samples) < 1:
        parser.error("--frames, --size and --samples are at least 1")
    result = asked.result.absolute()
    folder = (asked.out or result / "karma").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = folder / STAGE
        write_stage(result, stage, asked.frames)
        print(f"wrote {stage}")
        if asked.stage_only:
            return 0
        return subprocess.run(command(stage, asked.frames, asked.size, asked.samples)).returncode
    except (ToolError, OSError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return FAILED


def command(stage: Path, frames: int, size: int, samples: int) -> list[str]:
    """The argument list that renders a stage of `write_stage`, beside which the pictures go.

    Raises:
        ToolError: Houdini's folder is not known.
    """
    houdini = os.environ.get("HFS")
    if not houdini:
        raise ToolError("HFS does not name Houdini's folder; start this script with hython")
    program = Path(houdini, "bin", "husk.exe" if os.name == "nt" else "husk")
    if not program.is_file():
        raise ToolError(f"there is no {program}; start this script with a hython of Houdini 20.5+")
    return [
        str(program),
        *("--renderer", "BRAY_HdKarma"),
        *("--camera", CAMERA),
        *("--res", str(size), str(size)),
        *("--pixel-samples", str(samples)),
        *("--frame", "1", "--frame-count", str(frames), "--frame-inc", "1"),
        *("--output", str(stage.with_name("turntable.$F4.exr"))),
        str(stage),
    ]


def write_stage(result: Path, path: Path, frames: int) -> None:
    """Write a stage with a result, its light and a camera that goes around once.

    Raises:
        ToolError: the result has no component, or USD cannot write there.
    """
    from pxr import Gf, Usd, UsdGeom

    component, light = result_files.component(result), result_files.light(result)
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(frames)
    asset = stage.DefinePrim("/asset", "Xform")
    asset.GetReferences().AddReference(component.as_posix())
    stage.SetDefaultPrim(asset)
    if light is not None:
        stage.DefinePrim("/lights/dome", "DomeLight").GetReferences().AddReference(light.as_posix())
    middle, radius = _ball(UsdGeom, Usd, asset)
    camera = UsdGeom.Camera.Define(stage, CAMERA)
    half = math.radians(FIELD_OF_VIEW / 2)
    camera.CreateFocalLengthAttr(camera.CreateHorizontalApertureAttr().Get() / 2 / math.tan(half))
    camera.CreateVerticalApertureAttr(camera.GetHorizontalApertureAttr().Get())
    distance = MARGIN * radius / math.sin(half)
    camera.CreateClippingRangeAttr(Gf.Vec2f(distance / 100, distance * 100))
    # The last operation is applied first: away from the object, down, around, to its middle.
    camera.AddTranslateOp().Set(middle)
    turn = camera.AddRotateYOp()
    for frame in range(frames):
        turn.Set(360.0 * frame / frames, frame + 1)
    camera.AddRotateXOp().Set(TILT)
    camera.AddTranslateOp(opSuffix="away").Set(Gf.Vec3d(0, 0, distance))
    if not stage.GetRootLayer().Export(str(path)):
        raise ToolError(f"{path} cannot be written; choose another folder with --out")


def _ball(geometry: Any, usd: Any, prim: Any) -> tuple[Any, float]:
    """Middle and radius of the ball around the box of a prim."""
    cache = geometry.BBoxCache(usd.TimeCode.Default(), ["default", "render"])
    box = cache.ComputeWorldBound(prim).ComputeAlignedRange()
    if box.IsEmpty():
        raise ToolError("the result is empty: there is nothing to render")
    return box.GetMidpoint(), max(float(box.GetSize().GetLength()) / 2, 1e-6)
