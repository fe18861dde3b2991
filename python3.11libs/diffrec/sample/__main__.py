"""``python -m diffrec.sample FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from diffrec.sample import write_sample
from nvdiffrec_contract.errors import UserError


def main() -> int:
    """Write the sample scene; 0 on success, 1 for a mistake that the message names."""
    parser = argparse.ArgumentParser(
        prog="diffrec.sample", description="Write the sample scene into a folder."
    )
    parser.add_argument("folder", type=Path, help="made if missing; its sample files are renewed")
    folder = parser.parse_args().folder
    try:
        written = write_sample(folder)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"Sample scene in {folder}: " + (", ".join(written) if written else "up to date"))
    return 0


sys.exit(main())
