"""What the job tells PDG: through PDG's job module where it is at hand, and by lines always."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.job import commandline, run
from nvdiffrec_tops.job.report import pdgreport
from nvdiffrec_tops.job.report.joblog import Report
from nvdiffrec_tops.job.report.pdgreport import Callbacks, WorkItem

# The documented functions and signatures; every call becomes one line of JSON beside the module.
RECORDER = """
import json, os
import neighbour
def note(name, *values):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "calls"), "a") as stream:
        stream.write(json.dumps([name, *values]) + "\\n")
def addOutputFile(result_data, workitem_id=None, server_addr=None, result_data_tag="", subindex=-1,
                  and_success=False, to_stdout=True, raise_exc=True, duration=0.0, hash_code=0,
                  batch_size=50):
    note("output", result_data, result_data_tag, to_stdout)
def setStringAttrib(attr_name, attr_value, attr_index, workitem_id=None, subindex=-1,
                    server_addr=None, raise_exc=True):
    note("string", attr_name, attr_value, attr_index)
def setIntAttrib(attr_name, attr_value, attr_index, workitem_id=None, subindex=-1,
                 server_addr=None, raise_exc=True):
    note("int", attr_name, attr_value, attr_index)
def setFloatAttrib(attr_name, attr_value, attr_index, workitem_id=None, subindex=-1,
                   server_addr=None, raise_exc=True):
    note("float", attr_name, attr_value, attr_index)
def workItemSetCookPercent(cook_percent, workitem_id=None, subindex=-1, server_addr=None,
                           raise_exc=True):
    gate = os.environ.get("TEST_GATE")
    note("percent", cook_percent)
    if gate and cook_percent == 0.0:
        open(gate).read()
def workItemSetCustomState(custom_state, workitem_id=None, subindex=-1, server_addr=None,
                           to_stdout=True, raise_exc=True):
    note("state", custom_state)
def warning(message, workitem_id=None, server_addr=None, raise_exc=True):
    note("warning", message)
"""
HANGING = "import threading\ndef __getattr__(name):\n    return lambda *a, **k: GATE.wait()\n"
HANGING = HANGING.replace("def ", "GATE = threading.Event()\ndef ", 1)
RAISING = (
    "def __getattr__(name):\n    def call(*a, **k): raise OSError('refused')\n    return call\n"
)

Variables = dict[str, str]
Give = Callable[[str], Variables]


@pytest.fixture
def give(tmp_path: Path) -> Give:
    """Puts a module text where PDG puts its own; the environment of a work item 41 with it."""

    def make(text: str) -> Variables:
        scripts = tmp_path / "pdgtemp" / "scripts"
        scripts.mkdir(parents=True)
        (scripts / "pdgcmd.py").write_text(text)
        (scripts / "neighbour.py").write_text("")
        # Would break the job if the scripts folder were searched before the standard library.
        (scripts / "json.py").write_text("raise SystemExit('imported from the scripts folder')")
        return {
            "PDG_RESULT_SERVER": "localhost:1",
            "PDG_SCRIPTDIR": str(scripts),
            "PDG_ITEM_ID": "41",
        }

    return make


def calls(variables: Variables) -> list[Any]:
    path = Path(variables["PDG_SCRIPTDIR"], "calls")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def job_in_process(
    site: Any, variables: Variables, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    """Run a job in this process: exit code, standard output, standard error."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(site.folder)
    job, force = commandline.parse([*site.arguments(), *words])
    out, error = io.StringIO(), io.StringIO()
    code = run.run(job, force, Report(out, error))
    return code, out.getvalue(), error.getvalue()


