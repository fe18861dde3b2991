"""Null: makes no work items; what is wired to it is wired to its input."""

from __future__ import annotations

from collections.abc import Sequence

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import table

from .base import NodeType


def _first(_parameters: NodeParameters, inputs: Sequence[int]) -> tuple[int | None, str]:
    return (inputs[0] if inputs else None), ""


TYPE = NodeType("null", table(), pdg.nodeType.Processor, None, passes=_first)
