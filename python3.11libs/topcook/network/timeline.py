"""The time line of a scene: its frames, and the ``$`` variables that tell them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from houfiles import Scene
from topcook.parameters.functions import number_text

_NUMBER = r"(-?[\d.]+(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True)
class Timeline:
    """Frames a second, the current frame, the scene's range and the playbar's, in frames."""

    rate: float = 24.0
    current: float = 1.0
    start: float = 1.0
    end: float = 240.0
    play_start: float = 1.0
    play_end: float = 240.0

    def variables(self) -> dict[str, str]:
        """``$FSTART`` and its siblings."""
        numbers = {
            "FPS": self.rate,
            "FSTART": self.start,
            "FEND": self.end,
            "NFRAMES": self.end - self.start + 1,
            "RFSTART": self.play_start,
            "RFEND": self.play_end,
        }
        return {name: number_text(value) for name, value in numbers.items()}


def read(scene: Scene) -> Timeline:
    """What the scene's start script says: ``tset`` gives the range in seconds, from the start of
    the first frame to the end of the last; ``frange`` gives the playbar's in frames.
    """
    text = scene.members.get(".start", b"").decode("utf-8", "replace")
    plain = Timeline()
    (rate,) = _numbers(text, "fps", 1) or (plain.rate,)
    if rate <= 0:
        rate = plain.rate
    (second,) = _numbers(text, "tcur", 1) or (0.0,)
    begin, finish = _numbers(text, "tset", 2) or (0.0, plain.end / rate)
    start, end = _frames(begin * rate + 1), _frames(finish * rate)
    first, last = _numbers(text, "frange", 2) or (start, end)
    return Timeline(rate, _frames(second * rate + 1), start, end, first, last)


def _frames(value: float) -> float:
    """A frame; seconds are saved with rounding errors."""
    return round(value, 6)


def _numbers(text: str, command: str, count: int) -> tuple[float, ...] | None:
    found = re.search(rf"^{command}{(r'[ ]+' + _NUMBER) * count}[ ]*$", text, re.MULTILINE)
    try:
        numbers = tuple(float(one) for one in found.groups()) if found else ()
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None
