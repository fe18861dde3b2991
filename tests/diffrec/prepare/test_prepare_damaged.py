"""Damaged records and headers, and folders that cannot be written: read past, or told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from diffrec.prepare import masks, pictures
from diffrec.prepare.commandline import main
from diffrec.prepare.errors import SourceError
from diffrec.prepare.frames import Frame
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.failure import EXIT_OUTPUT


@pytest.mark.parametrize("entry", [[], "x", None, 7, {"how": []}, {"digest": {}}])
def test_a_damaged_list_of_masks_keeps_what_is_there(tmp_path: Path, entry: Any) -> None:
    frame = Frame("a", "a.jpg", (8, 8), 0, None, False, 0.5)
    path = masks.path_of(tmp_path, "a")
    path.parent.mkdir(parents=True)
    Image.new("L", (8, 8), 255).save(path)
    jsonfiles.write(tmp_path / "masks.json", {"of": "x", "masks": {"a": entry}})
    assert masks._kept(tmp_path, tmp_path / "masks.json", [frame], "x") == {"a": masks.KEPT}


def test_names_of_cameras_are_one_line(tmp_path: Path) -> None:
    said = Image.Exif()
    said[0x010F], said[0x0110] = "Ma\0ker", "Mo\x1b]0;title\x07\ndel\u202e"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=said)
    assert pictures.exif(tmp_path / "a.jpg").camera.isprintable()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path), "--out", str(tmp_path / "file" / "out")]) == EXIT_OUTPUT
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and str(tmp_path / "file") in said and "--out" in said


def test_a_small_file_of_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: Any) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"P6 60000 60000 255\n")  # a format whose size is not read
    monkeypatch.setattr(pictures.cv2, "imdecode", decode)
    with pytest.raises(SourceError, match="20000 x 20000 pixels"):
        pictures.read(tmp_path / "a.png")
    with pytest.raises(SourceError, match="no picture that can be decoded"):
        pictures.read(tmp_path / "b.png")
