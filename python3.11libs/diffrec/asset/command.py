"""The command ``python -m diffrec.asset``; ``nvdiffrec-tops export`` starts it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

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


def main(argv: Sequence[str] | None = None) -> int:
    """Export one result; 0 on success, 1 for a mistake that the message names."""
    asked = parser().parse_args(argv)

    from diffrec.asset import photographs, upright
    from diffrec.asset.names import asset_name  # PyTorch takes seconds: not for --help
    from diffrec.asset.source import read_source
    from diffrec.asset.write import write_asset

    result = asked.result.absolute()
    name = asset_name(result.name if asked.name is None else asked.name)
    if asked.name not in (None, name):
        print(f"The asset is called {name}: other characters are not known everywhere")
    folder = asked.out or result / layout.ASSET
    try:
        seen = photographs.recorded(result, print) if asked.cameras else None
        source = read_source(result)
        turn = upright.read(result)
        if turn is not None:
            source = upright.turned(source, turn)
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
        )
        if seen is None:
            photographs.remove(folder, name)
        elif layer := photographs.write(*seen, folder, name, turn, print):
            made.append(layer)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {folder} cannot be changed: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{len(made)} files in {folder}")
    return 0
