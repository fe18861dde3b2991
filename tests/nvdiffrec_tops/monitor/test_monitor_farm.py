"""A farm job's page: what its state files say, beside what lies in the output folders."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops import attributes
from nvdiffrec_tops.hqueue.record import Submission
from nvdiffrec_tops.job.farmstate import DONE, STARTED
from nvdiffrec_tops.job.process import lock
from nvdiffrec_tops.monitor import report
from nvdiffrec_tops.monitor.server import Answers
from nvdiffrec_tops.monitor.watching import FarmJob

from .folders import finished

ITEM = "train_1_0"


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    """One work item, sent to a farm and not begun; its output folder is ``out/vase``."""
    item = {
        "name": ITEM,
        "id": 5,
        "job": 8,
        "attributes": {attributes.OUTPUT: [str(tmp_path / "out/vase")]},
    }
    folder = tmp_path / "pdgtemp/farm/abc"
    folder.mkdir(parents=True)
    made = Submission(
        "abc", "http://farm", "vase.hip", folder, tmp_path / "pdgtemp", 7, [8], [item], True
    )
    made.state.make()
    return made


def at_work(folder: Path, host: object) -> None:
    """A job of another machine trains there."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = {"pid": 1, "host": host, "since": int(time.time())}
    (folder / lock.NAME).write_text(json.dumps(owner))


@pytest.mark.parametrize("code", [0, 1])
def test_the_states_of_a_job_from_its_sending_to_its_end(
    submission: Submission, tmp_path: Path, code: int
) -> None:
    output = tmp_path / "out/vase"
    page = Answers(FarmJob(submission))

    def state() -> str:
        [row] = page.overview()["trainings"]
        detail = page.data(f"{row['key']}/detail")
        assert detail is not None and detail["state"] == row["state"]
        return str(row["state"])

    assert state() == "waiting"
    finished(output)  # of an earlier training: this one has not begun
    assert state() == "waiting"
    at_work(output, "render07")
    assert state() == "running"
    submission.state.write(ITEM + STARTED, {"started": 1.0})
    (output / lock.NAME).unlink()
    assert state() == "done"
    submission.state.write(ITEM + DONE, {"code": code})
    assert state() == "done"


def test_a_job_that_left_nothing_is_told_by_the_farm_alone(
    submission: Submission, tmp_path: Path
) -> None:
    found = FarmJob(submission)
    [one] = found.trainings()

    def shown() -> tuple[str, str, str]:
        [row] = report.document([one], found)["data"]["overview"]["trainings"]
        return row["state"], row["cause"], row["cure"]

    submission.state.write(ITEM + STARTED, {"started": 1.0})
    assert shown() == ("running", "", "")
    submission.state.write(ITEM + DONE, {"code": 137})
    state, cause, cure = shown()
    assert state == "failed" and "exit code 137" in cause and f"{ITEM}.log" in cure
    logs = submission.folder / "logs"
    logs.mkdir()
    refused = Failure("job-file", "there is no vase.obj", "put it there", exit_code=2, retry=False)
    other = failureline.text("4", Failure("x", "another item's", "", exit_code=2, retry=False))
    lines = ["starting", failureline.text("5", refused), other, "Job: failed"]
    (logs / f"{ITEM}.log").write_text("\n".join(lines) + "\n")
    assert shown() == ("failed", "there is no vase.obj", "put it there")
    (Path(submission.state.path) / (ITEM + DONE)).unlink()
    submission.state.cancel()
    assert shown() == ("stopped", "", "")


@pytest.mark.parametrize(
    ("host", "shown"),
    [("render07", "render07"), ("a\nb", "a\N{REPLACEMENT CHARACTER}b"), (None, ""), (3, "")],
)
def test_the_machine_is_the_one_that_trains_now(
    submission: Submission, tmp_path: Path, host: object, shown: str
) -> None:
    finished(tmp_path / "out/vase", host="render01")
    [one] = FarmJob(submission).trainings()
    assert one.summary()["machine"] == "render01"
    at_work(tmp_path / "out/vase", host)
    assert one.summary()["machine"] == (shown or "render01")
