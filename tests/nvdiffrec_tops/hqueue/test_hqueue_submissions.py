"""A submission on disk: where it is kept, what is said of its end, and what odd files do."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.cook.farm.command import follow
from nvdiffrec_tops.hqueue import command, record
from nvdiffrec_tops.hqueue.problem import HQueueProblem

Write = Callable[..., Path]
TOOLKIT = str(JOB_SCRIPT.parents[3])


def program(text: str, *words: str) -> list[str]:
    return [sys.executable, "-c", text, *words]


def test_the_end_of_a_submission_is_told_as_it_was(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    farm = standin(1)
    path = scene(program("pass"), items=2)
    _code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    document = json.loads(out)
    job, state = str(document["job"]), Path(document["folder"]) / "state"
    farm.wait(document["job"], "succeeded")
    for number, (begin, end) in enumerate(((1000.0, 1090.0), (1090.5, 4600.0))):
        name = sorted(one.stem for one in state.glob("*.done"))[number]
        for kind, fact in ((".started", {"started": begin}), (".done", {"ended": end})):
            file = state / f"{name}{kind}"
            file.write_text(json.dumps({**json.loads(file.read_text()), **fact}))
    farm.stop()
    report = json.loads(run("follow", job, "--json")[1])
    assert report["seconds"] == 3600.0
    assert sorted(item["seconds"] for item in report["items"]) == [90.0, 3509.5]
    assert "Cook finished after 1 h 00 min" in run("follow", job)[1]
    code, out, _ = run("cancel", job)
    assert code == 0 and out.startswith(f"nothing to cancel: job {job}") and "2 done" in out
    [row] = json.loads(run("status", job, "--json")[1])
    assert row["done"] == 2 and not row["cancelled"]


def test_what_had_not_begun_is_told_as_stopped(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    farm = standin(0)
    path = scene("true", items=3)
    _code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    job = str(json.loads(out)["job"])
    assert "3 waiting" in run("status", job)[1]
    assert run("cancel", job)[1].startswith("cancelled 3 jobs of ")
    assert "3 stopped, cancelled" in run("status", job)[1]
    assert "nothing to cancel" in run("cancel", job)[1]


def test_jobs_that_were_killed_by_a_cancel_have_ended(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    farm = standin(1)
    door = farm.door()
    text = "import sys; print('begun', flush=True); open(sys.argv[1]).read()"
    path = scene(program(text, str(door)))
    _code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    document = json.loads(out)
    job, state = str(document["job"]), Path(document["folder"]) / "state"
    assert "begun" in farm.lines(document["jobs"][0], 1)
    assert run("cancel", job)[1].startswith("cancelled 1 job of ")
    farm.stop()
    os.utime(state / "cancel", (1.0, 1.0))
    assert "1 stopped, cancelled" in run("status", job)[1]
    code, out, _ = run("follow", job)
    assert code == 1 and "it was cancelled" in out


def test_jobs_that_the_server_has_lost_are_not_sent_by_who_follows(
    standin: Any, scene: Write, run: Any
) -> None:
    farm = standin(0)
    path = scene("true")
    _code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    farm.restart(lose_state=True)
    code, out, _ = run("follow", str(json.loads(out)["job"]))
    assert code == 1 and "submit the scene again" in out
    assert not farm.jobs


# -- what is written, and where -----------------------------------------------------------------
def snapshot(folder: Path) -> set[Path]:
    return {one for one in folder.rglob("*") if "__pycache__" not in one.parts}


def test_a_scene_in_the_toolkit_keeps_its_submissions_in_a_shared_folder(
    standin: Any, scene: Write, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = standin(1)
    path = scene("true")
    monkeypatch.setattr("nvdiffrec_tops.cook.farm.scheduler._TOOLKIT", path.parents[0])
    before = snapshot(path.parent)
    (tmp_path / "jobs").mkdir()
    words = ("submit", str(path), "--server", farm.address, "--share")
    code, _, said = run(*words, str(path.parent), "--share", "/")
    assert code == 1 and "writes nothing into" in said and "--share" in said
    code, out, _ = run(*words, "/", "--share", str(tmp_path / "jobs"), "--json")
    document = json.loads(out)
    assert code == 0 and Path(document["folder"]).is_relative_to(tmp_path / "jobs")
    farm.wait(document["job"], "succeeded")
    assert json.loads(run("follow", str(document["job"]), "--json")[1])["successful"]
    assert snapshot(path.parent) == before


def test_a_submission_that_is_refused_writes_nothing(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    farm = standin(1)
    (tmp_path / "data").write_text("")
    path = scene(program("pass", str(tmp_path / "data")), items=3)
    before = snapshot(tmp_path)
    words = ("submit", str(path), "--server", farm.address, "--share", TOOLKIT, "--share")
    code, out, _ = run(*words, str(path.parent))
    assert code == 1 and out.count(str(tmp_path / "data")) == 1
    assert out.count("holds for it too") == 2
    assert snapshot(tmp_path) == before and not farm.jobs


def test_a_submission_of_nothing_leaves_nothing(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    copied = tmp_path / "copied.py"
    copied.write_text("")
    parms = {"pdgnodedeps": 1, "pdgnodedep1": str(copied)}
    path = scene("true", node=parms)
    farm = standin(1)
    before = snapshot(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topcook.cook.Cook._cached", lambda *_given: True)
        words = ("submit", str(path), "--server", farm.address, "--share", "/")
        assert "nothing to send" in run(*words)[1]
    assert snapshot(tmp_path) == before


def test_an_environment_that_does_not_travel_is_refused(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in a virtual environment")
    farm = standin(1)
    path = scene(program("pass"))
    words = ("submit", str(path), "--server", farm.address, "--share", str(tmp_path))
    words = (*words, "--share", f"{TOOLKIT}/python3.11libs")
    code, out, _ = run(*words, "--share", sys.prefix)
    assert code == 1 and f"{sys.prefix} does not start on the farm's machines" in out
    assert f'env create --conda --prefix "{tmp_path}/envs/diffrec"' in out and "--copies" not in out
    code, out, _ = run(*words)
    assert code == 1 and "is in no folder that the farm shares" in out and "env create" in out
    assert run(*words, "--share", sys.prefix, "--share", sys.base_prefix)[0] == 0


# -- odd files ----------------------------------------------------------------------------------
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [10**400, -1, "\0", "../x", "\x1b]0;x\x07", "/dev/zero", [], {}, [[]], [1, "a"]]
    ),
)
GOOD = {
    "version": 1, "token": "t", "server": "http://127.0.0.1:9", "scene": "/s/a.hip",
    "working": "/s", "container": 7, "jobs": [6], "complete": True,
}  # fmt: skip
ITEM = {
    "name": "a_1_0", "job": 6, "log": "/s/log", "id": 1, "node": "a", "type": "genericgenerator",
    "index": 0, "label": "", "attributes": {"x": [1]}, "expected": [["/s/out", "file"]],
}  # fmt: skip


@given(
    whole=st.dictionaries(st.sampled_from(sorted(GOOD)), ODD, max_size=2),
    item=st.dictionaries(st.sampled_from(sorted(ITEM)), ODD, max_size=2),
    started=st.dictionaries(st.sampled_from(["started", "host", "attempt"]), ODD) | ODD,
    done=st.dictionaries(st.sampled_from(["code", "ended", "host", "attempt"]), ODD) | ODD,
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_files_of_a_submission_are_no_fault_of_the_program(
    whole: Any, item: Any, started: Any, done: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    (folder / "state").mkdir(parents=True, exist_ok=True)
    document = {**GOOD, "items": [{**ITEM, **item}], **whole}
    (folder / "submission.json").write_text(json.dumps(document))
    ended = {"code": 0, "ended": 2.0, **done} if isinstance(done, dict) else done
    (folder / "state/a_1_0.started").write_text(json.dumps(started))
    (folder / "state/a_1_0.done").write_text(json.dumps(ended))
    told = io.StringIO()
    with contextlib.suppress(HQueueProblem):
        arguments = argparse.Namespace(job=str(folder), server="", json=False)
        command.status(arguments, told)
        if command.counts(record.read(folder / "submission.json"))["done"]:
            command.cancel(arguments, told, told)
            report = argparse.Namespace(**vars(arguments), report=None, summary=None)
            follow(report, told, told)
    assert "\x1b" not in told.getvalue()


@pytest.mark.parametrize("name", ["submission.json", "state/a_1_0.done", "state/a_1_0.started"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "deep", "bytes", "large"])
def test_files_of_a_submission_that_are_none(
    run: Any, tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "submission.json").write_text(json.dumps({**GOOD, "items": [ITEM]}))
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        texts = {"deep": b"[" * 100_000, "bytes": b"\xff\0", "large": b" " * (1 << 20)}
        path.write_bytes(texts[kind])
    code, out, said = run("status", str(tmp_path))
    assert (code, bool(said)) == ((1, True) if name == "submission.json" else (0, False)), out


def test_what_was_sent_beside_a_failure_is_not_told_as_done(
    standin: Any, run: Any, root: Path, tmp_path: Path
) -> None:
    farm = standin(0)
    (tmp_path / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    for name in ("mesh", "missing"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"ref_mesh": f"{name}.obj"}))
    settings = {
        "working_dir": tmp_path,
        "miniconda_env": sys.prefix,
        "config_name": "*.json",
        "output_dir": tmp_path / "out",
        "output_layout": 1,
    }
    words = [f"--set=attributes.{name}={value}" for name, value in settings.items()]
    scene = tmp_path / "farm.hip"
    scene.write_bytes((root / "hip/TOPs_nvdiffrec_HQueue.hip").read_bytes())
    code, out, err = run("submit", str(scene), "--server", farm.address, "--share", "/", *words)
    assert code == 1
    said = out + err
    assert "missing.obj" in said
    assert "called done above is sent, 1 job. To watch: nvdiffrec-tops follow" in said
