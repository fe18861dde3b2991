"""A changed parameter makes the work items anew when the network is cooked again.

PDG watches the node that makes the items, which is the processor inside an asset. The stand-in
does the same, so the assets as they were before they linked their parameters notice nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from houfiles import dialogscript
from houfiles.describe import NodeDescription
from houfiles.dialogscript import ParmTemplate
from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets import linkedparms
from nvdiffrec_tops.assets.shipped import ASSETS, Asset
from nvdiffrec_tops.cook.host import ROOT
from topcook import hou, pdg
from topcook.generation import Generation
from topcook.network import assets as found_assets
from topcook.network.opening import open_network

CHAIN = ("nvdiffrec_attributes", "nvdiffrec_environment", "nvdiffrec_train", "nvdiffrec_static")
Reason = pdg.regenerateReason


class Session:
    """A network that is generated, changed and generated again, as in an open Houdini."""

    def __init__(self, path: Path) -> None:
        network = open_network(path, all_ends=True)
        self.graph = network.context.graph
        self.generate()

    def generate(self) -> None:
        generation = Generation(self.graph, lambda _items: None)
        generation.static()
        generation.dynamic(assume_cooked=True)

    def asset(self, name: str) -> hou.OpNode:
        """The asset around a processor, whose parameters the artist sees."""
        node = self.graph.node(name)
        assert node is not None
        asset = node.topNode().parent()
        assert isinstance(asset, hou.OpNode)
        return asset

    def change(self, name: str, parm: str, value: str | float) -> dict[str, Reason]:
        """Change a parameter and cook again; why each node made its items anew."""
        found = self.asset(name).parm(parm)
        assert found is not None, parm
        found.set(value)
        return renew(self.graph)

    def items(self, name: str) -> list[pdg.WorkItem]:
        node = self.graph.node(name)
        assert node is not None
        return node.workItems


def renew(graph: pdg.Graph) -> dict[str, Reason]:
    """Drop the work items of each node that makes them again when the graph is cooked once more.

    PDG looks at the node itself: one of its own parameters has changed, or what such a parameter
    refers to; or the node always regenerates. A parameter that a callback reads elsewhere is not
    the node's own and changes nothing. What lies downstream follows. Gives the reasons by the
    nodes' names; a new ``Generation`` of the graph then makes the missing items.
    """
    reasons: dict[str, Reason] = {}
    for node in graph.nodes():
        parameters, always = node.parameters, "alwaysregenerate"
        if not node.isGenerated:
            continue
        if node.generatedFrom != parameters.watched():
            reasons[node.name] = Reason.Full
        elif any(one.name in reasons for one in node.inputs):
            reasons[node.name] = Reason.Propagate
        elif parameters.has(always) and parameters.toggle(always):
            reasons[node.name] = Reason.Always
    for node in reversed(graph.nodes()):
        if node.name in reasons:
            node.removeItems()
    return reasons


def _without(monkeypatch: pytest.MonkeyPatch, *, links: bool, always: bool) -> None:
    """Assets whose processor lacks its links or *Always Regenerate*."""
    shipped = found_assets.find

    def find(name: str) -> found_assets.Asset | None:
        asset = shipped(name)
        if asset is None:
            return None
        ours = next(one for one in ASSETS.values() if one.type == name)
        definition = read_expanded(ROOT / "otls" / ours.library).definition(name)
        processor = definition.contents.children[0]
        gone = {"alwaysregenerate"} if always else set()
        if links:
            names = {one.name for one in linkedparms.linked(definition.interface, ours.driven)}
            gone |= {one for one in names if not one.startswith(("local_", "hqueue_"))}
            processor.entry_links = ()
        processor.parms = {name: one for name, one in processor.parms.items() if name not in gone}
        return replace(asset, contents=definition.contents)

    monkeypatch.setattr(found_assets, "find", find)


@pytest.fixture
def session(ours: Any, write_scene: Callable[..., Path]) -> Callable[[], Session]:
    """Opens a scene with every asset; each list has two entries."""
    lists = {
        "overrides": 2, "overridename1": "iter", "overridevalue1": "5",
        "overridename2": "batch", "overridevalue2": "2",
    }  # fmt: skip
    listed = {"variables": 1, "varname1": "A", "varvalue1": "b"}

    def opened() -> Session:
        nodes: list[NodeDescription] = [
            ours("nvdiffrec_attributes", "nvdiffrec_attributes", lists),
            ours("nvdiffrec_environment", "nvdiffrec_environment", listed, CHAIN[:1]),
            ours("nvdiffrec_train", "nvdiffrec_train", {}, CHAIN[1:2]),
            ours("nvdiffrec_static", "nvdiffrec_static", {**lists, **listed}),
        ]
        return Session(write_scene(*nodes))

    return opened


def _other(parm: ParmTemplate, now: str) -> str:
    """A value that the parameter does not have now."""
    if parm.type == "toggle":
        return str(1 - int(now))
    if parm.type == "ordinal":
        assert parm.menu is not None
        return next(token for token, _label in parm.menu.items if token != now)
    return str(float(now) + 1) if parm.type in ("integer", "float") else f"{now}x"


def _changes(asset: Asset) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Every parameter of an asset that a processor may read, with another value for it."""
    definition = read_expanded(ROOT / "otls" / asset.library).definition(asset.type)
    for parm in definition.interface.parms:
        if parm.type not in ("button", "separator", "label"):
            name = parm.name.replace("#", "1")
            yield name, lambda now, parm=parm: _other(parm, now)  # type: ignore[misc]
    for folder in definition.interface.folders:
        if folder.kind in dialogscript.MULTIPARMS:
            yield folder.name, lambda now: str(int(now) - 1)


