"""What Houdini's *PDG ML Training Monitor* (Houdini 21 and later) is told of a node.

The pane shows a TOP node whose asset's Python module has ``ml_description``. Of the documented keys
``name``, ``first_epoch`` and ``max_epochs`` are given. ``plots`` and the test images have keys of
their own, which could not be looked up and are not guessed; the artist shows the pane
``training.csv`` of the output folder (see ``job.report.metricstable``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import hou

from nvdiffrec_tops import attributes, training
from nvdiffrec_tops.houdini import callbacks
from nvdiffrec_tops.houdini.messages import sentence

_PASSES, _ITERATIONS = 2, 5000
"""Of a configuration that does not say: the trainers' own defaults."""


def ml_description(node: hou.OpNode) -> list[dict[str, Any]]:
    """One entry for each training of the node; epochs are iterations, counted over both passes.

    A pane asks for it at any time: before there are work items the node's own parameters answer,
    and a mistake in a configuration is left to the cook, which tells it.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, values in enumerate(_trainings(node), 1):
        output = values.get(attributes.OUTPUT, "").rstrip("/\\")
        name = os.path.basename(output) or node.name()
        if name in found:
            name = f"{name} ({number})"
        found[name] = {"name": name, "first_epoch": 0, "max_epochs": _epochs(values)}
    return list(found.values())


def _trainings(node: hou.OpNode) -> Iterator[Mapping[str, str]]:
    """The attributes of each work item that trains, else what the node itself says."""
    items = list(_items(node))
    for item in items:
        names = (attributes.WORKING_DIR, attributes.CONFIG, attributes.OVERRIDES, attributes.OUTPUT)
        held = (name for name in names if item.hasAttrib(name))
        yield {name: item.stringAttribValue(name) or "" for name in held}
    if not items:
        try:
            yield callbacks.settings_of(node)
        except Exception as error:
            if sentence(error) is None:
                raise
            yield {}


def _items(node: hou.OpNode) -> Iterator[Any]:
    """The work items of an asset, or of the node inside it that makes them."""
    for one in (node, *node.children()):
        pdg_node = one.getPDGNode() if hasattr(one, "getPDGNode") else None
        items = list(pdg_node.workItems) if pdg_node is not None else []
        if items:
            yield from (item for item in items if item.hasAttrib(attributes.OUTPUT))
            return


def _epochs(values: Mapping[str, str]) -> int:
    """How many iterations a training has, over its passes; the first and the last count."""
    document: dict[str, Any] = {}
    try:
        document |= training.configuration(
            values.get(attributes.WORKING_DIR, ""), values.get(attributes.CONFIG, "")
        )
        document |= json.loads(values.get(attributes.OVERRIDES, "") or "{}")
    except (training.TrainingError, ValueError, TypeError):
        pass
    iterations = document.get("iter")
    if type(iterations) is not int or iterations < 1:
        iterations = _ITERATIONS
    return (1 if document.get("base_mesh") else _PASSES) * (iterations + 1)
