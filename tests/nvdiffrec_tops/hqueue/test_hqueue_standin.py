"""The stand-in farm does what HQueue's documentation says of a farm."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from standin import Job, StandIn

Farm = Callable[..., "StandIn"]


# -- what a job sees ------------------------------------------------------------------------
def test_a_job_has_the_service_s_environment_and_its_own(
    standin: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_ARTIST", "1")
    farm = standin(environment={"PYTHONHOME": "/opt/service"})
    [job] = farm.server.newjob(
        {"name": "env", "command": "env", "environment": {"A": "x y", "JOBID": "?"}}
    )
    variables = dict(one.split("=", 1) for one in farm.wait(job, "succeeded").output)
    assert variables["A"] == "x y"
    assert variables["PYTHONHOME"] == "/opt/service"
    assert variables["JOBID"] == str(job)
    assert variables["HQSERVER"] == farm.address
    assert variables["HQCLIENTARCH"].split("-")[0] == "linux"
    assert Path(variables["HQROOT"]).is_dir()
    assert "OF_THE_ARTIST" not in variables


def test_the_shell_and_the_command_of_the_platform_are_used(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    commands = {"linux": "[[ -n $BASH ]] && echo here", "windows": "echo there"}
    [good] = server.newjob({"name": "bash", "shell": "bash", "command": commands})
    assert list(farm.wait(good, "succeeded").output) == ["here"]
    [bad] = server.newjob({"name": "cmd", "shell": "cmd", "command": commands})
    [none] = server.newjob({"name": "none", "command": {"windows": "echo there"}})
    assert "Could not run command" in farm.wait(bad, "failed").output[0]
    assert "for linux" in farm.wait(none, "failed").output[0]


def test_progress_lines_become_the_job_s_progress(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    door = farm.door()
    command = (
        "echo PROGRESS: 1/4; echo PROGRESS: x/y; echo PROGRESS: 1/0; echo on; cat $HQROOT/door"
    )
    [job] = server.newjob({"name": "slow", "command": command})
    farm.lines(job, 4)
    assert server.getJob(job, ["progress", "status"]) == {"progress": 0.25, "status": "running"}
    assert farm.status(job) in server.getRunningJobStatusNames()
    door.write_text("")
    farm.wait(job, "succeeded")
    assert server.getJob(job, ["progress"]) == {"progress": 1.0}


# -- jobs that wait for each other ----------------------------------------------------------
def test_children_run_before_their_parents_however_they_are_named(standin: Farm) -> None:
    farm = standin(clients=3)
    server = farm.server

    def spec(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "command": f"echo {name} >> $HQROOT/order", **more}

    [first] = server.newjob(spec("first", children=[spec("nested", children=[spec("deep")])]))
    [second] = server.newjob(spec("second", childrenIds=[first]))
    last, _ = server.newjob(
        [spec("last", childStubIds=["stub"]), spec("stubbed", stubId="stub", childrenIds=[second])]
    )
    farm.wait(last, "succeeded")
    order = Path(farm.folders["linux"], "order").read_text().split()
    assert order == ["deep", "nested", "first", "second", "stubbed", "last"]


def test_a_job_can_be_put_before_one_that_waits(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    door = farm.door()
    [slow] = server.newjob({"name": "slow", "command": "cat $HQROOT/door"})
    [waiting] = server.newjob({"name": "w", "command": "cat $HQROOT/made"})
    assert farm.status(waiting) == "waiting for machine"
    server.newjob({"name": "maker", "command": "echo it >> $HQROOT/made", "parentIds": [waiting]})
    assert farm.status(waiting) == "waiting for children"
    door.write_text("")
    farm.wait(slow, "succeeded")
    assert list(farm.wait(waiting, "succeeded").output) == ["it"]


def test_a_container_takes_no_machine_and_ends_with_its_children(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    [empty] = server.newjob({"name": "empty", "command": ""})
    assert farm.status(empty) == "succeeded"
    door = farm.door()
    children = [
        {"name": "a", "command": "true"},
        {"name": "b", "command": "cat $HQROOT/door"},
    ]
    [container] = server.newjob({"name": "all", "children": children})
    farm.wait(container + 1, "succeeded")
    assert server.getJob(container, ["progress"]) == {"progress": 0.5}
    more = server.newjob([{"name": "c", "command": "true"}], container)
    door.write_text("")
    job = farm.wait(container, "succeeded")
    assert job.runs == []
    assert farm.status(more[0]) == "succeeded"
    assert server.getinfo(more[0])["parents"] == [container]


def test_a_parent_of_a_failed_job_does_not_run(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    children = [{"name": "a", "command": "exit 3"}, {"name": "b", "command": "true"}]
    [parent] = server.newjob({"name": "p", "command": "true", "children": children})
    assert farm.wait(parent).status == "failed"
    assert farm.jobs[parent].runs == []
    assert farm.jobs[parent + 1].code == 3
    assert farm.wait(parent + 2).status == "succeeded"
    [late] = server.newjob({"name": "late", "command": "true", "childrenIds": [parent]})
    assert farm.status(late) == "failed"


def test_jobs_are_added_all_or_none(standin: Farm) -> None:
    farm = standin(instant=True)
    server = farm.server
    [known] = server.newjob({"name": "known"})
    for wrong in (
        [{"name": "good"}, {"command": "true"}],
        [{"name": "good"}, {"name": "bad", "childrenIds": [99]}],
        [
            {"name": "a", "stubId": 1, "childStubIds": [2]},
            {"name": "b", "stubId": 2, "childStubIds": [1]},
        ],
        {"name": "loop", "parentIds": [known], "childrenIds": [known]},
    ):
        with pytest.raises(xmlrpc.client.Fault):
            server.newjob(wrong)
    assert list(farm.jobs) == [known]
    assert server.getJob(known, ["parents", "children"]) == {"parents": [], "children": []}
    with pytest.raises(xmlrpc.client.Fault, match="Job 99 does not exist"):
        server.getJob(99)


# -- machines -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "machine"),
    [
        ({"conditions": [("group", "==", "gpu")]}, "b"),
        ({"conditions": [("hostname", "any", "x, c")]}, "c"),
        ({"conditions": [("os", "==", "macosx")]}, "d"),
        ({"conditions": [("group", "any", "night,gpu"), ("hostname", "==", "c")]}, "c"),
        ({"conditions": [("group", "==", "nowhere")]}, ""),
        ({"conditions": [("group", "==", "gpu,night")]}, ""),
        ({"host": "c"}, "c"),
        ({"hostgroup": "gpu,other"}, "b"),
        ({"cpus": 4}, "c"),
        ({"cpus": 5}, ""),
        ({"resources": {"licence": 2}}, "a"),
        ({"resources": [{"name": "licence", "quantity": 3}]}, ""),
        ({}, "a"),
    ],
)
def test_a_job_goes_to_a_machine_that_does(
    standin: Farm, standin_module: Any, asked: dict[str, Any], machine: str
) -> None:
    client = standin_module.Client
    machines = [
        client("a"),
        client("b", groups=("gpu",)),
        client("c", cpus=4, groups=("night",)),
        client("d", os="macosx"),
    ]
    farm = standin(machines, instant=True, resources={"licence": 2})
    if "conditions" in asked:
        keys = ("name", "op", "value")
        asked = {
            "conditions": [
                {"type": "client", **dict(zip(keys, one, strict=True))}
                for one in asked["conditions"]
            ]
        }
    server = farm.server
    [job] = server.newjob({"name": "one", "command": "true", **asked})
    [other] = server.newjob({"name": "other", "command": "true"})
    farm.wait(other, "succeeded")
    if machine:
        assert farm.wait(job, "succeeded").runs == [machine]
    else:
        assert farm.status(job) == "waiting for machine"


@pytest.mark.parametrize(
    ("asked", "most"),
    [({}, 4), ({"cpus": 2}, 2), ({"tags": ["single"]}, 1), ({"resources": {"gpu": 1}}, 3)],
)
def test_slots_and_resources_limit_how_many_run(
    standin: Farm, standin_module: Any, asked: dict[str, Any], most: int
) -> None:
    at_once: list[int] = []

    def count(job: Job) -> int:
        assert job.run is not None
        at_once.append(len(job.run.client.runs))
        return 0

    machine = standin_module.Client("a", cpus=4)
    farm = standin([machine], instant=count, resources={"gpu": 3})
    jobs = farm.server.newjob([{"name": "j", "command": "true", **asked}] * 12)
    for job in jobs:
        farm.wait(job, "succeeded")
    assert max(at_once) == most
    assert farm.machines["a"].used == 0
    assert farm.resources == {"gpu": 3}


def test_the_most_urgent_job_goes_first(standin: Farm) -> None:
    order: list[str] = []

    def note(job: Job) -> int:
        order.append(job.spec["name"])
        return 0

    farm = standin(instant=note)
    priorities = {"low": 0, "usual": 5, "later": 5, "high": 10}
    jobs = [{"name": "n", "command": "true", "priority": p} for p in priorities.values()]
    specs = [{**job, "name": name} for job, name in zip(jobs, priorities, strict=True)]
    for job in farm.server.newjob(specs):
        farm.wait(job, "succeeded")
    assert order == ["high", "usual", "later", "low"]


def test_a_failed_job_starts_again_while_it_has_tries_left(standin: Farm) -> None:
    farm = standin()
    command = "test -e $HQROOT/been || { touch $HQROOT/been; exit 1; }"
    server = farm.server
    [job] = server.newjob({"name": "second time", "command": command, "triesLeft": 2})
    assert farm.wait(job).status == "succeeded"
    [other] = server.newjob({"name": "never", "command": "exit 1", "triesLeft": 3})
    assert farm.wait(other).status == "failed"
    assert [len(farm.jobs[one].runs) for one in (job, other)] == [2, 3]
