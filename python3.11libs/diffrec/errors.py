"""The trainer's errors that are a user's to mend: one clear sentence, no traceback."""

from __future__ import annotations

from nvdiffrec_contract.errors import UserError


class DiffrecError(UserError):
    """Bad input or an impossible request; the text says what is wrong, where, and what to do."""
