from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from diffrec.measure import metrics
from diffrec.measure.metrics import MetricsFileError, ViewMetrics


def test_mse_and_psnr_clip_to_the_displayable() -> None:
    image = torch.tensor([[[2.0], [0.5]]])
    reference = torch.tensor([[[1.0], [0.4]]])
    assert float(metrics.mse(image, reference)) == pytest.approx(0.005)
    assert metrics.psnr(image, reference) == pytest.approx(10 * math.log10(200), rel=1e-5)


def test_psnr_of_equal_pictures_is_infinite() -> None:
    assert metrics.psnr_of_mse(0.0) == math.inf


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        metrics.mse(torch.zeros(2, 2, 3), torch.zeros(2, 3, 3))


def test_ssim_of_equal_pictures_is_one() -> None:
    image = torch.rand(20, 24, 3)
    assert float(metrics.ssim(image, image)) == pytest.approx(1.0, abs=1e-5)


def test_ssim_against_an_independent_computation() -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(31, 29, 1, dtype=torch.float64, generator=generator)
    y = (x + 0.3 * torch.rand(31, 29, 1, dtype=torch.float64, generator=generator)).clamp(0, 1)
    a, b = x[..., 0].numpy(), y[..., 0].numpy()

    def blur(image):  # type: ignore[no-untyped-def]
        return ndimage.gaussian_filter(image, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    expected = ((2 * ma * mb + 1e-4) * (2 * cov + 9e-4)) / (
        (ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)
    )
    assert float(metrics.ssim(x, y)) == pytest.approx(expected.mean(), rel=1e-9)


def test_ssim_refuses_pictures_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="11 pixels"):
        metrics.ssim(torch.zeros(10, 40, 3), torch.zeros(10, 40, 3))


def test_metrics_file_has_the_known_form(tmp_path: Path) -> None:
    path = tmp_path / "metrics.txt"
    metrics.write_metrics(path, [ViewMetrics("000000", 0.001, 30.0), ViewMetrics("1", 0.01, 20.0)])
    lines = path.read_text().splitlines()
    assert lines[0] == "ID, MSE, PSNR"
    assert lines[1] == "000000, 0.00100000, 30.000"
    assert lines[-1] == "AVERAGES: 0.00550000, 25.000"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.txt"]
    rows, means = metrics.read_metrics(path)
    assert rows == [ViewMetrics("000000", 0.001, 30.0), ViewMetrics("1", 0.01, 20.0)]
    assert means == (0.0055, 25.0)


def test_a_perfect_view_survives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.txt"
    metrics.write_metrics(path, [ViewMetrics("0", 0.0, math.inf)])
    assert metrics.read_metrics(path)[1] == (0.0, math.inf)


def test_no_views_write_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        metrics.write_metrics(tmp_path / "metrics.txt", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID, MSE, PSNR\n0, 0.1, 10.0\n", "no AVERAGES"),
        ("", "no AVERAGES"),
        ("ID, MSE, PSNR\n0, x, 10.0\nAVERAGES: 1, 2\n", "line 2"),
        ("ID, MSE, PSNR\nAVERAGES: 1\n", "line 2"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "metrics.txt"
    path.write_text(text)
    with pytest.raises(MetricsFileError, match=message):
        metrics.read_metrics(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetricsFileError, match=r"absent\.txt"):
        metrics.read_metrics(tmp_path / "absent.txt")


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(content)
    try:
        rows, means = metrics.read_metrics(path)
    except MetricsFileError:
        return
    assert isinstance(rows, list)
    assert len(means) == 2
