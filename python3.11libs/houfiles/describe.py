"""What a scene is to contain, as plain data. ``build`` turns a description into a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STOCK_VERSIONS: Mapping[str, str] = {
    "attributecreate": "2",
    "environmentedit": "",
    "filecopy": "1",
    "filepattern": "4",
    "genericgenerator": "1",
    "localscheduler": "1",
    "pythonprocessor": "",
    "pythonscript": "4",
    "rangegenerate": "",
    "textoutput": "1",
    "waitforall": "1",
}
"""The ``___Version___`` that Houdini 20.5 writes for its asset-defined TOP types."""


@dataclass(frozen=True)
class Token:
    """The value of a menu."""

    text: str


Scalar = Token | bool | int | float | str
Value = Scalar | tuple[Scalar, ...]
"""A toggle is a bool, a menu a Token, numbers and strings are themselves; a tuple is a vector."""


@dataclass(frozen=True)
class NoteDescription:
    """A sticky note; position and size in network editor units, colour sRGB 0..1."""

    text: str
    position: tuple[float, float] = (0.0, 0.0)
    size: tuple[float, float] = (8.0, 8.0)
    color: tuple[float, float, float] = (1.0, 0.969, 0.522)


@dataclass(frozen=True)
class NodeDescription:
    """A node. ``parms`` holds what differs from the type's defaults, in the order of its
    interface with the instances of multiparms last.

    ``inputs`` are the names of the nodes wired into inputs 0, 1, ...; ``flags`` are the flags that
    are on besides the usual ones. ``expressions`` drive parameters by HScript. ``locked`` marks an
    instance of a digital asset. ``version`` is its user data version; None takes the stock one.
    """

    name: str
    type: str
    parms: Mapping[str, Value] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    position: tuple[float, float] = (0.0, 0.0)
    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    flags: tuple[str, ...] = ()
    comment: str = ""
    expressions: Mapping[str, str] = field(default_factory=dict)
    children: tuple[NodeDescription, ...] = ()
    notes: tuple[NoteDescription, ...] = ()
    is_network: bool = False
    locked: bool = False
    version: str | None = None


@dataclass(frozen=True)
class AssetDescription:
    """A digital asset that the scene uses: its type, where it lies, and its own DialogScript.

    From these the scene gets the dummy that keeps parameters alive where the asset is missing.
    ``library`` is relative to ``installed``, the folder it was loaded from, if that is told.
    ``extra`` holds what the library says of the type beside; ``is_network``: nodes are inside.
    """

    type: str
    label: str
    library: str
    dialog_script: str
    min_inputs: int = 0
    max_inputs: int = 1
    icon: str = "TOP_pythonprocessor"
    installed: str = ""
    extra: str = ""
    outputs: int = 1
    is_network: bool = True


@dataclass(frozen=True)
class SceneDescription:
    """A scene. ``saved`` is its time in Unix seconds, ``folder`` the ``$HIP`` written into it
    (Houdini replaces it on opening).
    """

    name: str
    tasks: tuple[NodeDescription, ...]
    folder: str = "/opt/tops-nvdiffrec/hip"
    houdini_version: str = "20.5.445"
    platform: str = "linux-x86_64-gcc11.2"
    saved: int = 1764547200
    author: str = "artist@tops-nvdiffrec"
    assets: tuple[AssetDescription, ...] = ()
