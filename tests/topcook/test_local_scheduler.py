from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from topcook import pdg
from topcook.jobs.outputs import Snapshot
from topcook.nodes.localscheduler import PARAMETERS
from topcook.parameters.evaluation import NodeParameters, Surroundings, TypedValue
from topcook.schedulers.local import LocalScheduler

Make = Callable[..., LocalScheduler]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(jobs: int | None = None, **values: str) -> LocalScheduler:
        typed = {name: [TypedValue(text)] for name, text in values.items()}
        variables = {
            "HIP": str(tmp_path / "hip"),
            "HIPNAME": "shot",
            "HOUDINI_TEMP_DIR": str(tmp_path / "houdini"),
        }
        around = Surroundings(variables)
        return LocalScheduler(NodeParameters(PARAMETERS, "/local", typed, around), jobs=jobs)

    return build


@pytest.fixture
def item() -> pdg.WorkItem:
    context = pdg.GraphContext()
    parameters = NodeParameters(PARAMETERS, "/run", {}, Surroundings())
    node = pdg.Node(context.graph, "run", pdg.nodeType.Processor, parameters)
    return pdg.WorkItemHolder(node, static=True).addWorkItem()


@pytest.mark.parametrize(
    ("values", "cores", "slots"),
    [
        ({}, 16, 4),
        ({}, 2, 1),
        ({"maxprocsmenu": "-1"}, 16, 15),
        ({"maxprocsmenu": "-1"}, 1, 1),
        ({"maxprocsmenu": "1", "maxprocs": "3"}, 16, 3),
        ({"maxprocsmenu": "1", "maxprocs": "-2"}, 16, 14),
    ],
)
def test_total_slots(make: Make, monkeypatch: pytest.MonkeyPatch, values, cores, slots) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert make(**values).slots == slots
    assert make(jobs=7, **values).slots == 7


def _running(scheduler: LocalScheduler, *jobs: tuple[int, bool]) -> None:
    scheduler.running = [SimpleNamespace(slots=n, single=one) for n, one in jobs]  # type: ignore[misc]


def test_room(make: Make, item: pdg.WorkItem) -> None:
    two = make(jobs=4, local_is_CPU_number_set="on", local_CPUs_to_use="2")
    _running(two, (2, False))
    assert two.has_room(item)
    _running(two, (2, False), (1, False))
    assert not two.has_room(item)
    large = make(jobs=2, local_is_CPU_number_set="on", local_CPUs_to_use="9")
    assert large.has_room(item)
    _running(large, (1, False))
    assert not large.has_room(item)
    single = make(jobs=4, local_single="on")
    _running(single, (1, False))
    assert single.has_room(item)
    _running(single, (1, True))
    assert not single.has_room(item)
    limited = make(jobs=4, pdg_usemaxtasks="on", pdg_maxtasks="1")
    _running(limited, (1, False))
    assert not limited.has_room(item)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/meminfo")
def test_minimum_memory(make: Make, item: pdg.WorkItem) -> None:
    assert make(local_useminfreemem="1", local_minfreemem="1").has_room(item)
    assert not make(local_useminfreemem="1", local_minfreemem="1e9").has_room(item)
    assert not make(local_useminfreemem="2", local_minfreemempct="101").has_room(item)


def test_folders(make: Make, tmp_path: Path) -> None:
    one = make()
    assert one.folders.working == tmp_path / "hip"
    assert one.folders.temp == tmp_path / "houdini/shot/pdgtemp" / str(os.getpid())
    assert one.parameters.surroundings.variables["PDG_DIR"] == str(tmp_path / "hip")
    inside = make(tempdirmenu="0", tempdirappendpid="off", pdg_workingdir="$HIP/work")
    assert inside.folders.temp == tmp_path / "hip/work/pdgtemp"
    custom = make(tempdirmenu="2", tempdircustom="$HIP/x", tempdirappendpid="off")
    assert custom.folders.temp == tmp_path / "hip/x"
    with pytest.raises(pdg.CookError, match="'tempdircustom': it is empty"):
        make(tempdirmenu="2", tempdircustom="")
    assert not (tmp_path / "hip").exists() and not (tmp_path / "houdini").exists()


def test_cleaning_up_leaves_foreign_files(scene: Any, top: Any, tmp_path: Path) -> None:
    from nvdiffrec_tops.cli import main

    foreign = tmp_path / "temp" / "logs" / "mine.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("x")
    command = f'"{sys.executable}" -c "print(1)"'
    node = top("run", "genericgenerator", {"pdg_command": command})
    hip = scene(node, scheduler={"pdg_deletetempdir": "2"})
    assert main(["cook", str(hip)]) == 0
    left = [path for path in (tmp_path / "temp").rglob("*") if path.is_file()]
    assert left == [foreign]


def test_file_dependencies_and_log_name(scene: Any, top: Any, tmp_path: Path) -> None:
    from nvdiffrec_tops.cli import main

    (tmp_path / "tool.py").write_text("print('from the tool')")
    parms = {
        "pdgnodedeps": 1,
        "pdgnodedep1": "$HIP/tool.py",
        "pdg_command": "__PDG_PYTHON__ __PDG_SCRIPTDIR__/tool.py",
    }
    settings = {"uselogfilename": "on", "logfilename": "sub/`@pdg_name`.txt"}
    hip = scene(top("run", "genericgenerator", parms), scheduler=settings)
    assert main(["cook", str(hip)]) == 0
    assert (tmp_path / "temp/logs/sub/run_1.txt").read_text() == "from the tool\n"
    (tmp_path / "tool.py").unlink()
    assert main(["cook", str(hip)]) == 1


def test_unfinished_outputs(tmp_path: Path) -> None:
    new, old, kept, folder = (tmp_path / name for name in ("new", "old", "kept", "folder"))
    old.write_text("before")
    kept.write_text("before")
    snapshot = Snapshot.of([pdg.File(str(path)) for path in (new, old, kept, folder)])
    new.write_text("half")
    old.write_text("half of it")
    folder.mkdir()
    (folder / "part").write_text("x")
    assert set(snapshot.touched()) == {new, old, folder}
    snapshot.discard()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"kept", "folder.incomplete"}
