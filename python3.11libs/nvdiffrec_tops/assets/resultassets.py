"""The assets that bring a result into Solaris and SOPs: a Python node between input and output.

They are built as the TOP assets are (``nvdiffrec_tops.assets.shipped``). The types and the
parameter of their inner nodes are those that Houdini documents: *Python Script* LOP and *Python*
SOP, with their code in ``python``.
"""

from __future__ import annotations

from collections.abc import Mapping

from houfiles import build
from houfiles.containers.mime import Members
from houfiles.libraries.expanded import ExpandedLibrary
from houfiles.members import definition, texts
from houfiles.members.definition import Init

from . import shipped
from .shipped import Asset

_CODE = "from nvdiffrec_tops.houdini import result_nodes; result_nodes"
_MODULE = "from nvdiffrec_tops.houdini import result_nodes\n"
INNER = {"Lop": "pythonscript", "Sop": "python"}
"""The type of the Python node, by the asset's table."""

RESULTS: Mapping[str, Asset] = {
    "lop": Asset(
        "nvdiffrec_result",
        "nvdiffrec Result",
        0,
        {"python": f"{_CODE}.cook_stage(hou.pwd())"},
        module=_MODULE,
        table="Lop",
    ),
    "sop": Asset(
        "nvdiffrec_result",
        "nvdiffrec Result",
        0,
        {"python": f"{_CODE}.cook_geometry(hou.pwd())"},
        max_inputs=0,
        module=_MODULE,
        table="Sop",
    ),
}
"""The two assets, by their context."""


def library(asset: Asset, written: Mapping[str, bytes]) -> ExpandedLibrary:
    """The whole library of an asset; ``written`` are the sections that people write."""
    return shipped.framed(asset, written, contents(asset))


def contents(asset: Asset) -> Members:
    """The network: a Python node, wired to the asset's input where it has one, and the output."""
    inner, output = "hdaroot/python1", "hdaroot/output0"
    source = "(0)" if asset.max_inputs else None
    dots = [texts.InputDot(0, ("0", "6"), '2 0 __NO_OWNER_NETWORK_BOX__ "FROMOUTPUT"')]
    found: list[tuple[str, bytes]] = [
        ("node_type", f"{asset.table}\n".encode()),
        ("hdaroot.init", definition.encode_init(Init(asset.type)).encode()),
        ("hdaroot.def", definition.encode(shipped.placed(0, 0)).encode()),
        ("hdaroot.userdata", shipped.no_version()),
        *([("hdaroot.inp", texts.encode_dots(dots).encode())] if source else []),
        (f"{inner}.init", definition.encode_init(Init(INNER[asset.table])).encode()),
        (f"{inner}.def", definition.encode(shipped.wired(source, None, True)).encode()),
        (f"{inner}.parm", build.parm_member(dict(asset.snippets))),
        (f"{inner}.userdata", shipped.no_version()),
        (f"{output}.init", definition.encode_init(Init("output")).encode()),
        (
            f"{output}.def",
            definition.encode(shipped.wired("python1", 1 if source else 0, False)).encode(),
        ),
        (f"{output}.parm", build.parm_member({"outputidx": 0})),
        (f"{output}.userdata", shipped.no_version()),
        ("hdaroot.order", texts.encode_order(["python1", "output0"]).encode()),
        ("hdaroot.net", texts.encode_net(1).encode()),
    ]
    return tuple(found)
