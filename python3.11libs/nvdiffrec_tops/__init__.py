"""TOPs nvdiffrec: inverse rendering of meshes, materials and light in Houdini's task graphs.

From Python, without Houdini:

* `cook_scene` cooks a TOP network of a scene and returns a `CookedScene`
* `read_result` reads what a training left in its output folder, a `TrainingResult`

``examples/cook_from_python.py`` uses both. They are loaded when they are first asked for: Houdini
imports this package too, and needs neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nvdiffrec_contract import VERSION

if TYPE_CHECKING:
    from .cook.scene import CookedItem, CookedScene, CookProblem, CookProgress, cook_scene
    from .results import OutputFile, ResultProblem, TrainingResult, read_result

__version__ = VERSION

_PLACES = {
    "cook_scene": "cook.scene",
    "CookedItem": "cook.scene",
    "CookedScene": "cook.scene",
    "CookProblem": "cook.scene",
    "CookProgress": "cook.scene",
    "read_result": "results",
    "OutputFile": "results",
    "ResultProblem": "results",
    "TrainingResult": "results",
}

__all__ = [
    "CookProblem",
    "CookProgress",
    "CookedItem",
    "CookedScene",
    "OutputFile",
    "ResultProblem",
    "TrainingResult",
    "cook_scene",
    "read_result",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
