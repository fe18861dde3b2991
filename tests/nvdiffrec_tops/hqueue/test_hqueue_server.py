"""A server that is away, in trouble, or has forgotten its jobs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.hqueue.server import (
    HQueueProblem,
    Server,
    UnansweredSubmission,
    UnknownJob,
)
from nvdiffrec_tops.hqueue.tokenbucket import TokenBucket

if TYPE_CHECKING:
    from standin import StandIn

Farm = Callable[..., "StandIn"]
SPEC = {"name": "a", "command": "true"}
NOWHERE = [{"type": "client", "name": "hostname", "op": "==", "value": "nowhere"}]


# -- the way there and back -----------------------------------------------------------------
def test_a_job_is_submitted_followed_and_cancelled(standin: Farm) -> None:
    farm = standin()
    server = Server(farm.address.removeprefix("http://"))
    server.ping()
    first, second = server.new_jobs([SPEC, {"name": "b", "command": "echo $$; exec sleep 1000"}])
    farm.wait(first, "succeeded")
    assert server.job(first, ["status", "progress"]) == {"status": "succeeded", "progress": 1.0}
    assert server.job(first)["name"] == "a"
    names = server.status_names()
    assert "succeeded" in names.succeeded
    assert server.job(second)["status"] in names.running
    server.cancel([second])
    farm.wait(second)
    assert server.job(second)["status"] in names.failed
    [third] = server.new_jobs([SPEC], first)
    assert farm.jobs[third].parents == [farm.jobs[first]]
    assert server.new_jobs([]) == []
    assert server.requests == farm.requests
    assert server.network_folders() == [farm.folders]


# -- no server ------------------------------------------------------------------------------
def test_a_server_that_is_down_is_tried_for_as_long_as_said(standin: Farm, clock: Any) -> None:
    farm = standin()
    farm.stop()
    said = list[str]()
    server = Server(
        farm.address, patience=300.0, on_trouble=said.append, now=clock.now, sleep=clock.sleep
    )
    with pytest.raises(HQueueProblem, match=r"cannot be reached: Connection refused") as problem:
        server.ping()
    assert "check the address" in problem.value.cure
    assert clock.time == pytest.approx(300.0)
    assert all(0.0 < pause <= 15.0 for pause in clock.pauses)
    assert clock.pauses[0] <= 0.5 < max(clock.pauses)
    assert server.requests == len(clock.pauses) + 1
    assert said == [
        f"the HQueue server {farm.address} cannot be reached: Connection refused; trying again"
    ]


def test_without_patience_it_is_tried_once(standin: Farm) -> None:
    farm = standin()
    farm.stop()
    said: list[str] = []
    server = Server(farm.address, patience=0.0, on_trouble=said.append)
    for ask in (server.ping, lambda: server.job(1), lambda: server.new_jobs([SPEC])):
        with pytest.raises(HQueueProblem, match="cannot be reached") as problem:
            ask()
        assert type(problem.value) is HQueueProblem
    assert server.requests == 3
    assert not said


def test_what_waits_is_done_when_the_server_is_back(standin: Farm, clock: Any) -> None:
    farm = standin(instant=True)
    farm.stop()
    said = list[str]()
    clock.on_sleep = lambda number: farm.start() if number == 3 else None
    server = Server(
        farm.address, patience=60.0, on_trouble=said.append, now=clock.now, sleep=clock.sleep
    )
    assert server.new_jobs([SPEC]) == [1]
    assert len(clock.pauses) == 3
    assert said[1:] == [f"the HQueue server {farm.address} answers again"]


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_given: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(HQueueProblem, match="http://nowhere:5000 cannot be reached: Name or"):
        Server("nowhere", patience=0.0).ping()


# -- a server in trouble --------------------------------------------------------------------
def test_errors_of_the_server_and_broken_connections_pass(standin: Farm, clock: Any) -> None:
    farm = standin(instant=True)
    server = Server(farm.address, now=clock.now, sleep=clock.sleep)
    [job] = server.new_jobs([SPEC])
    farm.wait(job)
    farm.misbehave("500", "drop", "lose", "500")
    assert server.job(job, ["status"]) == {"status": "succeeded"}
    farm.misbehave("lose")
    server.cancel([job])
    assert farm.calls["cancelJobs"] == 2


@pytest.mark.parametrize("kind", ["500", "drop", "lose"])
def test_a_submission_is_never_sent_twice(standin: Farm, kind: str) -> None:
    farm = standin(instant=True)
    farm.misbehave(kind)
    with pytest.raises(UnansweredSubmission, match="whether it has taken the jobs is unknown"):
        Server(farm.address).new_jobs([SPEC])
    assert farm.requests == 1
    assert len(farm.jobs) == (kind == "lose")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Busy"])
def test_an_error_of_the_server_is_told(scripted: Any, status: str) -> None:
    server = scripted.server(scripted.http("<h1>oh</h1>", status))
    with pytest.raises(HQueueProblem, match=f"answers with {status}") as problem:
        server.ping()
    assert "errors.log" in problem.value.cure


def test_a_server_that_is_asked_too_often_may_be_sent_jobs_again(scripted: Any, clock: Any) -> None:
    busy = scripted.http("", "429 Too Many Requests")
    jobs = scripted.value([7])
    server = scripted.server(busy, jobs, patience=9.0, now=clock.now, sleep=clock.sleep)
    assert server.new_jobs([SPEC]) == [7]
    assert len(scripted.asked) == 2


@pytest.mark.parametrize("begun", ["", "<methodResponse>"])
def test_a_server_that_stops_answering(scripted: Any, begun: str) -> None:
    cut_off = scripted.http(begun, Content_Length="1000")
    server = scripted.server(cut_off if begun else scripted.silence, timeout=0.05)
    told = "breaks the connection off" if begun else "does not answer within 0.05 seconds"
    with pytest.raises(HQueueProblem, match=told):
        server.job(1)
    with pytest.raises(UnansweredSubmission):
        server.new_jobs([SPEC])
    assert len(scripted.asked) == 2


def test_status_names_are_asked_again_after_the_server_was_away(scripted: Any, clock: Any) -> None:
    first = [scripted.value([name]) for name in ("done", "broken", "busy", "held")]
    again = [scripted.value([name]) for name in ("succeeded", "failed", "running", "paused")]
    server = scripted.server(
        *first, None, scripted.value(True), *again, patience=9.0, now=clock.now, sleep=clock.sleep
    )
    assert server.status_names().succeeded == {"done"}
    assert server.status_names().failed == {"broken", "failed", "cancelled", "abandoned"}
    assert len(scripted.asked) == 4
    server.ping()
    assert server.status_names().succeeded == {"succeeded"}
    assert len(scripted.asked) == 10


# -- a server that has forgotten ------------------------------------------------------------
def test_a_server_that_keeps_its_state_goes_on_after_a_restart(standin: Farm) -> None:
    farm = standin(instant=True)
    server = Server(farm.address, patience=0.0)
    [job] = server.new_jobs([SPEC])
    farm.restart()
    assert server.job(job)["name"] == "a"


def test_jobs_of_a_server_that_has_lost_its_state_are_unknown(standin: Farm) -> None:
    farm = standin(instant=True)
    server = Server(farm.address, patience=0.0)
    jobs = server.new_jobs([SPEC] * 3)
    farm.restart(lose_state=True)
    with pytest.raises(UnknownJob, match=f"does not know job {jobs[0]}") as problem:
        server.job(jobs[0], ["status"])
    assert "submit again" in problem.value.cure
    kept = server.new_jobs([{"name": "a", "command": "true", "conditions": NOWHERE}])
    server.cancel([3, *kept, 4])
    assert farm.wait(kept[0]).status == "cancelled"


@pytest.mark.parametrize(
    "said",
    [
        ("value", None),
        ("value", {}),
        ("value", False),
        ("fault", "Job matching query does not exist."),
        ("fault", "<class 'hq.DoesNotExist'>:Job 7 doesn't exist"),
        ("fault", "'NoneType' object has no attribute 'status'"),
        ("fault", "no such job: 7"),
    ],
)
def test_the_ways_to_say_that_a_job_is_unknown(scripted: Any, said: Any) -> None:
    kind, what = said
    with pytest.raises(UnknownJob, match="job 7"):
        scripted.server(getattr(scripted, kind)(what)).job(7)


@pytest.mark.parametrize("text", ['method "getJob" is not supported', "database is locked", ""])
def test_other_refusals_are_told_as_the_server_words_them(scripted: Any, text: str) -> None:
    server = scripted.server(scripted.fault(f"<class 'Exception'>:{text}"))
    told = f"refuses 'getJob': {text or 'no reason'}"
    with pytest.raises(HQueueProblem, match=told) as problem:
        server.job(7)
    assert not isinstance(problem.value, UnknownJob)
    with pytest.raises(HQueueProblem, match="refuses 'cancelJobs'"):
        server.cancel([1, 2])
    assert len(scripted.asked) == 2


@pytest.mark.parametrize("wrong", [7, "running", [1]])
def test_values_of_the_wrong_kind_are_told(scripted: Any, wrong: Any) -> None:
    with pytest.raises(HQueueProblem, match="but not as an HQueue server"):
        scripted.server(scripted.value(wrong)).job(1)
    with pytest.raises(HQueueProblem, match="but not as an HQueue server"):
        scripted.server(scripted.value(7)).status_names()
    with pytest.raises(UnansweredSubmission, match="without numbers of jobs"):
        scripted.server(scripted.value(["x"])).new_jobs([SPEC])
    assert scripted.server(scripted.value(7)).new_jobs([SPEC]) == [7]


# -- what not every server has --------------------------------------------------------------
@pytest.mark.parametrize(
    ("told", "folders"),
    [
        ([], []),
        ("no", []),
        ({"linux": "/hq", "windows": "H:/"}, [{"linux": "/hq", "windows": "H:/"}]),
        ([{"name": "hq", "paths": {"linux": "/hq", "windows": ""}}], [{"linux": "/hq"}]),
        ({"a": {"Linux": "/a"}, "b": {"macos": "/b"}}, [{"linux": "/a"}, {"macosx": "/b"}]),
    ],
)
def test_network_folders_in_any_shape(scripted: Any, told: Any, folders: Any) -> None:
    assert scripted.server(scripted.value(told)).network_folders() == folders


def test_a_server_without_the_newer_methods(standin: Farm) -> None:
    farm = standin(
        missing=["getNetworkFolders", "getSucceededStatusNames", "getPausedJobStatusNames"]
    )
    server = Server(farm.address)
    assert server.network_folders() is None
    assert server.status_names().succeeded == {"succeeded"}
    assert server.status_names().paused == {"paused"}


# -- how often ------------------------------------------------------------------------------
@given(st.floats(0.5, 50.0), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=100))
def test_requests_are_spaced(clocks: Any, rate: float, idle: list[float]) -> None:
    clock = clocks()
    burst = max(2 * rate, 1.0)
    bucket = TokenBucket(rate, burst, now=clock.now, sleep=clock.sleep)
    passed = []
    for seconds in idle:
        clock.time += seconds
        bucket.wait()
        passed.append(clock.time)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            window = passed[last] - passed[first]
            assert last - first + 1 <= burst + rate * window + 1e-6
    # Nobody waits for longer than it takes to earn one place.
    assert all(pause <= 1.0 / rate + 1e-9 for pause in clock.pauses)


def test_a_server_is_not_asked_more_often_than_said(standin: Farm, clock: Any) -> None:
    farm = standin(instant=True)
    server = Server(farm.address, requests_per_second=10.0, now=clock.now, sleep=clock.sleep)
    for _ in range(120):
        server.ping()
    assert clock.time == pytest.approx((120 - 20) / 10.0)
    with pytest.raises(ValueError):
        TokenBucket(0.0, 1.0)
