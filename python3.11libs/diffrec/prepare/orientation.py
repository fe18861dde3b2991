"""Photographs that stand turned against the others: by an EXIF tag that lies, or one that was lost.

Which way is up is what most cameras say of it together, see ``diffrec.data.upright``. Those that
contradict have no say, and are named: their cameras are right whichever way they were held.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from diffrec.data import upright
from diffrec.prepare import pictures
from diffrec.prepare.frames import Frame
from diffrec.prepare.solved import Array, Camera, Solved, above_of, right_of, up_of
from nvdiffrec_contract.wording import counted

TURNS = {1: "by a quarter clockwise", 2: "upside down", -1: "by a quarter counterclockwise"}
MOST_NAMED = 20
SURELY = 2 / 3
"""Part of the photographs that have to agree before what they say of up is sure."""


def noted(solved: Solved, frames: Sequence[Frame]) -> tuple[Solved, str]:
    """The solved cameras with a note for each photograph that stands turned, and what is told of
    them; '' where none does.

    Where the cameras' project says what is up by itself nothing is looked for.
    """
    if solved.up is not None:
        return solved, ""
    found = turned_against(solved.cameras, up_of(solved.cameras))
    if not found:
        return solved, ""
    of = {one.name: one for one in frames}
    notes = [f"{name} stands {TURNS[one]}{_by_tag(of.get(name))}" for name, one in found.items()]
    sentence = about(found, len(solved.cameras))
    listed = notes[:MOST_NAMED]
    if len(notes) > MOST_NAMED:
        listed.append(f"{len(notes) - MOST_NAMED} more, see report/report.txt")
    with_notes = dataclasses.replace(solved, notes=(*solved.notes, sentence, *notes))
    return with_notes, f"{sentence}: {'; '.join(listed)}"


def turned_against(cameras: Mapping[str, Camera], up: Array) -> dict[str, int]:
    """Quarter turns clockwise of the photographs that do not stand upright, by their names."""
    quarters = upright.turned_by(right_of(cameras), above_of(cameras), up)
    return {name: int(one) for name, one in zip(cameras, quarters, strict=True) if one}


def about(found: Mapping[str, int], count: int) -> str:
    """A sentence on the photographs that stand turned, of so many in all."""
    rest = count - len(found)
    told = (
        f"{counted(len(found), 'photograph')} of {count} stand turned against the others (a wrong "
        f"or lost EXIF orientation); up is what the other {rest} say"
    )
    if rest >= SURELY * count:
        return told
    return (
        f"{told}, which are too few to be sure: if the object does not stand upright, correct the "
        "orientation of the photographs"
    )


def _by_tag(frame: Frame | None) -> str:
    """What a photograph's own tag says, where it has one."""
    if frame is None or not Path(frame.source).is_file():
        return ""
    said = pictures.exif(Path(frame.source)).orientation
    return f", by its EXIF orientation {said}" if said != 1 else ""
