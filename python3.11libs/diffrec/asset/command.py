"""The command ``python -m diffrec.asset``; ``nvdiffrec-tops export`` starts it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from diffrec.export.beginning import Beginning
from nvdiffrec_contract import exporting, layout
from nvdiffrec_contract.errors import UserError


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    result = argparse.ArgumentParser(
        prog=exporting.MODULE,
        description="Write a finished result as an asset that opens right in other programs.",
        allow_abbrev=False,
    )
    exporting.add_arguments(result)
    return result


def _load_usd() -> None:
    """Load USD while there are no threads, for the reason that `formats` says."""
    with contextlib.suppress(ImportError):  # told of when it is to write
        from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdLux, UsdMedia, UsdShade, UsdUtils, Vt  # noqa: F401


def _load_compiler() -> None:
    """Have Numba load what it loads for its first function, which takes a second."""
    from numba import njit

    njit(lambda: None)()


def main(argv: Sequence[str] | None = None) -> int:
    """Export one result; 0 on success, 1 for a mistake that the message names."""
    asked = parser().parse_args(argv)
    result = asked.result.absolute()
    begun = Beginning(result)
    if {"usd", "usdz"} & {*asked.formats}:
        _load_usd()
    begun.decode_pictures()

    from diffrec.asset import photographs, upright
    from diffrec.asset.names import asset_name  # PyTorch takes seconds: not for --help
    from diffrec.asset.source import read_source
    from diffrec.asset.write import write_asset

    name = asset_name(result.name if asked.name is None else asked.name)
    if asked.name not in (None, name):
        print(f"The asset is called {name}: other characters are not known everywhere")
    aside = ThreadPoolExecutor(1)
    aside.submit(_load_compiler)  # while the mesh is read; it is needed soon after
    aside.shutdown(wait=False)
    folder = asked.out or result / layout.ASSET
    try:
        seen = photographs.recorded(result, print) if asked.cameras else None
        source = read_source(result, begun)
        standing = upright.read(result)
        source = upright.placed(source, standing)
        made = write_asset(
            source,
            folder,
            name,
            asked.formats,
            print,
            turntable=max(0, asked.turntable),
            lods=asked.lods,
            bits=asked.bits,
            size=asked.size,
            textures=asked.textures,
            udim=asked.udim,
        )
        if seen is None:
            photographs.remove(folder, name)
        elif layer := photographs.write(*seen, folder, name, standing, print):
            made.append(layer)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {folder} cannot be changed: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{len(made)} files in {folder}")
    return 0
