"""Why photographs are left out, as it is told, and what to do where too few are left."""

from __future__ import annotations

from collections.abc import Sequence

from diffrec.prepare.errors import ANOTHER_CAPTURE

SMALLEST = 64
"""Pixels along the shorter side of a photograph that is of use."""
SAME, IS_BLURRED, UNREADABLE = "the same file as another", "blurred", "that cannot be read"
AGAIN = "the same picture as another, in another file"
IS_SMALL = f"smaller than {SMALLEST} pixels"
DOUBLE = "there as JPEG or the like under the same name"
ABOUT_A_PHOTOGRAPH = (SAME, AGAIN, IS_BLURRED, IS_SMALL, DOUBLE)
"""Reasons to leave out a photograph; others are those of its file."""
CURES = {
    SAME: "name the folder that holds all photographs, each once; 40 to 100 from all around the "
    "object are good",
    AGAIN: "photograph from all around, 40 to 100 pictures; of each one file is enough",
    IS_SMALL: "use the photographs as the camera stored them, not their small previews",
    UNREADABLE: "copy the photographs from the camera again, then start again",
}


ABOVE = "above the limit of "


def above(most: int) -> str:
    """The reason for those above the number that is used."""
    return f"{ABOVE}{most} photographs (--most)"


def reasons(dropped: Sequence[tuple[str, str]]) -> str:
    """How many were left out for each reason, and the first one's name."""
    names: dict[str, list[str]] = {}
    for name, reason in dropped:
        names.setdefault(_kind(reason), []).append(name)
    return "; ".join(
        f"{len(those)} {kind}" + ("" if kind.startswith(ABOVE) else f", first {those[0]}")
        for kind, those in names.items()
    )


def _kind(reason: str) -> str:
    known = reason in ABOUT_A_PHOTOGRAPH or reason.startswith(ABOVE)
    return reason if known else UNREADABLE


def instead(dropped: Sequence[tuple[str, str]]) -> str:
    """What to do where too few are left: by the reason of most that were left out."""
    kinds = [_kind(reason) for _name, reason in dropped if not reason.startswith(ABOVE)]
    most = max(kinds, key=kinds.count, default="")
    return CURES.get(most, ANOTHER_CAPTURE)
