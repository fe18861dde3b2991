"""How jobs of the stand-in farm end, and how its server goes and comes."""

from __future__ import annotations

import os
import select
import time
import xmlrpc.client
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from standin import StandIn

Farm = Callable[..., "StandIn"]


def watch(pid: int) -> Callable[[], bool]:
    """Whether the process ends within some seconds."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("the end of a process that is not one's own child is told on Linux alone")
    handle = os.pidfd_open(pid)

    def ended() -> bool:
        try:
            return bool(select.select([handle], [], [], 20.0)[0])
        finally:
            os.close(handle)

    return ended


# -- ends -----------------------------------------------------------------------------------
FAMILY = """
setsid sh -c 'echo $$; exec sleep 1000' &
sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $!'
sleep 1000 & echo $!
wait
"""


def started_family(farm: StandIn, server: Any, **spec: Any) -> tuple[int, list[Callable[[], bool]]]:
    """A job with a child, one in a session of its own, and one whose parent has ended."""
    [job] = server.newjob({"name": "family", "command": FAMILY, **spec})
    return job, [watch(int(line)) for line in farm.lines(job, 3)]


def test_cancelling_kills_the_whole_tree_and_what_is_below(standin: Farm) -> None:
    farm = standin(clients=2)
    server = farm.server
    [bystander] = server.newjob({"name": "other", "command": "echo $$; exec sleep 1000"})
    farm.lines(bystander, 1)
    child, ended = started_family(farm, server)
    [container, after] = server.newjob(
        [
            {"name": "all", "childrenIds": [child]},
            {"name": "after", "command": "true", "childrenIds": [child]},
        ]
    )
    server.cancelJobs([container])
    assert all(end() for end in ended)
    assert farm.wait(child).status == farm.wait(container).status == "cancelled"
    assert farm.wait(after).status == "failed"
    assert farm.status(child) in server.getFailedJobStatusNames()
    assert farm.status(bystander) == "running"


def test_a_waiting_job_is_cancelled_with_the_jobs_that_it_waits_for(standin: Farm) -> None:
    farm = standin(clients=0)
    server = farm.server
    [first] = server.newjob({"name": "a", "command": "true"})
    [then] = server.newjob({"name": "b", "command": "true", "childrenIds": [first]})
    [container] = server.newjob({"name": "all", "childrenIds": [first, then]})
    server.cancelJobs([container])
    assert {farm.status(job) for job in (first, then, container)} == {"cancelled"}


def test_a_job_of_a_lost_machine_runs_on_another(standin: Farm) -> None:
    farm = standin(clients=1)
    server = farm.server
    job, ended = started_family(farm, server, triesLeft=2)
    farm.kill_client("client1")
    assert all(end() for end in ended)
    farm.wait(job, "waiting for machine")
    assert [one["available"] for one in server.getClients()] == [False]
    farm.revive_client("client1")
    assert farm.lines(job, 6)
    assert farm.jobs[job].runs == ["client1", "client1"]
    farm.kill_client("client1")
    assert farm.wait(job).status == "abandoned"


def test_jobs_of_a_silent_machine_are_abandoned_until_it_is_heard_again(standin: Farm) -> None:
    farm = standin(clients=1)
    server = farm.server
    door = farm.door()
    [job] = server.newjob({"name": "long", "command": "cat $HQROOT/door"})
    farm.silence_client("client1")
    assert farm.status(job) == "abandoned"
    farm.revive_client("client1")
    assert farm.status(job) == "running"
    farm.silence_client("client1")
    end = watch(farm.jobs[job].run.process.pid)  # type: ignore[union-attr]
    door.write_text("")
    assert end()
    assert farm.status(job) == "abandoned"
    farm.revive_client("client1")
    farm.wait(job, "succeeded")


def test_an_ejected_job_starts_again_and_a_deleted_one_is_gone(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    [job] = server.newjob({"name": "long", "command": "echo $$; exec sleep 1000"})
    first, *_ = farm.lines(job, 1)
    server.ejectJobs([job])
    second = farm.lines(job, 2)[1]
    assert first != second
    assert farm.status(job) == "running"
    end = watch(int(second))
    server.deleteJobs([job])
    assert end()
    with pytest.raises(xmlrpc.client.Fault, match="does not exist"):
        server.getJob(job)


def test_the_farm_leaves_nothing_behind(standin_module: Any) -> None:
    with standin_module.StandIn() as farm:
        _, ended = started_family(farm, farm.server)
    assert all(end() for end in ended)
    assert not farm.root.exists()


# -- the server -----------------------------------------------------------------------------
def test_a_stopped_server_refuses_while_its_farm_goes_on(standin: Farm) -> None:
    farm = standin()
    server = farm.server
    door = farm.door()
    [job] = server.newjob({"name": "long", "command": "cat $HQROOT/door"})
    farm.stop()
    with pytest.raises(ConnectionRefusedError):
        server.ping()
    door.write_text("")
    farm.wait(job, "succeeded")
    farm.start()
    assert farm.status(job) == "succeeded"
    farm.restart(lose_state=True)
    with pytest.raises(xmlrpc.client.Fault, match="does not exist"):
        server.getJob(job)
    assert server.newjob({"name": "anew"}) == [1]


def test_a_server_misbehaves_when_told_to(standin: Farm) -> None:
    farm = standin(missing=["getNetworkFolders"])
    server = farm.server
    farm.misbehave("500", "ok", "drop", "drop", "lose", "lose")
    with pytest.raises(xmlrpc.client.ProtocolError) as error:
        server.ping()
    assert error.value.errcode == 500
    assert server.ping() is True
    # The standard library's client asks a second time when a connection breaks.
    with pytest.raises(ConnectionError):
        server.newjob({"name": "never arrived"})
    assert not farm.jobs
    with pytest.raises(ConnectionError):
        server.newjob({"name": "arrived twice"})
    assert [job.spec["name"] for job in farm.jobs.values()] == ["arrived twice"] * 2
    with pytest.raises(xmlrpc.client.Fault, match="not supported"):
        server.getNetworkFolders()
    assert farm.requests == 7
    assert farm.calls == {"ping": 1, "newjob": 2}


def test_clients_groups_and_notes(standin: Farm) -> None:
    farm = standin(clients=2)
    server = farm.server
    [job] = server.newjob(
        {
            "name": "grouped",
            "command": "true",
            "conditions": [{"type": "client", "name": "group", "op": "==", "value": "new"}],
        }
    )
    group = server.createClientGroup("new")
    second = server.getClientByName("client2", ["id", "hostname"])
    assert second["hostname"] == server.getClient(second["id"])["hostname"] == "client2"
    server.addClientToGroup(group, second["id"])
    assert farm.wait(job, "succeeded").runs == ["client2"]
    expected = [{"name": "new", "clients": [second["id"]]}]
    assert server.getClientGroups([group], ["name", "clients"]) == expected
    assert server.addNote("look", None, job, None) is True
    assert farm.jobs[job].notes == ["look"]
    assert server.getNetworkFolders()[0]["linux"] == farm.folders["linux"]
    names = {*server.getSucceededStatusNames(), *server.getPausedJobStatusNames()}
    assert names < set(server.getAllJobStatusNames())


def test_two_thousand_jobs_take_seconds(standin: Farm) -> None:
    farm = standin(clients=4, instant=True)
    server = farm.server
    begun = time.monotonic()
    jobs = server.newjob(
        [{"name": f"s{n}", "command": "true", "tags": ["single"]} for n in range(2000)]
    )
    [container] = server.newjob({"name": "all", "childrenIds": jobs})
    farm.wait(container, "succeeded")
    assert all(server.getJob(job, ["status"]) == {"status": "succeeded"} for job in jobs)
    assert time.monotonic() - begun < 20.0
    assert farm.requests == 2002
    assert 1 <= farm.busiest_second <= 2002
