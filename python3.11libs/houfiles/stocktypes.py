"""Stock TOP nodes that are assets of Houdini's own library, as a scene names them.

A scene saved by Houdini holds a dummy of each asset that it uses, so that parameters stay alive
where the asset is missing. The dummies of stock nodes made here have the parameters that the scene
sets, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .describe import AssetDescription, NodeDescription, SceneDescription, Token, Value
from .quoting import quote

LIBRARY = "otls/OPlibTop.hda"


@dataclass(frozen=True)
class StockType:
    """What Houdini's library says about a stock TOP node."""

    label: str
    min_inputs: int = 0
    max_inputs: int = 1
    scheduler: bool = False

    def extra(self, name: str) -> str:
        """The words that make PDG know the type; the space at the end is Houdini's."""
        if self.scheduler:
            return f"pdgtype='scheduler' subtype={name} visibleoutputs=0 "
        return f"pdgtype='node' subtype={name} "


STOCK_TYPES: Mapping[str, StockType] = {
    "attributecreate": StockType("Attribute Create"),
    "environmentedit": StockType("Environment Edit "),
    "genericgenerator": StockType("Generic Generator"),
    "hqueuescheduler": StockType("HQueue Scheduler", max_inputs=0, scheduler=True),
    "localscheduler": StockType("Local Scheduler", max_inputs=0, scheduler=True),
    "waitforall": StockType("Wait for All", min_inputs=1, max_inputs=9999),
}
"""Those that the toolkit's own scenes use."""


def used(scene: SceneDescription) -> list[AssetDescription]:
    """The stock types of a scene's nodes that are known here and not described by the scene
    itself, by name."""
    described = {asset.type for asset in scene.assets}
    parms: dict[str, dict[str, Value]] = {}
    for node in _walk(scene.tasks):
        if node.type in STOCK_TYPES.keys() - described:
            parms.setdefault(node.type, {}).update(node.parms)
    return [_described(scene, name, parms[name]) for name in sorted(parms)]


def _walk(nodes: Iterable[NodeDescription]) -> Iterator[NodeDescription]:
    for node in nodes:
        yield node
        yield from _walk(node.children)


def _described(scene: SceneDescription, name: str, parms: Mapping[str, Value]) -> AssetDescription:
    stock = STOCK_TYPES[name]
    return AssetDescription(
        name,
        stock.label,
        LIBRARY,
        _dialog_script(name, stock, parms),
        min_inputs=stock.min_inputs,
        max_inputs=stock.max_inputs,
        icon=f"TOP_{name}",
        installed=f"/opt/hfs{scene.houdini_version}/houdini",
        extra=stock.extra(name),
        outputs=0 if stock.scheduler else 1,
        is_network=False,
    )


def _dialog_script(name: str, stock: StockType, parms: Mapping[str, Value]) -> str:
    lines = [
        f"# Dialog script for {name} automatically generated",
        "",
        "{",
        f"    name\t{name}",
        f"    script\t{name}",
        f"    label\t{quote(stock.label)}",
        "",
        "    help {",
        '\t""',
        "    }",
        "",
    ]
    for parm, value in parms.items():
        lines += [
            "    parm {",
            f"        name    {quote(parm)}",
            f"        label   {quote(parm)}",
            f"        type    {_type(value)}",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def _type(value: Value) -> str:
    """A menu without its entries is a text; so is a parameter without a value."""
    one = next(iter(value), "") if isinstance(value, tuple) else value
    if isinstance(one, bool):
        return "toggle"
    if isinstance(one, int):
        return "integer"
    return "string" if isinstance(one, str | Token) else "float"
