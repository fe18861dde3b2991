"""The errors of the contract: each is a user's to mend, in one clear sentence."""

from __future__ import annotations


class UserError(Exception):
    """What was given cannot be used; the message says where, what was found and what is right."""


class ConfigError(UserError):
    """A training configuration is wrong."""


class FieldError(ConfigError):
    """One field of a configuration holds a value that is not allowed."""

    def __init__(self, name: str, found: str, allowed: str) -> None:
        super().__init__(f'"{name}": {found}; allowed: {allowed}')
        self.name = name
        self.found = found
        self.allowed = allowed

    def inside(self, prefix: str) -> FieldError:
        """The same error with the name of the enclosing object before the field's name."""
        return FieldError(prefix + self.name, self.found, self.allowed)
