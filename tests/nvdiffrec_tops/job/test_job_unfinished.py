"""A training that was ended before its end goes on in the next job."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from nvdiffrec_tops.job.outputs import unfinished
from nvdiffrec_tops.job.report.progress import ProgressParser

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

# Ends its first run in the second pass, with a checkpoint, as FAKE says; goes on from one.
TRAINER = r"""
import json, os, sys, time
with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as stream:
    config = json.load(stream)
out = os.path.join("out", config["out_dir"])
checkpoint = os.path.join(out, "checkpoint.pt")
print("Config / Flags:\n---------\niter %d\nbase_mesh None\n---------" % config["iter"], flush=True)
def export(name):
    os.makedirs(os.path.join(out, name))
    for file in "mesh.obj mesh.mtl texture_kd.png texture_ks.png texture_n.png probe.hdr".split():
        with open(os.path.join(out, name, file), "w") as stream:
            stream.write(file + str(os.getpid()))
    print("Done exporting mesh", flush=True)
if os.path.exists(checkpoint):
    with open(checkpoint) as stream:
        print("Resuming from iteration 10 of pass 2 (%s s so far; pass 1: MSE 0.00200000, "
              "PSNR 27.125)" % stream.read(), flush=True)
    os.unlink(checkpoint)
else:
    print("iter=   20, img_loss=0.1, reg_loss=0.1, lr=0.02000, time=10.0 ms, rem=0.00 s")
    export("dmtet_mesh")
    with open(checkpoint, "w") as stream:
        stream.write("1000")
    mode = os.environ.get("FAKE")
    if mode == "hang":
        print("hanging", flush=True)
        time.sleep(600)
    if mode:
        sys.exit(mode)
print("iter=   20, img_loss=0.1, reg_loss=0.1, lr=0.02000, time=10.0 ms, rem=0.00 s")
print("Running validation\nMSE,      PSNR\n0.00100000, 30.5")
export("mesh")
"""


@pytest.fixture
def long_site(site):
    """A site whose diffrec writes checkpoints."""
    (site.modules / "diffrec/__main__.py").write_text(TRAINER)
    return site


def end(site, number: int, *words: str) -> str:
    """End a job in the middle of its training; the process that trained."""
    with subprocess.Popen(
        site.command(*site.arguments("diffrec", FAKE="hang"), *words),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        cwd=site.folder,
    ) as job:
        assert job.stdout is not None
        for line in job.stdout:
            if line == "hanging\n":
                break
        job.send_signal(number)
        job.stdout.read()
    (mesh,) = site.output.glob(".run-*/out/*/dmtet_mesh/mesh.obj")
    return mesh.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_training_goes_on_in_the_next_job(long_site, number):
    first = end(long_site, number)
    done = long_site.run(*long_site.arguments("diffrec"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job: note: goes on with a training that was ended before its end" in done.stdout
    # What the first job made is there beside what the second one made.
    assert (long_site.output / "dmtet_mesh/mesh.obj").read_text() == first
    assert (long_site.output / "mesh/mesh.obj").read_text() != first
    assert not list(long_site.output.glob(".*"))
    document = json.loads((long_site.output / "result.json").read_text())
    assert document["metrics"]["psnr_pass1"] == 27.125
    assert document["metrics"]["psnr"] == 30.5
    assert document["seconds"] > 1000
    percents = [
        int(line[13:-1]) for line in done.stdout.splitlines() if line.startswith("ALF_PROGRESS ")
    ]
    assert next(one for one in percents if one > 1) > 70


def test_a_failed_training_goes_on_as_well(long_site):
    done = long_site.run(*long_site.arguments("diffrec", FAKE="the sky fell"))
    assert done.returncode == 1
    assert "goes on" in long_site.run(*long_site.arguments("diffrec")).stdout


def test_a_retry_goes_on_where_the_first_try_ended(long_site):
    busy = "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"
    done = long_site.run(*long_site.arguments("diffrec", FAKE=busy))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "starting again (1 of 1)" in done.stdout
    assert "Resuming from iteration 10 of pass 2" in done.stdout


@pytest.mark.parametrize("change", ["setting", "data"])
def test_another_training_begins_anew(long_site, change):
    first = end(long_site, signal.SIGTERM)
    words = long_site.arguments("diffrec")
    if change == "setting":
        words += ["--set", "background=white"]
    else:
        (long_site.checkout / "data/mesh.obj").write_text("v 1 1 1\n")
    done = long_site.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Resuming" not in done.stdout
    assert (long_site.output / "dmtet_mesh/mesh.obj").read_text() != first
    assert not list(long_site.output.glob(".*"))


def test_a_mistake_in_between_loses_nothing(long_site):
    end(long_site, signal.SIGTERM)
    configuration = long_site.checkout / "configs/scene.json"
    text = configuration.read_text()
    configuration.write_text("{")
    assert long_site.run(*long_site.arguments("diffrec")).returncode == 2
    configuration.write_text(text)
    assert "Resuming from" in long_site.run(*long_site.arguments("diffrec")).stdout


def test_the_result_says_that_the_training_goes_on(long_site):
    end(long_site, signal.SIGTERM)
    document = json.loads((long_site.output / "result.json").read_text())
    assert document["failure"]["id"] == "stopped"
    assert "cook again and the training goes on" in document["failure"]["cure"]


def test_a_job_that_is_asked_to_end_says_so_in_its_lock(site):
    trainer = (
        "import shutil, signal, sys, threading\n"
        "def save(*_):\n"
        f"    shutil.copy({str(site.output / '.job.lock')!r}, {str(site.folder / 'lock')!r})\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('hanging', flush=True)\n"
        "threading.Event().wait(60)\n"
    )
    (site.modules / "diffrec/__main__.py").write_text(trainer)
    with subprocess.Popen(
        site.command(*site.arguments("diffrec")),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        cwd=site.folder,
    ) as job:
        assert job.stdout is not None
        assert "hanging\n" in iter(job.stdout.readline, "")
        job.terminate()
        job.stdout.read()
    owner = json.loads((site.folder / "lock").read_text())
    assert owner["ending"] is True and owner["pid"] == job.pid
    assert not (site.output / ".job.lock").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"digest": 5}', '{"digest": "other"}', "[" * 10**5])
def test_a_strange_stamp_matches_nothing(tmp_path, text):
    folder = tmp_path / ".run-20260101-000000-abcdef"
    made = folder / "out" / "20260101-000000-abcdef"
    made.mkdir(parents=True)
    (made / "checkpoint.pt").touch()
    (folder / "training.json").write_text(text)
    assert unfinished.matching([str(folder)], "digest") is None
    unfinished.stamp(str(folder), "digest", "checkpoint.pt")
    assert unfinished.matching([str(folder)], "digest") == str(folder)


def test_progress_follows_a_pass_that_goes_back():
    parser = ProgressParser(iterations=100)
    line = "iter=%5d, img_loss=0.1, reg_loss=0.1, lr=0.02000, time=10.0 ms, rem=1.00 s"
    parser.feed(line % 60)
    before = parser.progress.percent
    parser.feed(
        "Warning: pass 1, iteration 60: the mesh has vanished; going back to iteration 20 of "
        "pass 1 with half the learning rates (1 of 3)"
    )
    parser.feed(line % 30)
    assert (parser.progress.pass_number, parser.progress.iteration) == (1, 30)
    assert parser.progress.percent == before
    parser.feed(line % 100)
    parser.feed(line % 0)
    assert parser.progress.pass_number == 2