@pytest.mark.parametrize("asset", CHAIN)
def test_every_parameter_that_changes_is_noticed_by_its_link_alone(
    asset: str, session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, links=False, always=True)
    opened = session()
    changes = list(_changes(ASSETS[asset]))
    assert len(changes) > 5
    for name, other in changes:
        parm = opened.asset(asset).parm(name)
        assert parm is not None
        before = parm.evalAsString()
        reasons = opened.change(asset, name, other(before))
        assert reasons[asset] is Reason.Full, name
        parm.set(before)
        opened.generate()
        assert renew(opened.graph) == {}


@pytest.mark.parametrize("asset", CHAIN)
def test_the_assets_as_they_were_noticed_nothing(
    asset: str, session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, links=True, always=True)
    opened = session()
    driven = {*ASSETS[asset].driven}
    for name, other in _changes(ASSETS[asset]):
        parm = opened.asset(asset).parm(name)
        assert parm is not None
        if name not in driven and not name.startswith(("local_", "hqueue_")):
            assert opened.change(asset, name, other(parm.evalAsString())) == {}, name


def test_always_regenerate_is_enough_where_a_link_is_not_seen(
    session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, links=True, always=False)
    opened = session()
    reasons = opened.change("nvdiffrec_static", "overridevalue1", "7")
    assert reasons["nvdiffrec_static"] is Reason.Always
    opened.generate()
    assert '"iter":7' in _overrides(opened.items("nvdiffrec_static")[0])


def _overrides(item: pdg.WorkItem) -> str:
    return str(item.stringAttribValue("OVERRIDES")).replace(" ", "")


def test_the_new_items_have_the_new_values(session: Callable[[], Session]) -> None:
    opened = session()
    [before] = opened.items("nvdiffrec_train")
    assert '"iter":5' in _overrides(before)
    reasons = opened.change("nvdiffrec_attributes", "overridevalue1", "7; 9")
    assert reasons["nvdiffrec_attributes"] is Reason.Full
    assert reasons["nvdiffrec_train"] is Reason.Propagate
    opened.generate()
    after = opened.items("nvdiffrec_train")
    assert [('"iter":7' in _overrides(one), '"iter":9' in _overrides(one)) for one in after] == [
        (True, False),
        (False, True),
    ]
    everything = [item.id for node in opened.graph.nodes() for item in node.workItems]
    assert len(set(everything)) == len(everything) and before.id not in everything
    assert all(item.command != before.command for item in after)


def test_a_new_entry_of_a_list_is_followed_too(
    session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, links=False, always=True)
    opened = session()
    assert opened.change("nvdiffrec_static", "overrides", 3)["nvdiffrec_static"] is Reason.Full
    opened.asset("nvdiffrec_static").parm("overridename3").set("spp")  # type: ignore[union-attr]
    opened.asset("nvdiffrec_static").parm("overridevalue3").set("1")  # type: ignore[union-attr]
    opened.generate()
    reasons = opened.change("nvdiffrec_static", "overridevalue3", "2")
    assert reasons == {"nvdiffrec_static": Reason.Full}
    opened.generate()
    assert '"spp":2' in _overrides(opened.items("nvdiffrec_static")[0])


def test_an_attribute_is_that_of_each_item_and_a_change_of_its_expression_is_noticed(
    ours: Any, write_scene: Callable[..., Path], show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, links=False, always=True)
    shots = NodeDescription("shots", "genericgenerator", {"itemcount": 2})
    folder = f"{show}/`@pdg_index`"
    node = ours("a", "nvdiffrec_attributes", {"output_dir": folder}, ("shots",))
    opened = Session(write_scene(shots, node))
    assert opened.change("a", "output_dir", f"{show}/take`@pdg_index + 1`") == {"a": Reason.Full}
    opened.generate()
    folders = [item.stringAttribValue("OUTPUT_DIR") for item in opened.items("a")]
    assert folders == [f"{show}/take1", f"{show}/take2"]
