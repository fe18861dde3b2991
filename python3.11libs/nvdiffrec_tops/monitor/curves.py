"""The table of a training's figures, ``metrics.csv``, as columns for curves."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

from nvdiffrec_contract.files import inside

MOST_BYTES = 32 << 20
MOST_POINTS = 1000
"""Points of a curve; of a longer table every so manieth row is shown, and its last ones."""


@dataclass(frozen=True)
class Table:
    """Columns by name, all of one length; None stands for what is not a finite number."""

    columns: dict[str, list[float | None]] = field(default_factory=dict)

    def last(self, name: str) -> float | None:
        """The newest figure of a column."""
        return next((one for one in reversed(self.columns.get(name, [])) if one is not None), None)


def read(folder: str, name: str) -> Table:
    """The table in a file below ``folder``; empty where there is none. A row that is cut off or has
    other columns is left out."""
    try:
        with inside(folder, name) as place, open(place.open(os.O_RDONLY), "rb") as stream:
            lines = stream.read(MOST_BYTES).decode("ascii", "replace").split("\n")
    except (OSError, ValueError):
        return Table()
    names = [one.strip()[:40] for one in lines[0].split(",")][:40]
    rows = [cells for line in lines[1:-1] if len(cells := line.split(",")) == len(names)]
    kept = _thinned([[_number(cell) for cell in cells] for cells in rows], names)
    return Table({name: [row[place] for row in kept] for place, name in enumerate(names)})


def _thinned(rows: list[list[float | None]], names: list[str]) -> list[list[float | None]]:
    """Evenly chosen rows. Those with figures that few rows have stay."""
    step = math.ceil(len(rows) / MOST_POINTS) if rows else 1
    if step == 1:
        return rows
    counts = [sum(row[place] is not None for row in rows) for place in range(len(names))]
    rare = [place for place, count in enumerate(counts) if 0 < count <= MOST_POINTS // 4]
    return [
        row
        for number, row in enumerate(rows)
        if number % step == 0
        or number >= len(rows) - 2
        or any(row[place] is not None for place in rare)
    ]


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
