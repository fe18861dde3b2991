"""The job of a preparation: what it tells PDG, what it leaves, and how it fails.

A small program stands in for ``diffrec.prepare``; it says and writes what that does.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_contract import preparation
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_OUTPUT, EXIT_USAGE
from nvdiffrec_contract.preparation import CONFIGURATION, Preparation
from nvdiffrec_tops.job import commandline, flags, preparing
from nvdiffrec_tops.job.outputs import committed, prepared
from nvdiffrec_tops.job.report.joblog import Report

WORKS = """
import json, os, sys
out = next(word[6:] for word in sys.argv if word.startswith("--out="))
for step, count in (("frames", 3), ("features", 2), ("masks", 2)):
    for number in range(1, count + 1):
        print(f"{step}: {number} of {count}, rem=1 s", flush=True)
    print(f"{step}: done in 0.1 s", flush=True)
print("cameras: 5 of 7 believed", flush=True)
print("report: up to date", flush=True)
for name in json.loads(os.environ["NAMES"]):
    path = os.path.join(out, *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    frames = [{"file_path": f"images/{name}{i}"} for i in range(3 if "train" in name else 2)]
    with open(path, "w") as file:
        file.write(json.dumps({"frames": frames}))
os.makedirs(os.path.join(out, "masks"), exist_ok=True)
open(os.path.join(out, "masks", "a.png"), "w").write("made")
"""
FAILS = """
import json, os, sys
out = next(word[6:] for word in sys.argv if word.startswith("--out="))
os.makedirs(os.path.join(out, "report"), exist_ok=True)
open(os.path.join(out, "report", "masks.png"), "w").write("to look at")
print("Error: the photographs are all blurred. Hold still.", flush=True)
found = {"format": "tops-nvdiffrec-failure", "version": 1, "id": "photographs",
         "cause": "the photographs are all blurred", "cure": "hold still", "exit_code": 2}
open(os.environ["NVDIFFREC_FAILURE_FILE"], "w").write(json.dumps(found))
sys.exit(2)
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "my shoot"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(name.encode())
    return folder


@pytest.fixture
def asked(photographs: Path, tmp_path: Path) -> Preparation:
    return Preparation(photographs, tmp_path / "set", most=40)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(asked, program)``: the job with a program in the place of diffrec's; (exit code, what
    it said, what it complained of)."""
    monkeypatch.setenv("PDG_ITEM_ID", "7")
    monkeypatch.delenv("PDG_RESULT_SERVER", raising=False)

    def job(asked: Preparation, program: str = WORKS) -> tuple[int, str, str]:
        script = tmp_path / "program.py"
        script.write_text(program)
        monkeypatch.setattr(preparing, "SCRIPT", str(script))
        out, error = io.StringIO(), io.StringIO()
        names = json.dumps([one.path for one in prepared.OUTPUTS])
        words = [f"--env=NAMES={names}", *preparation.words(asked)]
        try:
            code = preparing.main(words, Report(out, error))
        finally:
            script.unlink()
        return code, out.getvalue(), error.getvalue()

    return job


def test_pdg_is_told_how_far_it_is_and_what_was_made(run: Run, asked: Preparation) -> None:
    code, said, wrong = run(asked)
    assert (code, wrong) == (0, "")
    lines = said.splitlines()
    percents = [int(one[13:-1]) for one in lines if one.startswith("ALF_PROGRESS")]
    assert percents == sorted(set(percents)) and percents[-1] == 100 and len(percents) > 4
    states = [one.split(";")[2] for one in lines if one.startswith("PDG_SET_CUSTOM_STATE")]
    assert states == ["frames", "features", "masks", "cameras", "report"]
    results = [one.split(";")[2:4] for one in lines if one.startswith("PDG_RESULT: 7;")]
    expected = [[f"{asked.out}/{one.path}", one.tag] for one in prepared.OUTPUTS]
    assert results == [*expected, [f"{asked.out}/{prepared.NAME}", "file/json"]]
    assert results[0] == [f"{asked.out}/{CONFIGURATION}", "file/json"]
    assert "PDG_ATTRIB: 7;cameras;5" in lines
    [warned] = [one for one in lines if one.startswith("PDG_WARNING: 7;")]
    assert "2 of 7 photographs have no camera" in warned
    assert lines[-1] == f"Job: done, the data set is in {asked.out}"
    assert "masks: 2 of 2" in (asked.out / preparing.LOG).read_text()


CHANGES: dict[str, Callable[[Preparation], Preparation]] = {}


def change(made: Callable[[Preparation], Preparation]) -> Callable[[Preparation], Preparation]:
    CHANGES[made.__name__] = made
    return made


@change
def another_photograph(asked: Preparation) -> Preparation:
    (asked.source / "d.jpg").write_bytes(b"d")
    return asked


@change
def one_less(asked: Preparation) -> Preparation:
    (asked.source / "a.jpg").unlink()
    return asked


@change
def other_content(asked: Preparation) -> Preparation:
    (asked.source / "a.jpg").write_bytes(b"something else")
    return asked


@change
def a_newer_file(asked: Preparation) -> Preparation:
    os.utime(asked.source / "a.jpg", (1, 1))
    return asked


@change
def a_painted_mask(asked: Preparation) -> Preparation:
    (asked.out / "masks" / "a.png").write_text("painted")
    return asked


@change
def masks_of_ones_own(asked: Preparation) -> Preparation:
    folder = asked.out.parent / "masks of mine"
    folder.mkdir()
    return dataclasses.replace(asked, masks=folder)


@change
def a_setting(asked: Preparation) -> Preparation:
    return dataclasses.replace(asked, train_size=400)


@pytest.mark.parametrize("name", CHANGES)
def test_a_data_set_is_current_until_something_changes(
    run: Run, asked: Preparation, name: str
) -> None:
    assert prepared.is_current(asked) is None
    run(asked)
    assert prepared.is_current(asked) is True
    # Neither threads nor what is trained from it make another data set of it.
    (asked.out / "result").mkdir()
    (asked.out / CONFIGURATION).write_text("{}")
    assert prepared.is_current(dataclasses.replace(asked, threads=3)) is True
    changed = CHANGES[name](asked)
    assert prepared.is_current(changed) is False
    run(changed)
    assert prepared.is_current(changed) is True


def test_what_this_machine_cannot_see_is_not_told(run: Run, asked: Preparation) -> None:
    run(asked)
    elsewhere = dataclasses.replace(asked, source=asked.source.with_name("on the farm"))
    assert prepared.is_current(elsewhere) is None
    (asked.out / "placement.json").unlink()
    assert prepared.is_current(asked) is None
    assert prepared.read(asked.out.with_name("nothing")) == {}
    for text in ("", "[]", '{"format": "other"}', "{"):
        (asked.out / prepared.NAME).write_text(text)
        assert prepared.read(asked.out) == {}


def test_a_failure_is_told_once_and_its_pictures_stay(run: Run, asked: Preparation) -> None:
    run(asked)
    picture = str(asked.out / "report" / "masks.png")
    assert committed.fault([picture]) is None
    code, said, wrong = run(asked, FAILS)
    assert code == EXIT_USAGE
    assert wrong == "Job: failed: the photographs are all blurred\nCure: hold still\n"
    [line] = [one for one in said.splitlines() if one.startswith("PDG_FAILURE: 7;")]
    assert json.loads(line.partition(";")[2])["cure"] == "hold still"
    assert "PDG_RESULT" not in said and "Traceback" not in said + wrong
    assert prepared.read(asked.out)["failure"]["id"] == "photographs"
    # What is there is neither taken for a finished data set nor set aside.
    assert prepared.is_current(asked) is False
    assert committed.answered_for(picture)
    assert "failed" in str(committed.fault([picture]))
    assert committed.result_file(picture) == str(asked.out / prepared.NAME)
    assert str(asked.out / prepared.NAME) in committed.result_files_above(picture)
    assert not committed.answered_for(str(asked.out / "images" / "a.png"))


@pytest.mark.parametrize(
    ("program", "code", "id", "cause"),
    [
        ("import sys; print('odd'); sys.exit(9)", 1, "unknown", "exit code 9; its last line: odd"),
        ("import no_such_package", EXIT_ENVIRONMENT, "photographs-extra-missing", "No module"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1, "killed", "memory"),
    ],
)
def test_an_end_that_explains_nothing_is_explained(
    run: Run, asked: Preparation, program: str, code: int, id: str, cause: str
) -> None:
    assert run(asked, program)[0] == code
    failure = prepared.read(asked.out)["failure"]
    assert failure["id"] == id and cause in failure["cause"] and failure["cure"]


def test_what_cannot_be_begun_leaves_nothing(run: Run, asked: Preparation) -> None:
    nowhere = dataclasses.replace(asked, source=asked.source / "gone")
    code, _said, wrong = run(nowhere)
    assert code == EXIT_USAGE and "gone does not exist" in wrong
    assert not asked.out.exists()
    asked.out.write_text("in the way")
    assert run(asked)[0] == EXIT_OUTPUT


def test_nothing_is_written_through_a_link(run: Run, asked: Preparation, tmp_path: Path) -> None:
    asked.out.mkdir()
    (asked.out / "masks").symlink_to(tmp_path, target_is_directory=True)
    code, _said, wrong = run(asked)
    assert code == EXIT_OUTPUT and "is a link" in wrong


def test_a_stopped_preparation_says_that_it_goes_on(asked: Preparation, tmp_path: Path) -> None:
    """The job as a process of its own, ended by a signal: nothing of it stays alive."""
    script = tmp_path / "program.py"
    script.write_text(
        "import os, time\nprint(f'features: 1 of 9 {os.getpid()}', flush=True)\ntime.sleep(60)\n"
    )
    code = (
        "import sys; from nvdiffrec_tops.job import commandline, preparing; "
        f"preparing.SCRIPT = {str(script)!r}; sys.exit(commandline.main(sys.argv[1:]))"
    )
    words = [flags.PREPARE, *preparation.words(asked)]
    libraries = str(Path(preparing.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": libraries},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = next(one for one in process.stdout if one.startswith("features: 1 of 9"))
        process.send_signal(signal.SIGTERM)
        wrong = process.stderr.read()
        assert process.wait() == 128 + signal.SIGTERM
    assert "goes on" in wrong
    child = int(line.split()[-1])
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        os.sched_yield()
    assert not Path(f"/proc/{child}").exists()
    assert prepared.read(asked.out)["failure"]["id"] == "stopped"


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1
).filter(lambda name: name not in (".", ".."))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=NAMES, out=NAMES, masks=st.none() | NAMES, most=st.integers(8, 5000))
def test_a_command_means_what_was_asked(
    source: str, out: str, masks: str | None, most: int, tmp_path: Path
) -> None:
    """Whatever folders are called, also behind the escapes of a scheduler's line."""
    wanted = Preparation(
        tmp_path / source,
        tmp_path / out,
        None if masks is None else tmp_path / masks,
        most=most,
    )
    words = [flags.PREPARE, *preparation.words(wanted)]
    assert commandline.preparation_of(words) == wanted
    escaped = [commandline.ESCAPED, *(commandline.escape(word) for word in words)]
    assert commandline.preparation_of(escaped) == wanted
    assert commandline.preparation_of(["--engine=diffrec"]) is None
