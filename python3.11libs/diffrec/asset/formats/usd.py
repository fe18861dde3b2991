"""A USD component: geometry and material in layers of their own behind a payload, and the light."""

from __future__ import annotations

from diffrec.asset.asset import Asset

LABEL = "{name}.usd"
PACKAGE = ("pxr", "usd-core")
BESIDE = False
UDIM = True
LINEAR = False


def export(asset: Asset) -> list[str]:
    """NAME.usd with the layers that it needs, and NAME_light.usda."""
    from diffrec.asset import usdcomponent

    return usdcomponent.write(asset)
