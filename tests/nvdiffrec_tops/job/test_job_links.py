"""Links in a shared output folder: whatever they stand for, what they lead to stays as it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import LinkError, inside, is_link, new_file, replace_file
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs import committed, links, placing, result, unfinished
from nvdiffrec_tops.job.outputs.placing import JOURNAL, RUN_PREFIX
from nvdiffrec_tops.job.process.lock import NAME as LOCK
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.report.joblog import Report

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")

RUN = RUN_PREFIX + "20260101-000000-abcdef"
OWN = (LOCK, "job.log", JOURNAL, "result.json", "training.csv")
FOLDERS = ("mesh", "dmtet_mesh", "validate", "dmtet_validate")
MEMBERS = (*OWN, *FOLDERS, "mesh/mesh.obj", "contact_sheet.png", RUN, f"{RUN}/out")
VICTIM = {"mesh.obj": "mine", "out/keep.txt": "mine too", "result.json": "{}", "made/x": "y"}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def files_at(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def job(output: Path, *, ends: bool) -> None:
    """What the job process does with its output folder, without a trainer."""
    links.refuse(str(output), OWN)
    with OutputLock(str(output)) as held:
        placing.recover(str(output))
        placing.remove_parts(str(output))
        for one in placing.abandoned(str(output)):
            placing.remove_run_folder(one)
        report = Report(open(os.devnull, "w"), open(os.devnull, "w"))  # noqa: SIM115
        report.open_log(str(output / "job.log"))
        report.say("trained")
        held.touch()
        report.close()
        run = output / (RUN_PREFIX + "20260102-000000-abcdef")
        made = run / "out/1"
        files_at(made, {"mesh/mesh.obj": "new", "contact_sheet.png": "new"})
        if not ends:
            return
        before = result.manifest(result.read(str(output)))
        found = placing.produced(str(made))
        document = {
            "format": result.FORMAT,
            "version": result.VERSION,
            "status": "done",
            "outputs": result.describe(str(made), found, layout.tag),
        }
        placing.replace_set(str(output), str(run), str(made), found, before, document)
        placing.remove_run_folder(str(run))


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    member=st.sampled_from(MEMBERS),
    kind=st.sampled_from(("link to file", "link to folder", "dangling link", "second name")),
    before=st.booleans(),
    steps=st.lists(st.sampled_from(("cook", "kill", "clean")), min_size=1, max_size=3),
)
def test_whatever_is_a_link_the_victim_stays(tmp_path, member, kind, before, steps):
    shutil.rmtree(tmp_path)
    output, victim = tmp_path / "output", tmp_path / "victim"
    output.mkdir(parents=True)
    files_at(victim, VICTIM)
    if before:
        job(output, ends=True)
    place = output / member
    if place.is_dir():
        shutil.rmtree(place)
    elif place.exists():
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "second name":
        os.link(victim / "mesh.obj", place)
    else:
        leads = {"link to file": "mesh.obj", "link to folder": ".", "dangling link": "none"}[kind]
        place.symlink_to(victim / leads)
    untouched = contents(victim)
    for step in steps:
        try:
            if step == "clean":
                committed.tidy([str(output / "mesh/mesh.obj")])
            else:
                job(output, ends=step == "cook")
        except JobError as error:
            assert error.failure.cause and error.failure.cure
        assert contents(victim) == untouched, (member, kind, step)
        assert not (victim / "none").exists()


@pytest.mark.parametrize("member", [*OWN, *FOLDERS])
def test_a_job_refuses_links_at_once_and_names_them(site, tmp_path, member):
    victim = tmp_path / "victim"
    files_at(victim, VICTIM)
    site.output.mkdir(parents=True)
    (site.output / member).symlink_to(victim if member in FOLDERS else victim / "result.json")
    done = site.run(*site.arguments(), FAKE_COUNT=str(tmp_path / "count"))
    assert done.returncode == 4, done.stderr
    assert str(site.output / member) in done.stderr and "remove the link" in done.stderr
    assert not (tmp_path / "count").exists()
    assert {name: text for name, (text, _) in contents(victim).items()} == {
        name: text.encode() for name, text in VICTIM.items()
    }


def test_an_output_folder_behind_a_link_works(site, tmp_path):
    (tmp_path / "server").mkdir()
    (tmp_path / "job").symlink_to(tmp_path / "server", target_is_directory=True)
    site.output = tmp_path / "job/out/scene"
    assert site.run(*site.arguments()).returncode == 0
    assert (tmp_path / "server/out/scene/mesh/mesh.obj").is_file()
    assert "up to date" in site.run(*site.arguments()).stdout
    assert site.run(*site.arguments(), "--force").returncode == 0


def test_a_kept_training_with_a_link_in_it_is_not_gone_on_with(tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    former, folder = tmp_path / RUN, tmp_path / (RUN_PREFIX + "20260102-000000-abcdef")
    made = former / "out" / RUN[len(RUN_PREFIX) :]
    files_at(made, {"checkpoint.pt": "state", "mesh/a.png": "old"})
    folder.mkdir()
    unfinished.stamp(str(former), "digest", "checkpoint.pt")
    (made / "mesh/b.png").symlink_to(victim)
    assert not unfinished.adopt(str(former), str(folder))
    (made / "mesh/b.png").unlink()
    os.link(victim, made / "mesh/b.png")
    assert unfinished.adopt(str(former), str(folder))
    (folder / "out/20260102-000000-abcdef/mesh/b.png").write_text("the trainer writes")
    assert victim.read_text() == "mine"


def test_the_beginning_of_a_repetition_goes_when_its_results_are_in_place(site):
    arguments = site.arguments("diffrec")
    assert site.run(*arguments).returncode == 0
    digest = json.loads((site.output / "result.json").read_text())["digest"]

    def killed(digest: str) -> Path:
        former = site.output / RUN
        files_at(former / "out" / RUN[len(RUN_PREFIX) :], {"checkpoint.pt": "state"})
        unfinished.stamp(str(former), digest, "checkpoint.pt")
        (site.output / "result.json.part").write_text("half")
        (site.output / ".training.csv.123.part").write_text("half")
        return former

    former = killed(digest)
    assert "up to date" in site.run(*arguments).stdout
    assert not former.exists() and not list(site.output.glob("*.part"))
    former = killed(digest)
    committed.tidy([str(site.output / "mesh/mesh.obj")])
    assert not former.exists() and not list(site.output.glob(".*.part"))
    former = killed("of other settings")
    committed.tidy([str(site.output / "mesh/mesh.obj")])
    assert former.exists()


def test_places(tmp_path):
    victim = tmp_path / "victim"
    files_at(victim, VICTIM)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(victim)
    for name in ("../victim/x", "/etc/x", "a//b", ".", "", "a/../b", "a\0b"):
        with pytest.raises(OSError), inside(str(folder), name):
            pass
    with pytest.raises(LinkError), inside(str(folder), "link/x", make=True):
        pass
    with inside(str(folder), "a/b", make=True) as place:
        assert place.state() is None and place.path == str(folder / "a/b")
        with pytest.raises(FileNotFoundError) as caught:
            place.open(os.O_RDONLY)
    os.mkfifo(folder / "pipe")
    with inside(str(folder), "pipe") as place, pytest.raises(OSError, match="no regular file"):
        place.open(os.O_RDWR)
    assert is_link(folder / "link") and not is_link(folder) and not is_link(folder / "none")
    # A temporary name that can be foreseen leads nowhere either.
    (folder / f".x.{os.getpid()}.part").symlink_to(victim / "mesh.obj")
    replace_file(folder / "x", b"new")
    os.close(new_file(folder / "link"))
    assert (folder / "x").read_bytes() == b"new" and not is_link(folder / "link")
    assert (victim / "mesh.obj").read_text() == "mine"
    assert caught.value.filename


def test_junctions_and_links_of_windows_are_links_and_waiting_files_are_not(monkeypatch):
    from nvdiffrec_contract import files

    def told(tag: int) -> bool:
        state = type("State", (), {"st_mode": 0o100666, "st_reparse_tag": tag})
        monkeypatch.setattr(files.os, "lstat", lambda _path: state)
        return is_link("x")

    assert told(0xA0000003) and told(0xA000000C)  # a junction, a symbolic link
    assert not told(0) and not told(0x9000001A)  # a file, one that a cloud keeps
