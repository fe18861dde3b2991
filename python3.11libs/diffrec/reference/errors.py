"""What is wrong with a reference mesh."""

from __future__ import annotations

from diffrec.errors import DiffrecError
from nvdiffrec_contract.failure import EXIT_USAGE


class ObjError(DiffrecError):
    """An OBJ file that cannot be read or written."""

    id = "reference-mesh"
    cure = "correct the mesh as said, then cook again"
    exit_code = EXIT_USAGE


class MtlError(DiffrecError):
    """A material library that cannot be read or written."""

    id = "reference-mesh"
    cure = "correct the material file as said, then cook again"
    exit_code = EXIT_USAGE
