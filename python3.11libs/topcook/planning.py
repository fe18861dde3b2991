"""Every work item of a network, without running any."""

from __future__ import annotations

from collections.abc import Callable

from . import pdg
from .generation import Generation
from .network.opening import Network
from .schedulers.local import LocalScheduler


def generate_all(network: Network, warn: Callable[[str], None]) -> list[pdg.WorkItem]:
    """Every work item of a network, without running any.

    Items that are generated during a cook are made as if everything upstream had succeeded.
    """
    network.surroundings.warn = warn
    LocalScheduler(network.scheduler)
    generation = Generation(network.context.graph, lambda _items: None)
    generation.static()
    generation.dynamic(assume_cooked=True)
    errors = [one for node in network.context.graph.nodes() for one in node.cookErrors]
    if errors:
        raise pdg.CookError("\n".join(errors))
    return network.context.graph.workItems()
