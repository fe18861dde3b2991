"""The default temporary folder is the user's own, also where another user was there first."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from topcook.schedulers import tempfolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows gives each user one")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path


def spoil(folder: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user may leave under the name."""
    if how == "link":
        (folder.parent / "theirs").mkdir()
        folder.symlink_to(folder.parent / "theirs")
    elif how == "file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
        if how == "open":
            folder.chmod(0o777)
        else:
            own = os.getuid()
            monkeypatch.setattr(os, "getuid", lambda: own + 1)


def test_the_folder_is_made_for_its_user_alone(shared: Path) -> None:
    folder = tempfolder.default()
    assert folder == str(shared / "houdini_temp")
    tempfolder.claim(f"{folder}/scene/pdgtemp")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    tempfolder.claim(f"{folder}/scene/pdgtemp")
    assert tempfolder.default() == folder
    tempfolder.claim(str(shared / "elsewhere" / "pdgtemp"))
    assert os.listdir(shared) == ["houdini_temp"]


@pytest.mark.parametrize("how", ["link", "file", "open", "other user"])
def test_another_users_folder_is_not_used(
    shared: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    first = tempfolder.default()
    spoil(Path(first), how, monkeypatch)
    # It came after the scene was opened: no job is handed anything in it.
    with pytest.raises(PermissionError, match="HOUDINI_TEMP_DIR"):
        tempfolder.claim(f"{first}/scene/pdgtemp")
    own = tempfolder.default()
    assert own == f"{first}_{os.getuid()}"
    if how != "other user":
        tempfolder.claim(f"{own}/scene/pdgtemp")
        assert stat.S_IMODE(os.stat(own).st_mode) == 0o700
