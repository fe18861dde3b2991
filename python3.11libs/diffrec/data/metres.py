"""How long a unit of a data set is in metres, where its preparation knew a length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nvdiffrec_contract import jsonfiles

PLACEMENT = "placement.json"
"""The file in a data set that a preparation leaves."""
FORMAT = "tops-nvdiffrec-placement"
METRES = "metres_per_unit"
"""Its field: null where no length was named."""


def of_data_set(folder: Path, log: Callable[[str], None]) -> float | None:
    """Metres in a unit of the data set in a folder; None where nothing says so.

    A damaged file is told of in the log: it says nothing that a training needs.
    """
    path = folder / PLACEMENT
    if not path.is_file():
        return None
    try:
        document = jsonfiles.read_object(path)
        if document.get("format") != FORMAT or document.get(METRES) is None:
            return None
        return checked(document[METRES])
    except (jsonfiles.JsonError, OSError, ValueError) as error:
        log(
            f"Data: {path} does not say how large the object is ({error}); the asset has no size "
            "in metres (prepare the data set again)"
        )
        return None


def checked(value: object) -> float:
    """The same as metres in a unit.

    Raises:
        ValueError: it is no length.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f'"{METRES}" is no number')
    if not 1e-9 < value < 1e9:
        raise ValueError(f'"{METRES}" is no length')
    return float(value)
