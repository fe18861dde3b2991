"""The command line of a preparation."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nvdiffrec_contract import failurefile, preparation
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_OUTPUT

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    made = argparse.ArgumentParser(
        prog="python -m diffrec.prepare",
        description="Make a data set for training, with its configuration, out of photographs or a "
        "film. The same command goes on where it was ended, and does nothing twice.",
        allow_abbrev=False,
    )
    preparation.add_arguments(made)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare; 0 on success, the error's own code for a mistake, which the message names, 130 when
    it was stopped."""
    asked = preparation.given(parser().parse_args(argv))
    try:
        import numpy as np

        from diffrec.prepare.run import prepare

        # A mapper may claim a lens that no one can reckon with; it is refused by its points.
        with np.errstate(all="ignore"):
            path = prepare(asked, lambda line: print(line, flush=True))
    except ModuleNotFoundError as error:
        print(
            f"Error: this environment has no package {error.name}. Install it: {sys.executable} -m "
            'pip install "tops-nvdiffrec[photographs]"',
            file=sys.stderr,
        )
        return EXIT_ENVIRONMENT
    except UserError as error:
        cure = f"{error.cure[:1].upper()}{error.cure[1:]}"
        print(f"Error: {error.cause}. {cure}.", file=sys.stderr, flush=True)
        if failurefile.PLACE in os.environ:  # a job asks for it
            with contextlib.suppress(OSError):
                failurefile.write(Path(os.environ[failurefile.PLACE]), error.failure())
        return error.exit_code
    except OSError as error:
        where = error.filename or asked.out
        print(
            f"Error: {where}: {error.strerror or error}. Make room, correct the permissions, or "
            "name another folder with --out",
            file=sys.stderr,
            flush=True,
        )
        return EXIT_OUTPUT
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr, flush=True)
        return INTERRUPTED
    report = path.parent / "report"
    print(f"look at {report / 'masks.png'} and {report / 'cameras.png'}")
    print(f"then train: diffrec --config {path}", flush=True)
    return 0
