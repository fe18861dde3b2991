"""Which TOP network of a scene is cooked."""

from __future__ import annotations

from houfiles import HouFileError, Node, Scene

from . import assets
from .wiring import NetworkError, is_task


def choose(scene: Scene, top: str | None) -> tuple[Node, list[str]]:
    """The network to cook, and what to tell the artist about the choice.

    ``top`` is its path. Without it, a network that holds nothing but a scheduler is no candidate;
    of several candidates it is the only one in which a node has the display flag, or else the only
    one that holds nodes of this toolkit, or else the only one that has the display flag itself.

    Raises:
        NetworkError: there is no such network, or the choice is the artist's; lists ``--top PATH``.
        HouFileError: a member that describes the network is damaged.
    """
    networks = scene.networks()
    if top is not None:
        found = next((node for node in networks if node.path == "/" + top.strip("/")), None)
        if found is None:
            listed = ", ".join(node.path for node in networks) or "none"
            raise NetworkError(f"--top {top}: the scene has no such TOP network; it has {listed}")
        return scene.network(found.path), []
    if not networks:
        raise NetworkError("the scene has no TOP network")
    candidates = [node for node in networks if any(map(is_task, node.children))]
    if not candidates:
        listed = ", ".join(node.path for node in networks)
        raise NetworkError(f"the scene's TOP networks have no nodes to cook ({listed})")
    chosen = candidates[0] if len(candidates) == 1 else _only(candidates)
    if chosen is None:
        raise NetworkError(
            f"the scene has {len(candidates)} TOP networks to cook; choose one: "
            + ", ".join(f"--top {node.path}" for node in candidates)
        )
    others = [node.path for node in candidates if node is not chosen]
    notes = []
    if others:
        notes.append(
            f"cooking {chosen.path}; the scene also has {', '.join(others)} (--top PATH cooks them)"
        )
    return scene.network(chosen.path), notes


def _only(candidates: list[Node]) -> Node | None:
    for mark in (_shows_a_node, _holds_ours, _is_shown):
        marked = [node for node in candidates if mark(node)]
        if len(marked) == 1:
            return marked[0]
    return None


def _is_shown(node: Node) -> bool:
    try:
        return node.flags.get("display", False)
    except HouFileError:
        return False


def _shows_a_node(network: Node) -> bool:
    return any(is_task(node) and _is_shown(node) for node in network.children)


def _holds_ours(network: Node) -> bool:
    return any(assets.find(node.type) is not None for node in network.children)
