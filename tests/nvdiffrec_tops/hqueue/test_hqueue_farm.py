"""Scenes cooked on a farm, and all that can go wrong on the way."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.cook.console import cause
from nvdiffrec_tops.cook.farm.command import submit_scene
from nvdiffrec_tops.cook.farm.scheduler import FarmSetup, HQueueScheduler
from nvdiffrec_tops.cook.options import CookCommandError
from nvdiffrec_tops.hqueue import record
from nvdiffrec_tops.hqueue.jobspec import FarmOptions
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.server import Server
from nvdiffrec_tops.hqueue.task import Pace
from topcook import pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.network.opening import open_network

LIMIT = 20.0
PACE = Pace(interval=0.05, settle=0.5, goodbye=3.0)
Write = Callable[..., Path]


@dataclass
class Cooking:
    """A cook on a farm, on a thread of its own."""

    scene: Path
    farm: Any
    options: FarmOptions = field(default_factory=FarmOptions)
    pace: Pace = PACE
    shares: tuple[str, ...] = ("/",)
    said: list[str] = field(default_factory=list)
    result: CookResult | None = None
    error: BaseException | None = None

    def __enter__(self) -> Cooking:
        network = open_network(self.scene)
        setup = FarmSetup(
            server=Server(self.farm.address, timeout=5.0, patience=0.0, requests_per_second=500.0),
            shared=SharedFolders.of([{"linux": one} for one in self.shares]),
            options=self.options,
            given=frozenset(),
            token="token",
            scene=str(self.scene),
            say=self.said.append,
            machine=lambda item, machine, attempt: self.said.append(
                f"{item.name} on {machine} {attempt}"
            ),
            pace=self.pace,
        )
        self.scheduler = HQueueScheduler(network.scheduler, setup)
        self.cook = Cook(network.context, self.scheduler, Watcher())
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self) -> None:
        try:
            with self.scheduler:
                self.result = self.cook.run()
        except BaseException as error:
            self.error = error

    def __exit__(self, *error: object) -> None:
        self.cook.request_stop() if error[0] else None
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), self.said
        if self.error is not None:
            raise self.error

    @property
    def items(self) -> list[pdg.WorkItem]:
        return self.cook.graph.workItems()

    def states(self) -> list[str]:
        return [item.state.name for item in self.items]


def until(condition: Callable[[], object], what: object = "") -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


def knock(*doors: Path) -> None:
    """Let the jobs that wait at pipes go on, now or as soon as they are there, in any order."""
    shut = set(doors)

    def opened() -> bool:
        for door in list(shut):
            try:
                descriptor = os.open(door, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                continue
            os.write(descriptor, b"go")
            os.close(descriptor)
            shut.discard(door)
        return not shut

    until(opened)


def program(text: str, *words: str) -> list[str]:
    return [sys.executable, "-c", text, *words]


def test_jobs_run_on_two_machines_and_tell_what_they_made(
    standin: Any, scene: Write, tmp_path: Path
) -> None:
    farm = standin(2)
    text = (
        "import os,sys; p=sys.argv[1]+os.environ['PDG_INDEX']; open(p,'w').write('x'); "
        "i=os.environ['PDG_ITEM_ID']; "
        "print('ALF_PROGRESS 50%'); print(f'PDG_RESULT: {i};-1;{p};file/txt;0'); "
        "print(f'PDG_ATTRIB: {i};psnr;31.5')"
    )
    path = scene(program(text, str(tmp_path / "out")), items=3)
    with Cooking(path, farm) as cooking:
        pass
    assert cooking.result is not None and cooking.result.successful
    for item in cooking.items:
        assert [one.path for one in item.outputFiles] == [str(tmp_path / f"out{item.index}")]
        assert item.floatAttribValue("psnr") == 31.5
        assert item.attribValue("machine")
        assert "ALF_PROGRESS" in Path(str(item.logPath)).read_text()
    assert {one.name for one in farm.machines.values() if one.name} == {"client1", "client2"}
    container = farm.jobs[cooking.scheduler.submission.container]
    assert container.spec["name"] == "a job of shot" and "command" not in container.spec
    assert len(container.children) == 3
    job = container.children[0]
    assert "PROGRESS: 50/100" in list(job.output)
    assert job.spec["submittedBy"] and "token" in job.spec["description"]
    assert job.spec["conditions"] == [
        {"type": "client", "name": "os", "op": "==", "value": "linux"}
    ]


def test_items_wait_for_those_above(standin: Any, scene: Write, tmp_path: Path) -> None:
    log = tmp_path / "order"
    note = "import os,sys; open(sys.argv[1],'a').write(os.environ['PDG_ITEM_NAME'][:4])"
    path = scene(program(note, str(log)), program(note, str(log)))
    with Cooking(path, standin(2)) as cooking:
        pass
    assert cooking.states() == ["CookedSuccess"] * 2
    assert log.read_text() == "run0run1"


def test_the_environment_is_not_that_of_this_machine(
    standin: Any, scene: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME_OF_ARTIST", "x")
    text = "import json,os,sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    path = scene(
        program(text, str(tmp_path / "env")),
        hqueue_envunset="LANG SECRET",
        hqueue_priority=8,
        hqueue_tags="single, gpu",
    )
    farm = standin(1, environment={"SECRET": "1", "KEPT": "2"})
    with Cooking(path, farm) as cooking:
        pass
    found = json.loads((tmp_path / "env").read_text())
    assert "PYTHONHOME_OF_ARTIST" not in found and "SECRET" not in found
    assert found["KEPT"] == "2" and found["PDG_ITEM_NAME"] == cooking.items[0].name
    assert found["HIP"] == str(tmp_path / "hip")
    spec = farm.jobs[1].spec
    assert (spec["priority"], spec["tags"]) == (8, ["single", "gpu"])


# -- the server ---------------------------------------------------------------------------------
def test_a_server_that_is_not_there(
    scene: Write, capsys: pytest.CaptureFixture[str], standin: Any
) -> None:
    farm = standin(1)
    farm.stop()
    path = scene("true")
    for command in (["submit", "--server", farm.address], ["cook", "--set"]):
        more = [
            *command[1:],
            *([f"hqueuescheduler.address={farm.address}"] if "cook" in command else []),
        ]
        assert main([command[0], str(path), *more, "--share", "/"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: ") and farm.address in said and "Traceback" not in said
    assert not (path.parent / "pdgtemp").exists()


def test_a_server_that_goes_away_while_jobs_run(standin: Any, scene: Write) -> None:
    farm = standin(1)
    door = farm.door()
    path = scene(program("import sys; open(sys.argv[1]).read()", str(door)), items=2)
    with Cooking(path, farm) as cooking:
        until(lambda: any(" on " in one for one in cooking.said))
        farm.stop()
        until(lambda: any("followed by their files" in one for one in cooking.said))
        knock(door)
        until(lambda: cooking.states().count("CookedSuccess") == 1)
        farm.start()
        until(lambda: any("answers again" in one for one in cooking.said))
        knock(door)
    assert cooking.states() == ["CookedSuccess"] * 2


def test_a_server_that_has_lost_its_jobs_is_given_them_again(standin: Any, scene: Write) -> None:
    farm = standin(1)
    doors = [farm.door(f"door{number}") for number in range(3)]
    text = "import os,sys; open(sys.argv[1] + os.environ['PDG_INDEX']).read()"
    path = scene(program(text, str(doors[0])[:-1]), items=3)
    with Cooking(path, farm) as cooking:
        until(lambda: any(" on " in one for one in cooking.said))
        farm.restart(lose_state=True)
        until(lambda: any("does not know job" in one for one in cooking.said), lambda: cooking.said)
        knock(*doors)
    assert cooking.states() == ["CookedSuccess"] * 3
    state = cooking.scheduler.submission.state
    attempts = [state.read(f"{one.name}.done") for one in cooking.items]
    assert [one["attempt"] for one in attempts] == [1, 1, 1]


def test_an_answer_that_is_lost_does_not_run_items_twice(
    standin: Any, scene: Write, tmp_path: Path
) -> None:
    farm = standin(2)
    text = "import os,sys; open(sys.argv[1] + os.environ['PDG_INDEX'], 'a').write('x')"
    path = scene(program(text, str(tmp_path / "ran")), items=4)
    farm.misbehave("lose")
    with Cooking(path, farm) as cooking:
        pass
    assert cooking.states() == ["CookedSuccess"] * 4
    assert [(tmp_path / f"ran{i}").read_text() for i in range(4)] == ["x"] * 4


# -- machines and jobs --------------------------------------------------------------------------
def test_a_machine_that_is_lost(standin: Any, scene: Write, tmp_path: Path) -> None:
    farm = standin(2)
    door = farm.door()
    text = "import sys; print('begun', flush=True); open(sys.argv[1]).read(); print('end')"
    path = scene(program(text, str(door)))
    with Cooking(path, farm) as cooking:
        until(lambda: any(" on " in one for one in cooking.said))
        log = Path(str(cooking.items[0].logPath))
        until(lambda: "begun" in log.read_text())
        farm.kill_client(farm.jobs[1].runs[-1])
        until(lambda: log.read_text().count("begun") == 2)
        knock(door)
    assert cooking.states() == ["CookedSuccess"]
    assert any(one.endswith(" 2") for one in cooking.said)
    assert log.read_text().splitlines()[-1] == "end"


def test_a_machine_that_was_only_silent(standin: Any, scene: Write) -> None:
    farm = standin(1)
    door = farm.door()
    path = scene(program("import sys; open(sys.argv[1]).read()", str(door)))
    with Cooking(path, farm) as cooking:
        until(lambda: any(" on " in one for one in cooking.said))
        farm.silence_client("client1")
        before = farm.calls["getJob"]
        until(lambda: farm.calls["getJob"] > before + 20)
        assert cooking.states() == ["Cooking"]
        farm.revive_client("client1")
        knock(door)
    assert cooking.states() == ["CookedSuccess"]


def test_a_job_that_fails_for_good(standin: Any, scene: Write, tmp_path: Path) -> None:
    text = (
        "import os,sys; open(sys.argv[1],'a').write('x'); "
        "import json; told = dict(id='full', cause='the disk is full', cure='make room'); "
        "print('PDG_FAILURE: ' + os.environ['PDG_ITEM_ID'] + ';' + json.dumps(told)); "
        "sys.exit(4 if os.environ['PDG_INDEX']=='0' else 0)"
    )
    farm = standin(1)
    path = scene(program(text, str(tmp_path / "runs")), "true", items=2)
    with Cooking(path, farm, FarmOptions(tries=3)) as cooking:
        pass
    assert (tmp_path / "runs").read_text() == "xx", "the farm's tries are for lost machines"
    first, other = cooking.items[:2]
    assert (first.state.name, other.state.name) == ("CookedFail", "CookedSuccess")
    assert "exit code 4 on " in cause(first) and "make room" in cause(first)
    assert cooking.result is not None and not cooking.result.successful


def test_a_machine_that_cannot_start_the_job(standin: Any, scene: Write, tmp_path: Path) -> None:
    farm = standin(1)
    path = scene(program("pass"))
    python = str(tmp_path / "gone" / "python3")
    options = FarmOptions(interpreters={"linux": python}, tries=1)
    with Cooking(path, farm, options) as cooking:
        pass
    said = cause(cooking.items[0])
    assert "HQueue says: failed" in said and f"{farm.address}/jobs/view/1" in said


def test_a_shared_folder_that_the_machine_does_not_see(standin: Any, scene: Write) -> None:
    farm = standin(1, instant=True)
    with Cooking(scene("true"), farm) as cooking:
        pass
    assert "has left nothing in" in cause(cooking.items[0])


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_cook_that_is_stopped_leaves_nothing_behind(
    standin: Any, scene: Write, tmp_path: Path
) -> None:
    farm = standin(2)
    text = (
        "import os,sys,time; path = sys.argv[1] + os.environ['PDG_INDEX']; "
        "open(path, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    path = scene(program(text, str(tmp_path / "pid")), items=5)
    with Cooking(path, farm) as cooking:
        until(lambda: len([*tmp_path.glob("pid*")]) == 2)
        until(lambda: all(one.read_text() for one in tmp_path.glob("pid*")))
        cooking.cook.request_stop()
    assert cooking.result is not None and cooking.result.stopped
    assert set(cooking.states()) <= {"CookedCancel", "Waiting"}
    pids = [int(one.read_text()) for one in tmp_path.glob("pid*")]
    until(lambda: not any(alive(pid) for pid in pids))
    assert len(pids) == 2
    assert not [*tmp_path.rglob("*.part")]


# -- paths and names ----------------------------------------------------------------------------
def test_a_file_that_the_farm_does_not_see(standin: Any, scene: Write, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere.txt"
    data.write_text("x")
    path = scene(program("pass", str(data)))
    import nvdiffrec_tops

    shares = (str(path.parent), str(Path(nvdiffrec_tops.__file__).parents[2]), sys.prefix)
    with Cooking(path, standin(1), shares=shares) as cooking:
        pass
    assert str(data) in cause(cooking.items[0]) and "--share" in cause(cooking.items[0])
    with pytest.raises(Exception, match="in no folder that the farm shares"):
        Cooking(path, standin(1), shares=(str(tmp_path / "other"),)).__enter__()


@pytest.mark.parametrize(
    "name",
    [
        "two words",
        "it's",
        'a"b',
        "$(touch oops)",
        "a;touch oops;",
        "100% !x! ^&|<>",
    ],
)
def test_hostile_names_reach_no_shell(
    standin: Any, scene: Write, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    text = "import sys; open(sys.argv[1] + '/made', 'w').write(sys.argv[2])"
    path = scene(program(text, str(folder), name))
    moved = folder / "hip" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    with Cooking(moved, standin(1), FarmOptions(description=name, tags=(name,))) as cooking:
        pass
    assert cooking.states() == ["CookedSuccess"], cause(cooking.items[0])
    assert (folder / "made").read_text() == name
    assert not [*tmp_path.rglob("oops")] and not Path("oops").exists()


# -- the commands -------------------------------------------------------------------------------
def test_submitted_followed_and_listed(
    standin: Any, scene: Write, run: Any, tmp_path: Path
) -> None:
    farm = standin(2)
    door = farm.door()
    note = (
        "import os,sys; open(sys.argv[1]).read(); "
        "print('PDG_ATTRIB: %s;faces;7' % os.environ['PDG_ITEM_ID'])"
    )
    after = "import sys; open(sys.argv[1],'a').write('after')"
    path = scene(program(note, str(door)), program(after, str(tmp_path / "log")))
    code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    document = json.loads(out)
    assert code == 0 and len(document["jobs"]) == 2
    job = str(document["job"])
    code, out, _ = run("status", "--json")
    [row] = json.loads(out)
    assert row["job"] == document["job"] and row["waiting"] + row["running"] == 2
    assert not (tmp_path / "log").exists(), "the second job waits for the first"
    knock(door)
    code, out, _ = run("follow", job, "--json")
    report = json.loads(out)
    assert code == 0 and report["successful"]
    assert [item["stateName"] for item in report["items"]] == ["CookedSuccess"] * 2
    assert report["items"][0]["attributes"]["faces"] == [7]
    assert (tmp_path / "log").read_text() == "after"
    assert run("follow", document["folder"])[0] == 0, "a submission that has ended says so again"
    assert json.loads(run("status", job, "--json")[1])[0]["done"] == 2


def test_cancelled_by_its_number(standin: Any, scene: Write, run: Any, tmp_path: Path) -> None:
    farm = standin(1)
    text = "import os,sys,time; open(sys.argv[1],'w').write(str(os.getpid())); time.sleep(600)"
    path = scene(program(text, str(tmp_path / "pid")), "true")
    _code, out, _ = run("submit", str(path), "--server", farm.address, "--share", "/", "--json")
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    job = str(json.loads(out)["job"])
    assert run("cancel", job)[0] == 0
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not alive(pid))
    farm.wait(1, "cancelled")


@pytest.mark.parametrize(
    "words", [("follow", "77"), ("cancel", "x y"), ("status", "9"), ("follow", "/")]
)
def test_what_is_not_known(run: Any, words: tuple[str, ...]) -> None:
    code, _, said = run(*words)
    assert code == 1 and said.startswith("error: ")


def test_damaged_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    for text in ("", "[]", "{}", '{"version": 1}', '{"version":1,"items":[{"name":3}]}'):
        path.write_text(text)
        with pytest.raises(HQueueProblem, match=r"submission\.json"):
            record.read(path)


def test_submitted_by_a_program(standin: Any, scene: Write) -> None:
    farm = standin(1)
    path = scene("true", items=2)
    sent = submit_scene(path, "--server", farm.address, "--share", "/", "--priority", "7")
    assert len(sent["jobs"]) == 2 and sent["server"] == farm.address
    assert farm.jobs[sent["jobs"][0]].spec["priority"] == 7
    farm.wait(sent["job"])
    report = submit_scene(path, "--server", farm.address, "--share", "/", "--follow")
    assert report["successful"] and len(report["items"]) == 2
    with pytest.raises(CookCommandError, match="priority"):
        submit_scene(path, "--priority", "99")
