#!/usr/bin/env python3
"""Cooks a TOP network with Houdini.

    hython scripts/batch_cook.py SCENE.hip [--top PATH] [--set NODE.PARM=VALUE]... [--report FILE]

Options and report are those of nvdiffrec-tops cook.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python3.11libs"))


def main() -> int:
    try:
        from nvdiffrec_tops.houdini import batch
    except ModuleNotFoundError as error:
        if error.name != "hou":
            raise
        print(
            "error: this needs Houdini's own Python; start it with hython. Without Houdini: "
            "nvdiffrec-tops cook SCENE.hip",
            file=sys.stderr,
        )
        return 2
    code = batch.main()
    sys.stdout.flush()
    sys.stderr.flush()
    import hou

    # Ends Houdini with its schedulers and servers, not the script alone.
    hou.exit(code, suppress_save_prompt=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
