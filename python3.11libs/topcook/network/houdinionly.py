"""The TOP nodes whose work is done by Houdini itself, and how to cook a scene that has them."""

from __future__ import annotations

import re
import shlex

_RENDERS = "it renders a node of Houdini's, which needs Houdini."
_COOKS = "it loads a digital asset or geometry into Houdini, which needs Houdini."
_SERVES = "it runs a service or another network inside Houdini, which needs Houdini."

_TYPES = {
    **dict.fromkeys(("ropfetch", "husk", "renderifd", "usdrender", "usdrenderscene"), _RENDERS),
    **dict.fromkeys(("hdaprocessor", "geometryimport", "invoke", "attributefromgeometry"), _COOKS),
    **dict.fromkeys(("usdimport", "usdimportfiles", "usdaddassetstogallery"), _COOKS),
    **dict.fromkeys(("houdiniserver", "houdiniservicestart", "servicecreate"), _SERVES),
    **dict.fromkeys(("topfetch", "topfetchinput", "sendcommand", "serviceblockbegin"), _SERVES),
}


def refusal(node_type: str) -> str:
    """Why a cook without Houdini can never run a node of this type; '' when that is not known."""
    name = re.sub(r"::[\d.]+$", "", node_type).rsplit("::", 1)[-1]
    if name in _TYPES:
        return _TYPES[name]
    return _RENDERS if re.fullmatch(r"rop[a-z]\w*", name) else ""


def with_houdini(scene: str) -> str:
    """What to type instead."""
    command = f"hython scripts/batch_cook.py {shlex.quote(scene)}"
    return f"Cook the scene with Houdini: {command}. Or bypass the node"
