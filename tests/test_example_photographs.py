"""The photographs that come with the project: a set to begin with, small enough for a clone."""

from __future__ import annotations

from pathlib import Path

import pytest

image = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra photographs")


def test_the_set_is_small_and_as_a_phone_leaves_it(root: Path) -> None:
    from diffrec.prepare import pictures

    files = sorted((root / "examples" / "photographs").iterdir())
    assert 24 <= len(files) <= 40 and {one.suffix for one in files} == {".jpg"}
    assert sum(one.stat().st_size for one in files) < 1_500_000
    for path in files:
        said = pictures.exif(path)
        assert said.lens == 26 and said.camera and said.orientation == 1
        with image.open(path) as picture:
            assert picture.size == (640, 480)
