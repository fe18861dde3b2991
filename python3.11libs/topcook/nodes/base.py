"""What a supported node type is, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import ParmSpec, ParmTable, menu

Callbacks = type[pdg.PyProcessor] | type[pdg.PyPartitioner]
Passes = Callable[[NodeParameters, Sequence[int]], tuple[int | None, str]]


@dataclass(frozen=True)
class NodeType:
    """One supported node type.

    ``refused``: parameter name to the reason why a value other than the default is not supported.
    ``check``: further questions to the parameters before anything runs; returns sentences.
    ``passes``: of a node that makes no work items and stands in the place of one of its inputs:
    which one, given the inputs that are wired (None: none of them), and a note or ''.
    """

    name: str
    table: ParmTable
    kind: pdg.nodeType
    callbacks: Callbacks | None
    refused: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[NodeParameters], list[str]] = lambda _parameters: []
    passes: Passes | None = None

    def problems(self, parameters: NodeParameters) -> list[str]:
        """Everything that keeps a node of this type from being cooked, in plain sentences."""
        found = parameters.problems()
        short = parameters.path.rsplit("/", 1)[-1]
        for name in parameters.names():
            spec = parameters.spec(name)
            reason = self.refused.get(spec.name) if spec is not None else None
            if spec is None or reason is None or parameters.isDefault(name):
                continue
            found.append(
                f"{parameters.path}: the parameter '{name}' is set to '{parameters.raw(name)}', "
                f"which is not supported here: {reason}. To cook without it: "
                f"--set {short}.{name}={spec.default[0]}"
            )
        return found + self.check(parameters)


GENERATE_WHEN: ParmSpec = menu("pdg_workitemgeneration", "2", "0 1 2 3", by_token=True)


def parms(callbacks: pdg.PyProcessor | pdg.PyPartitioner) -> NodeParameters:
    """The parameters of the node that runs these callbacks."""
    return cast(NodeParameters, callbacks.node.parameters)


def set_priority(parameters: NodeParameters, item: pdg.WorkItem) -> None:
    """Work Item Priority: inherited already, or given by an expression."""
    if parameters.menu("pdg_workitempriority") == 1:
        item.priority = parameters.integer("pdg_workitempriorityexpr", item)


def literal_expression_problem(path: str, name: str, text: str) -> str:
    return (
        f"{path}, parameter '{name}': '{text[:60]}' is Python code, which is not run outside "
        "Houdini; only literal values (numbers, strings, lists, dictionaries) are supported"
    )
