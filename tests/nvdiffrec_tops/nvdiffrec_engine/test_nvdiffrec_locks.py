"""Locks of compiled extensions: who holds them, and what the chain does about those nobody does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.doctor.checks import stale_locks
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.job.engines.nvdiffrec import extensionlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

HOLD = (
    "import os, sys; f = os.open(sys.argv[1], os.O_CREAT | os.O_EXCL);"
    "print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    folder = tmp_path / "torch_extensions/py311_cu118/nvdiffrast_plugin_gl"
    folder.mkdir(parents=True)
    return folder / "lock"


def held(lock: Path) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    return holder


def test_a_held_lock_is_left_and_its_holder_named(lock):
    with held(lock) as holder:
        verdict = extensionlock.judge(str(lock), private=True, quiet=-1.0)
        holder.kill()
    assert verdict is not None and not verdict.stale
    assert verdict.holder == holder.pid and str(holder.pid) in verdict.reason
    assert not extensionlock.clear(verdict) and lock.exists()
    again = extensionlock.judge(str(lock), private=True)
    assert again is not None and again.stale and extensionlock.clear(again)
    assert not lock.exists() and extensionlock.clear(again)


def test_a_compiler_beside_the_lock_keeps_it(lock):
    lock.touch()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "print(1, flush=True); input()"], cwd=lock.parent,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as compiler:  # fmt: skip
        assert compiler.stdout is not None and compiler.stdout.readline()
        verdict = extensionlock.judge(str(lock), private=True)
        compiler.kill()
    assert verdict is not None and not verdict.stale and verdict.holder == compiler.pid


def test_a_shared_disk_asks_for_an_hour_of_quiet(lock, monkeypatch):
    lock.touch()
    monkeypatch.setattr(extensionlock, "_is_local", lambda _: False)
    young = extensionlock.judge(str(lock))
    assert young is not None and not young.stale and "another machine" in young.reason
    os.utime(lock, (1, 1))
    (lock.parent / "build.ninja").touch()
    busy = extensionlock.judge(str(lock))
    assert busy is not None and not busy.stale
    os.utime(lock.parent / "build.ninja", (1, 1))
    old = extensionlock.judge(str(lock))
    assert old is not None and old.stale and "hours" in old.reason
    os.utime(lock, (2, 2))  # someone has made it anew since
    assert not extensionlock.clear(old) and lock.exists()


def test_only_a_plain_file_of_that_name_is_a_lock(lock, tmp_path):
    assert extensionlock.judge(str(lock)) is None
    target = tmp_path / "precious"
    target.touch()
    lock.symlink_to(target)
    verdict = extensionlock.judge(str(lock), private=True)
    assert verdict is not None and not extensionlock.clear(verdict) and target.exists()
    other = extensionlock.judge(str(target), private=True)
    assert other is not None and not extensionlock.clear(other) and target.exists()
    assert extensionlock.locks(str(tmp_path / "torch_extensions")) == [str(lock)]
    assert extensionlock.locks(str(tmp_path / "none")) == []


def test_disks_are_told_apart():
    assert extensionlock._is_local("/proc/self") is False
    assert isinstance(extensionlock._is_local("/"), bool)


def test_a_job_that_was_killed_while_it_compiled_does_not_stop_the_next(studio):
    first = subprocess.Popen(
        studio.words(), env=studio.variables(STANDIN_FAIL="slow"), stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert any(line.startswith(b"compiling") for line in first.stdout)
    assert (studio.cache / "lock").exists()
    # While it compiles, another job waits and says for whom.
    waiting = subprocess.Popen(
        [*studio.words(), f"--output={studio.folder / 'second'}"], env=studio.variables(),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert waiting.stdout is not None
    line = next(one for one in waiting.stdout if one.startswith(b"Shim extension-lock"))
    assert b"waiting for the lock" in line and b"compiles" in line
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate(timeout=30)
    assert (studio.cache / "lock").exists()
    first.send_signal(signal.SIGKILL)  # the guard ends the training
    first.communicate(timeout=30)

    done = studio.run()
    assert done.code == 0, done.out + done.error
    assert "removed the stale lock" in done.shims["extension-lock"]
    assert not (studio.cache / "lock").exists()
    assert json.loads((studio.output / "result.json").read_text())["status"] == "done"


def test_a_lock_whose_holder_ends_while_it_is_waited_for(studio):
    """The one who waited finds nothing compiled; its second start compiles."""
    compiling = studio.run(STANDIN_FAIL="compiler", WORLD_SIZE="1")
    assert compiling.result["failure"]["id"] == "extension-build"
    (studio.cache / "lock").unlink()
    with held(studio.cache / "lock") as holder:
        job = subprocess.Popen(
            studio.words(), env=studio.variables(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip
        assert job.stdout is not None
        said = next(one for one in job.stdout if one.startswith("Shim extension-lock"))
        assert f"process {holder.pid} compiles" in said
        holder.kill()
        rest = job.communicate(timeout=60)[0]
    assert job.returncode == 0, rest
    assert "removed the stale lock" in rest
    assert "was not finished; starting again (1 of 1)" in rest


@pytest.mark.parametrize("private", [True, False])
def test_doctor_and_job_judge_alike(tmp_path, monkeypatch, private):
    """In the cache of one machine a dead lock is stale whatever disk it lies on."""
    monkeypatch.setattr(extensionlock, "_is_local", lambda _: False)
    root = tmp_path / (extensionlock.PRIVATE if private else "shared") / "torch_extensions"
    lock = root / "host/py311/renderutils_plugin/lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    context = Context(sys.executable, engine="nvdiffrec", environ={"XDG_CACHE_HOME": str(tmp_path)})
    if not private:
        monkeypatch.setattr(stale_locks, "caches", lambda _: [str(root)])
    (verdict,) = stale_locks.found(context)
    assert verdict == extensionlock.judge(str(lock)) and verdict.stale is private


def test_the_disk_that_a_container_stands_on_is_its_own(monkeypatch):
    mounts = "overlay / ext4 rw 0 0\n/dev/sdb /mnt/share ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n"
    monkeypatch.setattr(extensionlock, "_mounts", lambda: mounts.splitlines())
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.dockerenv")
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    assert extensionlock._is_local("/root/.cache/x")
    assert not extensionlock._is_local("/mnt/share/x")
    assert extensionlock._is_local("/tmp/x")
