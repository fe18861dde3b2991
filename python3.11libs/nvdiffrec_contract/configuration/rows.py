"""One row of the table of fields, and what a table of them does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nvdiffrec_contract.checks import Check, Refused
from nvdiffrec_contract.errors import FieldError


@dataclass(frozen=True)
class Row:
    """One field of the table.

    Attributes:
        name: as configurations write it.
        default: its value where nothing is said.
        check: what it may hold.
        help: one line on what it does.
        flags: the trainer's command-line flags for it.
        path: whether it names a file or folder.
    """

    name: str
    default: Any
    check: Check
    help: str
    flags: tuple[str, ...] = ()
    path: bool = False


def row(default: Any, check: Check, help: str, *flags: str, path: bool = False) -> Any:
    """A field of a table's dataclass."""
    return dataclasses.field(
        default=default, metadata={"check": check, "help": help, "flags": flags, "path": path}
    )


def rows(table: type) -> dict[str, Row]:
    """The rows of a table's dataclass, by name."""
    return {
        item.name: Row(
            item.name,
            item.default,
            item.metadata["check"],
            item.metadata["help"],
            item.metadata["flags"],
            item.metadata["path"],
        )
        for item in dataclasses.fields(table)
        if "check" in item.metadata
    }


def normalise(instance: Any, table: Mapping[str, Row]) -> None:
    """Check every value of a table's instance and put it into its one form.

    Raises:
        FieldError: a value has the wrong type or lies outside its range.
    """
    for name, one in table.items():
        try:
            object.__setattr__(instance, name, one.check(getattr(instance, name)))
        except Refused as refusal:
            raise FieldError(name, refusal.found, refusal.allowed) from None
