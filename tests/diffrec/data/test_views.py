"""Batches of views, subsets, and the order of training."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffrec import cameras
from diffrec.data.photographs import SRGB_TO_LINEAR, read_photograph
from diffrec.data.views import ImageViews, View, shuffled_indices
from diffrec.errors import DataError
from diffrec.pictures.headers import in_folder


def _view(index: int, size: tuple[int, int] = (4, 6)) -> View:
    picture = torch.full((*size, 4), index / 16)
    projection = cameras.perspective(1.0, size[1] / size[0], 0.1, 10)
    return View(f"{index}", cameras.turntable_pose(index, 16), projection, lambda: picture)


@pytest.mark.parametrize("pre_load", [True, False])
def test_a_batch_has_the_order_that_was_asked_for(pre_load: bool) -> None:
    views = ImageViews([_view(i) for i in range(5)], "cpu", pre_load=pre_load)
    batch = views.batch([4, 0, 4])
    assert batch.image is not None
    assert batch.image.dtype == torch.float32
    assert (batch.image[:, 0, 0, 0] * 16).tolist() == [4, 0, 4]
    assert torch.equal(batch.camera_from_world[0], cameras.turntable_pose(4, 16))
    projection = cameras.perspective(1.0, 1.5, 0.1, 10)
    assert torch.allclose(batch.clip_from_world, projection @ batch.camera_from_world)
    assert torch.allclose(batch.camera_position.norm(dim=1), torch.tensor(3.0))
    part = views.subset([3, 1])
    assert part.names == ["3", "1"]
    image = part.batch([0]).image
    assert image is not None
    assert (image * 16 == 3).all()


def test_views_must_agree_in_size() -> None:
    views = [_view(0), _view(1, (8, 12))]
    with pytest.raises(DataError, match="1 is 12 x 8 pixels, 0 is 6 x 4"):
        ImageViews(views, "cpu", pre_load=True)
    lazy = ImageViews(views, "cpu", pre_load=False)
    with pytest.raises(DataError, match="photo_res"):
        lazy.batch([1])
    with pytest.raises(DataError, match="no views"):
        ImageViews([], "cpu", pre_load=True)


@given(length=st.integers(1, 40), batch=st.integers(1, 12), seed=st.integers(0, 1000))
def test_every_view_once_per_epoch(length: int, batch: int, seed: int) -> None:
    def order() -> list[int]:
        batches = shuffled_indices(length, batch, torch.Generator().manual_seed(seed))
        drawn = list(islice(batches, 3 * length // batch + 1))
        assert {len(b) for b in drawn} == {batch}
        return [i for b in drawn for i in b]

    first = order()
    assert first == order()
    for epoch in range(len(first) // length):
        assert sorted(first[epoch * length : (epoch + 1) * length]) == list(range(length))


def test_the_epochs_differ() -> None:
    batches = shuffled_indices(20, 20, torch.Generator().manual_seed(0))
    assert next(batches) != next(batches)


def test_srgb_table() -> None:
    assert SRGB_TO_LINEAR[0] == 0
    assert SRGB_TO_LINEAR[255] == 1
    assert SRGB_TO_LINEAR[128] == pytest.approx(0.21586, abs=1e-5)
    assert SRGB_TO_LINEAR[5] == pytest.approx(5 / 255 / 12.92)


def test_photographs_of_every_kind(tmp_path: Path) -> None:
    grey = np.full((4, 6), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    read = read_photograph(tmp_path / "grey.png", None, None)
    assert torch.allclose(read[..., :3], torch.tensor(0.21586), atol=1e-4)
    assert (read[..., 3] == 1).all()
    deep = np.full((4, 6, 3), 32896, np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert torch.allclose(read_photograph(tmp_path / "deep.png", None, None), read, atol=1e-5)
    mask = np.zeros((4, 6, 4), np.uint8)
    mask[:2, :, 3] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    masked = read_photograph(tmp_path / "deep.png", tmp_path / "mask.png", (2, 3))
    assert masked.shape == (2, 3, 4)
    assert masked[:, :, 3].tolist() == [[1.0] * 3, [0.0] * 3], "coverage from the alpha channel"
    cv2.imwrite(str(tmp_path / "other.png"), np.zeros((5, 6), np.uint8))
    with pytest.raises(DataError, match="must match its photograph"):
        read_photograph(tmp_path / "grey.png", tmp_path / "other.png", None)
    assert [p.name for p in in_folder(tmp_path)] == sorted(p.name for p in tmp_path.iterdir())


def test_a_colour_profile_in_a_png_is_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, data = cv2.imencode(".png", np.full((4, 6), 200, np.uint8))
    assert good
    plain = data.tobytes()
    # A profile that libpng complains about: for colour, on a grey picture, with a bad checksum.
    chunk = b"\x00\x00\x00\x08iCCPICC\x00\x00abc\x00\x00\x00\x00"
    (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
    (tmp_path / "b.png").write_bytes(plain)
    profile = read_photograph(tmp_path / "a.png", None, None)
    assert torch.equal(profile, read_photograph(tmp_path / "b.png", None, None))
    assert capfd.readouterr().err == ""


@given(cut=st.integers(0, 90), flip=st.integers(0, 89))
def test_damaged_pictures_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    good, data = cv2.imencode(".png", np.arange(24, dtype=np.uint8).reshape(4, 6))
    assert good
    content = bytearray(data.tobytes()[: max(1, cut)])
    content[flip % len(content)] ^= 0x55
    path.write_bytes(content)
    try:
        picture = read_photograph(path, None, None)
    except DataError as error:
        assert "damaged.png" in str(error)
    else:
        assert picture.ndim == 3
        assert torch.isfinite(picture).all()
