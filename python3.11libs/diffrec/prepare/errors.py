"""Errors of a preparation: one sentence each, with the next thing to do."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Any

from diffrec.errors import DataError, DiffrecError
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_USAGE

ANOTHER_CAPTURE = (
    "photograph again: walk around the object in small steps (each photograph shows at least two "
    "thirds of what the one before showed), keep it still and in focus, and put it on something "
    "with a pattern, such as a newspaper"
)


class SourceError(DataError):
    """There is nothing to prepare, or it cannot be read."""

    id = "photographs"
    cure = "name a folder of photographs, or a film"


class CamerasError(DiffrecError):
    """The cameras cannot be found, or too few of them can be trusted."""

    id = "cameras"
    cure = ANOTHER_CAPTURE
    exit_code = EXIT_USAGE


class MasksError(DataError):
    """Masks are missing, or do not belong to these photographs."""

    id = "masks"
    cure = "correct the masks (white where the object is), then start again"


class LengthError(DataError):
    """What was named as a known length is not to be seen, or contradicts itself."""

    id = "length"
    cure = "correct the length, or leave it away"


class SolverMissingError(DiffrecError):
    """A package that this preparation needs is not installed."""

    id = "photographs-extra-missing"
    cure = f'install it: {sys.executable} -m pip install "tops-nvdiffrec[photographs]"'
    exit_code = EXIT_ENVIRONMENT


def solver() -> Any:
    """pycolmap, quiet.

    Raises:
        SolverMissingError: it is not installed.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise SolverMissingError(
            f"the cameras of photographs are solved with pycolmap, which cannot be imported "
            f"({error})",
            SolverMissingError.cure,
        ) from None
    pycolmap.logging.minloglevel = 3
    with contextlib.suppress(ValueError):  # not the main thread
        # It would print the stack of every thread, before it ends as it was asked to.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return pycolmap
