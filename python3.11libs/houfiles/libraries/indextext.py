"""``INDEX__SECTION``: the records of an expanded library, as text.

Each line is a key with its colon, padded to 14 columns, and a value; each record ends with an
empty line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from houfiles.containers.indexdata import Record
from houfiles.errors import HouFileError, shown

_KEYS = (
    "Operator",
    "Label",
    "Path",
    "Icon",
    "Table",
    "License",
    "Extra",
    "User",
    "Inputs",
    "Outputs",
    "Subnet",
    "Python",
    "Empty",
    "Modified",
)
# By name, since strptime would read the months in the user's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})", re.ASCII
)
_INPUTS = re.compile(r"(\d{1,6}) to (\d{1,6})", re.ASCII)
_COLUMN = 14


def decode(text: str) -> tuple[Record, ...]:
    """The records, their times as UTC. Raises HouFileError."""
    if not text.endswith("\n\n"):
        raise HouFileError("its last record is cut off")
    return tuple(_record(one) for one in text[:-2].split("\n\n"))


def _record(text: str) -> Record:
    values: dict[str, str] = {}
    for line in text.split("\n"):
        key, colon, _rest = line.partition(":")
        if not colon or key not in _KEYS or key in values or len(line) < _COLUMN:
            raise HouFileError(f"this line is no entry of a record: '{shown(line)}'")
        values[key] = line[_COLUMN:]
    wanted = [key for key in _KEYS if key in values or key != "Outputs"]
    inputs = _INPUTS.fullmatch(values.get("Inputs", ""))
    outputs = values.get("Outputs", "1")
    if list(values) != wanted or inputs is None or not re.fullmatch(r"[0-9]{1,6}", outputs):
        raise HouFileError("a record does not have the entries it should")
    record = Record(
        name=values["Operator"],
        label=values["Label"],
        path=values["Path"],
        icon=values["Icon"],
        table=values["Table"],
        license=values["License"],
        extra=values["Extra"],
        user=values["User"],
        min_inputs=int(inputs[1]),
        max_inputs=int(inputs[2]),
        modified=_time(values["Modified"]),
        is_subnet=_flag(values["Subnet"]),
        is_python=_flag(values["Python"]),
        is_dummy=_flag(values["Empty"]),
        outputs=int(outputs),
        version=6 if values["User"] else 5 if "Outputs" in values else 4,
        order="outputs user" if values["User"] else "",
    )
    if _lines(record) != text.split("\n"):
        raise HouFileError("a record is not written as Houdini writes it")
    return record


def _time(text: str) -> int:
    found = _TIME.fullmatch(text)
    try:
        if found is None or found[1] not in _MONTHS:
            raise ValueError
        day, hour, minute, second, year = (int(one) for one in found.groups()[1:])
        month = _MONTHS.index(found[1]) + 1
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise HouFileError(f"'{shown(text)}' is not a time") from None
    return int(moment.timestamp())


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise HouFileError(f"'{shown(text)}' is neither true nor false")
    return text == "true"


def encode(records: Sequence[Record]) -> str:
    """The text of records. Author, copyright and index path have no place in it.

    Raises HouFileError for a text with a line end in it.
    """
    return "".join("\n".join([*_lines(one), "", ""]) for one in records)


def _lines(one: Record) -> list[str]:
    values = {
        "Operator": one.name,
        "Label": one.label,
        "Path": one.path,
        "Icon": one.icon,
        "Table": one.table,
        "License": one.license,
        "Extra": one.extra,
        "User": one.user,
        "Inputs": f"{one.min_inputs} to {one.max_inputs}",
        "Outputs": str(one.outputs),
        "Subnet": str(one.is_subnet).lower(),
        "Python": str(one.is_python).lower(),
        "Empty": str(one.is_dummy).lower(),
        "Modified": time.asctime(time.gmtime(one.modified)),
    }
    if one.outputs == 1:
        del values["Outputs"]
    if any("\n" in value for value in values.values()):
        raise HouFileError(f"the record of '{shown(one.name)}' has a line end in a value")
    return [f"{key + ':':<{_COLUMN}}{value}" for key, value in values.items()]