def test_a_training_is_told_to_pdg(site, give):
    variables = give(RECORDER)
    done = site.run(*site.arguments(), **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: PDG" not in done.stdout
    said = calls(variables)
    output = site.output.as_posix()
    values = {call[1]: (call[0], call[2], call[3]) for call in said if call[0] in SETTERS}
    seconds = values.pop("training_seconds")
    assert seconds[0] == "float" and seconds[1] > 0
    assert values == {
        "psnr": ("float", 30.5, 0), "psnr_pass1": ("float", 27.125, 0), "faces": ("int", 10, 0),
        "engine": ("string", "nvdiffrec", 0),
    }  # fmt: skip
    tags: dict[str, str] = {}
    for _, paths, tag, to_stdout in (call for call in said if call[0] == "output"):
        assert to_stdout is False  # the job prints the lines itself
        tags.update(dict.fromkeys([paths] if isinstance(paths, str) else paths, tag))
    assert next(iter(tags)) == f"{output}/mesh/mesh.obj"
    assert len(tags) == 15
    assert tags[f"{output}/mesh/mesh.mtl"] == "file/text/mtl"
    assert tags[f"{output}/metrics.csv"] == "file/csv"
    assert tags[f"{output}/mesh/texture_kd.png"] == "file/image/png"
    assert tags[f"{output}/mesh/probe.hdr"] == "file/image/hdr"
    assert tags[f"{output}/result.json"] == "file/json"
    percents = [call[1] for call in said if call[0] == "percent"]
    assert percents == sorted(percents) and percents[-1] == 100.0
    states = [call[1] for call in said if call[0] == "state"]
    assert states[-1] == "done"


SETTERS = ("string", "int", "float")


def test_the_lines_say_the_same_without_pdgs_module(site):
    done = site.run(*site.arguments(), PDG_ITEM_ID="41")
    lines = done.stdout.splitlines()
    attributes = dict(
        line.removeprefix("PDG_ATTRIB: 41;").split(";", 1)
        for line in lines
        if line.startswith("PDG_ATTRIB: ")
    )
    values = {name: json.loads(value) for name, value in attributes.items()}
    assert values.pop("training_seconds") > 0
    assert values == {"psnr": 30.5, "psnr_pass1": 27.125, "faces": 10, "engine": "nvdiffrec"}
    states = [line.split(";")[2] for line in lines if line.startswith("PDG_SET_CUSTOM_STATE: 41;")]
    assert states == [
        "starting", "pass 1", "validating", "texturing", "exporting",
        "pass 2", "validating", "exporting", "done",
    ]  # fmt: skip
    results = [line.split(";")[2] for line in lines if line.startswith("PDG_RESULT: 41;")]
    assert results[0] == f"{site.output.as_posix()}/mesh/mesh.obj"
    # A second time nothing is trained, and the item carries the same.
    again = site.run(*site.arguments(), PDG_ITEM_ID="41").stdout.splitlines()
    assert [line for line in again if line.startswith("PDG_ATTRIB")] == [
        line for line in lines if line.startswith("PDG_ATTRIB")
    ]


def test_no_item_no_lines(site):
    done = site.run(*site.arguments(), PDG_ITEM_ID="")
    assert "PDG_" not in done.stdout and "ALF_PROGRESS 100%" in done.stdout


def test_pdgs_module_is_left_alone_where_its_callbacks_are_off(site, give):
    variables = {**give(RECORDER), "PDG_DISABLE_RPC": "1"}
    assert site.run(*site.arguments(), **variables).returncode == 0
    assert calls(variables) == []


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (RAISING, ": refused"),
        ("raise SystemExit(3)", "cannot be used: 3"),
        ("syntax error", "cannot be used: "),
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("", "has no attribute"),
        ("\0", "cannot be used: "),
    ],
)
def test_a_broken_module_does_not_fail_a_training(site, give, text, trouble):
    done = site.run(*site.arguments(), **give(text))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (note,) = (line for line in lines if line.startswith("Job: note: PDG's callback failed: "))
    assert trouble in note
    assert "were not delivered" in note
    assert lines[-1].startswith("Job: done in ")
    assert "Traceback" not in done.stdout + done.stderr
    # What PDG's module did not take still stands on standard output.
    assert sum(line.startswith("PDG_RESULT: 41;") for line in lines) == 15


def test_a_hanging_module_delays_the_end_by_the_limit_alone(site, give, monkeypatch):
    monkeypatch.setattr(pdgreport, "FINAL_SECONDS", 0.25)
    code, out, error = job_in_process(site, give(HANGING), monkeypatch)
    assert code == 0, out + error
    assert "no answer within 0.25 s; reports that were not delivered: " in out
    assert out.splitlines()[-1].startswith("Job: done in ")


