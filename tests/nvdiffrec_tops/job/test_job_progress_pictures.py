"""Progress pictures lie in the output folder while the trainer still works in its own."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from nvdiffrec_contract import layout
from nvdiffrec_tops.job.report.joblog import Report
from nvdiffrec_tops.job.report.pdgreport import WorkItem
from nvdiffrec_tops.job.report.progress import ProgressParser
from nvdiffrec_tops.job.report.progresspictures import ProgressPictures


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    made, output = tmp_path / "out" / ".run-1" / "out" / "1", tmp_path / "out"
    made.mkdir(parents=True)
    return made, output


def pictures(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted((folder / layout.PROGRESS).iterdir())}


def test_pictures_of_both_passes_are_numbered_as_one_film(folders: tuple[Path, Path]) -> None:
    made, output = folders
    shown = ProgressPictures(str(made), str(output))
    shown.begin(resumed=False)
    for number, stem in enumerate(("img_dmtet_pass1_000000", "img_mesh_pass_000000")):
        (made / f"{stem}.png").write_bytes(stem.encode())
        path = shown.add(f"{stem}.png")
        assert path == f"{output.as_posix()}/progress/progress_{number:06d}.png"
        assert shown.add(f"{stem}.png") is None, "it is told once"
    assert pictures(output) == {
        "progress_000000.png": b"img_dmtet_pass1_000000",
        "progress_000001.png": b"img_mesh_pass_000000",
    }


@pytest.mark.parametrize("resumed", [False, True])
def test_a_training_that_goes_on_keeps_its_pictures(
    folders: tuple[Path, Path], resumed: bool
) -> None:
    made, output = folders
    place = output / layout.PROGRESS
    place.mkdir()
    for name in ("progress_000006.png", "own.png", "progress_7.png"):
        (place / name).write_bytes(b"former")
    (made / "a.png").write_bytes(b"new")
    shown = ProgressPictures(str(made), str(output))
    shown.begin(resumed=resumed)
    shown.add("a.png")
    found = pictures(output)
    assert found["own.png"] == found["progress_7.png"] == b"former"
    assert ("progress_000006.png" in found) == resumed
    assert found[f"progress_{7 if resumed else 0:06d}.png"] == b"new"


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_nothing_is_written_through_a_link(folders: tuple[Path, Path], tmp_path: Path) -> None:
    made, output = folders
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "progress_000000.png").write_bytes(b"theirs")
    (output / layout.PROGRESS).symlink_to(elsewhere)
    (made / "a.png").write_bytes(b"new")
    shown = ProgressPictures(str(made), str(output))
    shown.begin(resumed=False)
    assert shown.add("a.png") is None
    assert shown.add("missing.png") is None
    assert (elsewhere / "progress_000000.png").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    ("line", "name", "psnr"),
    [
        (
            "Progress picture: img_mesh_pass_000002.png, PSNR 27.125",
            "img_mesh_pass_000002.png",
            27.125,
        ),
        ("Progress picture: img_mesh_pass_000002.png", "img_mesh_pass_000002.png", None),
        ("Progress picture: img_mesh_pass_000002.png, PSNR nan", "img_mesh_pass_000002.png", None),
        ("Progress picture: ../../secret.png, PSNR 1", "", None),
    ],
)
def test_the_log_names_the_newest(line: str, name: str, psnr: float | None) -> None:
    parser = ProgressParser()
    parser.feed(line)
    assert (parser.progress.picture, parser.progress.picture_psnr) == (name, psnr)


def test_the_work_item_carries_picture_and_psnr_while_it_cooks() -> None:
    out = io.StringIO()
    item = WorkItem(Report(out, io.StringIO()), {"PDG_ITEM_ID": "7"})
    item.picture("/out/a b/progress/progress_000003.png", 27.5)
    assert out.getvalue().splitlines() == [
        'PDG_ATTRIB: 7;progress_picture;"/out/a b/progress/progress_000003.png"',
        "PDG_ATTRIB: 7;progress_psnr;27.5",
    ]
