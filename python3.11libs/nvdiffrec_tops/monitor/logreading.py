"""What a job's log says: its last lines, its warnings with their cures, how far it is."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass

from nvdiffrec_contract.files import inside
from nvdiffrec_tops.job.report.progress import Progress, ProgressParser

HEAD_BYTES, TAIL_BYTES = 128 << 10, 256 << 10
"""Of a log only its two ends are read, however long it is."""
LONGEST = 600  # characters of a line
MOST_LINES, MOST_WARNINGS = 200, 100

_WARNING = re.compile(r"(?:Job: )?(?:warning|note): (.+)", re.IGNORECASE)
_FAILED = re.compile(r"Job: failed: (.+)")
_CURE = "Cure: "
_DATA = re.compile(r"Data: (.{1,500}?) \(([^()]{1,400})\)$")


@dataclass(frozen=True)
class Warned:
    """Something that an artist should know, and what to do about it where that is said."""

    text: str
    cure: str = ""


@dataclass(frozen=True)
class Log:
    """Both ends of a log: ``head`` and ``tail`` are whole lines; ``size`` is that of the file."""

    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    size: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """Every line that was read."""
        return (*self.head, *self.tail)


def read(folder: str, name: str, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> Log:
    """Both ends of a log file below ``folder``; empty where there is none."""
    try:
        with inside(folder, name) as place, open(place.open(os.O_RDONLY), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size <= head + tail:
                return Log(tail=_lines(stream.read(head + tail)), size=size)
            first = stream.read(head)
            stream.seek(size - tail)
            last = stream.read(tail)
    except (OSError, ValueError):
        return Log()
    # The lines that were cut through are left out.
    return Log(_lines(first.rpartition(b"\n")[0]), _lines(last.partition(b"\n")[2]), size)


def _lines(data: bytes) -> tuple[str, ...]:
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    # A bar of progress writes over itself: what is seen in the end is its last state.
    shown = (line.rstrip("\r").rpartition("\r")[2][:LONGEST] for line in text.split("\n"))
    return tuple(line for line in shown if line.strip())


def warnings(log: Log) -> list[Warned]:
    """Warnings, notes and the failure, each once, in their order."""
    found: dict[str, Warned] = {}
    last = ""
    for line in log.lines:
        if line.startswith(_CURE) and last:
            found[last] = Warned(last, line[len(_CURE) :])
            continue
        data = _DATA.match(line)
        said = _FAILED.match(line) or _WARNING.match(line)
        last = ""
        if data:
            found.setdefault(data[1], Warned(data[1], data[2]))
        elif said:
            last = said[1]
            found.setdefault(last, Warned(last))
    return list(found.values())[-MOST_WARNINGS:]


def progress(log: Log, pass_number: int | None, started: Progress | None = None) -> Progress:
    """How far the training is whose log this is.

    Args:
        log: its two ends.
        pass_number: in which pass it is, from its table; a tail alone does not tell.
        started: what is known of its iterations and passes beforehand.
    """
    parser = ProgressParser()
    if started is not None:
        parser.progress = started
    for line in log.head:
        parser.feed(line)
    if log.head and pass_number is not None and pass_number > parser.progress.pass_number:
        parser.progress = dataclasses.replace(parser.progress, pass_number=pass_number, iteration=0)
    for line in log.tail:
        parser.feed(line)
    return parser.progress
