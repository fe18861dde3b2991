"""A card for each job, claimed by the system's own lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.job.process import cards
from nvdiffrec_tops.job.process.cards import CardClaim

HOLDER = """
import sys
from nvdiffrec_tops.job.process.cards import CardClaim
with CardClaim(sys.argv[2:], sys.argv[1]) as claim:
    print(claim.wait(lambda: None, lambda: None), flush=True)
    sys.stdin.read()
"""


class GaveUp(Exception):
    """The test's own end of waiting."""


def _give_up() -> None:
    raise GaveUp


def _holder(folder: Path, *names: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process


def test_two_jobs_never_hold_one_card(tmp_path: Path) -> None:
    with _holder(tmp_path, "0", "1") as first, _holder(tmp_path, "0", "1") as second:
        assert first.stdout is not None and second.stdout is not None
        held = {first.stdout.readline().strip(), second.stdout.readline().strip()}
        assert held == {"0", "1"}
        told: list[None] = []
        with CardClaim(["0", "1"], str(tmp_path)) as third, pytest.raises(GaveUp):
            third.wait(_give_up, lambda: told.append(None))
        assert told == [None]
        for process in (first, second):
            assert process.stdin is not None
            process.stdin.close()


def test_a_card_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    with _holder(tmp_path, "0") as holder:
        assert holder.stdout is not None and holder.stdout.readline().strip() == "0"
        holder.kill()
        holder.wait()
        with CardClaim(["0"], str(tmp_path)) as claim:
            assert claim.wait(_give_up, lambda: None) == "0"


def test_the_claimed_card_alone_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards.tempfile, "gettempdir", lambda: str(tmp_path))
    environment = {"CUDA_VISIBLE_DEVICES": "2, 3"}
    said: list[str] = []
    with cards.claimed(True, environment, _give_up, said.append) as note:
        assert environment["CUDA_VISIBLE_DEVICES"] == "2" and "card 2 is claimed" in note
        other = {"CUDA_VISIBLE_DEVICES": "2,3"}
        with cards.claimed(True, other, _give_up, said.append):
            assert other["CUDA_VISIBLE_DEVICES"] == "3"
            third = {"CUDA_VISIBLE_DEVICES": "2,3"}
            with pytest.raises(GaveUp), cards.claimed(True, third, _give_up, said.append):
                pass
    assert said == ["waiting for a graphics card (2, 3)"]
    with cards.claimed(False, {}, _give_up, said.append) as note:
        assert note == ""


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    with CardClaim(["../../x", "GPU-1/..\\2"], str(tmp_path / "locks")) as claim:
        claim.wait(_give_up, lambda: None)
    assert [path.name for path in tmp_path.rglob("*.lock")] == ["______x.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_in_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    (tmp_path / "0.lock").symlink_to(target)
    with CardClaim(["0"], str(tmp_path)) as claim, pytest.raises(cards.JobError, match="locks"):
        claim.wait(_give_up, lambda: None)
    assert target.read_text() == "keep"
