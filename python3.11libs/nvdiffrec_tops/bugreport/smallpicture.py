"""``smallpicture.py SOURCE TARGET``: makes a picture small, by what the training environment has.

The target is a JPEG file that holds pixels and nothing else: no place, no time, no name.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

LONGEST = 1280
QUALITY = 85


def main(source: str, target: str) -> int:
    """Read, reduce and write; 0 where that could be done."""
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        image: Any = importlib.import_module("PIL.Image")
        picture = image.open(source).convert("RGB")
        picture.thumbnail((LONGEST, LONGEST))
        picture.save(target, quality=QUALITY)
        return 0
    pixels = cv2.imread(source, cv2.IMREAD_COLOR)
    if pixels is None:
        return 1
    scale = min(1.0, LONGEST / max(pixels.shape[:2]))
    size = [max(1, round(edge * scale)) for edge in (pixels.shape[1], pixels.shape[0])]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return 0 if cv2.imwrite(target, small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
