"""What of an export happens at once, and in which order it must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from diffrec.asset import command
from diffrec.asset.formats import formats, glb
from diffrec.asset.source import AssetError
from diffrec.asset.write import write_asset
from diffrec.export.beginning import Beginning
from diffrec.pictures import decoding
from diffrec.pictures.decoding import UndecodedError
from nvdiffrec_contract import layout


def test_pictures_are_decoded_ahead_once_and_their_faults_kept_for_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / layout.FINAL
    folder.mkdir()
    (folder / "mesh.obj").write_text("v 0 0 0\n")
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    cv2.imwrite(str(folder / "texture_kd.png"), pixels[..., ::-1])
    (folder / "texture_n.png").write_bytes(b"no picture")
    begun = Beginning(tmp_path)
    begun.decode_pictures()
    read: list[Path] = []
    original = decoding.read
    np.testing.assert_array_equal(begun.pixels(folder / "texture_kd.png"), pixels)
    with pytest.raises(UndecodedError, match=r"texture_n\.png is no picture"):
        begun.pixels(folder / "texture_n.png")
    monkeypatch.setattr(decoding, "read", lambda path: read.append(path) or original(path))
    np.testing.assert_array_equal(begun.pixels(folder / "texture_kd.png"), pixels)
    assert read == [folder / "texture_kd.png"]
    assert Beginning(tmp_path / "nowhere").folder is None


def test_usd_is_loaded_before_there_are_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(command, "_load_usd", lambda: order.append("usd"))
    monkeypatch.setattr(Beginning, "decode_pictures", lambda _: order.append("threads"))
    monkeypatch.setattr(command, "_load_compiler", lambda: None)
    command.main([str(tmp_path / "none"), "--formats", "obj", "usdz"])
    command.main([str(tmp_path / "none"), "--formats", "obj"])
    assert order == ["usd", "threads", "threads"]
    assert {name for name, one in formats().items() if not one.BESIDE} == {"usd", "usdz"}


def test_a_writer_that_fails_beside_others_leaves_no_half_asset(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_asset: Any) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(glb, "export", full)
    folder = tmp_path / "a"
    with pytest.raises(AssetError, match="No space left on device"):
        write_asset(written.source, folder, "a", ("glb", "obj", "mtlx", "usd"), print)
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="a choice of glibc")
def test_freed_memory_is_kept_where_glibc_is() -> None:
    code = "from diffrec.runtime import freed_memory; print(freed_memory.keep())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    glibc = "CS_GNU_LIBC_VERSION" in os.confstr_names
    assert done.stdout.strip() == str(glibc)
