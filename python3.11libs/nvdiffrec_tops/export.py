"""``nvdiffrec-tops export``: an asset of a result, made by the trainer's own Python."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from nvdiffrec_contract import exporting

LIBRARIES = Path(__file__).resolve().parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The exporter's own arguments, and whose Python runs it."""
    exporting.add_arguments(parser)
    parser.add_argument(
        "--python",
        metavar="FILE",
        default=sys.executable,
        help="the Python of an environment with the trainer's packages (this one)",
    )


def main(given: argparse.Namespace) -> int:
    """Run the exporter; its exit code."""
    # The trainer of this toolkit, where the environment has none installed.
    paths = [str(LIBRARIES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [given.python, "-m", exporting.MODULE, *exporting.arguments(given)]
    try:
        return subprocess.run(command, env=environment).returncode
    except OSError as error:
        print(
            f"error: {given.python} cannot be started: {error.strerror or error}; name the Python "
            "of a training environment with --python",
            file=sys.stderr,
        )
        return 1
