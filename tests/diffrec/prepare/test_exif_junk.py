"""Whatever stands in a photograph's EXIF: the photograph is read, and what it says is sensible."""

from __future__ import annotations

import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import pictures
from diffrec.prepare.errors import SourceError

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

PLAIN = np.full((24, 32, 3), 90, np.uint8)
KINDS = [*range(14), 255]
"""TIFF's types of values, and some that are none."""
TAGS = [0x0112, 0x010F, 0x0110, 0x8769, 0x8825, 0x920A, 0xA405, 0xA002, 0x0132, 0x9003, 0xA005]
GPS = list(range(32))
extreme = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1])
words = st.one_of(extreme, st.integers(0, 2**32 - 1))


@st.composite
def entries(draw: st.DrawFn, tags: list[int]) -> bytes:
    """One field: its tag, type, count, and its value or where that lies."""
    tag = draw(st.sampled_from(tags) | st.integers(0, 0xFFFF))
    kind = draw(st.sampled_from(KINDS))
    return struct.pack("<HHII", tag, kind, draw(st.integers(0, 4) | words), draw(words))


@st.composite
def directories(draw: st.DrawFn) -> bytes:
    """A TIFF with its main directory, one of EXIF and one of GPS, whose rationals are anything.

    Offsets lead anywhere: out of the file, into each other, and around in circles.
    """
    count = draw(st.integers(0, 6))
    rationals = struct.pack("<12I", *(draw(words) for _ in range(12)))
    own = [draw(entries(TAGS)) for _ in range(count)]
    start = 8
    main_size = 2 + 12 * (count + 4) + 4
    exif_at = start + main_size
    exif = [
        struct.pack("<HHII", 0x920A, draw(st.sampled_from([5, 10])), 1, 8 + main_size + 200),
        struct.pack("<HHII", 0xA405, draw(st.sampled_from([3, 4, 9, 12])), 1, draw(words)),
        *[draw(entries(TAGS)) for _ in range(2)],
    ]
    gps_at = exif_at + 2 + 12 * len(exif) + 4
    gps = [
        struct.pack("<HHII", draw(st.sampled_from(GPS)), draw(st.sampled_from([5, 10, 2, 7])),
                    draw(st.integers(0, 4)), 8 + main_size + 200)
        for _ in range(3)
    ]  # fmt: skip
    fixed = [
        struct.pack(
            "<HHII", 0x0112, draw(st.sampled_from([1, 3, 4, 5, 7, 10, 11])), 1, draw(words)
        ),
        struct.pack("<HHII", 0x8769, 4, 1, draw(st.sampled_from([exif_at, start, gps_at, 2**31]))),
        struct.pack("<HHII", 0x8825, 4, 1, draw(st.sampled_from([gps_at, start, exif_at, 2**31]))),
        struct.pack("<HHII", 0x010F, draw(st.sampled_from([2, 7, 5])), draw(words), draw(words)),
    ]
    following = draw(st.sampled_from([0, start, exif_at]))
    data = b"II*\0" + struct.pack("<I", start)
    data += struct.pack("<H", count + 4) + b"".join([*own, *fixed]) + struct.pack("<I", following)
    data += struct.pack("<H", len(exif)) + b"".join(exif) + struct.pack("<I", 0)
    data += struct.pack("<H", len(gps)) + b"".join(gps) + struct.pack("<I", 0)
    data += bytes(max(0, 8 + main_size + 200 - len(data))) + rationals
    return data


def with_exif(ending: str, exif: bytes) -> bytes:
    """The plain picture as a file with these bytes for its EXIF."""
    data = cv2.imencode(ending, PLAIN)[1].tobytes()
    if ending == ".jpg":
        block = (b"Exif\0\0" + exif)[:65533]
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    chunk = b"eXIf" + exif
    return (
        data[:33]
        + struct.pack(">I", len(exif))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + data[33:]
    )


junk = st.one_of(
    st.binary(max_size=300), directories(), directories().map(lambda data: data[: len(data) // 2])
)
flipped = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(exif=junk, ending=st.sampled_from([".jpg", ".png"]), flips=flipped)
def test_no_exif_keeps_a_photograph_from_being_read(
    tmp_path_factory: pytest.TempPathFactory,
    exif: bytes,
    ending: str,
    flips: list[tuple[int, int]],
) -> None:
    changed = bytearray(exif)
    for at, by in flips:
        if at < len(changed):
            changed[at] ^= by
    path = tmp_path_factory.getbasetemp() / f"junk{ending}"
    path.write_bytes(with_exif(ending, bytes(changed)))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pixels, said = pictures.read(path)
    assert not told, "no reader's own warning reaches the artist"
    assert sorted(pixels.shape[:2]) == [24, 32]
    check(said)


def check(said: pictures.Exif) -> None:
    assert said.orientation in range(1, 9) and isinstance(said.orientation, int)
    assert said.camera.isprintable() and len(said.camera) <= 80
    for length in (said.lens, said.millimetres):
        assert length is None or 1 <= length <= 5000
    focal = said.focal(400, 300)
    assert focal is None or 0 < focal < 1e6


@settings(max_examples=60, deadline=None)
@given(data=directories())
def test_a_tiff_of_junk_is_refused_by_name_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Its directory is its EXIF, and says where its pixels are."""
    path = tmp_path_factory.getbasetemp() / "junk.tif"
    path.write_bytes(data)
    try:
        with warnings.catch_warnings(action="error"):
            _pixels, said = pictures.read(path)
    except SourceError as error:
        assert "junk.tif" in str(error)
    else:
        check(said)
