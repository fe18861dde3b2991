"""What a data set holds, as plain data: made by ``diffrec.data``, read by doctor and job.

Every data format describes itself in these terms. Who asks needs to know nothing of formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nvdiffrec_contract.engines import NAMES as ENGINES

FORMAT = "tops-nvdiffrec-dataset"
VERSION = 1

ABOUT = ("data", "cameras", "pictures", "masks", "mesh", "material", "light", "grid")
"""What a problem can be about."""
SEVERITIES = ("error", "warning", "note")

Row = tuple[float, float, float, float]
Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Camera:
    """One pinhole camera.

    Attributes:
        camera_to_world: 3 x 4; the columns are the camera's axes right, up and back (OpenGL), of
            length 1, and its centre, in the world of the file (see ``Description.up``).
        focal: (x, y) in pixels.
        centre: (x, y) where the optical axis meets the picture, pixels from its top left corner.
        size: (height, width) of the pictures that these pixels are of.
        fault: what makes it no camera; the numbers then mean nothing.
    """

    camera_to_world: tuple[Row, Row, Row]
    focal: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[float, float]
    fault: str = ""

    @property
    def position(self) -> tuple[float, float, float]:
        """The centre of projection, world units."""
        x, y, z = (row[3] for row in self.camera_to_world)
        return x, y, z

    @property
    def aspect(self) -> float:
        """Width / height of the pictures."""
        return self.size[1] / self.size[0]


@dataclass(frozen=True)
class Problem:
    """Something about a data set that an artist should know.

    Attributes:
        about: one of ``ABOUT``.
        cause: what is wrong, with the file, a sentence without a full stop.
        cure: the next thing to do.
        severity: ``error`` (no good result), ``warning`` (perhaps none) or ``note``.
        engines: those that it concerns.
        refused: whether these engines do not start; an error that is not refused is only told.
        file: the file or folder concerned.
    """

    about: str
    cause: str
    cure: str = ""
    severity: str = "error"
    engines: tuple[str, ...] = ENGINES
    refused: bool = True
    file: str = ""


@dataclass(frozen=True)
class Look:
    """What a picture file shows.

    Attributes:
        size: (height, width) in pixels, None where its header does not tell.
        alpha: whether it has an alpha channel, None where its header does not tell.
        covered: part of the pixels in which its mask is not 0, None where it was not decoded.
        unread: why it cannot be decoded.
        edge: part of the pixels along its border that its mask covers.
        box: what its mask covers, without strays: left, top, right, bottom in parts of the picture.
    """

    size: Size | None = None
    alpha: bool | None = None
    covered: float | None = None
    unread: str = ""
    edge: float | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class MeshExtent:
    """A mesh's counts, the box ``low`` to ``high`` of its vertices, the ``radius`` of the sphere
    around the origin that holds them (in the file's units), and the material files it names."""

    vertices: int
    texcoords: int
    faces: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    radius: float
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """A data set.

    Attributes:
        kind: the format's name, that of its module in ``diffrec.data``; '' for no known format.
        label: the same in an artist's words.
        path: the file or folder, absolute.
        pictures: absolute paths of the photographs in the order of ``cameras``.
        masks: absolute paths of their masks in the same order, where masks are files.
        coverage: where the object's outline comes from: ``masks``, ``alpha`` (of the pictures) or
            '' (there is nothing to cut out).
        cameras: one per picture, as far as they could be read.
        up: the axis of the file's world that points up; '' where the file does not say.
        origin: the point of the file's world that a training puts at its own origin.
        mesh: counts and extent of a reference mesh; None for photographs, and where it was not
            read for lack of time.
        light: whether the configuration must name the light (``envmap``).
        nvdiffrec: how nvdiffrec trains from it: at the pictures' ``own_size``, at ``train_res``,
            or not at all ('').
        problems: the worst first.
        looks: what some of the pictures and masks show, by path.
        complete: whether all of it could be read; not where a Python lacks NumPy.
    """

    kind: str
    label: str
    path: str
    pictures: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    coverage: str = ""
    cameras: tuple[Camera, ...] = ()
    up: str = "y"
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mesh: MeshExtent | None = None
    light: bool = False
    nvdiffrec: str = ""
    problems: tuple[Problem, ...] = ()
    looks: Mapping[str, Look] = field(default_factory=dict)
    complete: bool = True

    def told(self, engine: str, *about: str) -> list[Problem]:
        """The problems that concern an engine; with ``about`` those of these kinds."""
        return [
            one
            for one in self.problems
            if engine in one.engines and (not about or one.about in about)
        ]

    def refusal(self, engine: str) -> Problem | None:
        """Why an engine does not start with these data; None when it does."""
        told = self.told(engine)
        return next((one for one in told if one.severity == "error" and one.refused), None)

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}


def of(document: Mapping[str, Any]) -> Description | None:
    """The description in a JSON object; None where it is none. Unknown names are passed over."""
    try:
        if document["format"] != FORMAT or document["version"] != VERSION:
            return None
        given = _known(Description, document)
        given["cameras"] = tuple(Camera(**_known(Camera, one)) for one in given["cameras"])
        given["problems"] = tuple(Problem(**_known(Problem, one)) for one in given["problems"])
        looks = given["looks"].items()
        given["looks"] = {path: Look(**_known(Look, one)) for path, one in looks}
        if given["mesh"] is not None:
            given["mesh"] = MeshExtent(**_known(MeshExtent, given["mesh"]))
        return Description(**given)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    names = [one.name for one in fields(kind)]
    return {name: _frozen(document[name]) for name in names if name in document}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
