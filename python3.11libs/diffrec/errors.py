"""The trainer's errors that are a user's to mend: one clear sentence, no traceback."""

from __future__ import annotations

from nvdiffrec_contract.dataset import Problem
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.failure import EXIT_USAGE


class DiffrecError(UserError):
    """Bad input or an impossible request; the text says what is wrong, where, and what to do."""


class DataError(DiffrecError):
    """A data set cannot be read; the message names the file and what to do."""

    id = "data"
    cure = "correct the photographs, masks or cameras as said, then cook again"
    exit_code = EXIT_USAGE

    @classmethod
    def of(cls, problem: Problem) -> DataError:
        """The error that a described problem is."""
        return cls(problem.cause, problem.cure, file=problem.file)
