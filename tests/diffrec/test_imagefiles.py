"""Pictures on disk: round trips, and one clear error for whatever is no picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec import imagefiles
from diffrec.colour import srgb_to_linear
from diffrec.errors import DiffrecError
from diffrec.imagefiles import ImageError, read_hdr, read_linear, read_srgb, write_hdr, write_png

FILES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [3, 4])
def test_png_round_trip_within_half_a_level(tmp_path: Path, channels: int) -> None:
    path, image = tmp_path / "ü picture.png", random(5, 7, channels)
    write_png(path, image)
    found = read_linear(path)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, image, rtol=0, atol=0.5 / 255 + 1e-6)
    write_png(path, found)
    assert torch.equal(read_linear(path), found)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_channels_are_red_green_blue_and_row_0_is_on_top(tmp_path: Path) -> None:
    path, image = tmp_path / "a.png", torch.zeros(2, 2, 3)
    image[0, 0, 0] = 1
    image[1, 0, 2] = 1
    write_png(path, image)
    assert torch.equal(read_linear(path), image)
    stored = cv2.imread(str(path))  # blue, green, red
    assert stored[0, 0].tolist() == [0, 0, 255]
    assert stored[1, 0].tolist() == [255, 0, 0]


def test_srgb_is_made_linear_but_alpha_is_not(tmp_path: Path) -> None:
    path, image = tmp_path / "a.png", torch.full((2, 2, 4), 128 / 255)
    write_png(path, image)
    found = read_srgb(path)
    torch.testing.assert_close(found[..., :3], srgb_to_linear(image[..., :3]))
    torch.testing.assert_close(found[..., 3], image[..., 3])


def test_grey_and_16_bit_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    grey = np.array([[0, 65535], [32768, 1]], dtype=np.uint16)
    cv2.imwrite(str(path), grey)
    found = read_linear(path)
    assert found.shape == (2, 2, 3)
    expected = torch.from_numpy(grey.astype(np.float32) / 65535)
    for channel in range(3):
        torch.testing.assert_close(found[..., channel], expected)


def test_values_beyond_the_range_are_clamped(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", torch.tensor([[[-3.0, 0.5, 9.0]]]))
    assert read_linear(tmp_path / "a.png")[0, 0].tolist() == [0.0, pytest.approx(128 / 255), 1.0]


def test_hdr_round_trip_within_the_shared_exponent(tmp_path: Path) -> None:
    path = tmp_path / "light.hdr"
    image = random(16, 32, 3) * torch.logspace(-2, 4, 32)[None, :, None]
    write_hdr(path, image)
    error = (read_hdr(path) - image).abs() / image.amax(-1, keepdim=True)
    assert float(error.max()) < 1 / 128
    write_hdr(path, torch.tensor([[[-1.0, 1e9, 0.0]]]).expand(8, 8, 3))
    found = read_hdr(path)
    assert float(found.min()) == 0
    assert float(found.max()) == pytest.approx(imagefiles.BRIGHTEST, rel=1 / 128)


def test_a_picture_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", random(4, 4, 3))
    write_hdr(tmp_path / "a.hdr", random(8, 8, 3))
    with pytest.raises(ImageError, match=r"a\.png is not a high dynamic range"):
        read_hdr(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.hdr holds float32"):
        read_linear(tmp_path / "a.hdr")
    with pytest.raises(ImageError, match=r"a\.hdr"):
        read_srgb(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["missing.png", "", "nul\0byte.png", "no/such/folder.png"])
def test_what_cannot_be_opened_is_one_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="cannot read the picture"):
        read_linear(tmp_path / name)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot write"):
        write_png(tmp_path / "missing" / "a.png", random(4, 4, 3))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match="cannot write"):
        write_png(tmp_path / "folder.png", random(4, 4, 3))
    with pytest.raises(ImageError, match="unknown"):
        write_png(tmp_path / "a.unknown", random(4, 4, 3))
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(1 << 20, 1 << 20), (2**31 - 1, 1), (0, 5), (9000, 9000)])
def test_a_header_that_claims_too_much_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(png(*size, zlib.compress(b"\0" * 1000)))
    with pytest.raises(ImageError, match=r"bomb\.png"):
        read_linear(tmp_path / "bomb.png")


def samples() -> list[bytes]:
    pixels = (random(40, 60, 3).numpy() * 255).astype(np.uint8)
    encoded = [cv2.imencode(kind, pixels)[1].tobytes() for kind in (".png", ".jpg", ".tiff")]
    light = cv2.imencode(".hdr", random(30, 40, 3).numpy())[1].tobytes()
    return [*encoded, light]


SAMPLES = samples()


def read_any(path: Path) -> None:
    """Either a sound picture or the one error; nothing else escapes."""
    for read in (read_linear, read_srgb, read_hdr):
        try:
            image = read(path)
        except DiffrecError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:
            assert image.ndim == 3
            assert image.shape[2] in (3, 4)
            assert image.isfinite().all()


@given(st.integers(0, len(SAMPLES) - 1), st.floats(0, 1, exclude_max=True))
@FILES
def test_a_cut_file_is_never_taken_for_a_picture(tmp_path: Path, kind: int, share: float) -> None:
    data = SAMPLES[kind]
    path = tmp_path / "cut.png"
    path.write_bytes(data[: int(len(data) * share)])
    for read in (read_linear, read_srgb, read_hdr):
        with pytest.raises(ImageError, match=r"cut\.png is no picture that can be read"):
            read(path)


@given(
    st.integers(0, len(SAMPLES) - 1),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
)
@FILES
def test_damaged_files(tmp_path: Path, kind: int, changes: list[tuple[float, int]]) -> None:
    data = bytearray(SAMPLES[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    (tmp_path / "damaged.png").write_bytes(bytes(data))
    read_any(tmp_path / "damaged.png")


@given(st.binary(max_size=200))
@FILES
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "any.png").write_bytes(data)
    read_any(tmp_path / "any.png")


def test_a_writer_tells_what_it_could_not_write(tmp_path: Path) -> None:
    image = torch.rand(4, 4, 3)
    with imagefiles.PictureWriter() as writer:
        for number in range(5):
            writer.write_png(tmp_path / f"{number}.png", image)
    assert len(list(tmp_path.glob("*.png"))) == 5
    with (
        pytest.raises(imagefiles.ImageError, match="missing"),
        imagefiles.PictureWriter() as writer,
    ):
        writer.write_png(tmp_path / "missing" / "a.png", image)


def test_a_writer_may_be_shared(tmp_path: Path) -> None:
    """What is written there is there when its owner leaves it, and errors come up there."""
    image = torch.rand(8, 8, 3)
    with imagefiles.PictureWriter(threads=1) as writer:
        with imagefiles.own_or(writer) as same, imagefiles.own_or(None) as other:
            assert same is writer and other is not writer
            same.write_hdr(tmp_path / "a.hdr", image)
            kept = image.clone()
            image.zero_()
            other.write_png(tmp_path / "b.png", image)
        assert (tmp_path / "b.png").is_file()
        writer.do((tmp_path / "c.txt").touch)
    assert torch.allclose(read_hdr(tmp_path / "a.hdr"), kept, rtol=0.01, atol=0.01)
    assert (tmp_path / "c.txt").is_file()
    with pytest.raises(FileNotFoundError), imagefiles.PictureWriter() as writer:
        writer.do((tmp_path / "no folder" / "d.txt").touch)


def test_openexr_is_linear_as_it_is(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    numbers = np.random.default_rng(5).random((3, 4, 3), np.float32) * 1.25
    exr.File(header, {"RGB": numbers}).write(str(tmp_path / "rgb.exr"))
    exr.File(header, {"Y": numbers[..., 0].copy()}).write(str(tmp_path / "y.exr"))
    for read in (read_linear, read_srgb):
        np.testing.assert_array_equal(read(tmp_path / "rgb.exr"), numbers.clip(0, 1))
        np.testing.assert_array_equal(read(tmp_path / "y.exr"), numbers[..., [0, 0, 0]].clip(0, 1))
    np.testing.assert_array_equal(read_hdr(tmp_path / "rgb.exr"), numbers)
    numbers[1, 2, 0] = np.nan
    exr.File(header, {"RGB": numbers}).write(str(tmp_path / "nan.exr"))
    with pytest.raises(ImageError, match="numbers that are none"):
        read_linear(tmp_path / "nan.exr")
