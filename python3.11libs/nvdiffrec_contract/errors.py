"""The errors of the contract: each is a user's to mend, in one clear sentence."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_TRAINING, EXIT_USAGE, Failure


class UserError(Exception):
    """What was given cannot be used; the message says where, what was found and what is right.

    A class of errors sets what is the same for all of its kind: ``id``, the ``cure`` where a
    message brings none of its own, ``retry`` (whether the same command may succeed when it is
    started again) and ``exit_code``.

    Args:
        cause: what is wrong.
        cure: the next thing to do, a sentence of its own.
        field: the configuration's field concerned.
        file: the file or folder concerned.
    """

    id = "unusable"
    cure = "correct that, then start again"
    retry = False
    exit_code = EXIT_TRAINING

    def __init__(self, cause: str, cure: str = "", *, field: str = "", file: str = "") -> None:
        super().__init__(f"{cause}. {cure[:1].upper()}{cure[1:]}." if cure else cause)
        self.cause = cause
        self.cure = cure or type(self).cure
        self.field = field
        self.file = file

    def failure(self) -> Failure:
        """The error as data, for ``failure.json``."""
        return Failure(
            self.id,
            self.cause,
            self.cure,
            self.exit_code,
            self.retry,
            field=self.field,
            file=self.file,
        )


class ConfigError(UserError):
    """A training configuration is wrong."""

    id = "configuration"
    cure = "correct the configuration as said, then cook again"
    exit_code = EXIT_USAGE


class FieldError(ConfigError):
    """One field of a configuration holds a value that is not allowed."""

    def __init__(self, name: str, found: str, allowed: str) -> None:
        super().__init__(f'"{name}": {found}; allowed: {allowed}', field=name)
        self.found = found
        self.allowed = allowed

    def inside(self, prefix: str) -> FieldError:
        """The same error with the name of the enclosing object before the field's name."""
        return FieldError(prefix + self.field, self.found, self.allowed)
