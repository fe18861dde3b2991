"""Radiance panoramas of every kind, against a writer of the test's own."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.pictures import decoding, headers, radiance
from diffrec.pictures.decoding import UndecodedError
from nvdiffrec_contract.regularfiles import read_regular

ORDERS = [a + b for a in ("-Y", "+Y") for b in ("+X", "-X")]
ORDERS += [order[2:] + order[:2] for order in ORDERS]


def older(row: bytes) -> bytes:
    """Pixels in the older run lengths, counts above 255 in several steps."""
    out, at = b"", 0
    while at < len(row):
        pixel = row[at : at + 4]
        count = 1
        while row[at + 4 * count : at + 4 * count + 4] == pixel:
            count += 1
        at += 4 * count
        out += pixel
        count -= 1
        while count:
            out += bytes((1, 1, 1, count & 255))
            count >>= 8
    return out


def newer(row: bytes) -> bytes:
    """A row in the newer run lengths, runs and literal stretches in turn."""
    columns = len(row) // 4
    out = bytes((2, 2, columns >> 8, columns & 255))
    for channel in range(4):
        line, at = row[channel::4], 0
        while at < columns:
            count = 1
            while at + count < columns and count < 127 and line[at + count] == line[at]:
                count += 1
            out += bytes((128 + count, line[at])) if count > 2 else bytes((1, line[at]))
            at += count if count > 2 else 1
    return out


def stored(pixels: np.ndarray, order: str) -> np.ndarray:
    """The picture [H, W, 4] as its order of rows and columns stores it."""
    if "+Y" in order:
        pixels = pixels[::-1]
    if "-X" in order:
        pixels = pixels[:, ::-1]
    return pixels if order[1] == "Y" else pixels.transpose(1, 0, 2)


def written(
    pixels: np.ndarray, order: str = "-Y+X", code: str = "plain", kind: str = "32-bit_rle_rgbe"
) -> bytes:
    rows = stored(pixels, order)
    head = f"#?RADIANCE\n# of a test\n{f'FORMAT={kind}' if kind else 'GAMMA=1'}\nEXPOSURE=1\n\n"
    head += f"{order[:2]} {rows.shape[0]} {order[2:]} {rows.shape[1]}\n"
    encode = {"plain": bytes, "older": older, "newer": newer}[code]
    return head.encode() + b"".join(encode(row.tobytes()) for row in np.ascontiguousarray(rows))


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """Pixels with runs, whose largest mantissa is above 127 as a writer normalises it."""
    draw = random.Random(seed)
    some = [bytes((draw.randrange(128, 256), draw.randrange(256), 7, draw.randrange(120, 140)))]
    some += [bytes(4)]
    flat: list[bytes] = []
    while len(flat) < height * width:
        flat += [draw.choice(some)] * draw.choice((1, 2, 3, 40, 300))
        some[0] = bytes((draw.randrange(128, 256), *some[0][1:]))
    return np.frombuffer(b"".join(flat[: height * width]), np.uint8).reshape(height, width, 4)


def linear(pixels: np.ndarray) -> np.ndarray:
    scale = np.where(pixels[..., 3:] > 0, 2.0 ** (pixels[..., 3:].astype(float) - 136), 0)
    found: np.ndarray = pixels[..., :3] * scale
    return found


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(1, 9), st.integers(1, 700), st.integers(0, 1 << 30), st.sampled_from(ORDERS),
    st.sampled_from(["plain", "older", "newer"]), st.sampled_from(["32-bit_rle_rgbe", ""]),
)  # fmt: skip
def test_every_code_and_order(
    tmp_path: Path, height: int, width: int, seed: int, order: str, code: str, kind: str
) -> None:
    pixels = noise(height, width, seed)
    if code == "newer" and min(stored(pixels, order).shape[1:2]) < 8:
        code = "older"
    path = tmp_path / "a.hdr"
    path.write_bytes(written(pixels, order, code, kind))
    assert radiance.read(path).header.size == (height, width)
    np.testing.assert_allclose(decoding.read(path), linear(pixels), rtol=1e-6)


def test_xyz_colours(tmp_path: Path) -> None:
    """White is white, and each primary is its own."""
    path = tmp_path / "a.hdr"
    pixels = np.array([[(200, 200, 200, 128), (64, 60, 6, 128)]], np.uint8)
    path.write_bytes(written(pixels, kind="32-bit_rle_xyze"))
    found = decoding.read(path)
    np.testing.assert_allclose(found[0, 0], 200 / 256, rtol=1e-5)
    # 0.29, 0.6 and 0.11 is green's place; more of x than that brings red in, and no blue.
    green = np.array([0.29, 0.60, 0.11]) * 256
    path.write_bytes(written(np.array([[(*green.round(), 128)]], np.uint8), kind="32-bit_rle_xyze"))
    red, greenest, blue = decoding.read(path)[0, 0]
    assert greenest > 20 * max(red, blue)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 1 << 30), st.floats(0, 1), st.binary(max_size=6), st.booleans())
def test_damaged_panoramas_are_refused_in_a_sentence(
    tmp_path: Path, seed: int, place: float, put: bytes, cut: bool
) -> None:
    code = random.Random(seed).choice(["plain", "older", "newer"])
    data = bytearray(written(noise(4, 40, seed), code=code))
    at = int(place * len(data))
    data[at : at + len(put)] = put
    path = tmp_path / "a.hdr"
    path.write_bytes(data[:at] if cut else data)
    try:
        assert decoding.read(path).size
    except UndecodedError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"#?RADIANCE\nFORMAT=float\n\n-Y 1 +X 1\n0000", "its FORMAT is float"),
        (b"#?RADIANCE\n\n-Y 99999 +X 99999\n", "99999 x 99999 pixels"),
        (b"#?RADIANCE\n\n-Y 0 +X 4\n", "4 x 0 pixels"),
        (b"#?RADIANCE\n\n-Y 2 +Y 4\n", "one axis twice"),
        (b"#?RADIANCE\n\nnothing\n", "no resolution"),
        (b"#?RADIANCE\n\n-Y 1 +X 2\n\x01\x01\x01\x05", "repeats one before it"),
        (b"v/1\x01" + bytes(60), "OpenEXR"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"8BPS" + bytes(30), "Photoshop"),
    ],
)
def test_what_is_none_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.hdr").write_bytes(data)
    with pytest.raises(UndecodedError, match=said):
        decoding.read(tmp_path / "a.hdr")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_headers_tell_the_size_that_is_decoded(tmp_path: Path, suffix: str, channels: int) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwrite(str(path), np.full((12, 34, channels), 90, np.uint8))
    look = headers.look(path)
    assert look.size == (12, 34)
    assert decoding.read(path).shape[:2] == (12, 34)
    if suffix in ("png", "tiff", "webp"):
        assert look.alpha == (channels == 4)


def test_a_picture_that_would_fill_the_memory_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(decoding, "_decoded", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    for suffix in ("png", "jpg", "bmp", "tiff", "webp"):
        path = tmp_path / f"a.{suffix}"
        assert cv2.imwrite(str(path), np.zeros((12, 34, 3), np.uint8))
        with pytest.raises(UndecodedError, match="34 x 12 pixels"):
            decoding.read(path)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder"):
        read_regular(tmp_path, 10)
    (tmp_path / "a").write_bytes(b"12345")
    assert read_regular(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(tmp_path / "a", 4)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path(os.devnull), Path("/dev/zero")):
            with pytest.raises(OSError, match="pipe or a device"):
                read_regular(path, 10)
            with pytest.raises(UndecodedError, match="pipe or a device"):
                decoding.read(path)
            assert headers.look(path).size is None
