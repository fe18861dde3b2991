r"""From photographs to an asset that other programs open, step by step, in this process.

    .venv/bin/python examples/photographs_to_asset.py PHOTOGRAPHS FOLDER [FIELD=VALUE]...

FIELD is one of a configuration (docs/fields.md): ``iter=200 texture_res=[512,512]`` for a look,
``diffrec.asset_turntable=24`` for one inside ``"diffrec"``. The same command goes on where it was
ended. It wants the extra ``photographs``: pip install "tops-nvdiffrec[diffrec,photographs]".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from diffrec import Progress, train
from diffrec.prepare.run import prepare
from nvdiffrec_contract import layout
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.preparation import Preparation


def show(progress: Progress) -> None:
    """Print one line; called after every tenth iteration."""
    print(
        f"pass {progress.pass_number}, iteration {progress.iteration}/{progress.iterations}: "
        f"image loss {progress.image_loss:.4f}"
    )


def changed(configuration: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """The configuration with fields set as FIELD=VALUE says; a value that is no JSON is a text."""
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        section, dot, field = name.partition(".")
        if dot:
            configuration.setdefault(section, {})[field] = value
        else:
            configuration[name] = value
    return configuration


def main(arguments: list[str]) -> int:
    """Prepare, train, and say where the asset is; returns the exit code."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    photographs, out = (Path(one).expanduser().absolute() for one in arguments[:2])
    try:
        # 1. Cameras, masks, and where the object is: a data set, and a configuration for it.
        path = prepare(Preparation(source=photographs, out=out), print)
        print(f"Look at {out / 'report' / 'masks.png'} and {out / 'report' / 'cameras.png'}")

        # 2. Mesh, material and light, in two passes.
        configuration = changed(json.loads(path.read_text(encoding="utf-8")), arguments[2:])
        result = train(configuration, folder=out / "result", on_progress=show)
    except UserError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code

    # 3. What a training leaves: nvdiffrec's files, and the same for other programs, rendered.
    print(f"PSNR of the views {result.psnr} dB, mesh {result.mesh}")
    asset = result.folder / layout.ASSET
    for file in sorted(asset.rglob("*")):
        if file.is_file():
            print(f"asset: {file.relative_to(asset)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
