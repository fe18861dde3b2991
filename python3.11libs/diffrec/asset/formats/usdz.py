"""The USD component in one file."""

from __future__ import annotations

from diffrec.asset.asset import Asset

LABEL = "{name}.usdz"
PACKAGE = ("pxr", "usd-core")
BESIDE = False
UDIM = False
LINEAR = False


def export(asset: Asset) -> list[str]:
    """NAME.usdz: the component with its textures; a light has no place in such a package."""
    from diffrec.asset import usdcomponent

    return usdcomponent.package(asset)
