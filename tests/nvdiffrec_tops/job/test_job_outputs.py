"""The change of a set of files: whole or not at all, whatever ends it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs import placing, result

OLD = {"mesh/mesh.obj": "old mesh", "mesh/kd.png": "old kd", "img_000000.png": "old picture"}
NEW = {"mesh/mesh.obj": "new mesh", "mesh/kd.png": "new kd", "validate/metrics.txt": "new"}
MINE = {"mesh/mine.blend": "mine", "validate/notes.txt": "mine too"}
CALLS = ("replace", "rename", "unlink", "link", "mkdir", "rmdir")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class Change:
    """An output folder with an old set, and a new set ready in a run folder."""

    def __init__(self, folder: Path, aside: bool = False) -> None:
        self.output = folder / "output"
        self.run_folder = self.output / ".run-1"
        self.made = self.run_folder / "out/1"
        write(self.output, OLD)
        write(self.output, MINE)
        write(self.made, NEW)
        self.old_result = {"status": "done", "outputs": "old"}
        self.new_result = {"status": "done", "outputs": "new"}
        result.write_json(str(self.output / "result.json"), self.old_result)
        self.previous = {name: result.sha256(str(self.output / name)) for name in OLD}
        if aside:
            (self.output / "mesh/kd.png").write_text("painted")

    def go(self) -> None:
        placing.replace_set(
            str(self.output), str(self.run_folder), str(self.made), list(NEW), self.previous,
            self.new_result,
        )  # fmt: skip

    def restore(self) -> bool:
        return placing.recover(str(self.output))

    def state(self) -> dict[str, str]:
        return {
            path.relative_to(self.output).as_posix(): path.read_text()
            for path in self.output.rglob("*")
            if path.is_file() and ".run-" not in str(path)
        }

    def old(self) -> dict[str, str]:
        return {**OLD, **MINE, "result.json": json.dumps(self.old_result, indent=1) + "\n"}

    def new(self) -> dict[str, str]:
        return {**NEW, **MINE, "result.json": json.dumps(self.new_result, indent=1) + "\n"}


def killed_at(call: int, action) -> bool:
    """Run ``action`` in a child that is ended before its ``call``-th change of the disk; whether
    it was (else it came to its end)."""
    child = os.fork()
    if child == 0:
        left = call

        def counted(function):
            def inner(*arguments, **options):
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)
                return function(*arguments, **options)

            return inner

        try:
            for name in CALLS:
                setattr(os, name, counted(getattr(os, name)))
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def test_the_new_set_takes_the_place_of_the_old(tmp_path):
    change = Change(tmp_path)
    change.go()
    assert change.state() == change.new()


def test_killed_at_every_stage_the_old_set_can_be_restored(tmp_path):
    stages = 0
    while True:
        change = Change(tmp_path / str(stages))
        if not killed_at(stages, change.go):
            break
        # Even before the restoration no file of the old set that the new one has is missing.
        assert set(OLD) & set(NEW) <= set(change.state())
        interrupted = (change.output / placing.JOURNAL).exists()
        assert placing.recover(str(change.output)) == interrupted
        committed = not interrupted and change.state() == change.new()
        if not committed:
            state = {name: t for name, t in change.state().items() if not name.endswith(".part")}
            assert state == change.old(), stages
        stages += 1
    assert change.state() == change.new()
    assert stages > 10


def test_killed_at_every_stage_of_the_restoration_it_can_be_repeated(tmp_path):
    first = Change(tmp_path / "count")
    stages = 0
    while killed_at(stages, first.go):
        first = Change(tmp_path / f"count{stages}")
        stages += 1
    second = 0
    while True:
        change = Change(tmp_path / f"second{second}")
        assert killed_at(stages - 2, change.go)
        assert (change.output / placing.JOURNAL).exists()
        if not killed_at(second, change.restore):
            break
        change.restore()
        state = {name: text for name, text in change.state().items() if ".part" not in name}
        assert state == change.old(), second
        second += 1
    assert second > 5


def test_a_full_disk_at_every_stage_leaves_the_old_set(tmp_path, monkeypatch):
    stage = 0
    while True:
        change = Change(tmp_path / str(stage))
        left = stage
        real = os.replace

        def full(source, target, real=real, **folders):
            nonlocal left
            if "new-result" in str(source) or str(source) in {Path(name).name for name in NEW}:
                left -= 1
                if left == -1:
                    raise OSError(errno.ENOSPC, "No space left on device", str(target))
            return real(source, target, **folders)

        monkeypatch.setattr(os, "replace", full)
        try:
            change.go()
        except JobError as error:
            assert "No space left on device" in error.failure.cause
            assert change.state() == change.old()
        else:
            break
        finally:
            monkeypatch.setattr(os, "replace", real)
        stage += 1
    assert stage == len(NEW) + 2  # the result file is written, then renamed


def test_a_file_changed_by_someone_is_kept_aside(tmp_path):
    change = Change(tmp_path, aside=True)
    change.go()
    state = change.state()
    assert state.pop("mesh/kd.before-1.png") == "painted"
    assert state == change.new()


def test_killed_while_a_file_is_kept_aside(tmp_path):
    stages = 0
    while True:
        change = Change(tmp_path / str(stages), aside=True)
        if not killed_at(stages, change.go):
            break
        interrupted = (change.output / placing.JOURNAL).exists()
        placing.recover(str(change.output))
        if interrupted:
            state = {n: text for n, text in change.state().items() if not n.endswith(".part")}
            assert state == {**change.old(), "mesh/kd.png": "painted"}, stages
        stages += 1


def test_a_disk_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_, **_folders):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    change = Change(tmp_path)
    change.go()
    assert change.state() == change.new()


def test_a_journal_that_points_outside_is_refused(tmp_path):
    change = Change(tmp_path)
    victim = tmp_path / "victim.txt"
    victim.write_text("here")
    entry = {"path": "../victim.txt", "new": True, "backup": None, "aside": None}
    (change.output / placing.JOURNAL).write_text(json.dumps({"run": ".run-1", "entries": [entry]}))
    with pytest.raises(JobError, match="names a file outside"):
        placing.recover(str(change.output))
    assert victim.read_text() == "here"


def test_a_damaged_journal_is_explained(tmp_path):
    change = Change(tmp_path)
    (change.output / placing.JOURNAL).write_text("[]")
    with pytest.raises(JobError, match="cannot be read"):
        placing.recover(str(change.output))


def test_a_trainers_own_files_are_not_collected(tmp_path):
    write(tmp_path, {"mesh/mesh.obj": "", "checkpoint.pt": "", "a.png.part": "", ".hidden/x": ""})
    assert placing.produced(str(tmp_path)) == ["mesh/mesh.obj"]


def test_removing_a_run_folder_spares_the_checkouts_data(tmp_path):
    write(tmp_path, {"checkout/data/x": "x", "run/job.json": "{}"})
    (tmp_path / "run/data").symlink_to(tmp_path / "checkout/data")
    placing.remove_run_folder(str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "checkout/data/x").read_text() == "x"