def test_a_failure_is_told_at_once_although_the_module_hangs(site, give, monkeypatch):
    monkeypatch.setattr(pdgreport, "FAILED_SECONDS", 0.25)
    monkeypatch.setattr(pdgreport, "FINAL_SECONDS", 3600.0)
    variables = {**give(HANGING), "FAKE": "say:CUDA out of memory"}
    code, _, error = job_in_process(site, variables, monkeypatch)
    assert code == 1 and "memory is full" in error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_only_the_newest_progress_waits_for_a_slow_server(give, tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setenv("TEST_GATE", str(gate))
    monkeypatch.setattr(sys, "path", list(sys.path))
    variables = give(RECORDER)
    callbacks = Callbacks(os.path.join(variables["PDG_SCRIPTDIR"], "pdgcmd.py"), interval=3600.0)
    callbacks.newest("workItemSetCookPercent", 0.0)
    opened = gate.open("w")  # returns once the first call waits at the gate
    for percent in range(1, 100):
        callbacks.newest("workItemSetCookPercent", float(percent))
        callbacks.newest("workItemSetCustomState", f"state {percent}")
    callbacks.keep("setIntAttrib", "faces", 5, 0)
    opened.close()
    assert callbacks.finish(30.0) == ""
    assert calls(variables) == [
        ["percent", 0.0], ["int", "faces", 5, 0], ["percent", 99.0], ["state", "state 99"],
    ]  # fmt: skip


def test_the_queue_is_bounded(give, monkeypatch):
    monkeypatch.setattr(pdgreport, "MAX_KEPT", 10)
    monkeypatch.setattr(sys, "path", list(sys.path))
    callbacks = Callbacks(os.path.join(give(HANGING)["PDG_SCRIPTDIR"], "pdgcmd.py"))
    for number in range(100):
        callbacks.keep("setIntAttrib", "faces", number, 0)
    trouble = callbacks.finish(0.0)
    delivered = 100 - int(trouble.rsplit(": ", 1)[1])
    assert delivered <= 1  # the one that hangs


def test_a_dead_server_is_not_asked_for_every_file(give, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    counted = "COUNT = []\n" + RAISING.replace("raise", "COUNT.append(1); raise")
    text = counted.replace("refused'", "refused %d' % len(COUNT)")
    callbacks = Callbacks(os.path.join(give(text)["PDG_SCRIPTDIR"], "pdgcmd.py"))
    for number in range(50):
        callbacks.keep("addOutputFile", f"/x/{number}", result_data_tag="file")
    trouble = callbacks.finish(30.0)
    assert trouble == (
        "PDG's callback failed: addOutputFile: refused 1; reports that were not delivered: 50"
    )


def test_a_line_of_the_trainer_that_is_open_is_ended_first():
    out = io.StringIO()
    report = Report(out, io.StringIO())
    item = WorkItem(report, {"PDG_ITEM_ID": "7"})
    report.write("50 % [=====     ]\r")
    item.percent(50)
    item.state("pass 1")
    report.write("whole line\n")
    report.say("Job: done")
    assert out.getvalue() == (
        "50 % [=====     ]\r\nALF_PROGRESS 50%\nPDG_SET_CUSTOM_STATE: 7;-1;pass 1\n"
        "whole line\nJob: done\n"
    )


@pytest.mark.parametrize("item", ["4;5", "4\n5"])
def test_an_item_that_would_break_the_lines_is_none(item):
    out = io.StringIO()
    WorkItem(Report(out, io.StringIO()), {"PDG_ITEM_ID": item}).state("pass 1")
    assert out.getvalue() == ""


# -- a failure that is no more than a warning ---------------------------------------------------
def test_a_failed_training_may_be_a_warning(site, give):
    assert site.run(*site.arguments()).returncode == 0
    before = site.files()
    variables = give(RECORDER)
    words = site.arguments(FAKE="say:CUDA out of memory")
    done = site.run(*words, "--set=iter=30", "--on-failure=warn", **variables)
    assert done.returncode == 0
    assert site.files() == before  # result.json too: it speaks of what stands there
    errors = done.stderr.splitlines()
    assert errors[0] == "Job: warning: the GPU's memory is full"
    assert errors[1].startswith("Cure: lower batch")
    last = "Job: failed: the GPU's memory is full, going on as asked"
    assert done.stdout.splitlines()[-1] == last
    assert last in (site.output / "job.log").read_text()
    said = calls(variables)
    (warning,) = (call for call in said if call[0] == "warning")
    assert warning[1].startswith("the GPU's memory is full. lower batch")
    assert not any(call[0] == "output" for call in said)
    assert "PDG_WARNING: 41;the GPU's memory is full. lower batch" in done.stdout
    assert "PDG_RESULT" not in done.stdout


def test_a_first_failure_as_a_warning_leaves_no_result(site):
    done = site.run(*site.arguments(FAKE="nothing"), "--on-failure", "warn")
    assert done.returncode == 0 and site.files() == {}


def test_other_failures_are_warnings_too_but_a_wrong_command_is_not(site):
    for words in (["--timeout=0.5"], ["--set=itter=5"], ["--working-dir=nowhere"]):
        done = site.run(*site.arguments(FAKE="hang"), *words, "--on-failure=warn")
        assert done.returncode == 0 and "going on as asked" in done.stdout
    assert site.run("--engine=diffrec", "--on-failure=warn").returncode == 2
    assert site.run(*site.arguments(), "--on-failure=ignore").returncode == 2


def test_a_job_file_may_ask_for_it(site):
    path = site.folder / "job.json"
    job = {
        "format": "tops-nvdiffrec-job", "version": 1, "engine": "diffrec", "config": "none.json",
        "output": "results", "on_failure": "warn",
    }  # fmt: skip
    path.write_text(json.dumps(job))
    assert site.run(str(path)).returncode == 0
    path.write_text(json.dumps({**job, "on_failure": "warm"}))
    refused = site.run(str(path))
    assert refused.returncode == 2
    assert '"on_failure" must be one of fail, warn, not "warm" (did you mean "warn"?)' in (
        refused.stderr
    )
