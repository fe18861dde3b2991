"""The files of a finished training that Solaris and SOPs read, found in its output folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nvdiffrec_contract import layout
from nvdiffrec_tops.houdini.messages import ToolError
from nvdiffrec_tops.job.outputs.placing import RUN_PREFIX


def component(result: Path) -> Path:
    """The USD component of a result.

    Raises:
        ToolError: there is none, or more than one; says what to do.
    """
    return _only(result, ".usd", "usd")


def light(result: Path) -> Path | None:
    """The light beside the component, as USD; None where the result has none."""
    whole = component(result)
    found = whole.with_name(whole.stem + layout.ASSET_LIGHT)
    return found if found.is_file() else None


def cameras(result: Path) -> Path:
    """The layer with the cameras of the photographs.

    Raises:
        ToolError: there is none; says how to make it.
    """
    folder = result / layout.ASSET
    found = sorted(folder.glob(f"*{layout.ASSET_CAMERAS}"))
    if len(found) != 1:
        raise ToolError(
            f"{folder} holds {'several layers' if found else 'no layer'} of cameras; make one: "
            "nvdiffrec-tops export RESULT --cameras, of a training with photographs"
        )
    return found[0]


@dataclass(frozen=True)
class Lens:
    """A camera of a result.

    Attributes:
        name: of its primitive.
        photograph: the path of its picture; '' where none is known.
        transform: from the camera to the world, 16 numbers, for vectors that are rows.
        corners: x and y of the picture's corners one unit before the camera, around it.
    """

    name: str
    photograph: str
    transform: tuple[float, ...]
    corners: tuple[tuple[float, float], ...]


def read_cameras(path: Path) -> list[Lens]:
    """The cameras of a layer.

    Raises:
        ToolError: it cannot be read.
    """
    from pxr import Tf, Usd, UsdGeom

    try:
        stage = Usd.Stage.Open(path.as_posix())
    except Tf.ErrorException:
        raise ToolError(
            f"{path} cannot be read; write it again: nvdiffrec-tops export RESULT --cameras"
        ) from None
    found = []
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Camera):
            seen = UsdGeom.Camera(prim).GetCamera(Usd.TimeCode.Default())
            window = seen.frustum.GetWindow()
            (left, bottom), (right, top) = window.GetMin(), window.GetMax()
            named = prim.GetAttribute("userProperties:photograph").Get()
            rows = [value for row in seen.transform for value in row]
            found.append(
                Lens(
                    prim.GetName(),
                    (named.resolvedPath or named.path) if named is not None else "",
                    tuple(rows),
                    ((left, bottom), (right, bottom), (right, top), (left, top)),
                )
            )
    return found


def live_mesh(result: Path) -> Path | None:
    """The newest preview of a training that writes to a result; None where that has ended.

    A training writes its preview at each checkpoint, and its asset when it has ended.
    """
    preview = f"{layout.PREVIEW}/{layout.PREVIEW_MESH}"
    ended = max((_time(one) for one in (result / layout.ASSET).glob("*.glb")), default=0)
    running = [*result.glob(f"{RUN_PREFIX}*/out/*/{preview}"), result / preview]
    newest = max(running, key=_time)
    return newest if _time(newest) > ended else None


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def mesh(result: Path, detail: int) -> Path:
    """The glTF file of a result's mesh; `detail`: 0 is the whole mesh, 1 its first coarser level.

    Raises:
        ToolError: there is no such file.
    """
    whole = _only(result, ".glb", "glb")
    found = whole.with_name(f"{whole.stem}_lod{detail}.glb") if detail else whole
    if not found.is_file():
        raise ToolError(
            f"{result} has no level of detail {detail}; choose a smaller one, or make it: "
            "nvdiffrec-tops export RESULT --lods 0.25 0.05"
        )
    return found


def _only(result: Path, ending: str, format: str) -> Path:
    folder = result / layout.ASSET
    there = {path.stem: path for path in folder.glob(f"*{ending}") if path.is_file()}
    found = sorted(path for stem, path in there.items() if not _is_detail(stem, there))
    if not found:
        raise ToolError(
            f"{folder} holds no {format.upper()} file; choose the output folder of a finished "
            f"training, or make it: nvdiffrec-tops export RESULT --formats {format}"
        )
    if len(found) > 1:
        raise ToolError(
            f"{folder} holds several assets ({', '.join(path.name for path in found)}); move all "
            "but one elsewhere"
        )
    return found[0]


def _is_detail(stem: str, there: Collection[str]) -> bool:
    """Whether a file is a coarser level of another one there."""
    whole, _, number = stem.rpartition("_lod")
    return number.isdigit() and whole in there
