"""Looks at the panorama that a configuration names as its light, with the trainer's reader."""

from __future__ import annotations

from pathlib import Path

from diffrec.pictures import decoding, radiance
from nvdiffrec_contract.dataset import Look, Problem, Size
from nvdiffrec_contract.engines import NVDIFFREC
from nvdiffrec_contract.regularfiles import open_regular

AS_HDR = "save it as Radiance .hdr; in Houdini's command line: icp FILE.exr FILE.hdr"
_BEGIN = 1 << 16


def examine(path: Path, quick: bool) -> tuple[Look, list[Problem]]:
    """What the file shows, and what is wrong with it; a quick look reads its header alone."""
    try:
        with open_regular(path) as stream:
            begin = stream.read(_BEGIN)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _refused(path, f"{path} cannot be read: {reason}", "name a panorama (.hdr)")
    if not begin.startswith(radiance.SIGNATURE):
        return _other(path, begin)
    problems = []
    try:
        header = radiance.header(begin) if quick else radiance.read(path).header
    except (radiance.RadianceError, OSError) as error:
        cause = f"{path} is no Radiance panorama (.hdr) that can be read: {error}"
        return _refused(path, cause, "write the panorama again as Radiance .hdr")
    if header.xyz or header.turned:
        what = "XYZ colours" if header.xyz else "columns in place of rows"
        problems.append(
            Problem(
                "light",
                f"{path} is a Radiance panorama of {what}, which nvdiffrec does not read",
                "save it as an ordinary .hdr (RGBE), or use the engine diffrec",
                engines=(NVDIFFREC,),
                file=str(path),
            )
        )
    return Look(header.size, False), [*problems, *_shape(path, header.size)]


def _other(path: Path, begin: bytes) -> tuple[Look, list[Problem]]:
    if decoding.exr_size(begin) is None:
        return _refused(path, f"{path} is no Radiance panorama (.hdr)", AS_HDR)
    problems = [
        Problem(
            "light",
            f"{path} is an OpenEXR panorama, which nvdiffrec does not read",
            AS_HDR,
            engines=(NVDIFFREC,),
            file=str(path),
        )
    ]
    size = decoding.exr_size(begin)
    try:
        decoding.read(path)
    except decoding.UndecodedError as error:
        return _refused(path, str(error), error.cure)
    except ImportError:
        pass
    return Look(size), [*problems, *(_shape(path, size) if size else [])]


def _refused(path: Path, cause: str, cure: str) -> tuple[Look, list[Problem]]:
    return Look(unread=cause), [Problem("light", cause, cure, refused=False, file=str(path))]


def _shape(path: Path, size: Size) -> list[Problem]:
    height, width = size
    if width == 2 * height:
        return []
    cause = (
        f"{path} is {width} x {height} pixels; a latitude-longitude panorama is twice as wide as "
        "high"
    )
    return [Problem("light", cause, "use a whole panorama", "warning", file=str(path))]
